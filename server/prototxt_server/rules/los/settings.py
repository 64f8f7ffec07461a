"""LOS006 to LOS010: how a loss is normalised and weighted, and over which axis."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prototxt_grammar.edits import Edit
from prototxt_net import marks
from prototxt_net.file import LayerDef
from prototxt_net.finding import Finding, Fix, Problem
from prototxt_net.net import Node, PhaseNet
from prototxt_server.rules import roles
from prototxt_server.rules.base import Example, ProblemRule, Rule, rule
from prototxt_server.rules.bn.nets import layer
from prototxt_server.rules.editing import delete_entry, insert_after, value_edit
from prototxt_server.rules.example_nets import CONV, IMAGE, LABELLED, LOSS, SCORE

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis


def _loss(param: str) -> str:
    return LABELLED + SCORE + LOSS.replace('top: "loss"', f'top: "loss"\n  {param}')


@marks.mark
def _writes_normalize(definition: LayerDef) -> bool:
    return definition.bound.sub("loss_param").has("normalize")


@rule
class NormalizeDeprecated(ProblemRule):
    """The old way to choose a normalisation.

    ## What it does
    Reports `loss_param { normalize }`; an error in InfogainLoss.

    ## Why is this bad?
    `normalization` has taken its place, and where both are written `normalize` is not read. InfogainLoss aborts on it.

    ## Fix safety
    Safe: true becomes VALID, false BATCH_SIZE, which is what they meant.
    """

    code = "LOS006"
    name = "normalize-deprecated"
    severity = "hint"
    fix_safety = "safe"
    GOOD = (
        Example(_loss("loss_param { normalization: VALID }")),
        Example(
            LABELLED + SCORE + 'layer { type: "Softmax" bottom: "score" top: "p" loss_param { normalize: true } }\n'
        ),
    )
    BAD = (
        Example(_loss("loss_param { normalize: true }"), fixed=_loss("loss_param { normalization: VALID }")),
        Example(_loss("loss_param { normalize: false }"), fixed=_loss("loss_param { normalization: BATCH_SIZE }")),
    )

    def fix(self, analysis: Analysis, node: Node | None, problem: Problem) -> Fix | None:
        """The same in the new words."""
        return None if node is None else self._fix(node, analysis.tree.text)

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """One finding for each loss but InfogainLoss, whose set-up says it."""
        for node in net.marked(_writes_normalize):
            if node.type == "InfogainLoss":
                continue
            loss = node.param("loss_param")
            if "normalization" not in loss.type.fields:
                continue
            known = roles.entry(node, net)
            if known is not None and not known.loss:
                continue  # a Softmax, for example, does not read it at all
            new = "VALID" if loss.get("normalize") else "BATCH_SIZE"
            message = f"`normalize` of '{node.name}' is deprecated"
            message += (
                ", and not read because `normalization` is written. Delete it."
                if loss.has("normalization")
                else f". Write `normalization: {new}`."
            )
            yield self.at(node, message, "loss_param.normalize", fix=self._fix(node, net.file.tree.text))

    def _fix(self, node: Node, text: str) -> Fix | None:
        loss = node.param("loss_param")
        entry = loss.entry("normalize")
        if entry is None or "normalization" not in loss.type.fields:
            return None
        if loss.has("normalization"):
            return Fix("safe", "Delete it", (delete_entry(text, node.layer.base, entry),))
        new = "VALID" if entry.value else "BATCH_SIZE"
        edit = Edit(node.layer.base + entry.node.start, node.layer.base + entry.end, f"normalization: {new}")
        return Fix("safe", f"Write `normalization: {new}`", (edit,))


@rule
class SummedLoss(Rule):
    """A loss that grows with the image.

    ## What it does
    Reports `normalization: NONE` or BATCH_SIZE on a SoftmaxWithLoss with a label for each position of a map.

    ## Why is this bad?
    The loss is then a sum over the positions, so gradients are that much larger than usual. That is fine with a
    learning rate chosen for it, and diverges with an ordinary one.

    ## Fix safety
    Unsafe: VALID divides by the number of labels, so the learning rate has to grow with it.
    """

    code = "LOS007"
    name = "none-normalization"
    severity = "info"
    fix_safety = "unsafe"
    NET = (
        IMAGE
        + layer("Input", "label", "", "label", "input_param { shape { dim: 2 dim: 1 dim: 8 dim: 8 } }")
        + CONV.replace('top: "conv"', 'top: "score"')
        + LOSS.replace('top: "loss"', 'top: "loss"\n  loss_param { normalization: %s }')
    )
    GOOD = (Example(NET.replace("%s", "VALID")), Example(_loss("loss_param { normalization: BATCH_SIZE }")))
    BAD = (
        Example(NET.replace("%s", "NONE"), fixed=NET.replace("%s", "VALID")),
        Example(NET.replace("%s", "BATCH_SIZE")),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """One finding a loss."""
        for node in net.by_type.get("SoftmaxWithLoss", ()):
            loss = node.param("loss_param")
            blob = node.bottoms[0] if node.bottoms else None
            if not loss.has("normalization") or loss.get("normalization") not in ("NONE", "BATCH_SIZE"):
                continue
            if blob is None or blob.shape is None or len(blob.shape) != 4:
                continue
            positions = [dim for dim in blob.shape[2:] if isinstance(dim, int)]
            if len(positions) != 2 or positions[0] * positions[1] < 2:
                continue
            message = (
                f"the loss '{node.name}' is a sum over {positions[0] * positions[1]} positions, so gradients are that "
                "much larger. Use VALID, or a smaller base_lr."
            )
            entry = loss.entry("normalization")
            fix = Fix("unsafe", "Use VALID", (value_edit(node.layer, entry, "VALID"),)) if entry else None
            yield self.at(node, message, "loss_param.normalization", fix=fix)


@rule
class LossWeightOnMetric(Rule):
    """A loss_weight where no gradient exists.

    ## What it does
    Reports a loss_weight other than 0 on a layer without a backward: Accuracy, ArgMax, Threshold.

    ## Why is this bad?
    In training Caffe asks the layer for its gradient and aborts at the first backward: not implemented. Where nothing
    below the layer learns, or in TEST, it only counts the metric into the loss (a warning).

    ## Fix safety
    Unsafe: the loss_weight is deleted.
    """

    code = "LOS008"
    name = "loss-weight-metric"
    severity = "error"
    fix_safety = "unsafe"
    _ACCURACY = layer("Accuracy", "acc", "score label", "acc", "%s")
    GOOD = (Example(LABELLED + SCORE + LOSS + _ACCURACY.replace("  %s\n", "")),)
    BAD = (
        Example(
            LABELLED + SCORE + LOSS + _ACCURACY.replace("%s", "loss_weight: 1"),
            phase="TRAIN",
            fixed=LABELLED + SCORE + LOSS + _ACCURACY.replace("  %s\n", ""),
        ),
        Example(
            LABELLED + SCORE + LOSS + _ACCURACY.replace("%s", "accuracy_param { top_k: 5 }\n  loss_weight: 0.5"),
            phase="TEST",
        ),
        Example(LABELLED + SCORE + LOSS + layer("Threshold", "over", "score", "over", "loss_weight: 1"), phase="TRAIN"),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """One finding a layer."""
        for node in net.marked(marks.weighs_a_top):
            weights = node.layer.definition.bound.entries["loss_weight"]
            if all(entry.value == 0 for entry in weights):
                continue
            known = roles.entry(node, net)
            if known is None or known.backward or not node.bottoms or known.loss:
                continue
            fatal = roles.trains_through(node, net)
            message = f"{node.type} '{node.name}' has no backward; "
            message += (
                "its loss_weight makes Caffe abort at the first backward (not implemented). Remove it."
                if fatal
                else "its loss_weight only adds the metric to the reported loss. Remove it."
            )
            edits = tuple(delete_entry(net.file.tree.text, node.layer.base, entry) for entry in weights)
            fix = Fix("unsafe", "Delete the loss_weight", edits)
            yield self.at(node, message, "loss_weight", severity="error" if fatal else "warning", fix=fix)


@rule
class AccuracyInTrain(Rule):
    """Accuracy at every training iteration.

    ## What it does
    Reports an Accuracy layer without an include rule in a net that is trained. Off by default.

    ## Why is this bad?
    It costs time at every iteration, and the accuracy of one training batch says little.

    ## Fix safety
    Unsafe: the training log then has no accuracy.
    """

    code = "LOS009"
    name = "accuracy-in-train"
    severity = "hint"
    default_on = False
    fix_safety = "unsafe"
    _ACCURACY = layer("Accuracy", "acc", "score label", "acc")
    GOOD = (Example(LABELLED + SCORE + LOSS),)
    BAD = (
        Example(
            LABELLED + SCORE + LOSS + _ACCURACY,
            fixed=LABELLED + SCORE + LOSS + _ACCURACY.replace('top: "acc"', 'top: "acc"\n  include { phase: TEST }'),
        ),
        Example(LABELLED + SCORE + _ACCURACY + _ACCURACY.replace('"acc"', '"again"') + LOSS, count=2),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """One finding a layer."""
        if net.phase != "TRAIN" or not roles.has_loss(net):
            return
        for node in net.by_type.get("Accuracy", ()):
            bound = node.layer.definition.bound
            if bound.has("include") or bound.has("exclude"):
                continue
            last = bound.entries.get("top", bound.entries.get("bottom", []))[-1:]
            fix = None
            if last:
                edit = insert_after(net.file.tree.text, node.layer.base, last[0], "include { phase: TEST }")
                fix = Fix("unsafe", "Restrict it to TEST", (edit,))
            message = (
                f"'{node.name}' also runs at every training iteration. "
                "Add `include { phase: TEST }` to save the time."
            )
            yield self.at(node, message, "type", fix=fix)


@rule
class SoftmaxAxis(ProblemRule):
    """Softmax over something else than the classes.

    ## What it does
    Reports a softmax axis that does not exist (an error), and one other than 1 on a blob of 4 axes (a warning).

    ## Why is this bad?
    Caffe aborts for the first. For the second it normalises over rows, columns or samples, not over the channels that
    hold the classes.

    ## Fix safety
    Unsafe: the axis becomes 1.
    """

    code = "LOS010"
    name = "softmax-axis"
    severity = "error"
    fix_safety = "unsafe"
    _SOFTMAX = IMAGE + layer("Softmax", "prob", "data", "prob", "softmax_param { axis: %s }")
    GOOD = (Example(_SOFTMAX.replace("%s", "-3")),)
    BAD = (
        Example(_SOFTMAX.replace("%s", "4"), fixed=_SOFTMAX.replace("%s", "1")),
        Example(_SOFTMAX.replace("%s", "2"), fixed=_SOFTMAX.replace("%s", "1")),
    )

    def fix(self, analysis: Analysis, node: Node | None, problem: Problem) -> Fix | None:
        """Axis 1."""
        return None if node is None else self._fix(node)

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """The warning."""
        for node in net.of_type("Softmax", "SoftmaxWithLoss"):
            param = node.param("softmax_param")
            blob = node.bottoms[0] if node.bottoms else None
            if not param.has("axis") or blob is None or blob.shape is None or len(blob.shape) != 4:
                continue
            axis = param.get("axis")
            if not -4 <= axis < 4 or axis % 4 == 1:
                continue
            message = (
                f"'{node.name}' normalises over axis {axis} (size {blob.shape[axis]}), not over the {blob.shape[1]} "
                "channels. Use axis 1."
            )
            yield self.at(node, message, "softmax_param.axis", severity="warning", fix=self._fix(node))

    def _fix(self, node: Node) -> Fix | None:
        entry = node.param("softmax_param").entry("axis")
        return None if entry is None else Fix("unsafe", "Use axis 1", (value_edit(node.layer, entry, "1"),))
