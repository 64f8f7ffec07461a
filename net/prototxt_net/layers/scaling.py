"""Scale and Bias: a factor or an offset that is stretched over the axes it does not have. Also forks' relatives."""

from __future__ import annotations

from prototxt_net.layers.base import Context, LayerType, layer, whole
from prototxt_net.layers.fillers import filled
from prototxt_net.shape import Shape, same, same_shape, text


def _operand_shape(s: Context, message: str) -> Shape | None:
    """The shape of a learned operand: bottom.shape[axis : axis + num_axes]. Raises Refused where Caffe aborts."""
    p = s.param(message)
    shape = s.bottom()
    num_axes = whole(p, "num_axes", 1)
    s.require(
        num_axes >= -1,
        "SHP019",
        f"{s.name}: num_axes {num_axes} must be -1 (to the end) or more; Caffe aborts. Correct it.",
        f"{message}.num_axes",
    )
    axis = s.axis(whole(p, "axis", 1), shape, at=f"{message}.axis")
    if shape is None or axis is None:
        return () if num_axes == 0 else None
    if num_axes == -1:
        return shape[axis:]
    s.require(
        axis + num_axes <= len(shape),
        "SHP019",
        f"{s.name}: {num_axes} axes from axis {axis} go beyond {text(shape)}; Caffe aborts. Lower num_axes or axis.",
        f"{message}.num_axes" if p.has("num_axes") else f"{message}.axis",
    )
    return shape[axis : axis + num_axes]


def _check_second_bottom(s: Context, message: str, what: str) -> None:
    """bottom[1] must equal bottom[0] axis by axis from `axis` on."""
    shape, operand = s.bottom(0), s.bottom(1)
    if shape is None or operand is None or not operand:
        return
    axis = s.axis(whole(s.param(message), "axis", 1), shape, at=f"{message}.axis")
    assert axis is not None
    fits: bool | None = axis + len(operand) <= len(shape)
    if fits:
        verdicts = [same(a, b) for a, b in zip(shape[axis:], operand, strict=False)]
        fits = False if False in verdicts else None if None in verdicts else True
    s.require(
        fits,
        "SHP019",
        f"{s.name}: {what} {text(operand)} does not fit {text(shape)} from axis {axis} (sizes must be equal; sizes of "
        "1 are not stretched). Caffe aborts. Change axis, or the shape of the second bottom.",
        "bottom.1",
        data={"sizes": ((0, None), (1, None))},
    )


@layer("Scale")
class Scale(LayerType):
    """A learned factor for each channel, with an optional offset."""

    bottoms = (1, 2)
    in_place = "safe"
    summary = (
        "Multiplies by a learned factor, one for each channel by default (gamma), and with bias_term: true adds a "
        "learned offset (beta). With two bottoms the second one is the factor."
    )
    formula = "y = gamma * x [+ beta]"

    def set_up(self, s: Context) -> None:
        """Blobs gamma (bottom.shape[axis : axis + num_axes]) and beta; with two bottoms beta alone."""
        p = s.param("scale_param")
        if len(s.layer.bottoms) == 1:
            operand = _operand_shape(s, "scale_param")
            filled(s, "gamma", operand, "scale_param.filler", 1.0)
        else:
            _check_second_bottom(s, "scale_param", "factor")
            operand = s.bottom(1)
        if p.get("bias_term"):
            filled(s, "beta", operand, "scale_param.bias_filler")
        s.top(s.bottom())


@layer("Bias")
class Bias(LayerType):
    """A learned offset for each channel."""

    bottoms = (1, 2)
    in_place = "safe"
    summary = "Adds a learned offset, one for each channel by default. With two bottoms the second one is added."
    formula = "y = x + beta"

    def set_up(self, s: Context) -> None:
        """Blob beta (bottom.shape[axis : axis + num_axes]) with one bottom, none with two."""
        if len(s.layer.bottoms) == 1:
            filled(s, "beta", _operand_shape(s, "bias_param"), "bias_param.filler")
        else:
            _check_second_bottom(s, "bias_param", "offset")
        s.top(s.bottom())


@layer("Axpy")
class Axpy(LayerType):
    """Scale and add in one layer, as squeeze-and-excitation nets need it."""

    bottoms = (3, 3)
    in_place = "unknown"
    summary = "Multiplies the second bottom by one number for each channel (the first bottom) and adds the third."
    formula = "y = a[n,c] * x + z"

    def set_up(self, s: Context) -> None:
        """The shape of bottom[1]."""
        a, x, z = s.bottom(0), s.bottom(1), s.bottom(2)
        if a is not None and x is not None and len(a) >= 2 and len(x) >= 2:
            s.expect(
                False if False in (same(a[0], x[0]), same(a[1], x[1])) else None,
                "SHP019",
                f"{s.name}: factors {text(a)} and {text(x)} must agree on axes 0 and 1; Caffe aborts. Reshape one.",
                "bottom",
            )
        s.expect(
            same_shape(x, z),
            "SHP013",
            f"{s.name}: adds {text(x)} and {text(z)}; Caffe aborts because the shapes must be equal. Make them equal.",
            "bottom.2",
            data={"differ": (1, 2, None)},
        )
        s.top(x)


@layer("ScaleFilter")
class ScaleFilter(LayerType):
    """Random factors for whole channels in TRAIN."""

    in_place = "safe"
    summary = (
        "In TRAIN multiplies each channel of each sample by a random factor between min_scale and max_scale; in TEST "
        "it copies."
    )
    formula = "y = u[n,c] * x"
