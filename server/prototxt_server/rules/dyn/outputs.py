"""The loss, its labels and its data."""

from __future__ import annotations

from prototxt_server.rules.base import Example
from prototxt_server.rules.dyn.base import DynamicRule, dynamic
from prototxt_server.rules.dyn.nets import conv, layer, net

_SOUND = net(conv("data", "conv") + layer("relu", "ReLU", "conv", "x"))
_LOUD = net(conv("data", "conv", 'type: "gaussian" std: 10') + layer("relu", "ReLU", "conv", "x"))
_SILENT = net(layer("quiet", "Power", "data", "x", "power_param { scale: 0.00001 }"))
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


_FLOOR = """layer {
  name: "data"
  type: "DummyData"
  top: "data"
  top: "label"
  dummy_data_param {
    shape { dim: 8 dim: 2 }
    shape { dim: 8 }
    data_filler { type: "uniform" min: 1 max: 2 }
    data_filler { type: "constant" value: 2 }
  }
}
layer {
  name: "loud"
  type: "Power"
  bottom: "data"
  top: "loud"
  power_param { scale: 1000 }
}
layer {
  name: "nothing"
  type: "Power"
  bottom: "data"
  top: "nothing"
  power_param { power: 0 }
}
layer {
  name: "scores"
  type: "Concat"
  bottom: "loud"
  bottom: "nothing"
  top: "scores"
}
layer {
  name: "loss"
  type: "SoftmaxWithLoss"
  bottom: "scores"
  bottom: "label"
  top: "loss"
}
"""
_PIXELS = """layer {
  name: "data"
  type: "Data"
  top: "data"
  top: "label"
  transform_param { scale: %s mean_value: 118 crop_size: 16 }
  data_param { source: "train_lmdb" batch_size: 4 }
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
    severity = "warning"
    GOOD = (Example(_SOUND),)
    BAD = (Example(_FLOOR),)


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
    BAD = (Example(_SILENT),)


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
    BAD = (Example((_FIXED_LABEL % "4").replace('loss"\n}', 'loss"\n  loss_param { ignore_label: 4 }\n}')),)


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
    Reports a data blob that is all zero, constant, the same for every sample, or not finite; and pictures that
    transform_param makes larger than any pixel, or whose mean it leaves twenty standard deviations away from 0.

    ## Why is this bad?
    No layer can make information out of it: check the source and transform_param.

    ## Fix safety
    None.
    """

    code = "DYN027"
    name = "data-degenerate"
    severity = "warning"
    GOOD = (Example(_PIXELS % "0.00390625"),)
    BAD = (Example(_PIXELS % "100"),)


@dynamic
class LogitsCollapse(DynamicRule):
    """## What it does
    With at least 8 samples, reports scores that differ from sample to sample by less than a thousandth of their size.

    ## Why is this bad?
    All samples get the same class: with loaded weights the net is of no use, or its input is not what it was trained
    on.

    ## Fix safety
    None.
    """

    code = "DYN018"
    name = "logits-collapse"
    severity = "warning"
    GOOD = (Example(_SOUND),)


@dynamic
class HighInitialLoss(DynamicRule):
    """## What it does
    Reports a net that starts from fillers with a loss of more than three times ln K for each label.

    ## Why is this bad?
    Guessing costs ln K. A net that knows nothing and loses much more is sure of wrong answers: its scores are too
    large, and training begins with undoing that.

    ## Fix safety
    None: check the fillers of the last layers and the scale of the input.
    """

    code = "DYN023"
    name = "init-loss-high"
    severity = "warning"
    GOOD = (Example(_SOUND),)
    BAD = (Example(net(conv("data", "conv", 'type: "gaussian" std: 1') + layer("relu", "ReLU", "conv", "x"))),)


@dynamic
class LabelDegenerate(DynamicRule):
    """## What it does
    Reports real labels more than 95 % of which are ignore_label, or 16 and more that are all the same class.

    ## Why is this bad?
    A database that was written class by class and not shuffled gives such batches: the net learns the last class it
    saw.

    ## Fix safety
    None: shuffle the data when it is written.
    """

    code = "DYN026"
    name = "label-degenerate"
    severity = "warning"
