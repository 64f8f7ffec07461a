"""FRZ001, FRZ002 and FRZ014: parts that are meant to be frozen, and what moves in them all the same."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prototxt_net.backward import backward
from prototxt_net.batchnorm import behind_frozen_layer, fields, mode, norms, partners
from prototxt_net.file import LayerDef
from prototxt_net.finding import Finding, Related
from prototxt_net.flow import any_frozen, dialects_of, frozen, is_loss, lr, trainable, weights
from prototxt_net.layers.base import entry_of
from prototxt_net.marks import mark
from prototxt_net.net import Node, PhaseNet
from prototxt_server.rules.base import Example, Rule, related, rule
from prototxt_server.rules.bn.by_phase import FLAG, by_phase
from prototxt_server.rules.bn.edits import add_params, fix, put
from prototxt_server.rules.bn.nets import STAT, bn, conv, data, ip, loss, relu, trained

if TYPE_CHECKING:
    pass

LOCKED = "param { lr_mult: 0 decay_mult: 0 }"
_TRUE = "batch_norm_param { use_global_stats: true }"
_FROZEN_BLOCK = {"conv_lines": (LOCKED,), "scale_lines": (LOCKED, LOCKED)}
DOWN = "propagate_down: false"


@rule
class FrozenBatchNormDrifts(Rule):
    """## What it does
    Reports a BatchNorm in a frozen part of a training net (lr_mult 0 in the layer that feeds it and in its Scale) that
    uses batch statistics in TRAIN.

    ## Why is this bad?
    lr_mult, propagate_down and a learning rate of 0 stop gradients and updates, not statistics. The layer normalises
    with each batch, so the frozen branch computes something else for the same image in every batch, and it overwrites
    the stored mean and variance, of which half is forgotten after about 700 iterations: test accuracy drifts away.

    ## In other Caffes
    BVLC's, SSD's and Intel's read `use_global_stats: true`. NVIDIA's 0.16 and 0.17, and 0.14 and 0.15 with cuDNN, do
    not: there the layer itself is told that it is in TEST (`phase: TEST`, a field of every layer), and all its blobs
    get lr_mult 0, so that no backward is asked of it (read in source, not tried). The gamma and beta that NVIDIA's
    0.16 has with `scale_bias` cannot be frozen at all. PSPNet's and yjxiong's `BN` has `frozen: true`; SegNet's keeps
    no statistics that could drift.

    ## Fix safety
    Unsafe: results change, which is the point. From scratch there are no statistics to keep: then do not freeze.
    """

    code = "FRZ001"
    name = "frozen-bn-drifts"
    severity = "warning"
    dialects = dialects_of("B", "B0", "S", "I", "P", "N15", "N16")
    fix_safety = "unsafe"
    GOOD = (
        Example(trained(_TRUE, **_FROZEN_BLOCK)),
        Example(data() + bn("bn0", "data") + ip("fc", "data") + loss("fc")),
        Example(trained()),
    )
    BAD = (
        Example(trained(**_FROZEN_BLOCK), fixed=trained(_TRUE, **_FROZEN_BLOCK)),
        Example(
            trained(STAT, STAT, STAT, **_FROZEN_BLOCK),
            dialect="ssd",
            fixed=trained(STAT, STAT, STAT, _TRUE, **_FROZEN_BLOCK),
        ),
        Example(trained(conv_lines=(LOCKED, DOWN), scale_lines=(LOCKED, DOWN))),
        Example(
            trained(**_FROZEN_BLOCK),
            dialect="nvidia-0.17",
            fixed=trained(STAT, STAT, STAT, "phase: TEST", **_FROZEN_BLOCK),
        ),
        Example(
            data()
            + conv("conv1", "data", LOCKED, DOWN)
            + relu("relu1", "conv1")
            + bn("bn1", "conv1", DOWN, "batch_norm_param {\n  eps: 0.001\n}", top="bn1")
            + ip("fc", "bn1")
            + loss("fc"),
            fixed=data()
            + conv("conv1", "data", LOCKED, DOWN)
            + relu("relu1", "conv1")
            + bn("bn1", "conv1", DOWN, "batch_norm_param {\n  eps: 0.001\n  use_global_stats: true\n}", top="bn1")
            + ip("fc", "bn1")
            + loss("fc"),
        ),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """BatchNorms in TRAIN mode; what would stop them differs from Caffe to Caffe. BN030 speaks of a flag."""
        if net.phase != "TRAIN" or not trainable(net) or not any_frozen(net):
            return
        for node in norms(net):
            found = mode(net, node)
            if node.type != "BatchNorm" or not found.batch or not behind_frozen_layer(net, node):
                continue
            if found.reads_flag:
                advice = "Set use_global_stats: true."
                cure = fix("unsafe", "Set use_global_stats: true", put(net.file, node, FLAG, "true"))
            elif fields(node).get("use_global_stats"):
                continue
            else:
                advice, cure = by_phase(net, node)
            yield self.at(
                node,
                f"everything around '{node.name}' is frozen, but it still normalises with each batch and overwrites "
                "the stored mean and variance (half forgotten after about 700 iterations): the frozen branch's "
                f"outputs and the test accuracy drift. {advice}",
                FLAG,
                related=_frozen_around(net, node),
                fix=cure,
            )


def _frozen_around(net: PhaseNet, node: Node) -> tuple[Related, ...]:
    """The layer with weights in front of a BatchNorm, and its Scale."""
    partner = partners(net)[node]
    found = [] if partner is None else [partner]
    blob = node.bottoms[0]
    while blob is not None:
        maker = blob.producer
        if weights(maker):
            found.insert(0, maker)
            break
        blob = maker.bottoms[0] if maker.bottoms else None
    how = {True: "is frozen", False: "is meant to be frozen"}
    return tuple(related(layer, f"'{layer.name}' {how[frozen(net, layer)]}", "param") for layer in found)


@rule
class PartialFreeze(Rule):
    """## What it does
    Reports a layer whose `param` blocks all say `lr_mult: 0`, but which has more blobs than blocks.

    ## Why is this bad?
    A block stands for one blob. The blobs without one keep lr_mult 1: the layer is meant to be frozen and trains.

    ## Fix safety
    Unsafe: training changes, which is the point.
    """

    code = "FRZ002"
    name = "partial-freeze"
    severity = "warning"
    fix_safety = "unsafe"
    GOOD = (
        Example(trained(_TRUE, **_FROZEN_BLOCK)),
        Example(trained()),
    )
    BAD = (
        Example(
            data() + conv("conv1", "data", LOCKED, bias=True) + relu("relu1", "conv1") + ip("fc", "conv1") + loss("fc"),
            fixed=data()
            + conv("conv1", "data", LOCKED, LOCKED, bias=True)
            + relu("relu1", "conv1")
            + ip("fc", "conv1")
            + loss("fc"),
        ),
        Example(trained(_TRUE, conv_lines=(LOCKED,), scale_lines=(LOCKED,))),
        Example(data() + ip("fc1", "data", "param { lr_mult: 0 }") + relu("r", "fc1") + ip("fc", "fc1") + loss("fc")),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """Layers whose blobs are all weights."""
        if not trainable(net):
            return
        for node in net.nodes:
            given = len(node.layer.definition.bound.entries.get("param", ()))
            blobs = node.setup.params
            if not 0 < given < len(blobs) or len(weights(node)) != len(blobs):
                continue
            if any(lr(net, node, i) != 0 for i in range(given)) or all(
                lr(net, node, i) == 0 for i in range(given, len(blobs))
            ):
                continue
            rest = ", ".join(f"{i} ({blobs[i].role})" for i in range(given, len(blobs)))
            yield self.at(
                node,
                f"'{node.name}' freezes {given} of its {len(blobs)} blobs: blob {rest} has no param block and trains "
                "at lr_mult 1. Write a block for each blob.",
                "param",
                fix=fix("unsafe", "Freeze the rest", add_params(net.file, node, *[LOCKED] * (len(blobs) - given))),
            )


@mark
def _cuts(definition: LayerDef) -> bool:
    return not all([*definition.bound.all("propagate_down"), *definition.bound.all("loss_weight")])


def may_cut(net: PhaseNet) -> bool:
    """Whether anything in the net can cut a gradient; most nets have nothing of the kind."""
    return bool(net.marked(_cuts))


@rule
class AllFrozen(Rule):
    """## What it does
    Reports a training net in which no layer gets both a gradient and a learning rate.

    ## Why is this bad?
    Training changes nothing but BatchNorm statistics (and what weight decay shrinks), whatever the solver says.

    ## Fix safety
    None: only the author knows which layers should learn.
    """

    code = "FRZ014"
    name = "all-frozen"
    severity = "warning"
    GOOD = (Example(trained()),)
    BAD = (
        Example(data() + ip("fc", "data", LOCKED, LOCKED) + loss("fc")),
        Example(data() + conv("conv1", "data", LOCKED) + ip("fc", "conv1", LOCKED, LOCKED) + loss("fc")),
        Example(data() + ip("fc", "data") + loss("fc", "loss_weight: 0")),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """At the first loss of the TRAIN net. Layers of unknown type may learn."""
        if net.phase != "TRAIN" or not trainable(net):
            return
        if any(entry_of(type_, net.dialect) is None for type_ in net.by_type):
            return
        if not any_frozen(net) and not may_cut(net):
            return
        owners = [node for node in net.nodes if weights(node)]
        state = backward(net)
        if not owners or any(
            node in state.layers and any(lr(net, node, i) != 0 for i in weights(node)) for node in owners
        ):
            return
        last = next(
            (node for node in reversed(net.nodes) if is_loss(node.layer.definition, net.dialect)), net.nodes[-1]
        )
        cut = any(lr(net, node, i) != 0 for node in owners for i in weights(node))
        why = "no layer with lr_mult other than 0 gets a gradient" if cut else "every weight has lr_mult 0"
        yield self.at(
            last,
            f"{why}: training changes nothing but BatchNorm statistics. Unfreeze at least the last layer.",
        )
