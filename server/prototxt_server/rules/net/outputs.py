"""NET013, NET014, NET015, NET022: tops that nobody needs, and needs that nobody fills."""

from __future__ import annotations

import os
from collections.abc import Container, Iterable
from typing import TYPE_CHECKING

from prototxt_grammar.edits import Edit, newline_of
from prototxt_net import marks
from prototxt_net.backward import backward
from prototxt_net.finding import Finding, Fix
from prototxt_net.flow import loss_weights
from prototxt_net.layers.base import entry_of
from prototxt_net.net import Blob, Node, PhaseNet
from prototxt_server.rules import roles
from prototxt_server.rules.base import Example, Rule, related, rule
from prototxt_server.rules.example_nets import CONV, IMAGE, LABELLED, LOSS, SCORE

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis


# Layers whose tops are meant to be looked at, not read.
_RESULTS = frozenset(
    {
        "Accuracy", "Softmax", "ArgMax", "DetectionOutput", "DetectionEvaluate", "SegAccuracy", "Silence", "Python",
        "HDF5Output", "Sigmoid", "Split",
    }
)  # fmt: skip


@rule
class NoLoss(Rule):
    """## What it does
    Reports a training net, one with a data layer for TRAIN only that delivers labels, in which nothing carries a loss.

    ## Why is this bad?
    Caffe builds and runs it. Without a loss no gradient exists, so training changes nothing.

    ## Fix safety
    There is no automatic fix: which loss is meant only the author knows.
    """

    code = "NET013"
    name = "no-loss"
    severity = "warning"
    _TRAIN = LABELLED.replace('top: "data"', 'top: "data"\n  include { phase: TRAIN }')
    GOOD = (
        Example(_TRAIN + SCORE + LOSS),
        Example(IMAGE + SCORE),
        Example(_TRAIN + SCORE + LOSS.replace("}", "loss_weight: 0 }")),
    )
    BAD = (
        Example(_TRAIN + SCORE, phase="TRAIN"),
        Example(
            _TRAIN + SCORE + 'layer { name: "acc" type: "Accuracy" bottom: "score" bottom: "label" top: "acc" }\n',
            phase="TRAIN",
        ),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """At most one finding, at the data layer."""
        if net.phase != "TRAIN" or roles.has_loss(net) or roles.has_unknown_types(net):
            return
        if next(net.file.tree.problems(), None) is not None:
            return  # the loss may stand in what could not be read
        if any((known := entry_of(type_, net.dialect)) is not None and known.loss for type_ in net.by_type):
            return  # of weight 0: FRZ013 and FRZ014 say what follows
        for node in net.marked(marks.source):
            if len(node.tops) < 2 or not _only_in(node, "TRAIN"):
                continue
            known = roles.entry(node, net)
            if known is None or not known.source or node.type in ("Input", "DummyData", "Python"):
                continue
            message = (
                f"'{node.name}' feeds the TRAIN net with '{node.tops[1].name}', but no layer has a loss: training "
                "would "
                "change nothing. Add a loss layer."
            )
            yield self.at(node, message, "top", index=1)
            return


def _only_in(node: Node, phase: str) -> bool:
    rules = node.layer.bound.entries.get("include", ())
    return bool(rules) and all(rule_.value.has("phase") and rule_.value.get("phase") == phase for rule_ in rules)


@rule
class DanglingTop(Rule):
    """## What it does
    Reports a top that no layer reads in any phase, in a net that is trained; losses, accuracies and other results that
    are meant to be printed do not count.

    ## Why is this bad?
    An unread top becomes an output of the net and is printed at every display. Often it shows a branch that was
    forgotten, or a misspelt bottom elsewhere.

    ## Fix safety
    Safe: a Silence layer is added, which changes nothing but the printing.
    """

    code = "NET014"
    name = "dangling-top"
    severity = "info"
    fix_safety = "safe"
    GOOD = (Example(LABELLED + SCORE + LOSS), Example(IMAGE + CONV))
    BAD = (
        Example(
            LABELLED + CONV + SCORE + LOSS,
            fixed=LABELLED + CONV + SCORE + LOSS + 'layer {\n  name: "silence_conv"\n  type: "Silence"\n'
            '  bottom: "conv"\n}\n',
        ),
        Example(
            LABELLED + SCORE + LOSS + 'layer { name: "slice" type: "Slice" bottom: "data" top: "a" top: "b" }\n',
            count=2,
        ),
    )

    def check_file(self, analysis: Analysis) -> Iterable[Finding]:
        """One finding for each top that is unread in all active phases."""
        if not any(net.phase == "TRAIN" and roles.has_loss(net) for net in analysis.nets):
            return
        read: dict[int, set[int]] = {}
        unread: dict[tuple[int, int], tuple[PhaseNet, Blob]] = {}
        for net in analysis.nets:
            for node in net.nodes:
                seen = read.setdefault(id(node.layer), set())
                for blob in node.tops:
                    if blob.readers:
                        seen.add(blob.top_index)
                    else:
                        unread.setdefault((node.layer.index, blob.top_index), (net, blob))
        for (_, top), (net, blob) in sorted(unread.items(), key=lambda item: item[0]):
            node = blob.producer
            if top in read[id(node.layer)] or not self._counts(node, net, top):
                continue
            message = (
                f"'{blob.name}', made by '{node.name}', is read by nobody: it becomes an output of the net and is "
                "printed "
                "at every display. Let a layer read it, or silence it."
            )
            yield self.at(node, message, "top", index=top, fix=self._fix(analysis, blob))

    def _counts(self, node: Node, net: PhaseNet, top: int) -> bool:
        if node.type in _RESULTS or not node.bottoms or any(node.in_place):
            return False
        known = roles.entry(node, net)
        return known is not None and not loss_weights(node, net.dialect)[top] and not known.loss

    def _fix(self, analysis: Analysis, blob: Blob) -> Fix | None:
        layer = blob.producer.layer
        if layer.bound.has("include") or layer.bound.has("exclude") or layer.definition.version != 2:
            return None
        text = analysis.tree.text
        line = newline_of(text)
        lines = ["layer {", f'  name: "silence_{blob.name}"', '  type: "Silence"', f'  bottom: "{blob.name}"', "}", ""]
        lead = "" if text.endswith(("\n", "\r")) else line
        return Fix("safe", "Add a Silence layer", (Edit(len(text), len(text), lead + line.join(lines)),))


@rule
class DeadBranch(Rule):
    """## What it does
    Reports a layer with weights that may change (lr_mult is not 0) from which no path leads to a loss.

    ## Why is this bad?
    Backward starts at the losses. The layer's weights get no gradient and keep their initial values (weight decay
    aside), although the net looks as if it trained them.

    ## Fix safety
    There is no automatic fix: connect the branch, or remove it.
    """

    code = "NET015"
    name = "dead-branch"
    severity = "warning"
    _AUX = CONV.replace('"conv"', '"aux"')
    GOOD = (
        Example(LABELLED + SCORE + LOSS),
        Example(IMAGE + SCORE),
        Example(
            LABELLED
            + SCORE
            + LOSS
            + SCORE.replace('"score"', '"off"')
            + LOSS.replace('"score"', '"off"').replace('"loss"', '"none"').replace("}", "loss_weight: 0 }")
        ),
    )
    BAD = (
        Example(LABELLED + _AUX + SCORE + LOSS, phase="TRAIN"),
        Example(LABELLED + SCORE + LOSS + SCORE.replace('"score"', '"spare"'), phase="TRAIN"),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """One finding for each dead end: the last learning layer of each branch."""
        if net.phase != "TRAIN" or not roles.has_loss(net):
            return
        alive = backward(net).under_loss
        if not alive or len(alive) == len(net.nodes) or roles.has_unknown_types(net):
            return
        if any(None in node.bottoms for node in net.nodes):
            return  # a branch that reads an unknown blob is NET002's, and where it was meant to lead nobody knows
        switched_off = _above_losses(net, alive)
        for node in net.nodes:
            if node in alive or node in switched_off or not roles.learns(node):
                continue
            message = (
                f"'{node.name}' has weights to learn (lr_mult is not 0) but leads to no loss in TRAIN, so they "
                "never get "
                "a gradient. Connect it, or remove it."
            )
            yield self.at(node, message, "name")


def _above_losses(net: PhaseNet, alive: Container[Node]) -> set[Node]:
    """The layers that lead to a loss of weight 0, which FRZ003 and FRZ013 speak about."""
    found: set[Node] = set()
    for node in reversed(net.nodes):
        known = roles.entry(node, net)
        loss = known is not None and known.loss and node not in alive
        if loss or any(reader in found for blob in node.tops for reader, _ in blob.readers):
            found.add(node)
    return found


@rule
class LabelInDeploy(Rule):
    """## What it does
    Reports a loss or Accuracy layer in a deploy net (by the file's name) whose label is a bare net input.

    ## Why is this bad?
    A deploy net classifies images whose label nobody knows. The input is never filled, so the printed loss or accuracy
    says nothing, and the program has to feed a blob that it does not have.

    ## Fix safety
    There is no automatic fix: remove the layer with its label input, or replace a SoftmaxWithLoss by a Softmax.
    """

    code = "NET022"
    name = "label-in-deploy"
    severity = "warning"
    _LABEL = 'layer { name: "label" type: "Input" top: "label" input_param { shape { dim: 2 } } }\n'
    GOOD = (
        Example(IMAGE + SCORE + 'layer { name: "prob" type: "Softmax" bottom: "score" top: "prob" }\n'),
        Example(IMAGE + _LABEL + SCORE + LOSS, filename="train.prototxt"),
    )
    BAD = (
        Example(IMAGE + _LABEL + SCORE + LOSS, filename="deploy.prototxt"),
        Example(
            IMAGE
            + _LABEL
            + SCORE
            + 'layer { name: "acc" type: "Accuracy" bottom: "score" bottom: "label" top: "acc" }\n',
            filename="deploy.prototxt",
        ),
    )

    def check_file(self, analysis: Analysis) -> Iterable[Finding]:
        """One finding a layer."""
        if "deploy" not in os.path.basename(analysis.source.path).lower():
            return
        for net in analysis.nets:
            compared = [nodes for type_, nodes in net.by_type.items() if _compares(type_, net.dialect)]
            for node in (node for nodes in compared for node in nodes):
                if len(node.bottoms) < 2:
                    continue
                label = node.bottoms[1]
                if label is None or label.producer.type != "Input":
                    continue
                message = (
                    f"'{node.name}' compares with '{label.name}', a net input that a deploy net has no value for. "
                    "Remove "
                    "both (a Softmax gives the probabilities)."
                )
                notes = (related(label.producer, f"'{label.name}' is an input here", "top", label.top_index),)
                yield self.at(node, message, "bottom", index=1, related=notes, phases=(net.phase,))


def _compares(type_: str, dialect: str) -> bool:
    """Whether the type is a loss or an accuracy, which compare scores with labels."""
    known = entry_of(type_, dialect)
    return type_ == "Accuracy" or (known is not None and known.loss)
