"""SHP003 to SHP007 and SHP009: kernels, strides, channels and output sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prototxt_net.finding import Fix, Problem
from prototxt_net.net import Node
from prototxt_server.rules.base import Example, ProblemRule, rule
from prototxt_server.rules.bn.nets import layer
from prototxt_server.rules.example_nets import IMAGE
from prototxt_server.rules.shp.fixes import beside, without

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis


def _conv(fields: str, type_: str = "Convolution") -> str:
    return IMAGE + layer(type_, "conv", "data", "conv", f"convolution_param {{ {fields} }}")


@rule
class KernelMissing(ProblemRule):
    """A convolution without a kernel, or with two.

    ## What it does
    Reports a convolution whose kernel is not given, given as 0, given in both forms, or given as only one of kernel_h
    and kernel_w.

    ## Why is this bad?
    Caffe aborts when it sets the layer up.

    ## Fix safety
    Unsafe: where both forms are written `kernel_size` is deleted, so that the more precise form stays.
    """

    code = "SHP003"
    name = "kernel-missing"
    severity = "error"
    fix_safety = "unsafe"
    GOOD = (Example(_conv("num_output: 4 kernel_size: 3")), Example(_conv("num_output: 4 kernel_h: 3 kernel_w: 1")))
    BAD = (
        Example(_conv("num_output: 4")),
        Example(_conv("num_output: 4 kernel_h: 3")),
        Example(
            _conv("num_output: 4 kernel_size: 3 kernel_h: 3 kernel_w: 1"),
            fixed=_conv("num_output: 4 kernel_h: 3 kernel_w: 1"),
        ),
    )

    def fix(self, analysis: Analysis, node: Node | None, problem: Problem) -> Fix | None:
        """Keep kernel_h and kernel_w."""
        if node is None:
            return None
        param = node.param("convolution_param")
        if not (param.has("kernel_h") and param.has("kernel_w") and param.has("kernel_size")):
            return None
        return without(node, "convolution_param", ("kernel_size",), analysis.tree.text, "unsafe")


@rule
class StridePadDilation(ProblemRule):
    """A stride, pad or dilation that cannot be.

    ## What it does
    Reports a stride of 0, only one of stride_h and stride_w, both forms of one field, and a number of values that is
    neither one nor the number of spatial axes. (pad_h or pad_w alone is legal: the other is 0.)

    ## Why is this bad?
    Caffe aborts. With only one of stride_h and stride_w the other is 0, and the process dies with a division by zero
    and without a message.

    ## Fix safety
    Unsafe: the missing stride is set to the one that is given.
    """

    code = "SHP004"
    name = "stride-pad-dilation"
    severity = "error"
    fix_safety = "unsafe"
    GOOD = (Example(_conv("num_output: 4 kernel_size: 3 stride: 2 pad_h: 1")),)
    BAD = (
        Example(
            _conv("num_output: 4 kernel_size: 3 stride_h: 2"),
            fixed=_conv("num_output: 4 kernel_size: 3 stride_h: 2 stride_w: 2"),
        ),
        Example(_conv("num_output: 4 kernel_size: 3 stride: 0")),
    )

    def fix(self, analysis: Analysis, node: Node | None, problem: Problem) -> Fix | None:
        """Write both strides."""
        if node is None:
            return None
        param = node.param("convolution_param")
        for have, missing in (("stride_h", "stride_w"), ("stride_w", "stride_h")):
            if param.has(have) and not param.has(missing) and not param.has("stride") and param.get(have):
                return beside(node, "convolution_param", have, f"{missing}: {param.get(have)}", analysis.tree.text)
        return None


@rule
class NumOutput(ProblemRule):
    """A layer with weights and no outputs.

    ## What it does
    Reports a Convolution, Deconvolution, InnerProduct, Embed, LSTM or RNN whose num_output is missing or 0.

    ## Why is this bad?
    Caffe aborts; for InnerProduct it does so inside the filler, with a message about something else.

    ## Fix safety
    There is no automatic fix.
    """

    code = "SHP005"
    name = "num-output"
    severity = "error"
    GOOD = (Example(_conv("num_output: 4 kernel_size: 3")),)
    BAD = (
        Example(_conv("kernel_size: 3")),
        Example(IMAGE + layer("InnerProduct", "ip", "data", "ip", "inner_product_param { num_output: 0 }")),
    )


@rule
class Group(ProblemRule):
    """Channels that groups cannot share evenly.

    ## What it does
    Reports a convolution whose input channels or num_output are not divisible by `group`, and a group of 0.

    ## Why is this bad?
    Caffe aborts without naming the layer; with group 0 the process dies with a division by zero.

    ## Fix safety
    There is no automatic fix: choose a common divisor.
    """

    code = "SHP006"
    name = "group"
    severity = "error"
    GOOD = (Example(_conv("num_output: 6 kernel_size: 3 group: 3")),)
    BAD = (
        Example(_conv("num_output: 6 kernel_size: 3 group: 2")),
        Example(_conv("num_output: 4 kernel_size: 3 group: 3")),
    )


@rule
class EmptyOutput(ProblemRule):
    """An output without elements, or too large to be.

    ## What it does
    Reports an output size that is negative, 0, or more than a blob can hold; a warning for a kernel that is larger than
    the padded input where the division still gives 1.

    ## Why is this bad?
    Caffe aborts without naming the layer. With `bias_term: false` a size of 0 is accepted and nothing is computed.
    Where the division gives 1 the only window lies outside of the input.

    ## Fix safety
    There is no automatic fix: reduce the kernel or the stride, or enlarge the input.
    """

    code = "SHP007"
    name = "empty-output"
    severity = "error"
    GOOD = (Example(_conv("num_output: 4 kernel_size: 8")),)
    BAD = (
        Example(_conv("num_output: 4 kernel_size: 9")),
        Example(_conv("num_output: 4 kernel_size: 11 stride: 4")),
    )


@rule
class ConvCudnnDilation(ProblemRule):
    """A dilated convolution that is bound to cuDNN.

    ## What it does
    Reports `engine: CUDNN` on a convolution with a dilation above 1, for the Caffes whose cuDNN layer has none.

    ## Why is this bad?
    Caffe aborts when it creates the layer. Without the field it takes its own engine.

    ## Fix safety
    Safe: the field is deleted; the same convolution is computed by Caffe's own engine.
    """

    code = "SHP009"
    name = "conv-cudnn-dilation"
    severity = "error"
    fix_safety = "safe"
    GOOD = (Example(_conv("num_output: 4 kernel_size: 3 dilation: 2")),)
    BAD = (
        Example(
            _conv("num_output: 4 kernel_size: 3 dilation: 2 engine: CUDNN"),
            fixed=_conv("num_output: 4 kernel_size: 3 dilation: 2"),
        ),
        Example(_conv("engine: CUDNN num_output: 4 kernel_size: 3 pad: 2 dilation: 1 dilation: 2 group: 2")),
    )

    def fix(self, analysis: Analysis, node: Node | None, problem: Problem) -> Fix | None:
        """Delete the engine."""
        if node is None:
            return None
        return without(node, "convolution_param", ("engine",), analysis.tree.text, "safe")
