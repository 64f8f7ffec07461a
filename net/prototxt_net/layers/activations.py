"""Layers that map each element on its own: activations, powers, dropout."""

from __future__ import annotations

import math

from prototxt_net.file import LayerDef
from prototxt_net.layers.base import Context, InPlace, LayerType, layer
from prototxt_net.layers.fillers import filled
from prototxt_net.shape import text


@layer("ReLU")
class ReLU(LayerType):
    """Rectified linear unit."""

    in_place = "safe"
    summary = "Keeps positive values and sets negative ones to 0, or multiplies them by negative_slope."
    formula = "y = max(x, 0) + negative_slope * min(x, 0)"

    def in_place_verdict(self, layer: LayerDef) -> InPlace:
        """The backward looks at the sign of what is stored, which a negative slope turns around."""
        slope = layer.bound.sub("relu_param").get("negative_slope") or 0.0
        return "safe" if slope >= 0 else "gradient-wrong"


@layer("ReLU6")
class ReLU6(LayerType):
    """ReLU with a ceiling of 6."""

    in_place = "safe"
    summary = "ReLU that stops at 6, for nets that are quantised later."
    formula = "y = min(max(x, 0), 6)"


@layer("PReLU")
class PReLU(LayerType):
    """ReLU whose slope for negative values is learned."""

    in_place = "safe"
    summary = (
        "ReLU with a learned slope for negative values, one for each channel or one for all (channel_shared). It "
        "starts at 0.25."
    )
    formula = "y = max(x, 0) + slope[c] * min(x, 0)"

    def set_up(self, s: Context) -> None:
        """Slope (C), or a scalar when channel_shared."""
        shape = s.bottom()
        most = 32 if s.dialect == "intel" else 4  # Intel's V-Net has five axes here
        s.require(
            None if shape is None else 2 <= len(shape) <= most,
            "SHP024",
            f"{s.name} takes blobs of 2 to 4 axes with the channels second, its bottom is {text(shape)}; Caffe "
            "aborts. Reshape it.",
            "bottom",
        )
        shared = s.param("prelu_param").get("channel_shared")
        slope = () if shared else None if shape is None else (shape[1],)
        filled(s, "slope", slope, "prelu_param.filler", 0.25)
        s.top(shape)


@layer("ELU")
class ELU(LayerType):
    """Exponential linear unit."""

    reads_top = True
    summary = "Like ReLU for positive values; negative ones bend smoothly towards -alpha."
    formula = "y = x for x > 0, alpha * (exp(x) - 1) otherwise"

    def in_place_verdict(self, layer: LayerDef) -> InPlace:
        """The sign of the output tells that of the input only while alpha is positive."""
        alpha = layer.bound.sub("elu_param").get("alpha")
        return "safe" if alpha is None or alpha > 0 else "gradient-wrong"


@layer("Sigmoid")
class Sigmoid(LayerType):
    """Logistic function."""

    in_place = "safe"
    reads_top = True
    summary = "Squeezes each value into 0..1."
    formula = "y = 1 / (1 + exp(-x))"


@layer("TanH")
class TanH(LayerType):
    """Hyperbolic tangent."""

    in_place = "safe"
    reads_top = True
    summary = "Squeezes each value into -1..1."
    formula = "y = tanh(x)"


@layer("Swish")
class Swish(LayerType):
    """x times its own sigmoid."""

    in_place = "safe"
    reads_top = True
    summary = "Multiplies each value by its own sigmoid: smooth, and slightly negative below 0."
    formula = "y = x / (1 + exp(-beta * x))"


@layer("BNLL")
class BNLL(LayerType):
    """Softplus."""

    in_place = "gradient-wrong"
    summary = "Binomial normal log likelihood, also called softplus: a smooth ReLU."
    formula = "y = log(1 + exp(x))"


@layer("AbsVal")
class AbsVal(LayerType):
    """Absolute value."""

    in_place = "refused"
    summary = "Takes the absolute value of each element."
    formula = "y = |x|"


@layer("Power")
class Power(LayerType):
    """An affine map, then a power."""

    summary = "Scales, shifts and raises to a power. With power 1 (the default) it is an affine map."
    formula = "y = (shift + scale * x)^power"

    def in_place_verdict(self, layer: LayerDef) -> InPlace:
        """Backward writes its factor over dy before it multiplies by dy, with power 1 too (measured); 0 stays 0."""
        p = layer.bound.sub("power_param")
        return "safe" if p.get("power") == 0 or p.get("scale") == 0 else "gradient-wrong"

    def backward_reads_top(self, layer: LayerDef) -> bool:
        """Powers other than 0, 1 and 2 are differentiated by way of the output."""
        p = layer.bound.sub("power_param")
        return p.get("power") not in (0, 1, 2, None) and p.get("scale") != 0


def _check_base(s: Context, message: str, *, logarithm: bool) -> None:
    base = s.param(message).get("base")
    if base is None or base == -1:
        return
    s.expect(
        base > 0,
        "SHP024",
        f"{s.name}: base {base:g} must be positive, or -1 for e; Caffe aborts. Correct it.",
        f"{message}.base",
    )
    if base > 0:
        s.expect(
            math.isfinite(base) and not (logarithm and base == 1),
            "SHP024",
            f"{s.name}: the logarithm of base {base:g} cannot be {'divided by' if base == 1 else 'used'}; Caffe "
            "aborts. Use another base.",
            f"{message}.base",
        )


@layer("Exp")
class Exp(LayerType):
    """Exponential function."""

    in_place = "safe"
    reads_top = True
    summary = "Raises a base (e by default) to the power of each scaled and shifted element."
    formula = "y = base^(shift + scale * x)"

    def set_up(self, s: Context) -> None:
        """The bottom's shape."""
        _check_base(s, "exp_param", logarithm=False)
        s.top(s.bottom())


@layer("Log")
class Log(LayerType):
    """Logarithm."""

    in_place = "gradient-wrong"
    summary = "Takes the logarithm (natural by default) of each scaled and shifted element."
    formula = "y = log_base(shift + scale * x)"

    def set_up(self, s: Context) -> None:
        """The bottom's shape."""
        _check_base(s, "log_param", logarithm=True)
        s.top(s.bottom())


@layer("Threshold")
class Threshold(LayerType):
    """0 or 1."""

    in_place = "no-backward"
    backward = False
    summary = (
        "1 where the input exceeds the threshold, 0 elsewhere. It has no gradient: a backward pass that reaches it "
        "aborts."
    )
    formula = "y = 1 if x > threshold else 0"


@layer("Clip")
class Clip(LayerType):
    """Limits values to a range."""

    in_place = "gradient-wrong"
    summary = "Limits each value to the range min..max; both must be written."
    formula = "y = max(min, min(x, max))"


@layer("Dropout")
class Dropout(LayerType):
    """Random zeros in TRAIN."""

    in_place = "safe"
    summary = (
        "In TRAIN sets a random share (dropout_ratio) of the elements to 0 and scales the others up; in TEST it copies."
    )
    formula = "TRAIN: y = x * mask / (1 - dropout_ratio); TEST: y = x"


@layer("SpatialDropout")
class SpatialDropout(LayerType):
    """Dropout of whole channels."""

    in_place = "safe"
    summary = "Dropout of whole channels of a sample instead of single elements."
    formula = "TRAIN: y = x * mask[n,c] / (1 - dropout_ratio); TEST: y = x"
