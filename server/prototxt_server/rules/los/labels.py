"""LOS004, LOS005, LOS011, LOS012: labels and the classes that they stand for."""

from __future__ import annotations

from collections.abc import Iterable

from prototxt_grammar.edits import Edit
from prototxt_net.finding import Finding, Fix
from prototxt_net.net import Blob, Node, PhaseNet
from prototxt_server.rules import roles
from prototxt_server.rules.base import Example, Rule, related, rule
from prototxt_server.rules.bn.edits import fix, put
from prototxt_server.rules.bn.nets import layer
from prototxt_server.rules.bn.placement import MESSAGES
from prototxt_server.rules.example_nets import CONV, IMAGE, LABELLED, LOSS, SCORE

_LABEL_SOURCES = frozenset({"Data", "ImageData", "AnnotatedData"})
_CLASS_LOSSES = ("SoftmaxWithLoss", "MultinomialLogisticLoss", "InfogainLoss", "HingeLoss")


def classes_of(node: Node) -> int | None:
    """The size of the class axis of a loss's scores."""
    blob = node.bottoms[0] if node.bottoms else None
    if blob is None or blob.shape is None:
        return None
    axis = node.param("softmax_param").get("axis") if node.type == "SoftmaxWithLoss" else 1
    axis = 1 if axis is None else axis
    if not -len(blob.shape) <= axis < len(blob.shape):
        return None
    size = blob.shape[axis]
    return size if isinstance(size, int) else None


def _is_data_label(blob: Blob | None) -> bool:
    """Whether it is the class number that an image database gives."""
    return blob is not None and blob.top_index == 1 and blob.producer.type in _LABEL_SOURCES


@rule
class NumOutputVsLabels(Rule):
    """Labels that the scores have no place for.

    ## What it does
    Reports a class loss whose DummyData labels reach the number of classes or beyond. (Labels in databases are looked
    at by the forward check.)

    ## Why is this bad?
    Release builds of Caffe do not check labels: one that is too large reads foreign memory, and the loss is wrong
    without an error.

    ## Fix safety
    Unsafe: the layer gets weights of another shape; perhaps the labels are what is wrong.
    """

    code = "LOS004"
    name = "num-output-vs-labels"
    severity = "error"
    fix_safety = "unsafe"
    _LABEL = layer(
        "DummyData", "label", "", "label",
        'dummy_data_param { shape { dim: 2 } data_filler { type: "constant" value: %s } }',
    )  # fmt: skip
    GOOD = (Example(IMAGE + _LABEL.replace("%s", "9") + SCORE + LOSS),)
    BAD = (
        Example(
            IMAGE + _LABEL.replace("%s", "10") + SCORE + LOSS,
            fixed=IMAGE + _LABEL.replace("%s", "10") + SCORE.replace("num_output: 10", "num_output: 11") + LOSS,
        ),
        Example(IMAGE + _LABEL.replace("%s", "12") + SCORE + LOSS.replace("SoftmaxWithLoss", "HingeLoss")),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """One finding a loss."""
        for node in net.of_type(*_CLASS_LOSSES):
            label = node.bottoms[1] if len(node.bottoms) > 1 else None
            classes = classes_of(node)
            if label is None or label.producer.type != "DummyData" or classes is None:
                continue
            largest = _constant(label)
            loss = node.param("loss_param")
            if (
                largest is None
                or largest < classes
                or (loss.has("ignore_label") and loss.get("ignore_label") == largest)
            ):
                continue
            message = (
                f"'{node.name}' has {classes} classes but labels reach {largest:g}: labels from {classes} on read "
                f"foreign memory, and the loss is wrong without an error. Set num_output to {int(largest) + 1}, or "
                "correct them."
            )
            notes = (related(label.producer, "the labels are made here", "dummy_data_param.data_filler"),)
            yield self.at(node, message, "bottom", related=notes, fix=self._fix(net, node, classes, int(largest) + 1))

    @staticmethod
    def _fix(net: PhaseNet, node: Node, classes: int, wanted: int) -> Fix | None:
        """In the layer that computes the scores, where that is what sets their number."""
        scores = node.bottoms[0]
        name = MESSAGES.get(scores.producer.type) if scores is not None else None
        if scores is None or name is None or scores.producer.param(name).get("num_output") != classes:
            return None
        edit = put(net.file, scores.producer, f"{name}.num_output", str(wanted))
        return fix("unsafe", f"Set num_output to {wanted}", edit)


def _constant(label: Blob) -> float | None:
    """The value of a blob that DummyData fills with a constant."""
    fillers = label.producer.param("dummy_data_param").all("data_filler")
    if not fillers:
        return 0.0
    filler = fillers[label.top_index] if len(fillers) > 1 and label.top_index < len(fillers) else fillers[0]
    return float(filler.get("value")) if filler.get("type") == "constant" else None


@rule
class IgnoreLabelRange(Rule):
    """A class that is never learnt.

    ## What it does
    Reports an ignore_label that is the number of one of the classes.

    ## Why is this bad?
    All samples of that class are skipped. For a class "void" among the outputs that is meant; otherwise the class is
    never learnt.

    ## Fix safety
    There is no automatic fix.
    """

    code = "LOS005"
    name = "ignore-label-range"
    severity = "hint"
    _LOSS = LOSS.replace('top: "loss"', 'top: "loss"\n  loss_param { ignore_label: %s }')
    GOOD = (Example(LABELLED + SCORE + _LOSS.replace("%s", "255")),)
    BAD = (
        Example(LABELLED + SCORE + _LOSS.replace("%s", "9")),
        Example(LABELLED + CONV + _LOSS.replace("%s", "3").replace('"score"', '"conv"')),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """One finding a loss."""
        for node in net.of_type("SoftmaxWithLoss", "InfogainLoss"):
            loss = node.param("loss_param")
            if not loss.has("ignore_label"):
                continue
            value, classes = loss.get("ignore_label"), classes_of(node)
            if classes is not None and 0 <= value < classes:
                message = f"ignore_label {value} of '{node.name}' is also class {value}: its examples are skipped."
                yield self.at(node, message, "loss_param.ignore_label")


@rule
class EuclideanForClasses(Rule):
    """Class numbers taken for quantities.

    ## What it does
    Reports a EuclideanLoss between several scores and the class number of a data layer.

    ## Why is this bad?
    It treats class numbers as quantities: class 9 is "farther" from class 0 than class 1 is. With more than one score
    the shapes do not even fit.

    ## Fix safety
    Unsafe: the type becomes SoftmaxWithLoss.
    """

    code = "LOS011"
    name = "euclidean-for-classes"
    severity = "info"
    fix_safety = "unsafe"
    GOOD = (Example(LABELLED + SCORE + LOSS),)
    BAD = (
        Example(
            LABELLED + SCORE + LOSS.replace("SoftmaxWithLoss", "EuclideanLoss"),
            fixed=LABELLED + SCORE + LOSS,
        ),
        Example(LABELLED + SCORE + layer("EuclideanLoss", "loss", "label score", "loss")),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """One finding a loss."""
        for node in net.by_type.get("EuclideanLoss", ()):
            for score, label in ((0, 1), (1, 0)):
                if len(node.bottoms) != 2 or not _is_data_label(node.bottoms[label]):
                    continue
                blob = node.bottoms[score]
                if blob is None or blob.shape is None or len(blob.shape) < 2:
                    continue
                if isinstance(blob.shape[1], int) and blob.shape[1] > 2:
                    message = (
                        f"'{node.name}' compares {blob.shape[1]} scores with a class number as if it were a quantity "
                        "(class 9 is 'farther' than class 1). Use SoftmaxWithLoss."
                    )
                    yield self.at(node, message, "type", fix=self._fix(node) if score == 0 else None)

    def _fix(self, node: Node) -> Fix | None:
        entry = node.layer.bound.entry("type")
        if entry is None or node.layer.definition.version != 2:
            return None
        base = node.layer.base
        return Fix("unsafe", "Use SoftmaxWithLoss", (Edit(base + entry.start, base + entry.end, '"SoftmaxWithLoss"'),))


@rule
class MissingLabelPath(Rule):
    """Labels that no loss reads.

    ## What it does
    Reports a data layer's label top that no layer reads, in a net that is trained.

    ## Why is this bad?
    Usually the loss was meant to read it and reads something else.

    ## Fix safety
    There is no automatic fix: connect it, or silence it.
    """

    code = "LOS012"
    name = "missing-label-path"
    severity = "warning"
    GOOD = (Example(LABELLED + SCORE + LOSS),)
    BAD = (
        Example(
            LABELLED
            + CONV
            + CONV.replace('"conv"', '"target"')
            + layer("EuclideanLoss", "loss", "conv target", "loss"),
            phase="TRAIN",
        ),
        Example(
            LABELLED.replace('"Data"', '"ImageData"').replace("data_param", "image_data_param")
            + SCORE
            + SCORE.replace('"score"', '"copy"')
            + layer("EuclideanLoss", "loss", "score copy", "loss"),
            phase="TRAIN",
        ),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """One finding a data layer."""
        if net.phase != "TRAIN" or not roles.has_loss(net):
            return
        for node in net.of_type("Data", "ImageData"):
            if len(node.tops) == 2 and not node.tops[1].readers:
                message = (
                    f"'{node.tops[1].name}' of '{node.name}' is produced but nothing reads it, not even the loss. "
                )
                yield self.at(node, message + "Connect it, or silence it.", "top", index=1)
