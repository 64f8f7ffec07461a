"""BN032 to BN035: NVIDIA's batch normalisation, whose blobs and multipliers are not BVLC's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prototxt_grammar.edits import Edit
from prototxt_net.backward import backward
from prototxt_net.batchnorm import affine, engine, fields, gamma_starts_at_zero, norm_family, norms
from prototxt_net.finding import Finding, Fix
from prototxt_net.flow import dialects_of, trainable
from prototxt_net.message import Bound
from prototxt_net.net import Node, PhaseNet
from prototxt_server.rules.base import Example, Rule, rule
from prototxt_server.rules.bn.edits import drop, drop_params, fix, set_params
from prototxt_server.rules.bn.nets import STAT, bn, conv, data, ip, loss, relu, scale, trained
from prototxt_server.rules.editing import own_top

if TYPE_CHECKING:
    from prototxt_server.linked.model import Linked

_FILLED = "batch_norm_param { scale_filler { value: 1 } }"
_FILLED_CAFFE = "batch_norm_param { scale_filler { value: 1 } engine: CAFFE }"
_FILLED_CUDNN = "batch_norm_param { scale_filler { value: 1 } engine: CUDNN }"
_FREE = "param { lr_mult: 1 decay_mult: 0 }"
_SPARE = "param { lr_mult: 0 }"
TEMPLATE = (_FREE, _FREE, STAT, STAT, STAT)
TEMPLATE_CAFFE = (_FREE, _FREE, STAT, STAT, _SPARE)


def _own(*lines: str, type_: str = "BatchNorm", top: str = "bn1") -> str:
    """A training net whose affine batch normalisation is not in place unless `top` says so."""
    return (
        data() + conv("conv1", "data") + bn("bn1", "conv1", *lines, top=top, type_=type_) + relu("relu1", top)
        + ip("fc", top) + loss("fc")
    )  # fmt: skip


def statistics_of(node: Node) -> list[int]:
    """Indices of the layer's statistics among its blobs, spare included."""
    return [i for i, blob in enumerate(node.setup.params) if blob.statistic]


def _template(node: Node) -> list[tuple[str, str]]:
    """lr_mult and decay_mult for each blob: gamma and beta without decay, statistics masked.

    On the CAFFE engine, which a CPU build takes by default, the spare blob is never initialised and the first update
    aborts unless weight decay reaches it (measured), so its decay_mult is written for cuDNN only.
    """
    pairs = {"gamma": ("1", "0"), "beta": ("1", "0")}
    spare = ("0", "0" if engine(node) == "CUDNN" else "")
    return [spare if blob.role == "spare" else pairs.get(blob.role, ("0", "0")) for blob in node.setup.params]


def _mask(net: PhaseNet, node: Node) -> Fix | None:
    return fix("safe", "Mask the statistics", *set_params(net.file, node, *_template(node)))


@rule
class InPlaceCudnn(Rule):
    """## What it does
    Reports an in-place batch normalisation in a net that trains, in NVIDIA 0.14 and 0.15 and in yjxiong's and PSPNet's
    `BN`, unless `engine: CAFFE` is written.

    ## Why is this bad?
    The cuDNN layer reads its input again in the backward pass, but in place the input has been overwritten by the
    output: the gradients are silently wrong.

    ## In other Caffes
    BVLC's, SSD's and Intel's layer, and the CAFFE engine of these forks, keep what they need and are right in place
    (measured, but for Intel's). NVIDIA's 0.16 and 0.17 copy the input. SegNet's `BN` is right in place in LEARN mode
    only (BN041).

    ## Fix safety
    Safe: the layer gets a top of its own and the layers behind it follow.
    """

    code = "BN032"
    name = "bn-inplace-cudnn"
    severity = "error"
    dialects = dialects_of("N15", "YX")
    fix_safety = "safe"
    _YX = "bn_param { slope_filler { value: 1 } }"
    GOOD = (
        Example(_own(*TEMPLATE, _FILLED), dialect="nvidia-0.15"),
        Example(_own(*TEMPLATE_CAFFE, _FILLED_CAFFE, top="conv1"), dialect="nvidia-0.15"),
        Example(trained()),
    )
    BAD = (
        Example(
            _own(*TEMPLATE, _FILLED, top="conv1"), dialect="nvidia-0.15", fixed=_own(*TEMPLATE, _FILLED)
        ),
        Example(
            _own("bn_param { slope_filler { value: 1 } }", top="conv1", type_="BN"),
            dialect="pspnet",
            fixed=_own("bn_param { slope_filler { value: 1 } }", type_="BN"),
        ),
    )  # fmt: skip

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """Layers whose backward runs; the fix follows the blob through the whole file."""
        if net.phase != "TRAIN" or not trainable(net):
            return
        for node in norms(net):
            if norm_family(node, net.dialect) not in ("N15", "YX") or engine(node) == "CAFFE":
                continue
            if not (node.in_place and node.in_place[0]) or node not in backward(net).layers:
                continue
            edits = own_top(net.file, node.layer, 0)
            yield self.at(
                node,
                f"'{node.name}' works in place, but cuDNN's backward needs the input that it has overwritten: the "
                "gradients are silently wrong. Give it a top of its own (or write engine: CAFFE).",
                "top",
                fix=Fix("safe", f"Give '{node.name}' a top of its own", edits) if edits else None,
            )


@rule
class Nvidia15StatsDecay(Rule):
    """## What it does
    Reports a BatchNorm of NVIDIA 0.14 or 0.15 whose statistics are not masked by `param` blocks.

    ## Why is this bad?
    In these versions nothing is masked: of the five blobs gamma, beta, mean, variance and a spare one, the last three
    are updated like weights. They have no gradient, but weight decay shrinks mean and variance every step.

    ## Fix safety
    Safe: the statistics were never meant to be changed by the solver. Without `engine: CUDNN` the spare blob's block
    gets no `decay_mult: 0`: the CAFFE engine, which a CPU build takes by default, never initialises that blob, and the
    first update aborts unless weight decay touches it (measured, BN042).
    """

    code = "BN033"
    name = "bn-n15-stats-decay"
    severity = "warning"
    dialects = dialects_of("N15")
    fix_safety = "safe"
    GOOD = (
        Example(_own(*TEMPLATE, _FILLED), dialect="nvidia-0.15"),
        Example(trained()),
    )
    BAD = (
        Example(_own(_FILLED), dialect="nvidia-0.15", fixed=_own(*TEMPLATE_CAFFE, _FILLED)),
        Example(_own(_FILLED_CUDNN), dialect="nvidia-0.15", fixed=_own(*TEMPLATE, _FILLED_CUDNN)),
        Example(_own(_FREE, _FREE, _FILLED_CAFFE), dialect="nvidia-0.15", fixed=_own(*TEMPLATE_CAFFE, _FILLED_CAFFE)),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """Nets that train, where mean or variance has lr_mult other than 0."""
        if net.phase != "TRAIN" or not trainable(net):
            return
        for node in norms(net):
            if norm_family(node, net.dialect) != "N15" or freezes_gamma(node):
                continue
            bare = [
                blob.role
                for i, blob in enumerate(node.setup.params)
                if blob.role in ("mean", "variance") and node.lr_mult(i) != 0 and node.decay_mult(i) != 0
            ]
            if not bare:
                continue
            yield self.at(
                node,
                f"'{node.name}': its five blobs are {', '.join(b.role for b in node.setup.params)}, and this version "
                f"masks none of them, so weight decay shrinks {' and '.join(bare)} every step. Give the statistics "
                "lr_mult: 0.",
                "param",
                fix=_mask(net, node),
            )

    def stands(self, finding: Finding, linked: Linked) -> bool:
        """Not beside solvers that all have weight_decay 0."""
        return not linked.without_decay


def freezes_gamma(node: Node) -> bool:
    """Whether exactly three blocks, all lr_mult 0, mask what BVLC keeps first, but NVIDIA 0.15 does not."""
    specs = node.layer.definition.bound.all("param")
    return len(specs) == 3 and all(spec.get("lr_mult") == 0 for spec in specs)


@rule
class Nvidia15BvlcParams(Rule):
    """## What it does
    Reports three `param { lr_mult: 0 }` blocks on a BatchNorm of NVIDIA 0.14 or 0.15.

    ## Why is this bad?
    The recipe is BVLC's, where the first three blobs are the statistics. Here gamma and beta come first: the blocks
    freeze gamma and beta at their initial values and leave the variance to weight decay.

    ## Fix safety
    Unsafe: gamma and beta train afterwards, which is the point.
    """

    code = "BN034"
    name = "bn-n15-bvlc-params"
    severity = "warning"
    dialects = dialects_of("N15")
    fix_safety = "unsafe"
    GOOD = (
        Example(_own(*TEMPLATE, _FILLED), dialect="nvidia-0.15"),
        Example(trained(STAT, STAT, STAT)),
    )
    BAD = (
        Example(_own(STAT, STAT, STAT, _FILLED), dialect="nvidia-0.15", fixed=_own(*TEMPLATE_CAFFE, _FILLED)),
        Example(_own(*["param { lr_mult: 0 }"] * 3, _FILLED_CAFFE), dialect="nvidia-0.15"),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """Nets that train; gamma frozen at 0 is BN031's error."""
        if net.phase != "TRAIN" or not trainable(net):
            return
        for node in norms(net):
            if norm_family(node, net.dialect) != "N15" or not freezes_gamma(node):
                continue
            zero = gamma_starts_at_zero(node, net.dialect)
            roles = [blob.role for blob in node.setup.params]
            yield self.at(
                node,
                f"'{node.name}': in this version the first three blobs are {', '.join(roles[:3])}, so these blocks "
                f"freeze gamma and beta{' at 0' if zero else ''} and leave {' and '.join(roles[3:])} unmasked. Write "
                "five blocks.",
                "param",
                fix=fix("unsafe", "Write five blocks", *set_params(net.file, node, *_template(node))),
            )


@rule
class Nvidia16LrOverridden(Rule):
    """## What it does
    Reports multipliers in the `param` blocks of a BatchNorm with gamma and beta in NVIDIA 0.16 and 0.17.

    ## Why is this bad?
    That layer overwrites them: the statistics always get 0, gamma and beta always lr_mult 1 and decay_mult 1. Fused
    gamma and beta can neither be frozen nor exempted from weight decay.

    ## Fix safety
    Unsafe: separate BatchNorm and Scale layers do what the blocks say, but stored weights have another layout.
    """

    code = "BN035"
    name = "bn-n16-lr-overridden"
    severity = "warning"
    dialects = dialects_of("N16")
    fix_safety = "unsafe"
    _FUSED = "batch_norm_param { scale_bias: true }"
    GOOD = (
        Example(_own(_FUSED), dialect="nvidia-0.17"),
        Example(trained()),
    )
    BAD = (
        Example(
            _own(STAT, STAT, STAT, STAT, STAT, _FUSED, top="conv1"),
            dialect="nvidia-0.17",
            fixed=data()
            + conv("conv1", "data")
            + bn("bn1", "conv1", STAT, STAT, STAT)
            + scale("bn1_scale", "conv1", STAT, STAT)
            + relu("relu1", "conv1")
            + ip("fc", "conv1")
            + loss("fc"),
        ),
        Example(_own(*["param { lr_mult: 1 decay_mult: 0 }"] * 5, _FUSED), dialect="nvidia-0.16"),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """Nets that train, with the affine part on."""
        if net.phase != "TRAIN" or not trainable(net):
            return
        for node in norms(net):
            if norm_family(node, net.dialect) != "N16" or not affine(node, net.dialect):
                continue
            specs = node.layer.definition.bound.all("param")
            index = next((i for i, spec in enumerate(specs[3:5], 3) if _asks_for_other(spec)), None)
            if index is None:
                continue
            yield self.at(
                node,
                f"'{node.name}': this Caffe overwrites what the param blocks say: gamma and beta get lr_mult 1 and "
                "decay_mult 1, so fused ones can neither be frozen nor exempted from decay. Make BatchNorm and Scale "
                "two layers.",
                "param",
                index=index,
                fix=self._fix(net, node),
            )

    @staticmethod
    def _fix(net: PhaseNet, node: Node) -> Fix | None:
        if node.layer.definition.version != 2 or not node.tops:
            return None
        if any(node.layer.bound.has(name) for name in ("include", "exclude")):
            return None
        text = net.file.tree.text
        written = [
            text[node.layer.base + entry.node.start : node.layer.base + entry.node.end]
            for entry in node.layer.bound.entries["param"][3:5]
        ]
        affine_fields = [name for name in ("scale_bias", "scale_filler", "bias_filler") if fields(node).has(name)]
        if len(affine_fields) == len(fields(node).entries):
            edits: list[Edit | None] = [drop(net.file, node, "batch_norm_param")]
        else:
            edits = [drop(net.file, node, f"batch_norm_param.{name}") for name in affine_fields]
        edits += drop_params(net.file, node, 3)
        new = scale(f"{node.name}_scale", node.layer.tops[0], *written).rstrip("\n")
        end = node.layer.span()[1]
        return fix("unsafe", "Split into BatchNorm and Scale", *edits, Edit(end, end, "\n" + new))


def _asks_for_other(spec: Bound) -> bool:
    return any(spec.has(name) and spec.get(name) != 1 for name in ("lr_mult", "decay_mult"))
