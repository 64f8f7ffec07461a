"""INI006 to INI010: fillers that Caffe refuses, that do nothing, or that start a layer saturated."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prototxt_net.batchnorm import constant
from prototxt_net.file import Layer, LayerDef
from prototxt_net.finding import Finding, Fix, Problem
from prototxt_net.flow import trainable
from prototxt_net.message import Bound, Entry
from prototxt_net.net import Node, PhaseNet
from prototxt_server.rules.base import Example, ProblemRule, rule
from prototxt_server.rules.bn.edits import drop, fix, put
from prototxt_server.rules.bn.nets import conv, data, image, ip, layer, loss, trained
from prototxt_server.rules.editing import delete_entry, string_edit
from prototxt_server.rules.ini.common import message
from prototxt_server.rules.initial import InitialValueRule
from prototxt_server.rules.local import LayerRule

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis

_HOLDERS = ("Convolution", "Deconvolution", "InnerProduct")
_BIASED = {
    "Convolution": "convolution_param",
    "Deconvolution": "convolution_param",
    "InnerProduct": "inner_product_param",
    "Scale": "scale_param",
    "Embed": "embed_param",
}


def _entry_at(node: Node, start: int) -> Entry | None:
    """The entry of the layer that stands at an offset of the whole text."""
    return next((e for e in node.layer.bound.walk() if node.layer.base + e.node.start == start), None)


def _up(lines: str) -> str:
    param = f"convolution_param {{ num_output: 3 bias_term: false {lines} }}"
    return image(1, 3, 8, 8) + layer("Deconvolution", "up", "data", "up", "param { lr_mult: 0 }", param)


@rule
class BilinearShape(ProblemRule):
    """## What it does
    Reports a bilinear filler on weights that are not four-dimensional with a square kernel. On a Deconvolution whose
    `group` is not its `num_output` it warns.

    ## Why is this bad?
    Caffe aborts on weights of another shape. Without one group for each channel the filler is accepted, but it fills
    every pair of input and output channel with the same kernel: each output is the sum of all channels.

    ## Fix safety
    Unsafe: the weights get another shape.
    """

    code = "INI006"
    name = "bilinear-shape"
    severity = "error"
    fix_safety = "unsafe"
    _FILL = 'weight_filler { type: "bilinear" }'
    GOOD = (Example(_up(f"kernel_size: 4 stride: 2 pad: 1 group: 3 {_FILL}")), Example(trained()))
    BAD = (
        Example(_up(f"kernel_h: 4 kernel_w: 2 group: 3 {_FILL}")),
        Example(
            _up(f"kernel_size: 4 stride: 2 pad: 1 {_FILL}"),
            fixed=_up(f"kernel_size: 4 stride: 2 pad: 1 {_FILL} group: 3"),
        ),
        Example(data() + ip("fc", "data", filler='type: "bilinear"') + loss("fc")),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """Upsampling layers that mix channels."""
        for node in net.of_type("Deconvolution"):
            param = node.param("convolution_param")
            if not param.has("weight_filler") or param.sub("weight_filler").get("type") != "bilinear":
                continue
            channels, group = param.get("num_output"), param.get("group")
            if group == channels or any(problem.code == "INI006" for problem in node.setup.problems):
                continue
            bottom = node.bottoms[0].shape if node.bottoms and node.bottoms[0] is not None else None
            same = bottom is None or len(bottom) < 2 or not isinstance(bottom[1], int) or bottom[1] == channels
            yield self.at(
                node,
                f"'{node.name}': bilinear fills every pair of input and output channel alike, and group is {group} for "
                f"{channels} channels, so each output is the sum of all channels. Use group: {channels}.",
                "convolution_param.weight_filler",
                severity="warning",
                fix=fix(
                    "unsafe", f"Use group: {channels}", put(net.file, node, "convolution_param.group", str(channels))
                )
                if same
                else None,
            )


@rule
class UnknownFiller(ProblemRule):
    """## What it does
    Reports a filler type that this Caffe does not have.

    ## Why is this bad?
    Caffe aborts when it fills the blob: "Unknown filler name". The names are constant, uniform, gaussian,
    positive_unitball, xavier, msra and bilinear; some forks have more or fewer.

    ## Fix safety
    Unsafe: the nearest name is a guess.
    """

    code = "INI007"
    name = "unknown-filler"
    severity = "error"
    fix_safety = "unsafe"
    GOOD = (Example(trained()),)
    BAD = (
        Example(
            data() + ip("fc", "data", filler='type: "xavior"') + loss("fc"),
            fixed=data() + ip("fc", "data") + loss("fc"),
        ),
        Example(data() + ip("fc", "data", filler='type: "orthogonal"') + loss("fc")),
    )

    def fix(self, analysis: Analysis, node: Node | None, problem: Problem) -> Fix | None:
        """Write the near name."""
        near = problem.data.get("near")
        entry = _entry_at(node, problem.start) if node is not None else None
        if node is None or entry is None or not isinstance(near, str) or not near:
            return None
        return Fix("unsafe", f"Use {near}", (string_edit(node.layer, entry, near),))


@rule
class SparseUnsupported(ProblemRule):
    """## What it does
    Reports `sparse` in a filler that is not gaussian.

    ## Why is this bad?
    Caffe aborts when it fills the blob: only the gaussian filler knows sparsity.

    ## Fix safety
    Safe: Caffe loads no such file, and the type says what is meant.
    """

    code = "INI008"
    name = "sparse-unsupported"
    severity = "error"
    fix_safety = "safe"
    GOOD = (Example(data() + ip("fc", "data", filler='type: "gaussian" std: 0.01 sparse: 5') + loss("fc")),)
    BAD = (
        Example(
            data() + ip("fc", "data", filler='type: "xavier" sparse: 5') + loss("fc"),
            fixed=data() + ip("fc", "data") + loss("fc"),
        ),
        Example(data() + ip("fc", "data", filler='type: "uniform" min: -1 max: 1 sparse: 5') + loss("fc")),
    )

    def fix(self, analysis: Analysis, node: Node | None, problem: Problem) -> Fix | None:
        """Delete it."""
        entry = _entry_at(node, problem.start) if node is not None else None
        if node is None or entry is None:
            return None
        return Fix("safe", "Delete sparse", (delete_entry(analysis.source.text, node.layer.base, entry),))


@rule
class FillerRange(ProblemRule):
    """## What it does
    Reports a gaussian filler with a `std` that is not above 0 or a `sparse` beyond the number of outputs, and a uniform
    filler whose `min` is above its `max`. Without `min` a uniform filler begins at 0, without `max` it ends at 1.

    ## Why is this bad?
    Caffe aborts when it fills the blob, also when weights from a file would replace the values.

    ## Fix safety
    None: the range that was meant is not known.
    """

    code = "INI013"
    name = "filler-range"
    severity = "error"
    GOOD = (
        Example(data() + ip("fc", "data", filler='type: "gaussian" std: 0.01') + loss("fc")),
        Example(data() + ip("fc", "data", filler='type: "uniform" min: -0.1 max: 0.1') + loss("fc")),
    )
    BAD = (
        Example(data() + ip("fc", "data", filler='type: "gaussian" std: 0') + loss("fc")),
        Example(data() + ip("fc", "data", filler='type: "uniform" max: -0.1') + loss("fc")),
    )


@rule
class BiasFillerUnused(LayerRule):
    """## What it does
    Points out a `bias_filler` beside `bias_term: false`.

    ## Why is this bad?
    The layer has no bias, so the filler has no effect.

    ## Fix safety
    Safe: it was never used.
    """

    code = "INI009"
    name = "bias-filler-unused"
    severity = "hint"
    fix_safety = "safe"
    GOOD = (Example(trained()),)
    BAD = (
        Example(
            data() + conv("c", "data").replace("bias_term: false", "bias_term: false bias_filler { value: 0 }"),
            fixed=data() + conv("c", "data"),
        ),
        Example(
            data() + layer("Scale", "s", "data", "data", "scale_param {\n  bias_filler { value: 1 }\n  axis: 1\n}"),
            fixed=data() + layer("Scale", "s", "data", "data", "scale_param {\n  axis: 1\n}"),
        ),
    )

    def suspects(self, layer: LayerDef) -> bool:
        """Convolution, Deconvolution, InnerProduct, Scale and Embed."""
        param = layer.bound.sub(_BIASED.get(layer.type, ""))
        return "bias_filler" in param.entries and not param.get("bias_term")

    def check_layer(self, layer: Layer, analysis: Analysis) -> Iterable[Finding]:
        """One finding a layer."""
        path = f"{_BIASED[layer.type]}.bias_filler"
        yield self.at(
            layer,
            f"'{layer.name}' has no bias (bias_term is false), so its bias_filler has no effect. Delete it.",
            path,
            fix=fix("safe", "Delete bias_filler", drop(analysis.file, layer, path)),
        )


@rule
class LargeBias(InitialValueRule):
    """## What it does
    Says where a bias starts at a constant beyond 1 in front of a ReLU, Sigmoid or TanH.

    ## Why is this bad?
    With a large negative start a ReLU passes nothing and gets no gradient; Sigmoid and TanH start saturated.

    ## Fix safety
    Unsafe: the initial values change.
    """

    code = "INI010"
    name = "bias-large"
    severity = "info"
    fix_safety = "unsafe"

    @staticmethod
    def _net(value: str, act: str = "ReLU") -> str:
        body = f'convolution_param {{ num_output: 8 kernel_size: 3 weight_filler {{ type: "msra" }} {value}}}'
        hidden = layer("Convolution", "h", "data", "h", body) + layer(act, "act", "h", "h")
        return data() + hidden + ip("fc", "h") + loss("fc")

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """Layers right in front of an activation."""
        if net.phase != "TRAIN" or not trainable(net):
            return
        for node in net.of_type(*_HOLDERS):
            param = node.layer.definition.bound.sub(message(node))
            if "bias_filler" not in param.entries:
                continue
            filler: Bound = param.sub("bias_filler")
            value = constant(filler)
            if value is None or abs(value) <= 1 or not param.get("bias_term"):
                continue
            act = next((reader.type for reader, _ in node.tops[0].readers), "") if node.tops else ""
            if act not in ("ReLU", "Sigmoid", "TanH"):
                continue
            path = f"{message(node)}.bias_filler"
            yield self.at(
                node,
                f"'{node.name}': the bias starts at {value:g}, so its units start "
                f"{'dead' if act == 'ReLU' and value < 0 else 'saturated' if act != 'ReLU' else 'far from 0'}. Start "
                "it at 0, unless that is meant.",
                path,
                fix=fix("unsafe", "Start at 0", put(net.file, node, f"{path}.value", "0")),
            )


LargeBias.GOOD = (Example(LargeBias._net("bias_filler { value: 1 } ")), Example(trained()))
LargeBias.BAD = (
    Example(LargeBias._net("bias_filler { value: -5 } "), fixed=LargeBias._net("bias_filler { value: 0 } ")),
    Example(LargeBias._net('bias_filler { type: "constant" value: 3 } ', "Sigmoid")),
)
