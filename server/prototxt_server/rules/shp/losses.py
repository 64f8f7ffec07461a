"""SHP020, SHP021, SHP022: scores and labels that do not go together."""

from __future__ import annotations

from prototxt_server.rules.base import Example, ProblemRule, rule
from prototxt_server.rules.bn.nets import layer
from prototxt_server.rules.example_nets import CONV, IMAGE, SCORE

_LABEL = layer("Input", "label", "", "label", "input_param { shape { dim: %s } }")


def _label(dims: str) -> str:
    return _LABEL.replace("%s", dims)


@rule
class SoftmaxLossLabels(ProblemRule):
    """Labels that are too few or too many for the scores.

    ## What it does
    Reports a SoftmaxWithLoss whose inputs differ in the number of samples, or whose number of labels is not the number
    of positions: N for scores (N, C), N*H*W for (N, C, H, W).

    ## Why is this bad?
    Caffe aborts when it sets the layer up.

    ## Fix safety
    There is no automatic fix.
    """

    code = "SHP020"
    name = "softmax-loss-labels"
    severity = "error"
    _LOSS = layer("SoftmaxWithLoss", "loss", "score label", "loss")
    GOOD = (Example(IMAGE + _label("2") + SCORE + _LOSS),)
    BAD = (
        Example(IMAGE + _label("3") + SCORE + _LOSS),
        Example(IMAGE + _label("2") + CONV.replace('top: "conv"', 'top: "score"') + _LOSS),
    )


@rule
class AccuracyLabels(ProblemRule):
    """Labels that Accuracy cannot compare.

    ## What it does
    Reports an Accuracy whose number of labels is not the number of positions, and a top_k above the number of classes.

    ## Why is this bad?
    Caffe aborts when it sets the layer up. A wrong number of labels can show as a complaint about top_k, because top_k
    is compared first with the number of scores for each label.

    ## Fix safety
    There is no automatic fix.
    """

    code = "SHP021"
    name = "accuracy"
    severity = "error"
    _ACCURACY = layer("Accuracy", "top5", "score label", "top5", "accuracy_param { top_k: %s }")
    GOOD = (Example(IMAGE + _label("2") + SCORE + _ACCURACY.replace("%s", "5")),)
    BAD = (
        Example(IMAGE + _label("2") + SCORE + _ACCURACY.replace("%s", "11")),
        Example(IMAGE + _label("3") + SCORE + _ACCURACY.replace("%s", "5")),
    )


@rule
class PairLossShapes(ProblemRule):
    """Two inputs of a loss that do not pair up.

    ## What it does
    Reports EuclideanLoss and SigmoidCrossEntropyLoss whose inputs have different numbers of values, ContrastiveLoss
    whose inputs are no vectors of one size, HingeLoss and MultinomialLogisticLoss without one label for each sample,
    and InfogainLoss without a fitting matrix.

    ## Why is this bad?
    Caffe aborts when it sets the layer up.

    ## Fix safety
    There is no automatic fix.
    """

    code = "SHP022"
    name = "pair-loss-shapes"
    severity = "error"
    GOOD = (Example(IMAGE + _label("2 dim: 10") + SCORE + layer("EuclideanLoss", "loss", "score label", "loss")),)
    BAD = (
        Example(IMAGE + _label("2") + SCORE + layer("EuclideanLoss", "loss", "score label", "loss")),
        Example(IMAGE + _label("2 dim: 4") + SCORE + layer("SigmoidCrossEntropyLoss", "loss", "score label", "loss")),
    )
