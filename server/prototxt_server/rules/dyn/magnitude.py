"""Numbers that explode, vanish or are none."""

from __future__ import annotations

from prototxt_server.rules.base import Example
from prototxt_server.rules.dyn.base import DynamicRule, dynamic
from prototxt_server.rules.dyn.nets import conv, layer, net

_SOUND = net(conv("data", "conv") + layer("relu", "ReLU", "conv", "x"))
_STORED = "batch_norm_param { use_global_stats: true }"


@dynamic
class FirstNonfinite(DynamicRule):
    """## What it does
    Reports the first layer whose output holds NaN or an infinity although its inputs and weights are finite. NaN that a
    MAX pooling and a ReLU turn into 0 further down is followed back to where it began.

    ## Why is this bad?
    Everything behind it is a consequence; the first update makes every weight NaN.

    ## Fix safety
    None: look at the parameters of the layer that is named.
    """

    code = "DYN001"
    name = "first-nonfinite"
    severity = "error"
    GOOD = (Example(_SOUND),)
    BAD = (
        Example(net(layer("log", "Log", "data", "x"))),
        Example(
            net(
                layer("log", "Log", "data", "log")
                + layer("pool", "Pooling", "log", "pool", "pooling_param { pool: MAX kernel_size: 2 stride: 2 }")
                + layer("relu", "ReLU", "pool", "x")
            )
        ),
    )


@dynamic
class ExplodeDepth(DynamicRule):
    """## What it does
    Reports the layer at which activations have grown ten thousand times over the data, or passed 1e6.

    ## Why is this bad?
    float32 ends at 3.4e38 and half precision at 65504: an overflow is near, and a softmax saturates long before.

    ## Fix safety
    None: check fillers and BatchNorm statistics.
    """

    code = "DYN010"
    name = "explode-depth"
    severity = "warning"
    GOOD = (Example(_SOUND),)
    BAD = (Example(net(conv("data", "conv", 'type: "gaussian" std: 100000') + layer("relu", "ReLU", "conv", "x"))),)


@dynamic
class EmptyStatsGain(DynamicRule):
    """## What it does
    Reports a BatchNorm that uses stored statistics which nothing has been stored into.

    ## Why is this bad?
    Mean and variance are then 0, so the layer multiplies its input by 1/sqrt(eps), 316 times at the default. Two such
    layers saturate the softmax (loss 87.3365), sixteen overflow float32.

    ## Fix safety
    None: load weights, or use batch statistics while training (BN010 carries the fix).
    """

    code = "DYN012"
    name = "empty-stats-gain"
    severity = "error"
    GOOD = (Example(net(conv("data", "conv") + layer("bn", "BatchNorm", "conv", "x"))),)
    BAD = (
        Example(net(conv("data", "conv") + layer("bn", "BatchNorm", "conv", "x", _STORED))),
        Example(net(layer("bn", "BatchNorm", "data", "bn", _STORED) + conv("bn", "x"))),
    )


@dynamic
class VanishDepth(DynamicRule):
    """## What it does
    Reports the layer at which activations have shrunk a million times against the data.

    ## Why is this bad?
    What is left is below the rounding of the biases: the scores do not depend on the input, and gradients are as small.

    ## Fix safety
    None: msra fillers or BatchNorm keep the scale.
    """

    code = "DYN013"
    name = "vanish-depth"
    severity = "warning"
    GOOD = (Example(_SOUND),)
    BAD = (
        Example(
            net(
                conv("data", "a", 'type: "gaussian" std: 0.00001')
                + layer("r", "ReLU", "a", "b")
                + conv("b", "x", 'type: "gaussian" std: 0.00001')
            )
        ),
    )


@dynamic
class LayerGain(DynamicRule):
    """## What it does
    Reports a layer with weights that makes what varies in its input more than a hundred times larger, or (as a note)
    less than a hundredth, where no BatchNorm behind it takes that back.

    ## Why is this bad?
    Its weights are of the wrong size: the layers behind it saturate, or hardly see the input.

    ## Fix safety
    None: xavier and msra fillers choose a size by the number of inputs.
    """

    code = "DYN011"
    name = "layer-gain"
    severity = "warning"
    GOOD = (
        Example(_SOUND),
        Example(net(conv("data", "conv", 'type: "gaussian" std: 100') + layer("bn", "BatchNorm", "conv", "x"))),
    )
    BAD = (
        Example(net(conv("data", "conv", 'type: "gaussian" std: 100') + layer("relu", "ReLU", "conv", "x"))),
        Example(net(conv("data", "conv", 'type: "gaussian" std: 0.0001') + layer("relu", "ReLU", "conv", "x"))),
    )
