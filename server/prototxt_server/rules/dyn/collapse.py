"""Outputs that are zero, or the same whatever goes in."""

from __future__ import annotations

from prototxt_server.rules.base import Example
from prototxt_server.rules.dyn.base import DynamicRule, dynamic
from prototxt_server.rules.dyn.nets import conv, layer, net

_SOUND = net(conv("data", "conv") + layer("relu", "ReLU", "conv", "x"))


@dynamic
class AllZeroTop(DynamicRule):
    """## What it does
    Reports the first layer whose output is 0 in every element although its input is not. Layers that are 0 only because
    of it are counted, not reported.

    ## Why is this bad?
    Nothing about the input passes this layer, and behind a ReLU no gradient comes back. The usual cause is a filler:
    Caffe's default is the constant 0, also for a filler that names a std but no type.

    ## Fix safety
    None: the static rule that the message names carries the fix.
    """

    code = "DYN002"
    name = "all-zero-top"
    severity = "error"
    GOOD = (Example(_SOUND),)
    BAD = (
        Example(net(conv("data", "conv", "std: 0.01") + layer("relu", "ReLU", "conv", "x"))),
        Example(net(conv("data", "conv", 'type: "constant" value: 0') + layer("tanh", "TanH", "conv", "x"))),
    )


@dynamic
class ZeroGamma(DynamicRule):
    """## What it does
    Reports a batch normalisation or Scale whose gamma is 0 in every channel after the fillers have run.

    ## Why is this bad?
    The output is the constant beta whatever the input is. With beta 0 and a ReLU behind it, gamma's own gradient is 0
    too: it stays 0 for ever.

    ## Fix safety
    None: BN031 and BN022 carry the fix.
    """

    code = "DYN003"
    name = "zero-gamma"
    severity = "error"
    GOOD = (
        Example(
            net(
                conv("data", "conv")
                + layer("bn", "BatchNorm", "conv", "bn", "batch_norm_param { scale_filler { value: 1 } }")
                + layer("relu", "ReLU", "bn", "x")
            ),
            dialect="nvidia-0.15",
        ),
        Example(_SOUND),
    )
    BAD = (
        Example(
            net(conv("data", "conv") + layer("bn", "BatchNorm", "conv", "bn") + layer("relu", "ReLU", "bn", "x")),
            dialect="nvidia-0.15",
        ),
        Example(
            net(
                conv("data", "conv")
                + layer("bn", "BatchNorm", "conv", "bn")
                + layer("scale", "Scale", "bn", "scale", 'scale_param { filler { type: "constant" } bias_term: true }')
                + layer("relu", "ReLU", "scale", "x")
            )
        ),
    )


@dynamic
class OneValuePerChannel(DynamicRule):
    """## What it does
    Reports a BatchNorm that normalises with the statistics of a batch in which each channel has one value: one image,
    and a 1x1 map.

    ## Why is this bad?
    The mean of one value is the value: the output is exactly 0.

    ## Fix safety
    None: a larger batch, or stored statistics.
    """

    code = "DYN004"
    name = "m1-collapse"
    severity = "error"
    GOOD = (Example(net(layer("bn", "BatchNorm", "data", "x"), batch=8, size=1)),)
    BAD = (Example(net(layer("bn", "BatchNorm", "data", "x"), batch=1, size=1)),)


@dynamic
class InputIndependent(DynamicRule):
    """## What it does
    Reports the layer from which on every sample of the batch gives the same output although the samples differ; and
    windows of average pooling that lie wholly beyond their input, which give 0 whatever the input is.

    ## Why is this bad?
    The net ignores its input from there on: it can learn the frequencies of the classes and nothing else.

    ## Fix safety
    None.
    """

    code = "DYN005"
    name = "input-independent"
    severity = "warning"
    GOOD = (Example(_SOUND),)
    BAD = (Example(net(layer("power", "Power", "data", "x", "power_param { scale: 0 shift: 1 }"))),)


@dynamic
class DeadChannels(DynamicRule):
    """## What it does
    Reports a ReLU many of whose channels are 0 for the whole batch: from half of them, or from 5 % behind a
    BatchNorm, whose channels must have positive values unless their variance is 0.

    ## Why is this bad?
    A channel that is 0 for every image passes no gradient and cannot come back.

    ## Fix safety
    None: look at the bias and at the scale of the input.
    """

    code = "DYN006"
    name = "dead-channels"
    severity = "warning"
    GOOD = (Example(_SOUND),)
    BAD = (
        Example(
            net(
                conv("data", "conv", more=" bias_filler { value: -1000 }")
                + layer("other", "Power", "data", "shifted", "power_param { shift: 10 }")
                + 'layer {\n  name: "both"\n  type: "Concat"\n  bottom: "conv"\n  bottom: "shifted"\n  top: "both"\n}\n'
                + layer("relu", "ReLU", "both", "x")
            )
        ),
    )
