"""FRZ003, FRZ008: weights that no gradient reaches, and that weight decay shrinks all the same."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prototxt_net.backward import backward
from prototxt_net.finding import Finding, Related
from prototxt_net.flow import WEIGHTED, any_frozen, carries_loss, frozen, is_loss, lr, trainable, weights
from prototxt_net.layers.base import entry_of
from prototxt_net.net import Node, PhaseNet
from prototxt_server.rules.base import Example, Rule, related, rule
from prototxt_server.rules.bn.edits import fix, set_params
from prototxt_server.rules.bn.nets import conv, data, ip, loss, relu, trained
from prototxt_server.rules.frz.what_moves import DOWN, LOCKED, may_cut

if TYPE_CHECKING:
    from prototxt_server.linked.model import Linked


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
        if net.phase != "TRAIN" or not trainable(net) or not may_cut(net):
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
                related=_cut_by(net, node),
                fix=fix("unsafe", "Set lr_mult: 0", *set_params(net.file, node, *blocks)),
            )

    def stands(self, finding: Finding, linked: Linked) -> bool:
        """Not beside solvers that all have weight_decay 0."""
        return not linked.without_decay


def _cut_by(net: PhaseNet, node: Node) -> tuple[Related, ...]:
    """Where the gradient that would reach a layer ends."""
    todo = [node]
    for layer in todo:
        for reader, index in (use for top in layer.tops for use in top.readers):
            written = reader.layer.definition.bound.all("propagate_down")
            if index < len(written) and not written[index]:
                return (related(reader, f"'{reader.name}' passes no gradient on", "propagate_down", index),)
            definition = reader.layer.definition
            if is_loss(definition, net.dialect) and not carries_loss(definition, net.dialect):
                return (related(reader, f"'{reader.name}' counts nothing", "loss_weight"),)
            if reader not in todo:
                todo.append(reader)
    return ()


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
