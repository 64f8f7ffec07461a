"""What a backward pass shows, and what moves in a frozen part."""

from __future__ import annotations

from prototxt_server.rules.base import Example
from prototxt_server.rules.dyn.base import DynamicRule, dynamic
from prototxt_server.rules.dyn.nets import conv, layer, net

_SOUND = net(conv("data", "conv") + layer("relu", "ReLU", "conv", "x"))
_SOLVER = """net: "net.prototxt"
base_lr: %s
lr_policy: "fixed"
momentum: 0.9
max_iter: 1000
"""
_FROZEN = "param { lr_mult: 0 } param { lr_mult: 0 }"


def _frozen_conv(bn: str) -> str:
    fields = 'convolution_param { num_output: 8 kernel_size: 3 weight_filler { type: "msra" } }'
    return layer("conv", "Convolution", "data", "conv", _FROZEN, fields) + layer("bn", "BatchNorm", "conv", "x", bn)


@dynamic
class FrozenBnMoves(DynamicRule):
    """## What it does
    Reports a batch normalisation in a frozen part of the net whose stored statistics one pass has changed.

    ## Why is this bad?
    lr_mult: 0 stops the solver, not the layer: it goes on averaging the statistics of every batch, and normalises each
    image with the others of its batch. The frozen part drifts away from the weights that were loaded.

    ## Fix safety
    None: FRZ001 carries the fix.
    """

    code = "DYN017"
    name = "frozen-bn-moves"
    severity = "warning"
    GOOD = (Example(_SOUND),)
    BAD = (Example(net(_frozen_conv("param { lr_mult: 0 } param { lr_mult: 0 } param { lr_mult: 0 }"))),)


@dynamic
class ZeroGradient(DynamicRule):
    """## What it does
    Runs the net backward and reports the layer that passes no gradient on, where layers with weights below it get
    exactly 0. Where the forward pass already says why (an output that is 0 throughout), and where weights that start
    at 0 hold it up for one step, nothing is added.

    ## Why is this bad?
    What gets a gradient of 0 does not learn. An error is what no data can change: between a Reshape and the Flatten
    that reads it the gradient is lost in every Caffe that has both (measured).

    ## Fix safety
    None: the message names the layer to look at.
    """

    code = "DYN028"
    name = "zero-gradient"
    severity = "error"
    GOOD = (
        Example(_SOUND),
        Example(
            net(
                conv("data", "conv")
                + layer("flat", "Flatten", "conv", "flat")
                + layer("shape", "Reshape", "flat", "x", "reshape_param { shape { dim: 0 dim: -1 } }")
            )
        ),
    )
    BAD = (
        Example(
            net(
                conv("data", "conv")
                + layer("shape", "Reshape", "conv", "shape", "reshape_param { shape { dim: 0 dim: 8 dim: -1 } }")
                + layer("flat", "Flatten", "shape", "x")
            )
        ),
        Example(
            net(
                conv("data", "conv")
                + layer("clip", "Clip", "conv", "clip", "clip_param { min: 1000 max: 2000 }")
                + 'layer {\n  name: "join"\n  type: "Concat"\n  bottom: "clip"\n  bottom: "data"\n  top: "x"\n}\n'
            )
        ),
    )


@dynamic
class VanishingGradient(DynamicRule):
    """## What it does
    Reports the layer whose gradient has fallen below a mean of 1e-7, a hundred thousand times below the last layer's.

    ## Why is this bad?
    The lower layers barely move while the upper ones train on what they happen to pass on.

    ## Fix safety
    None: msra fillers, BatchNorm, or ReLU in place of Sigmoid keep the scale.
    """

    code = "DYN030"
    name = "vanishing-gradient"
    severity = "warning"
    GOOD = (Example(_SOUND),)
    BAD = (
        Example(
            net(
                conv("data", "c0")
                + "".join(
                    layer(f"s{i}", "Sigmoid", f"c{i}", f"y{i}")
                    + conv(f"y{i}", f"c{i + 1}", 'type: "gaussian" std: 0.01')
                    for i in range(4)
                )
                + layer("relu", "ReLU", "c4", "x")
            )
        ),
    )


@dynamic
class ExplodingGradient(DynamicRule):
    """## What it does
    Reports gradients a hundred times the weights (L2 norms, Caffe's "All net params" line without statistics), or above
    1e4, after dividing by what the loss adds up; and gradients that are not finite although every output is. Weights in
    front of a BatchNorm are left out, and where a solver stands beside the net DYN032 speaks instead.

    ## Why is this bad?
    The first update replaces the weights by the gradient, and the second one overflows.

    ## Fix safety
    None: scale the input or the loss, lower base_lr, or set clip_gradients.
    """

    code = "DYN031"
    name = "exploding-gradient"
    severity = "warning"
    GOOD = (Example(_SOUND),)
    BAD = (
        Example(
            net(
                layer("scale", "Power", "data", "large", "power_param { scale: 3000 }")
                + conv("large", "conv", 'type: "gaussian" std: 0.0001')
                + layer("relu", "ReLU", "conv", "x")
            )
        ),
        Example(
            net(
                conv("data", "conv")
                + layer("relu", "ReLU", "conv", "relu")
                + layer("root", "Power", "relu", "x", "power_param { power: 0.5 }")
            )
        ),
    )


@dynamic
class UpdateRatio(DynamicRule):
    """## What it does
    With a solver beside the net (or `lsp forward --solver FILE`), reports weights of which the first update changes
    more than a tenth, or less than a hundred-millionth. Size of an update: rate * lr_mult * (gradient + weight decay),
    after clip_gradients, as Caffe's SGD and Nesterov make it, against that of the weights (L2 norms). Samples of the
    batch that did not run are taken to cancel noise, and weights that start very small are measured by the size that
    they grow to, so the share is one that the update has at least. Weights in front of a BatchNorm are left out: it
    undoes every change of their size. Other solvers (Adam, RMSProp and so on), whose update hardly depends on the size
    of the gradient, are not judged.

    ## Why is this bad?
    About a thousandth is healthy. An update as large as the weights leaves nothing of their initialisation, and the
    loss goes up or to 87.3365; one below the rounding of single precision does not happen.

    ## Use instead
    A rate with which the update is about a thousandth of the weights: `base_lr: 0.01` in the solver of the example.

    ## Fix safety
    None: base_lr, lr_mult of the layer, or clip_gradients of the solver.
    """

    code = "DYN032"
    name = "update-ratio"
    severity = "warning"
    GOOD = (Example(_SOUND, files={"solver.prototxt": _SOLVER % "0.01"}), Example(_SOUND))
    BAD = (
        Example(_SOUND, files={"solver.prototxt": _SOLVER % "10"}),
        Example(_SOUND, files={"solver.prototxt": _SOLVER % "1e-12"}),
    )


@dynamic
class GradDepthProfile(DynamicRule):
    """## What it does
    Notes a stretch of six layers with weights along which the gradient changes by more than a factor of ten each.

    ## Why is this bad?
    One learning rate cannot suit both ends.

    ## Fix safety
    None: look at the fillers and activations of the layers between the two.
    """

    code = "DYN033"
    name = "grad-depth-profile"
    severity = "info"
    GOOD = (Example(_SOUND),)
    BAD = (
        Example(
            net(
                conv("data", "c0")
                + "".join(
                    layer(f"s{i}", "Sigmoid", f"c{i}", f"y{i}")
                    + conv(f"y{i}", f"c{i + 1}", 'type: "gaussian" std: 0.02')
                    for i in range(6)
                )
                + layer("relu", "ReLU", "c6", "x")
            )
        ),
    )


@dynamic
class GradThroughCut(DynamicRule):
    """## What it does
    Reports layers with a learning rate that the backward pass never reaches.

    ## Why is this bad?
    They look as if they train, and only weight decay changes them.

    ## Fix safety
    None: FRZ003 and NET015 carry the fix.
    """

    code = "DYN034"
    name = "grad-through-cut"
    severity = "warning"
    GOOD = (Example(_SOUND),)
    BAD = (
        Example(
            net(conv("data", "conv") + layer("relu", "ReLU", "conv", "x"))
            + layer(
                "side",
                "InnerProduct",
                "x",
                "side",
                'inner_product_param { num_output: 2 weight_filler { type: "xavier" } }',
            )
        ),
    )
