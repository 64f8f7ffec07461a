"""InnerProduct and Embed."""

from __future__ import annotations

from prototxt_net.layers.base import Context, LayerType, layer, whole
from prototxt_net.layers.fillers import filled
from prototxt_net.shape import Dim, product, text


def declare_weights(s: Context, message: str, outputs: int, inputs: Dim | None, *, transpose: bool = False) -> None:
    """The weight (outputs, inputs), transposed on demand, and the bias (outputs) unless bias_term is false."""
    shape = None if inputs is None else (inputs, outputs) if transpose else (outputs, inputs)
    filled(s, "weight", shape, f"{message}.weight_filler")
    if s.param(message).get("bias_term"):
        filled(s, "bias", (outputs,), f"{message}.bias_filler")


@layer("InnerProduct")
class InnerProduct(LayerType):
    """A fully connected layer."""

    in_place = "forward-wrong"
    summary = (
        "A fully connected layer: flattens the input from `axis` on and gives num_output weighted sums of all of it. "
        "The number of inputs is fixed by the weights, so the image size is too."
    )
    formula = "y = W x + b"

    def set_up(self, s: Context) -> None:
        """Weight (num_output, K), K the product of the sizes from `axis` on."""
        s.macs(None)  # until the sizes are known
        p = s.param("inner_product_param")
        outputs = whole(p, "num_output", 0)
        s.require(
            outputs > 0,
            "SHP005",
            f"{s.name} has no num_output, so it would have no outputs; Caffe aborts in the filler with a message about "
            "an empty blob. Set it.",
            "inner_product_param.num_output",
            data={"missing": ("num_output",)},
        )
        shape = s.bottom()
        axis = s.axis(whole(p, "axis", 1), shape, at="inner_product_param.axis")
        inputs = None if shape is None or axis is None else product(shape[axis:])
        declare_weights(s, "inner_product_param", outputs, inputs, transpose=bool(p.get("transpose")))
        if shape is None or axis is None or inputs is None:
            return
        s.expect(
            0 not in shape[:axis] or not p.get("bias_term") or s.dialect != "bvlc",
            "SHP007",
            f"{s.name}: its bottom {text(shape)} holds no sample, so there is nothing to add the bias to; Caffe aborts "
            'with "Check failed: data_". Correct the size that is 0.',
            "bottom",
            data={"sizes": tuple((0, at) for at, size in enumerate(shape[:axis]) if size == 0)},
        )
        s.top((*shape[:axis], outputs))
        s.macs(product((*shape[:axis], outputs, inputs)))


@layer("Embed")
class Embed(LayerType):
    """A table of learned vectors."""

    in_place = "forward-wrong"
    backward = True
    summary = "Looks up one learned vector for each integer in the input: a fully connected layer on one-hot vectors."
    formula = "y = W[index] + b"

    def set_up(self, s: Context) -> None:
        """Weight (input_dim, num_output); the top has one axis more than the bottom."""
        p = s.param("embed_param")
        outputs, inputs = whole(p, "num_output", 0), whole(p, "input_dim", 0)
        s.expect(
            outputs > 0,
            "SHP005",
            f"{s.name} has no num_output, so it would have no outputs; Caffe aborts. Set it.",
            "embed_param.num_output",
            data={"missing": ("num_output",)},
        )
        s.require(
            inputs > 0,
            "SHP024",
            f"{s.name} has no input_dim (the number of different indices); Caffe aborts. Set it.",
            "embed_param.input_dim",
            data={"missing": ("input_dim",)},
        )
        declare_weights(s, "embed_param", outputs, inputs, transpose=True)
        shape = s.bottom()
        s.top(None if shape is None else (*shape, outputs))
