"""The loss, its labels and its data."""

from __future__ import annotations

from prototxt_server.rules.base import Example
from prototxt_server.rules.dyn.base import DynamicRule, dynamic
from prototxt_server.rules.dyn.nets import conv, layer, net

_SOUND = net(conv("data", "conv") + layer("relu", "ReLU", "conv", "x"))
_LOUD = net(conv("data", "conv", 'type: "gaussian" std: 10') + layer("relu", "ReLU", "conv", "x"))
_FIXED_LABEL = """layer {
  name: "data"
  type: "DummyData"
  top: "data"
  top: "label"
  dummy_data_param {
    shape { dim: 8 dim: 3 dim: 8 dim: 8 }
    shape { dim: 8 }
    data_filler { type: "gaussian" }
    data_filler { type: "constant" value: %s }
  }
}
layer {
  name: "score"
  type: "InnerProduct"
  bottom: "data"
  top: "score"
  inner_product_param { num_output: 5 weight_filler { type: "xavier" } }
}
layer {
  name: "loss"
  type: "SoftmaxWithLoss"
  bottom: "score"
  bottom: "label"
  top: "loss"
}
"""


@dynamic
class LossFloor(DynamicRule):
    """## What it does
    Reports a loss that stands at -log of the smallest float, 87.3365 (46.0517 for losses with a floor of 1e-20).

    ## Why is this bad?
    The true class has probability 0 for every sample. With finite scores the softmax is saturated; with NaN scores the
    GPU prints the same number for ever.

    ## Fix safety
    None: the first layer that explodes is named.
    """

    code = "DYN020"
    name = "loss-floor"
    severity = "error"
    GOOD = (Example(_SOUND),)
    BAD = ()


@dynamic
class PartialFloor(DynamicRule):
    """## What it does
    Reports the share of samples whose true class has probability 0.

    ## Why is this bad?
    Each of them adds 87.34 to the sum: the loss is 87.34 times the share, and tells little else.

    ## Fix safety
    None: the scores are too large.
    """

    code = "DYN021"
    name = "partial-floor"
    severity = "warning"
    GOOD = (Example(_SOUND),)
    BAD = (Example(_LOUD),)


@dynamic
class ChanceLevel(DynamicRule):
    """## What it does
    Notes a loss of ln K with scores that are constant.

    ## Why is this bad?
    ln K at the first iteration is healthy as such; with constant scores the net does not look at its input.

    ## Fix safety
    None.
    """

    code = "DYN022"
    name = "chance-level"
    severity = "info"
    GOOD = (Example(_SOUND),)
    BAD = ()


@dynamic
class OddLoss(DynamicRule):
    """## What it does
    Reports a loss that is not finite although its inputs are, or that counts no sample.

    ## Why is this bad?
    There is nothing to learn from it: every label is the one to ignore, or the targets are out of range.

    ## Fix safety
    None.
    """

    code = "DYN024"
    name = "odd-loss"
    severity = "warning"
    GOOD = (Example(_SOUND),)
    BAD = ()


@dynamic
class LabelRange(DynamicRule):
    """## What it does
    Reports labels that are no class: negative, fractional, or not below the number of scores.

    ## Why is this bad?
    Release builds of Caffe do not check: the loss reads memory that belongs to something else.

    ## Fix safety
    None: correct the labels, or num_output of the last layer.
    """

    code = "DYN025"
    name = "label-range"
    severity = "error"
    GOOD = (Example(_FIXED_LABEL % "4"),)
    BAD = (Example(_FIXED_LABEL % "5"), Example(_FIXED_LABEL % "-1"))


@dynamic
class DataDegenerate(DynamicRule):
    """## What it does
    Reports a data blob that is all zero, constant, the same for every sample, or not finite.

    ## Why is this bad?
    No layer can make information out of it: check the source and transform_param.

    ## Fix safety
    None.
    """

    code = "DYN027"
    name = "data-degenerate"
    severity = "error"
    GOOD = (Example(_SOUND),)
    BAD = ()
