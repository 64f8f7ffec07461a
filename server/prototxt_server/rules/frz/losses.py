"""FRZ012 and FRZ013: Dropout inside a frozen part, and losses that weigh nothing."""

from __future__ import annotations

from collections.abc import Iterable

from prototxt_net import marks
from prototxt_net.backward import backward
from prototxt_net.finding import Finding
from prototxt_net.flow import any_frozen, carries_loss, frozen, is_loss, trainable, upstream, weights
from prototxt_net.net import Node, PhaseNet
from prototxt_server.rules.base import Example, Rule, rule
from prototxt_server.rules.bn.nets import conv, data, ip, layer, loss, trained
from prototxt_server.rules.frz.what_moves import LOCKED
from prototxt_server.rules.removing import remove


@rule
class FrozenDropout(Rule):
    """## What it does
    Points out a Dropout between frozen layers of a net that trains.

    ## Why is this bad?
    It still drops at random in TRAIN, so the frozen features are noisy, for example those of a teacher.

    ## Fix safety
    Unsafe: training sees other features, which is the point.
    """

    code = "FRZ012"
    name = "frozen-dropout"
    severity = "hint"
    fix_safety = "unsafe"
    _DROP = layer("Dropout", "drop1", "conv1", "conv1")
    GOOD = (
        Example(trained()),
        Example(data() + conv("conv1", "data", LOCKED) + _DROP + ip("fc", "conv1") + loss("fc")),
        Example(
            data()
            + conv("conv1", "data", LOCKED)
            + _DROP
            + conv("conv2", "conv1", LOCKED)
            + 'layer { name: "kept" type: "Silence" bottom: "conv2" }\n'
            + ip("fc", "data")
            + loss("fc")
        ),
    )
    BAD = (
        Example(
            data()
            + conv("conv1", "data", LOCKED)
            + _DROP
            + conv("conv2", "conv1", LOCKED)
            + ip("fc", "conv2")
            + loss("fc"),
            fixed=data()
            + conv("conv1", "data", LOCKED)
            + conv("conv2", "conv1", LOCKED)
            + ip("fc", "conv2")
            + loss("fc"),
        ),
        Example(data() + conv("conv1", "data", LOCKED) + _DROP + ip("fc", "conv1", LOCKED, LOCKED) + loss("fc")),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """Frozen above, and nothing but frozen layers next behind it."""
        if net.phase != "TRAIN" or not trainable(net) or not any_frozen(net):
            return
        for node in net.of_type("Dropout"):
            bottom = node.bottoms[0] if node.bottoms else None
            if bottom is None or upstream(net).get(bottom) != "frozen" or not self._into_frozen(net, node):
                continue
            if node not in backward(net).under_loss:
                continue  # kept for its weights, its result is silenced
            yield self.at(
                node,
                f"'{node.name}' stands between frozen layers but still drops at random in TRAIN: the frozen features "
                "are noisy. Delete it, or restrict it to the phase that needs it.",
                fix=remove(net.file, f"Delete '{node.name}'", node),
            )

    @staticmethod
    def _into_frozen(net: PhaseNet, node: Node) -> bool:
        """Whether every next layer with weights is frozen, and there is one."""
        todo, seen, found = [node], {node}, False
        while todo:
            for reader in (r for top in todo.pop().tops for r, _ in top.readers):
                if weights(reader):
                    if not frozen(net, reader):
                        return False
                    found = True
                elif reader not in seen:
                    seen.add(reader)
                    todo.append(reader)
        return found


@rule
class ZeroWeightLoss(Rule):
    """## What it does
    Says that a loss with `loss_weight: 0` is computed forward only.

    ## Why is this bad?
    It may well be meant, as a number to watch. Layers that lead to no other loss get no gradient from it; FRZ003 tells
    which of them decay all the same.

    ## Fix safety
    None.
    """

    code = "FRZ013"
    name = "zero-weight-loss"
    severity = "info"
    GOOD = (Example(trained()), Example(data() + ip("fc", "data") + loss("fc", "loss_weight: 2")))
    BAD = (
        Example(data() + ip("fc", "data") + loss("fc", "loss_weight: 0")),
        Example(
            data() + ip("fc", "data") + loss("fc") + layer("EuclideanLoss", "l2", "fc fc", "l2", "loss_weight: 0.0")
        ),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """Losses of the TRAIN net."""
        if net.phase != "TRAIN":
            return
        dialect = net.dialect
        for node in net.marked(marks.weighs_a_top):
            definition = node.layer.definition
            if is_loss(definition, dialect):
                if carries_loss(definition, dialect):
                    continue
                yield self.at(
                    node,
                    f"'{node.name}' has loss_weight 0: it is computed forward only, and the layers before it get no "
                    "gradient from it.",
                    "loss_weight",
                )
