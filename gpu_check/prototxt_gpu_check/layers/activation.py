"""Layers that treat every element alone, Dropout among them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from prototxt_gpu_check.backend import Array
from prototxt_gpu_check.fill import UNIFORM, raw
from prototxt_gpu_check.layers.base import Step, runs
from prototxt_gpu_check.layout import count, stored
from prototxt_gpu_check.ops import elementwise as e
from prototxt_gpu_check.ops.normalization import scale


def _value(s: Step, message: str, field: str, default: float) -> float:
    value = s.param(message).get(field)
    return default if value is None else float(value)


def _remember_input(s: Step) -> None:
    """Caffe's layers of this kind keep a copy of their input where they overwrite it."""
    if s.keep and s.in_place:
        s.saved["x"] = s.bottoms[0]


@runs("ReLU")
def relu(s: Step) -> Sequence[Array]:
    """max(x, 0) + negative_slope*min(x, 0)."""
    return [e.unary(s.backend, s.bottoms[0], e.RELU, _value(s, "relu_param", "negative_slope", 0.0))]


@runs("ReLU6")
def relu6(s: Step) -> Sequence[Array]:
    """Clipped to 0..6."""
    return [e.unary(s.backend, s.bottoms[0], e.CLIP, 0.0, 6.0)]


@runs("PReLU")
def prelu(s: Step) -> Sequence[Array]:
    """A learned slope for negative values."""
    _remember_input(s)
    return [e.prelu(s.backend, s.bottoms[0], s.params[0])]


@runs("ELU")
def elu(s: Step) -> Sequence[Array]:
    """alpha*(exp(x) - 1) for negative values."""
    return [e.unary(s.backend, s.bottoms[0], e.ELU, _value(s, "elu_param", "alpha", 1.0))]


@runs("Sigmoid", "TanH", "AbsVal", "BNLL")
def plain(s: Step) -> Sequence[Array]:
    """Functions without parameters."""
    op = {"Sigmoid": e.SIGMOID, "TanH": e.TANH, "AbsVal": e.ABS, "BNLL": e.BNLL}[s.node.type]
    return [e.unary(s.backend, s.bottoms[0], op)]


@runs("Swish")
def swish(s: Step) -> Sequence[Array]:
    """X * sigmoid(beta*x)."""
    _remember_input(s)
    return [e.unary(s.backend, s.bottoms[0], e.SWISH, _value(s, "swish_param", "beta", 1.0))]


@runs("Threshold")
def threshold(s: Step) -> Sequence[Array]:
    """1 above the threshold, else 0."""
    return [e.unary(s.backend, s.bottoms[0], e.THRESHOLD, _value(s, "threshold_param", "threshold", 0.0))]


@runs("Clip")
def clip(s: Step) -> Sequence[Array]:
    """Held between min and max."""
    low, high = _value(s, "clip_param", "min", 0.0), _value(s, "clip_param", "max", 0.0)
    return [e.unary(s.backend, s.bottoms[0], e.CLIP, low, high)]


@runs("Power")
def power(s: Step) -> Sequence[Array]:
    """(shift + scale*x)^power; a constant when power*scale is 0 (power_layer.cpp)."""
    p, k, q = (_value(s, "power_param", f, d) for f, d in (("power", 1.0), ("scale", 1.0), ("shift", 0.0)))
    if p * k == 0:
        constant = 1.0 if p == 0 else q**p
        return [e.unary(s.backend, s.bottoms[0], e.LINEAR, 0.0, 0.0, constant)]
    op = e.LINEAR if p == 1 else e.POWER
    return [e.unary(s.backend, s.bottoms[0], op, p, k, q)]


def _log_base(s: Step, message: str) -> float:
    base = _value(s, message, "base", -1.0)
    return 1.0 if base == -1 else math.log(base)


@runs("Exp")
def exp(s: Step) -> Sequence[Array]:
    """The base to the power of shift + scale*x, split into a constant factor and an exponential."""
    ln = _log_base(s, "exp_param")
    outer = math.exp(ln * _value(s, "exp_param", "shift", 0.0))
    return [e.unary(s.backend, s.bottoms[0], e.EXP, outer, ln * _value(s, "exp_param", "scale", 1.0))]


@runs("Log")
def log(s: Step) -> Sequence[Array]:
    """ln(shift + scale*x) / ln(base)."""
    k, q = _value(s, "log_param", "scale", 1.0), _value(s, "log_param", "shift", 0.0)
    return [e.unary(s.backend, s.bottoms[0], e.LOG, 1.0 / _log_base(s, "log_param"), k, q)]


@runs("Dropout")
def dropout(s: Step) -> Sequence[Array]:
    """The input itself in TEST. In TRAIN a mask and 1/(1-ratio), drawn only on request: see Step.dropout.

    Ratio 1 is always run as Caffe runs it: 0 * (1/0) makes every element NaN (measured).
    """
    x = s.bottoms[0]
    ratio = _value(s, "dropout_param", "dropout_ratio", 0.5)
    if s.phase != "TRAIN":
        return [x]
    if ratio == 1:
        s.saved["mask"] = np.float32(np.nan)
        return [e.unary(s.backend, x, e.LINEAR, 0.0, math.nan, math.nan)]
    if not s.dropout:
        s.facts["dropout"] = "identity"
        return [x]
    shape = tuple(x.shape)
    keep = raw(count(shape), s.seed, UNIFORM, 2.0**-24, 0.5) >= ratio
    mask = stored(s.backend, s.backend.asarray(keep.reshape(shape) / np.float32(1 - ratio)))
    if s.keep:
        s.saved["mask"] = mask
    return [e.eltwise(s.backend, [x, mask], "PROD", [1.0, 1.0])]


@runs("Eltwise")
def eltwise(s: Step) -> Sequence[Array]:
    """SUM with coefficients, PROD, MAX."""
    p = s.param("eltwise_param")
    given = [float(v) for v in p.all("coeff")]
    coefficients = given if len(given) == len(s.bottoms) else [1.0] * len(s.bottoms)
    return [e.eltwise(s.backend, s.bottoms, str(p.get("operation")), coefficients)]


@runs("Scale", "Bias")
def scale_bias(s: Step) -> Sequence[Array]:
    """X * factor + shift over the axes axis..axis+num_axes; the factor (or shift) may be the second bottom."""
    _remember_input(s)
    is_scale = s.node.type == "Scale"
    p = s.param("scale_param" if is_scale else "bias_param")
    learned = list(s.params)
    first = s.bottoms[1] if len(s.bottoms) > 1 else learned.pop(0)
    first = s.backend.contiguous(first)
    axis = s.canonical(int(p.get("axis"))) if first.ndim else 0
    if not is_scale:
        return [scale(s.backend, s.bottoms[0], None, first, axis=axis)]
    return [scale(s.backend, s.bottoms[0], first, learned[0] if learned else None, axis=axis)]


@runs("Axpy")
def axpy(s: Step) -> Sequence[Array]:
    """SENet: a*x + z with one factor a sample and channel."""
    factor, x, z = s.bottoms
    scaled = scale(s.backend, x, s.backend.contiguous(factor).reshape(x.shape[:2]), None, axis=0)
    return [e.eltwise(s.backend, [stored(s.backend, scaled), z], "SUM", [1.0, 1.0])]
