"""What batch normalisation makes of its statistics."""

from __future__ import annotations

from prototxt_server.rules.base import Example
from prototxt_server.rules.dyn.base import DynamicRule, dynamic
from prototxt_server.rules.dyn.nets import conv, layer, net


@dynamic
class VarianceVsEps(DynamicRule):
    """## What it does
    Reports a BatchNorm with batch statistics in more than a tenth of whose channels the variance is below eps.

    ## Why is this bad?
    The layer divides by sqrt(variance + eps): where eps is the larger part, the output is smaller than 0.71 and its
    size depends on eps, not on the data.

    ## Fix safety
    None: raise the scale of the input, or lower eps.
    """

    code = "DYN014"
    name = "bn-var-vs-eps"
    severity = "warning"
    GOOD = (Example(net(conv("data", "conv") + layer("bn", "BatchNorm", "conv", "x"))),)
    BAD = (
        Example(
            net(
                conv("data", "conv", 'type: "gaussian" std: 0.0001')
                + layer("bn", "BatchNorm", "conv", "bn")
                + layer("relu", "ReLU", "bn", "x")
            )
        ),
    )


@dynamic
class TrainTestGap(DynamicRule):
    """## What it does
    With loaded weights and at least 16 samples of real data, compares what a BatchNorm gives out with its stored
    statistics with what it would give out with those of the batch, and reports a difference of more than a half.

    ## Why is this bad?
    The stored statistics belong to other data, or have not been divided by their factor: the net was not trained on
    what it now sees.

    ## Fix safety
    None.
    """

    code = "DYN015"
    name = "bn-train-test-gap"
    severity = "warning"


@dynamic
class StatisticsSanity(DynamicRule):
    """## What it does
    Reports loaded statistics of a BatchNorm that no training leaves: a negative variance, a factor above
    1/(1 - moving_average_fraction), a mean a thousand times its standard deviation.

    ## Why is this bad?
    The root of a negative variance is NaN. The other two come from a file of another Caffe, whose blobs mean something
    else, or from a conversion that went wrong.

    ## Fix safety
    None: take the weights that belong to the net.
    """

    code = "DYN016"
    name = "bn-stat-sanity"
    severity = "error"
