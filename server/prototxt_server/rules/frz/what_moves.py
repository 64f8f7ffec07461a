"""FRZ001 to FRZ003, FRZ008 and FRZ014: parts that are meant to be frozen, and what moves in them all the same."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prototxt_net.backward import backward
from prototxt_net.batchnorm import behind_frozen_layer, fields, mode, norms
from prototxt_net.finding import Finding
from prototxt_net.flow import WEIGHTED, any_frozen, carries_loss, dialects_of, frozen, is_loss, lr, trainable, weights
from prototxt_net.layers.base import entry_of
from prototxt_net.net import Node, PhaseNet
from prototxt_server.rules.base import Example, Rule, rule
from prototxt_server.rules.bn.by_phase import FLAG, by_phase
from prototxt_server.rules.bn.edits import add_params, fix, put, set_params
from prototxt_server.rules.bn.nets import STAT, bn, conv, data, ip, loss, relu, trained

if TYPE_CHECKING:
    from prototxt_server.linked.model import Linked

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
                fix=cure,
            )


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


@rule
class CutButDecaying(Rule):
    """## What it does
    Reports a layer with lr_mult other than 0 that gets no gradient because of `propagate_down: false` or a loss with
    `loss_weight: 0`.

    ## Why is this bad?
    propagate_down cuts the gradient, it does not freeze: Caffe applies weight decay to every blob whose lr_mult and
    decay_mult are not 0, gradient or not, so the weights shrink every step. With weight_decay 0 (the default) in the
    solver nothing happens, and beside such a solver nothing is reported.

    ## Fix safety
    Unsafe: training changes, which is the point.
    """

    code = "FRZ003"
    name = "cut-but-decaying"
    severity = "warning"
    fix_safety = "unsafe"
    _CUT = relu("relu1", "conv1").replace('  top: "conv1"', f'  top: "conv1"\n  {DOWN}')
    GOOD = (
        Example(data() + conv("conv1", "data", LOCKED) + _CUT + ip("fc", "conv1") + loss("fc")),
        Example(trained()),
    )
    BAD = (
        Example(
            data() + conv("conv1", "data") + _CUT + ip("fc", "conv1") + loss("fc"),
            fixed=data() + conv("conv1", "data", LOCKED) + _CUT + ip("fc", "conv1") + loss("fc"),
        ),
        Example(
            data()
            + conv("conv1", "data")
            + ip("fc", "conv1")
            + loss("fc")
            + ip("aux", "data")
            + loss("aux", "loss_weight: 0").replace('"loss"', '"aux_loss"')
        ),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """The simulation of Net::Init decides who gets a gradient."""
        if net.phase != "TRAIN" or not trainable(net) or not _may_cut(net):
            return
        state = backward(net)
        to_zero = _towards_zero_loss(net)
        for node in net.nodes:
            if node in state.layers or not (node in state.cut or node in to_zero):
                continue
            moving = [i for i in weights(node) if lr(net, node, i) != 0 and node.decay_mult(i) != 0]
            if not moving or any(spec.has("name") for spec in node.layer.definition.bound.all("param")):
                continue
            why = "propagate_down: false cuts it off" if node in state.cut else "its loss has loss_weight 0"
            blocks = [("0", "0")] * len(node.setup.params)
            yield self.at(
                node,
                f"no gradient reaches '{node.name}' ({why}), but weight decay still shrinks its weights every step: "
                "that does not freeze a layer. Write lr_mult: 0 for each blob.",
                "param",
                fix=fix("unsafe", "Set lr_mult: 0", *set_params(net.file, node, *blocks)),
            )

    def stands(self, finding: Finding, linked: Linked) -> bool:
        """Not beside solvers that all have weight_decay 0."""
        return not linked.without_decay


def _may_cut(net: PhaseNet) -> bool:
    """Whether anything in the net can cut a gradient; most nets have nothing of the kind."""
    for node in net.nodes:
        definition = node.layer.definition
        cuts = definition.cache.get("cuts")
        if cuts is None:
            values = [*definition.bound.all("propagate_down"), *definition.bound.all("loss_weight")]
            cuts = definition.cache["cuts"] = not all(values)
        if cuts:
            return True
    return False


def _towards_zero_loss(net: PhaseNet) -> set[Node]:
    """Layers that lead to a loss written with weight 0 and to no other loss."""
    dialect = net.dialect
    found: set[Node] = set()
    other: set[Node] = set()
    for node in reversed(net.nodes):
        definition = node.layer.definition
        readers = [reader for top in node.tops for reader, _ in top.readers]
        if carries_loss(definition, dialect) or (not readers and entry_of(definition.type, dialect) is None):
            other.add(node)
        elif is_loss(definition, dialect):
            found.add(node)
        if any(reader in other for reader in readers):
            other.add(node)
        if any(reader in found for reader in readers):
            found.add(node)
    return found - other


@rule
class DecayOnly(Rule):
    """## What it does
    Reports a layer between frozen layers whose `param` blocks say `decay_mult: 0` but not lr_mult.

    ## Why is this bad?
    decay_mult only exempts from weight decay; lr_mult is still 1 and the layer trains.

    ## Fix safety
    Unsafe: training changes, which is the point.
    """

    code = "FRZ008"
    name = "decay-only"
    severity = "warning"
    fix_safety = "unsafe"
    _NO_DECAY = "param { decay_mult: 0 }"
    _HEAD = ip("fc", "conv3") + loss("fc")
    GOOD = (Example(trained()), Example(trained(conv_lines=(_NO_DECAY,))))
    BAD = (
        Example(
            data()
            + conv("conv1", "data", LOCKED)
            + conv("conv2", "conv1", _NO_DECAY)
            + conv("conv3", "conv2", LOCKED)
            + _HEAD,
            fixed=data()
            + conv("conv1", "data", LOCKED)
            + conv("conv2", "conv1", "param { decay_mult: 0 lr_mult: 0 }")
            + conv("conv3", "conv2", LOCKED)
            + _HEAD,
        ),
        Example(
            data()
            + conv("conv1", "data", LOCKED)
            + conv("conv2", "conv1", _NO_DECAY, _NO_DECAY, bias=True)
            + conv("conv3", "conv2", LOCKED)
            + _HEAD,
        ),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """The layers with weights right before and right behind it must be frozen."""
        if not trainable(net) or not any_frozen(net):
            return
        row = [node for node in net.nodes if node.type in WEIGHTED and node.setup.params]
        for before, node, after in zip(row, row[1:], row[2:], strict=False):
            specs = node.layer.definition.bound.all("param")
            if not specs or any(spec.has("lr_mult") or spec.get("decay_mult") != 0 for spec in specs):
                continue
            if not frozen(net, before) or not frozen(net, after):
                continue
            yield self.at(
                node,
                f"'{node.name}' stands between frozen layers, but decay_mult: 0 does not freeze: lr_mult is still 1. "
                "Write lr_mult: 0 for each blob.",
                "param",
                fix=fix("unsafe", "Set lr_mult: 0", *set_params(net.file, node, *[("0", "")] * len(node.setup.params))),
            )


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
        if not any_frozen(net) and not _may_cut(net):
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
