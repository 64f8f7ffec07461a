"""BN010 to BN012 and BN016: `use_global_stats` where it does not belong, or where it says nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prototxt_net.batchnorm import (
    BVLC_LIKE,
    behind_frozen_layer,
    fields,
    in_frozen_region,
    mode,
    norm_family,
    norms,
    partners,
    phase_of,
)
from prototxt_net.finding import Finding
from prototxt_net.flow import any_frozen, dialects_of, meant_frozen, trainable
from prototxt_net.net import Node, PhaseNet
from prototxt_server.rules.base import Example, Rule, related, rule
from prototxt_server.rules.bn.by_phase import FLAG
from prototxt_server.rules.bn.edits import drop, fix, put
from prototxt_server.rules.bn.nets import block, bn, conv, data, image, ip, loss, relu, scale, trained
from prototxt_server.rules.bn.pick import flagged

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis

_TRUE = "batch_norm_param { use_global_stats: true }"
_FALSE = "batch_norm_param { use_global_stats: false }"
_LOCKED = "param { lr_mult: 0 decay_mult: 0 }"

_IN_NVIDIA_015 = (
    "NVIDIA Caffe 0.14 and 0.15 read this otherwise: there BatchNorm has a gamma of its own, which starts at 0, and "
    "puts out zeros. If your log shows five param blobs for this layer, check with --dialect nvidia-0.15."
)


@rule
class TrainGlobalStats(Rule):
    """## What it does
    Reports `use_global_stats: true` on a BatchNorm of a training net while the layers around it train.

    ## Why is this bad?
    The layer then normalises with its stored mean and variance in TRAIN too and never updates them. From scratch they
    are empty, and Caffe multiplies the input by 1/sqrt(eps), which is 316 for the default eps, in every such layer: the
    loss saturates at 87.3365. Behind pretrained layers the flag is right only where the Scale is frozen as well.

    ## In other Caffes
    NVIDIA's 0.16 and 0.17 do not read the flag, and neither do 0.14 and 0.15 with cuDNN: BN030. 0.15 with
    `engine: CAFFE` reads it, but computes the gradient as if the statistics were the batch's (measured), so there it is
    wrong even with good statistics.

    ## Fix safety
    Unsafe: the layer computes something else afterwards, which is the point.
    """

    code = "BN010"
    name = "bn-train-global-stats"
    severity = "warning"
    dialects = dialects_of("B", "B0", "S", "I", "P", "N15")
    fix_safety = "unsafe"
    GOOD = (
        Example(trained()),
        Example(trained(_TRUE, conv_lines=(_LOCKED,), scale_lines=(_LOCKED, _LOCKED))),
        Example(trained(_TRUE, scale_lines=(_LOCKED, _LOCKED))),
        Example(trained(_TRUE + "\ninclude { phase: TEST }", scale_lines=("include { phase: TEST }",))),
    )
    BAD = (
        Example(trained(_TRUE), fixed=trained()),
        Example(
            trained("batch_norm_param {\n  use_global_stats: true  # as in the deploy file\n  eps: 0.001\n}"),
            dialect="ssd",
        ),
        Example(trained("batch_norm_param { use_global_stats: true eps: 0.001 }", conv_lines=(_LOCKED,))),
        Example(
            trained("batch_norm_param { use_global_stats: true engine: CAFFE scale_filler { value: 1 } }"),
            dialect="nvidia-0.15",
        ),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """Layers outside frozen regions, in TRAIN."""
        if net.phase != "TRAIN" or not trainable(net):
            return
        for node in net.marked(flagged):
            if mode(net, node).flag is not True or phase_of(net, node) == "TEST" or in_frozen_region(net, node):
                continue
            partner = partners(net)[node]
            if partner is not None and meant_frozen(net, partner):
                continue
            if norm_family(node, net.dialect) == "N15":
                cure = "Remove the flag: with it, this Caffe's gradient is wrong even if the statistics are good."
            else:
                cure = "Remove the flag; if the statistics come from pretrained weights, freeze the Scale too."
            yield self.at(
                node,
                f"'{node.name}' normalises with stored statistics while it trains, so they never update. From scratch "
                f"they are empty, and each such layer multiplies its input by {_gain(node)}: the loss soon stands at "
                f"87.3365. {cure}",
                FLAG,
                fix=fix("unsafe", "Delete use_global_stats", drop(net.file, node, FLAG)),
            )


def _gain(node: Node) -> str:
    """What the layer multiplies by while mean and variance are 0: 1/sqrt(eps)."""
    eps = fields(node).get("eps")
    if not eps or eps <= 0:
        return "1/sqrt(eps)"
    return f"{eps**-0.5:.3g} (1/sqrt(eps))"


@rule
class TestBatchStats(Rule):
    """## What it does
    Reports `use_global_stats: false` on a BatchNorm that is part of the TEST net.

    ## Why is this bad?
    The flag overrides the phase, so testing and deploying normalise with the batch too. A prediction then depends on
    what else is in the batch, every TEST forward overwrites the moving averages, and with one image on 1x1 maps the
    output is 0. Without the flag TRAIN uses the batch and TEST the stored statistics.

    ## In other Caffes
    NVIDIA's 0.16 and 0.17, and 0.14 and 0.15 with cuDNN, do not read the flag: the phase decides, as it should (BN030).
    0.15 with `engine: CAFFE` reads it, and copies each TEST batch over what was stored (measured).

    ## Fix safety
    Unsafe: results change, which is the point.
    """

    code = "BN011"
    name = "bn-test-batch-stats"
    severity = "warning"
    fix_safety = "unsafe"
    GOOD = (
        Example(trained()),
        Example(
            data()
            + conv("conv1", "data")
            + bn("bn1", "conv1", _FALSE, "include { phase: TRAIN }")
            + bn("bn1", "conv1", _TRUE, "include { phase: TEST }")
            + scale("scale1", "conv1")
            + relu("relu1", "conv1")
            + ip("fc", "conv1")
            + loss("fc")
        ),
    )
    BAD = (
        Example(trained(_FALSE), fixed=trained()),
        Example(image() + block(_FALSE), phase="TEST", fixed=image() + block()),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """Layers of the TEST net (of a deploy net too)."""
        if net.phase != "TEST":
            return
        # The text alone does not tell BVLC's Caffe from NVIDIA's; what differs most is said once.
        notes = net.dialect == "bvlc"
        for node in net.marked(flagged):
            if mode(net, node).flag is not False or phase_of(net, node) == "TRAIN":
                continue
            about = (related(node, _IN_NVIDIA_015, FLAG),) if notes else ()
            notes = False
            yield self.at(
                node,
                f"'{node.name}' uses batch statistics in TEST as well: a prediction depends on what else is in the "
                "batch (alone, on 1x1 maps, the output is 0), and every TEST forward overwrites the stored statistics. "
                "Remove the flag: TRAIN then uses the batch, TEST what is stored.",
                FLAG,
                fix=fix("unsafe", "Delete use_global_stats", drop(net.file, node, FLAG)),
                related=about,
            )


@rule
class GlobalStatsRedundant(Rule):
    """## What it does
    Points out a `use_global_stats` that repeats the default of every phase the layer is in. Off by default.

    ## Why is this bad?
    It is not: the line has no effect. Deleting it leaves one layer that is right in both phases.

    ## Fix safety
    Safe: the default is the same.
    """

    code = "BN012"
    name = "bn-global-stats-redundant"
    severity = "hint"
    default_on = False
    dialects = dialects_of("B", "B0", "S", "I", "P")
    fix_safety = "safe"
    GOOD = (Example(trained(_TRUE)), Example(trained()))
    BAD = (
        Example(trained(_FALSE, "include { phase: TRAIN }"), phase="TRAIN"),
        Example(image() + block(_TRUE), phase="TEST", fixed=image() + block()),
    )

    def check_file(self, analysis: Analysis) -> Iterable[Finding]:
        """Layers whose flag agrees with the phase in every net that has them."""
        seen: dict[int, tuple[Node, bool]] = {}
        for net in analysis.nets:
            for node in net.marked(flagged):
                flag = mode(net, node).flag if norm_family(node, net.dialect) is not None else None
                if flag is None:
                    continue
                before = seen.get(node.layer.index, (node, True))[1]
                seen[node.layer.index] = (node, before and flag == (phase_of(net, node) == "TEST"))
        for node, agrees in seen.values():
            if agrees:
                value = str(node.layer.bound.sub("batch_norm_param").get("use_global_stats")).lower()
                yield self.at(
                    node,
                    f"'{node.name}': use_global_stats: {value} is the default in every phase this layer is part of; it "
                    "has no effect. Delete it.",
                    FLAG,
                    fix=fix("safe", "Delete use_global_stats", drop(analysis.file, node, FLAG)),
                )


@rule
class MixedModes(Rule):
    """## What it does
    Reports a frozen part of a net in which some BatchNorms use stored statistics and others batch statistics.

    ## Why is this bad?
    Freezing a pretrained part means that it computes the same for the same image. The BatchNorms without the flag
    still normalise with each batch and overwrite their stored statistics, so the part is only half frozen; usually a
    layer was forgotten. FRZ001 speaks at each of them.

    ## Fix safety
    Unsafe: results change, which is the point.
    """

    code = "BN016"
    name = "bn-mixed-modes"
    severity = "warning"
    dialects = dialects_of("B", "B0", "S", "I", "P")
    fix_safety = "unsafe"
    _FROZEN = (
        conv("conv1", "data", _LOCKED)
        + bn("bn1", "conv1", _TRUE)
        + scale("scale1", "conv1", _LOCKED, _LOCKED)
        + conv("conv2", "conv1", _LOCKED)
    )
    _END = scale("scale2", "conv2", _LOCKED, _LOCKED) + relu("relu2", "conv2") + ip("fc", "conv2") + loss("fc")
    GOOD = (Example(data() + _FROZEN + bn("bn2", "conv2", _TRUE) + _END), Example(trained()))
    BAD = (
        Example(
            data() + _FROZEN + bn("bn2", "conv2") + _END, fixed=data() + _FROZEN + bn("bn2", "conv2", _TRUE) + _END
        ),
        Example(data() + _FROZEN + bn("bn2", "conv2", _FALSE) + _END, phase="TRAIN"),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """One finding for the TRAIN net."""
        if net.phase != "TRAIN" or not trainable(net) or not any_frozen(net):
            return
        inside = [
            node
            for node in norms(net)
            if norm_family(node, net.dialect) in BVLC_LIKE and behind_frozen_layer(net, node)
        ]
        batch = [node for node in inside if mode(net, node).batch]
        if not batch or len(batch) == len(inside):
            return
        names = ", ".join(f"'{node.name}'" for node in batch[:4]) + (", ..." if len(batch) > 4 else "")
        stored = next(node for node in inside if node not in batch)
        use, others = ("uses", "it") if len(batch) == 1 else ("use", "them")
        yield self.at(
            batch[0],
            f"{len(batch)} of {len(inside)} BatchNorms in the frozen part still {use} batch statistics ({names}), so "
            f"the part is only half frozen. Set use_global_stats: true in {others} too.",
            related=(
                related(stored, f"'{stored.name}' uses stored statistics", FLAG),
                *(related(node, f"'{node.name}' uses batch statistics too") for node in batch[1:8]),
            ),
            fix=fix("unsafe", "Set use_global_stats: true", *(put(net.file, node, FLAG, "true") for node in batch)),
        )
