"""Single units that are silent, constant, saturated, or all alike."""

from __future__ import annotations

from prototxt_server.rules.base import Example
from prototxt_server.rules.dyn.base import DynamicRule, dynamic
from prototxt_server.rules.dyn.nets import conv, layer, net

_SOUND = net(conv("data", "conv") + layer("relu", "ReLU", "conv", "x"))


@dynamic
class ReluSparse(DynamicRule):
    """## What it does
    Reports a ReLU more than 95 % of whose output is 0, in channels that are not dead altogether.

    ## Why is this bad?
    Half of the values is what a ReLU takes from inputs around 0, and nine tenths are seen in late layers of trained
    nets; beyond that hardly any signal and any gradient passes.

    ## Fix safety
    None: look at the bias and at the scale of the input.
    """

    code = "DYN007"
    name = "relu-sparse"
    severity = "warning"
    GOOD = (Example(_SOUND),)
    BAD = (
        Example(
            net(
                layer("down", "Power", "data", "down", "power_param { shift: -2.4 }")
                + layer("relu", "ReLU", "down", "relu")
                + conv("relu", "x"),
                size=24,
            )
        ),
    )


@dynamic
class ConstantChannels(DynamicRule):
    """## What it does
    Reports a layer with weights more than a tenth of whose channels are constant although its input varies.

    ## Why is this bad?
    The weights of these channels are 0: they pass on their bias and nothing about the input.

    ## Fix safety
    None.
    """

    code = "DYN008"
    name = "constant-channels"
    severity = "warning"
    GOOD = (Example(_SOUND),)
    BAD = (
        Example(
            net(
                layer(
                    "conv",
                    "Convolution",
                    "data",
                    "x",
                    "convolution_param {",
                    '  num_output: 8 kernel_size: 1 weight_filler { type: "gaussian" std: 1 sparse: 1 }',
                    "}",
                )
            )
        ),
    )


@dynamic
class Saturation(DynamicRule):
    """## What it does
    Reports a Sigmoid with |x| above 17, or a TanH with |x| above 9.5, for more than half of its values (estimated from
    mean and deviation of each channel).

    ## Why is this bad?
    There the derivative is below 1e-7: no gradient passes.

    ## Fix safety
    None: lower the scale of the input.
    """

    code = "DYN009"
    name = "saturation"
    severity = "warning"
    GOOD = (Example(net(conv("data", "conv") + layer("s", "Sigmoid", "conv", "x"))),)
    BAD = (
        Example(
            net(
                layer("loud", "Power", "data", "loud", "power_param { scale: 1000 }")
                + layer("s", "Sigmoid", "loud", "s")
                + conv("s", "x")
            )
        ),
        Example(
            net(
                layer("loud", "Power", "data", "loud", "power_param { scale: 1000 }")
                + layer("t", "TanH", "loud", "t")
                + conv("t", "x")
            )
        ),
    )


@dynamic
class SymmetricWeights(DynamicRule):
    """## What it does
    Reports a layer that trains and all of whose weights start at one value other than 0. A last layer is left alone:
    the loss tells its units apart.

    ## Why is this bad?
    Its units compute the same. Where the weights of the layers behind it are alike too, they also get the same gradient
    and stay identical: the layer has one unit, whatever its num_output.

    ## Fix safety
    None: the static rules about fillers carry the fix.
    """

    code = "DYN029"
    name = "symmetric-weights"
    severity = "warning"
    GOOD = (
        Example(_SOUND),
        Example(net(conv("data", "conv") + layer("relu", "ReLU", "conv", "x")).replace('type: "xavier"', "value: 0.1")),
    )
    BAD = (Example(net(conv("data", "conv", "value: 0.1") + layer("relu", "ReLU", "conv", "x"))),)
