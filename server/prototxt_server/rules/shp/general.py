"""SHP001, SHP002, SHP008, SHP016 to SHP019, SHP023, SHP024: counts, axes and the CHECKs of single layer types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prototxt_grammar.edits import Edit
from prototxt_net.finding import Fix, Problem
from prototxt_net.net import Node
from prototxt_server.rules.base import Example, ProblemRule, rule
from prototxt_server.rules.bn.nets import layer
from prototxt_server.rules.editing import delete_entry
from prototxt_server.rules.example_nets import IMAGE, LABELLED, LOSS, SCORE

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis


@rule
class BottomCount(ProblemRule):
    """Too many or too few inputs.

    ## What it does
    Reports a layer with a number of bottoms that its type does not take.

    ## Why is this bad?
    Caffe aborts when it sets the layer up.

    ## Fix safety
    There is no automatic fix.
    """

    code = "SHP001"
    name = "bottom-count"
    severity = "error"
    GOOD = (Example(IMAGE + layer("Eltwise", "sum", "data data", "sum")),)
    BAD = (
        Example(IMAGE + layer("Eltwise", "sum", "data", "sum")),
        Example(IMAGE + layer("Pooling", "pool", "data data", "pool", "pooling_param { kernel_size: 2 }")),
    )


@rule
class TopCount(ProblemRule):
    """Too many or too few outputs.

    ## What it does
    Reports a layer with a number of tops that its type does not make. A loss layer may leave its top out.
    SoftmaxWithLoss declares a second top, but no loss_weight makes it load.

    ## Why is this bad?
    Caffe aborts when it sets the layer up.

    ## Fix safety
    Safe for SoftmaxWithLoss, whose unread second top is deleted. Otherwise there is no fix.
    """

    code = "SHP002"
    name = "top-count"
    severity = "error"
    fix_safety = "safe"
    GOOD = (Example(LABELLED + SCORE + LOSS), Example(LABELLED + SCORE + LOSS.replace('  top: "loss"\n', "")))
    BAD = (
        Example(
            LABELLED + SCORE + LOSS.replace('top: "loss"', 'top: "loss"\n  top: "prob"'), fixed=LABELLED + SCORE + LOSS
        ),
        Example(IMAGE + layer("ReLU", "relu", "data", "a b")),
    )

    def fix(self, analysis: Analysis, node: Node | None, problem: Problem) -> Fix | None:
        """Drop SoftmaxWithLoss's second top."""
        if node is None or node.type != "SoftmaxWithLoss" or len(node.tops) != 2 or node.tops[1].readers:
            return None
        entry = node.layer.bound.entry("top", 1)
        if entry is None or len(node.layer.bound.entries.get("loss_weight", ())) > 1:
            return None
        return Fix("safe", "Delete the second top", (delete_entry(analysis.tree.text, node.layer.base, entry),))


@rule
class AxisRange(ProblemRule):
    """An axis that the blob does not have.

    ## What it does
    Reports an axis outside of -rank to rank - 1 of the blob that it counts on.

    ## Why is this bad?
    Caffe aborts when it sets the layer up.

    ## Fix safety
    There is no automatic fix.
    """

    code = "SHP008"
    name = "axis-range"
    severity = "error"
    GOOD = (Example(IMAGE + layer("Flatten", "flat", "data", "flat", "flatten_param { axis: -3 }")),)
    BAD = (
        Example(IMAGE + layer("Flatten", "flat", "data", "flat", "flatten_param { axis: 4 }")),
        Example(IMAGE + layer("Concat", "cat", "data data", "cat", "concat_param { axis: -5 }")),
    )


@rule
class ReshapeFits(ProblemRule):
    """A shape that the elements do not fill.

    ## What it does
    Reports a Reshape whose shape has two -1, a 0 without an axis to copy, a size below -1, or another number of
    elements than the input.

    ## Why is this bad?
    Caffe aborts when it sets the layer up.

    ## Fix safety
    There is no automatic fix.
    """

    code = "SHP016"
    name = "reshape"
    severity = "error"
    _RESHAPE = IMAGE + layer("Reshape", "r", "data", "r", "reshape_param { shape { %s } }")
    GOOD = (Example(_RESHAPE.replace("%s", "dim: 0 dim: -1")),)
    BAD = (
        Example(_RESHAPE.replace("%s", "dim: -1 dim: -1")),
        Example(_RESHAPE.replace("%s", "dim: 0 dim: 100")),
    )


@rule
class CropFits(ProblemRule):
    """A crop that leaves its input.

    ## What it does
    Reports a Crop whose offset and size reach beyond the input, whose number of offsets fits neither one nor the
    cropped axes, or whose axis does not exist.

    ## Why is this bad?
    Caffe aborts when it sets the layer up.

    ## Fix safety
    There is no automatic fix.
    """

    code = "SHP017"
    name = "crop"
    severity = "error"
    _CROP = (
        IMAGE
        + layer("Pooling", "small", "data", "small", "pooling_param { kernel_size: 2 stride: 2 }")
        + layer("Crop", "crop", "data small", "crop", "crop_param { axis: 2 offset: %s }")
    )
    GOOD = (Example(_CROP.replace("%s", "4")),)
    BAD = (Example(_CROP.replace("%s", "5")), Example(_CROP.replace("%s", "1 offset: 1 offset: 1")))


@rule
class Lrn(ProblemRule):
    """A neighbourhood without a middle.

    ## What it does
    Reports an LRN with an even local_size, or on a blob that has not 4 axes.

    ## Why is this bad?
    Caffe aborts when it sets the layer up.

    ## Fix safety
    Unsafe: local_size is made one larger.
    """

    code = "SHP018"
    name = "lrn"
    severity = "error"
    fix_safety = "unsafe"
    _LRN = IMAGE + layer("LRN", "norm", "data", "norm", "lrn_param { local_size: %s }")
    GOOD = (Example(_LRN.replace("%s", "5")),)
    BAD = (
        Example(_LRN.replace("%s", "4"), fixed=_LRN.replace("%s", "5")),
        Example(
            IMAGE
            + layer("InnerProduct", "ip", "data", "ip", "inner_product_param { num_output: 4 }")
            + layer("LRN", "norm", "ip", "norm")
        ),
    )

    def fix(self, analysis: Analysis, node: Node | None, problem: Problem) -> Fix | None:
        """The next odd size."""
        size, entry = problem.data.get("size"), node.layer.bound.find("lrn_param.local_size") if node else None
        if node is None or entry is None or not isinstance(size, int) or size % 2:
            return None
        base = node.layer.base
        return Fix("unsafe", f"Use {size + 1}", (Edit(base + entry.start, base + entry.end, str(size + 1)),))


@rule
class ScaleBiasDims(ProblemRule):
    """A factor that does not fit its blob.

    ## What it does
    Reports a Scale or Bias whose second input does not have the sizes of the first from `axis` on, reaches beyond it,
    or whose num_axes is below -1 or too large.

    ## Why is this bad?
    Caffe aborts: sizes must be equal, and a size of 1 is not stretched.

    ## Fix safety
    There is no automatic fix.
    """

    code = "SHP019"
    name = "scale-bias-dims"
    severity = "error"
    _SE = (
        IMAGE
        + layer("Pooling", "pool", "data", "pool", "pooling_param { pool: AVE global_pooling: true }")
        + layer("InnerProduct", "gate", "pool", "gate", "inner_product_param { num_output: %s }")
        + layer("Scale", "scale", "data gate", "scale", "scale_param { axis: 0 }")
    )
    GOOD = (Example(_SE.replace("%s", "3")),)
    BAD = (
        Example(_SE.replace("%s", "4")),
        Example(IMAGE + layer("Scale", "s", "data", "s", "scale_param { axis: 2 num_axes: 3 }")),
    )


@rule
class InputShapeCount(ProblemRule):
    """Shapes that do not go with the tops.

    ## What it does
    Reports an Input or DummyData layer whose number of shapes or fillers is neither one nor the number of tops, and old
    and new ways of writing a shape in one layer. For information: an Input without any shape.

    ## Why is this bad?
    Caffe aborts. An Input without a shape loads, but a forward aborts unless the program reshapes the blob first.

    ## Fix safety
    There is no automatic fix.
    """

    code = "SHP023"
    name = "input-shape-count"
    severity = "error"
    _INPUT = layer("Input", "data", "", "a b c", "input_param { %s }")
    GOOD = (Example(_INPUT.replace("%s", "shape { dim: 1 dim: 3 }")),)
    BAD = (
        Example(_INPUT.replace("%s", "shape { dim: 1 } shape { dim: 2 }")),
        Example(layer("Input", "data", "", "data")),
    )


@rule
class LayerOwnChecks(ProblemRule):
    """A condition of one layer type.

    ## What it does
    Reports what single layer types check by themselves: PReLU on fewer than 2 axes, ArgMax with too large a top_k,
    Embed without input_dim, Tile with 0 tiles, Exp and Log with an impossible base, Filter with selectors of the wrong
    size, LSTM and RNN with inputs of the wrong rank, and old layers on blobs of more than 4 axes.

    ## Why is this bad?
    Caffe aborts when it sets the layer up.

    ## Fix safety
    There is no automatic fix.
    """

    code = "SHP024"
    name = "prelu-rank-etc"
    severity = "error"
    GOOD = (Example(IMAGE + layer("Exp", "exp", "data", "exp", "exp_param { base: 2 }")),)
    BAD = (
        Example(IMAGE + layer("Exp", "exp", "data", "exp", "exp_param { base: 0 }")),
        Example(IMAGE + layer("ArgMax", "max", "data", "max", "argmax_param { top_k: 1000 }")),
    )
