"""SHP012 to SHP015: layers in which paths meet or part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prototxt_net.finding import Fix, Problem
from prototxt_net.net import Node
from prototxt_server.rules.base import Example, ProblemRule, rule
from prototxt_server.rules.bn.nets import layer
from prototxt_server.rules.example_nets import IMAGE
from prototxt_server.rules.shp.fixes import without

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis


def _two(fields_a: str, fields_b: str, *join: str) -> str:
    """Two convolutions of the image, and what joins them."""
    return (
        IMAGE
        + layer("Convolution", "a", "data", "a", f"convolution_param {{ {fields_a} }}")
        + layer("Convolution", "b", "data", "b", f"convolution_param {{ {fields_b} }}")
        + "".join(join)
    )


@rule
class ConcatMismatch(ProblemRule):
    """Blobs that cannot be joined.

    ## What it does
    Reports a Concat whose inputs differ in an axis other than the joined one, and one that gives both axis and
    concat_dim.

    ## Why is this bad?
    Caffe aborts when it sets the layer up.

    ## Fix safety
    There is no automatic fix: the paths have to be given equal sizes.
    """

    code = "SHP012"
    name = "concat-mismatch"
    severity = "error"
    GOOD = (
        Example(_two("num_output: 4 kernel_size: 3", "num_output: 5 kernel_size: 3", layer("Concat", "c", "a b", "c"))),
    )
    BAD = (
        Example(_two("num_output: 4 kernel_size: 3", "num_output: 4 kernel_size: 1", layer("Concat", "c", "a b", "c"))),
        Example(IMAGE + layer("Concat", "c", "data", "c", "concat_param { axis: 1 concat_dim: 1 }")),
    )


@rule
class EltwiseMismatch(ProblemRule):
    """Blobs of different shape, element by element.

    ## What it does
    Reports an Eltwise whose inputs have different shapes.

    ## Why is this bad?
    Caffe aborts: it does not broadcast. Usual causes are a shortcut without a projection, a stride on one path only, or
    a Pooling, which rounds up, beside a convolution, which rounds down.

    ## Fix safety
    There is no automatic fix: the paths have to be given equal sizes.
    """

    code = "SHP013"
    name = "eltwise-mismatch"
    severity = "error"
    GOOD = (
        Example(
            _two("num_output: 4 kernel_size: 3", "num_output: 4 kernel_size: 3", layer("Eltwise", "s", "a b", "s"))
        ),
    )
    BAD = (
        Example(
            _two("num_output: 4 kernel_size: 3", "num_output: 5 kernel_size: 3", layer("Eltwise", "s", "a b", "s"))
        ),
        Example(
            _two(
                "num_output: 4 kernel_size: 3",
                "num_output: 4 kernel_size: 3 stride: 2",
                layer("Eltwise", "s", "a b", "s", "eltwise_param { operation: MAX }"),
            )
        ),
    )


@rule
class EltwiseCoeff(ProblemRule):
    """Coefficients that Eltwise cannot use.

    ## What it does
    Reports a number of `coeff` values that is neither 0 nor the number of inputs, and `coeff` with PROD (an error) or
    with MAX (a warning: it is ignored).

    ## Why is this bad?
    Caffe aborts when it sets the layer up.

    ## Fix safety
    Unsafe: the coefficients are deleted, so the inputs are added as they are. Safe for MAX, which ignores them.
    """

    code = "SHP014"
    name = "eltwise-coeff"
    severity = "error"
    fix_safety = "unsafe"
    _SUM = layer("Eltwise", "s", "a b", "s", "eltwise_param { operation: %s }")
    _SAME = "num_output: 4 kernel_size: 3"
    GOOD = (Example(_two(_SAME, _SAME, _SUM.replace("%s", "SUM coeff: 1 coeff: -1"))),)
    BAD = (
        Example(
            _two(_SAME, _SAME, _SUM.replace("%s", "SUM coeff: 1")), fixed=_two(_SAME, _SAME, _SUM.replace("%s", "SUM"))
        ),
        Example(_two(_SAME, _SAME, _SUM.replace("%s", "PROD coeff: 1 coeff: -1"))),
        Example(_two(_SAME, _SAME, _SUM.replace("%s", "MAX coeff: 1 coeff: -1"))),
    )

    def fix(self, analysis: Analysis, node: Node | None, problem: Problem) -> Fix | None:
        """Delete the coefficients."""
        if node is None:
            return None
        return without(node, "eltwise_param", ("coeff",), analysis.tree.text, "unsafe" if problem.aborts else "safe")


@rule
class SlicePoints(ProblemRule):
    """Parts that do not make the whole.

    ## What it does
    Reports slice points that are not one fewer than the tops, do not increase, or lie beyond the axis; an axis that the
    tops cannot share evenly; axis beside slice_dim. A warning: a last point at the very end, which leaves the last top
    empty.

    ## Why is this bad?
    Caffe aborts when it sets the layer up.

    ## Fix safety
    There is no automatic fix.
    """

    code = "SHP015"
    name = "slice"
    severity = "error"
    _SLICE = IMAGE + layer("Slice", "s", "data", "x y", "slice_param { %s }")
    GOOD = (Example(_SLICE.replace("%s", "slice_point: 1")),)
    BAD = (
        Example(_SLICE.replace("%s", "slice_point: 1 slice_point: 2")),
        Example(_SLICE.replace("%s", "axis: 1")),
        Example(_SLICE.replace("%s", "slice_point: 3")),
    )
