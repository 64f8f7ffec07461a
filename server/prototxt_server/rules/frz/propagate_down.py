"""FRZ004 to FRZ007: propagate_down, and how far back-propagation runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prototxt_net.backward import backward
from prototxt_net.batchnorm import masks_statistics, norm_family, norms
from prototxt_net.finding import Finding, Fix, Problem
from prototxt_net.flow import any_frozen, dialects_of, lr, trainable, upstream
from prototxt_net.layers.base import entry_of
from prototxt_net.net import Blob, Node, PhaseNet
from prototxt_server.rules.base import Example, ProblemRule, Rule, related, rule
from prototxt_server.rules.bn.by_phase import above_what_trains
from prototxt_server.rules.bn.edits import fix, set_params
from prototxt_server.rules.bn.nets import STAT, bn, conv, data, ip, layer, loss, relu, scale, trained
from prototxt_server.rules.editing import delete_entry, insert_after, value_edit
from prototxt_server.rules.frz.what_moves import DOWN, LOCKED

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis


@rule
class PropagateDownCount(ProblemRule):
    """## What it does
    Reports a layer whose number of `propagate_down` values is neither 0 nor its number of bottoms.

    ## Why is this bad?
    Caffe aborts while it builds the net: the values belong to the bottoms one by one.

    ## Fix safety
    Safe: Caffe loads no such file; the last value is repeated, or the surplus deleted.
    """

    code = "FRZ004"
    name = "propagate-down-count"
    severity = "error"
    fix_safety = "safe"
    GOOD = (Example(data() + ip("fc", "data", DOWN) + loss("fc")), Example(trained()))
    BAD = (
        Example(
            data() + ip("fc", "data", DOWN, DOWN) + loss("fc"),
            fixed=data() + ip("fc", "data", DOWN) + loss("fc"),
        ),
        Example(
            data() + ip("fc", "data") + loss("fc", "propagate_down: true"),
            fixed=data() + ip("fc", "data") + loss("fc", "propagate_down: true", "propagate_down: false"),
        ),
    )

    def fix(self, analysis: Analysis, node: Node | None, problem: Problem) -> Fix | None:
        """Trim, or add: false for a label, else the last value again."""
        given, wanted = problem.data["given"], problem.data["wanted"]
        if node is None or not isinstance(given, int) or not isinstance(wanted, int):
            return None
        text = analysis.source.text
        entries = node.layer.bound.entries["propagate_down"]
        if given > wanted:
            edits = [delete_entry(text, node.layer.base, entry) for entry in entries[wanted:]]
            return Fix("safe", "Delete the surplus", tuple(edits))
        known = entry_of(node.type, analysis.file.dialect)
        value = "false" if known is not None and known.loss else str(entries[-1].value).lower()
        field = "\n".join([f"propagate_down: {value}"] * (wanted - given))
        return Fix("safe", "Add the missing values", (insert_after(text, node.layer.base, entries[-1], field),))


_NO_LABEL_GRADIENT = {
    "SoftmaxWithLoss": (1,),
    "SigmoidCrossEntropyLoss": (1,),
    "MultinomialLogisticLoss": (1,),
    "HingeLoss": (1,),
    "InfogainLoss": (1, 2),
}


@rule
class PropagateDownLabel(Rule):
    """## What it does
    Reports `propagate_down: true` at the label of a loss.

    ## Why is this bad?
    These losses have no gradient for their labels: the first backward pass aborts ("Layer cannot backpropagate to label
    inputs").

    ## Fix safety
    Safe: no value of the net depends on it.
    """

    code = "FRZ005"
    name = "propagate-down-label"
    severity = "error"
    fix_safety = "safe"
    _TRUE, _FALSE = "propagate_down: true", "propagate_down: false"
    GOOD = (Example(data() + ip("fc", "data") + loss("fc", _TRUE, _FALSE)), Example(trained()))
    BAD = (
        Example(
            data() + ip("fc", "data") + loss("fc", _TRUE, _TRUE),
            fixed=data() + ip("fc", "data") + loss("fc", _TRUE, _FALSE),
        ),
        Example(
            data()
            + ip("fc", "data")
            + layer("HingeLoss", "loss", "fc label", "loss", "propagate_down: 1", "propagate_down: 1"),
        ),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """Losses whose backward runs."""
        if net.phase != "TRAIN":
            return
        for node in net.of_type(*_NO_LABEL_GRADIENT):
            if "propagate_down" not in node.layer.definition.bound.entries or node not in backward(net).layers:
                continue
            for index in _NO_LABEL_GRADIENT[node.type]:
                entry = node.layer.bound.entry("propagate_down", index)
                if entry is None or entry.value is not True or index >= len(node.layer.bottoms):
                    continue
                yield self.at(
                    node,
                    f"propagate_down true at bottom {index} ('{node.layer.bottoms[index]}') asks '{node.name}' for a "
                    "gradient of its label, which does not exist: the first backward aborts. Write false.",
                    "propagate_down",
                    index=index,
                    fix=fix("safe", "Write false", value_edit(node.layer, entry, "false")),
                )


@rule
class PropagateDownRedundant(Rule):
    """## What it does
    Points out `propagate_down: false` on a layer above which nothing trains.

    ## Why is this bad?
    It is harmless: Caffe computes no gradient there anyway.

    ## Fix safety
    Safe: the same gradients are computed.
    """

    code = "FRZ006"
    name = "propagate-down-redundant"
    severity = "hint"
    fix_safety = "safe"
    _FROZEN = data() + conv("conv1", "data", LOCKED)
    GOOD = (Example(data() + conv("conv1", "data") + ip("fc", "conv1", DOWN) + loss("fc")), Example(trained()))
    BAD = (
        Example(
            _FROZEN + ip("fc", "conv1", DOWN) + loss("fc"),
            fixed=_FROZEN + ip("fc", "conv1") + loss("fc"),
        ),
        Example(data() + ip("fc", "data", DOWN) + loss("fc"), fixed=data() + ip("fc", "data") + loss("fc")),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """Layers all of whose values are false; unknown types above may train."""
        if net.phase != "TRAIN" or not trainable(net):
            return
        writers = [node for node in net.nodes if "propagate_down" in node.layer.definition.bound.entries]
        writers = [node for node in writers if not any(node.layer.definition.bound.all("propagate_down"))]
        if not writers:
            return
        needed = _needed(net)
        for node in writers:
            entries = node.layer.definition.bound.entries["propagate_down"]
            if not node.bottoms or len(entries) != len(node.bottoms):
                continue
            if any(blob is None or blob in needed for blob in node.bottoms):
                continue
            text = net.file.tree.text
            yield self.at(
                node,
                f"no layer before '{node.name}' trains, so propagate_down: false saves nothing. Delete it.",
                "propagate_down",
                fix=fix("safe", "Delete it", *(delete_entry(text, node.layer.base, entry) for entry in entries)),
            )


def _needed(net: PhaseNet) -> set[Blob]:
    """Blobs below which something needs a gradient, as Net::Init counts it without any propagate_down."""
    found: set[Blob] = set()
    for node in net.nodes:
        unknown = entry_of(node.layer.definition.type, net.dialect) is None and bool(node.bottoms)
        own = any(
            lr(net, node, i) != 0 if not blob.statistic else not masks_statistics(node)
            for i, blob in enumerate(node.setup.params)
        )
        if unknown or own or any(blob in found for blob in node.bottoms if blob is not None):
            found.update(node.tops)
    return found


@rule
class FrozenBackpropCost(Rule):
    """## What it does
    Points out a frozen part whose BatchNorms have no `param` blocks.

    ## Why is this bad?
    Values are safe, but time is lost: Caffe masks the statistics only after it has counted them as lr_mult 1, so
    back-propagation runs through the whole frozen part, down to the first such BatchNorm. Three blocks with
    `lr_mult: 0` stop it at the top of the frozen part (measured).

    ## Fix safety
    Safe: the blocks say what is in force anyway.
    """

    code = "FRZ007"
    name = "frozen-bn-backprop-cost"
    severity = "hint"
    dialects = dialects_of("B")
    fix_safety = "safe"
    _TRUE = "batch_norm_param { use_global_stats: true }"
    _HEAD = scale("scale1", "conv1", LOCKED, LOCKED) + relu("relu1", "conv1") + ip("fc", "conv1") + loss("fc")
    _FROZEN = data() + conv("conv1", "data", LOCKED)
    GOOD = (Example(trained()), Example(_FROZEN + bn("bn1", "conv1", STAT, STAT, STAT, _TRUE) + _HEAD))
    BAD = (
        Example(
            _FROZEN + bn("bn1", "conv1", _TRUE) + _HEAD,
            fixed=_FROZEN + bn("bn1", "conv1", STAT, STAT, STAT, _TRUE) + _HEAD,
        ),
        Example(
            _FROZEN
            + bn("bn1", "conv1", "param { lr_mult: 0 }", _TRUE)
            + _HEAD
            + bn("bn2", "conv1", _TRUE, top="bn2")
            + ip("fc2", "bn2")
            + loss("fc2").replace('"loss"', '"loss2"'),
        ),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """One finding for the whole frozen part."""
        if net.phase != "TRAIN" or not trainable(net) or not any_frozen(net):
            return
        trains = above_what_trains(net)
        open_ = [
            node
            for node in norms(net)
            if norm_family(node, net.dialect) == "B"
            and node.bottoms
            and node.bottoms[0] is not None
            and node.bottoms[0] not in trains
            and upstream(net).get(node.bottoms[0]) == "frozen"
            and not masks_statistics(node)
        ]
        if not open_ or not any(node in backward(net).layers for node in open_):
            return
        first = open_[0]
        edits = [edit for node in open_ for edit in set_params(net.file, node, *(("0", "0"),) * 3)]
        more = f" and {len(open_) - 1} more" if len(open_) > 1 else ""
        yield self.at(
            first,
            f"'{first.name}'{more} in the frozen part: Caffe counts unlisted BatchNorm blobs as lr_mult 1 at first, so "
            "back-propagation runs through the frozen part down to here. Nothing changes, but time is lost. Write "
            "three param blocks with lr_mult: 0.",
            related=tuple(related(node, "has no three blocks either") for node in open_[1:8]),
            fix=fix("safe", "Write three blocks with lr_mult: 0", *edits),
        )
