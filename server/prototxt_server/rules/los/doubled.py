"""LOS001, LOS002, LOS003: an activation in front of a loss that has its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from prototxt_net.finding import Finding, Fix
from prototxt_net.flow import shares_memory
from prototxt_net.net import Node, PhaseNet
from prototxt_server.rules.base import Example, Rule, related, rule
from prototxt_server.rules.bn.nets import layer
from prototxt_server.rules.editing import string_edit
from prototxt_server.rules.example_nets import LABELLED, LOSS, SCORE
from prototxt_server.rules.removing import remove


class _ActivationBeforeLoss(Rule):
    """Rules about one activation type directly before one loss type."""

    activation: ClassVar[str] = ""
    loss: ClassVar[str] = ""
    severity = "warning"
    fix_safety = "unsafe"

    def takes(self, above: Node) -> bool:
        """Whether the layer is such an activation."""
        return above.type == self.activation

    def words(self, loss: Node, above: Node) -> str:
        """The message."""
        raise NotImplementedError

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """One finding a loss."""
        for node in net.by_type.get(self.loss, ()):
            above = _producer(node)
            if above is not None and self.takes(above) and above.bottoms and above.bottoms[0] is not None:
                notes = (related(above, f"'{above.name}' is applied here", "type"),)
                cure = _relink(net, node, above)
                yield self.at(node, self.words(node, above), "bottom", related=notes, fix=cure)


def _producer(loss: Node) -> Node | None:
    """The layer that computes the loss's first bottom, looking through mere renamings."""
    blob = loss.bottoms[0] if loss.bottoms else None
    while blob is not None and shares_memory(blob.producer) and blob.producer.bottoms:
        blob = blob.producer.bottoms[0]
    return None if blob is None else blob.producer


def _relink(net: PhaseNet, loss: Node, above: Node) -> Fix | None:
    """Let the loss read what the activation reads, where that name still means the same blob; in place, delete it."""
    source, entry = above.bottoms[0], loss.layer.bound.entry("bottom")
    direct = loss.bottoms[0] is not None and loss.bottoms[0].producer is above
    if source is None or entry is None or not direct:
        return None
    if any(above.in_place):
        return remove(net.file, f"Delete '{above.name}'", above)
    if any(reader.in_place[index] for reader, index in source.readers if index < len(reader.in_place)):
        return None  # the name means something else further down
    return Fix("unsafe", f"Read '{source.name}' directly", (string_edit(loss.layer, entry, source.name),))


@rule
class DoubleSoftmax(_ActivationBeforeLoss):
    """Softmax twice.

    ## What it does
    Reports a Softmax whose output is the input of a SoftmaxWithLoss.

    ## Why is this bad?
    The loss applies softmax itself. Probabilities lie within 0..1, so after the second softmax the classes are nearly
    alike: the loss stays near ln K and the gradients are small.

    ## Fix safety
    Unsafe: the loss reads the scores directly; training then takes another course.
    """

    code = "LOS001"
    name = "double-softmax"
    activation = "Softmax"
    loss = "SoftmaxWithLoss"
    _PROB = layer("Softmax", "prob", "score", "prob")
    GOOD = (Example(LABELLED + SCORE + LOSS), Example(LABELLED + SCORE + _PROB + LOSS))
    BAD = (
        Example(
            LABELLED + SCORE + _PROB + LOSS.replace('"score"', '"prob"'),
            fixed=LABELLED + SCORE + _PROB + LOSS,
        ),
        Example(LABELLED + SCORE + _PROB.replace('"prob"', '"score"') + LOSS),
    )

    def words(self, loss: Node, above: Node) -> str:
        """The message."""
        return (
            f"'{loss.name}' applies softmax itself; '{above.name}' before it flattens the scores, so the loss stays "
            "near ln K and learning is slow. Feed it the scores."
        )


@rule
class SigmoidIntoSigmoidLoss(_ActivationBeforeLoss):
    """Sigmoid twice.

    ## What it does
    Reports a Sigmoid whose output is the input of a SigmoidCrossEntropyLoss.

    ## Why is this bad?
    The loss applies the sigmoid itself. Doing it twice limits the probability to 0.5..0.73: no target is ever reached.

    ## Fix safety
    Unsafe: the loss reads the scores directly; training then takes another course.
    """

    code = "LOS002"
    name = "sigmoid-into-sigmoid-ce"
    activation = "Sigmoid"
    loss = "SigmoidCrossEntropyLoss"
    _DATA = layer("HDF5Data", "data", "", "data target", 'hdf5_data_param { source: "train.txt" batch_size: 64 }')
    _SIGMOID = layer("Sigmoid", "prob", "score", "prob")
    _LOSS = layer("SigmoidCrossEntropyLoss", "loss", "score target", "loss")
    GOOD = (Example(_DATA + SCORE + _LOSS),)
    BAD = (
        Example(
            _DATA + SCORE + _SIGMOID + _LOSS.replace('"score"', '"prob"'),
            fixed=_DATA + SCORE + _SIGMOID + _LOSS,
        ),
        Example(_DATA + SCORE + _SIGMOID.replace('"prob"', '"score"') + _LOSS),
    )

    def words(self, loss: Node, above: Node) -> str:
        """The message."""
        return (
            f"'{loss.name}' applies the sigmoid itself; with '{above.name}' before it the probability is limited to "
            "0.5..0.73. Feed it the scores."
        )


@rule
class ActivationBeforeLoss(_ActivationBeforeLoss):
    """ReLU on the scores.

    ## What it does
    Reports a ReLU whose output is the input of a SoftmaxWithLoss.

    ## Why is this bad?
    It takes away all negative scores: half of the gradients vanish, and a class whose score is negative for all samples
    can never come back.

    ## Fix safety
    Unsafe: the loss reads the scores directly; training then takes another course.
    """

    code = "LOS003"
    name = "activation-before-loss"
    activation = "ReLU"
    loss = "SoftmaxWithLoss"
    _RELU = layer("ReLU", "relu", "score", "relu")
    GOOD = (Example(LABELLED + SCORE + LOSS),)
    BAD = (
        Example(
            LABELLED + SCORE + _RELU + LOSS.replace('"score"', '"relu"'),
            fixed=LABELLED + SCORE + _RELU + LOSS,
        ),
        Example(LABELLED + SCORE + _RELU.replace('top: "relu"', 'top: "score"') + LOSS, fixed=LABELLED + SCORE + LOSS),
    )

    def takes(self, above: Node) -> bool:
        """A ReLU that lets negative values through (`negative_slope`) takes nothing away."""
        return super().takes(above) and above.param("relu_param").get("negative_slope") == 0

    def words(self, loss: Node, above: Node) -> str:
        """The message."""
        return (
            f"'{above.name}' removes all negative scores before '{loss.name}': half of the gradients vanish and a "
            "class can die. Remove it."
        )
