"""Gradients of the layers that treat every element alone, of Eltwise, Scale and Bias."""

from __future__ import annotations

import functools
import math
import operator

import numpy as np

from prototxt_gpu_check.backend import Array
from prototxt_gpu_check.layers.base import Gradient, gradient
from prototxt_gpu_check.layout import rows
from prototxt_net.message import Bound


def _value(p: Bound, field: str, default: float) -> float:
    value = p.get(field)
    return default if value is None else float(value)


@gradient("ReLU", "ReLU6")
def relu(g: Gradient) -> None:
    """Dy where x > 0, dy * negative_slope elsewhere; ReLU6 also stops it from 6 on."""
    slope = np.float32(_value(g.step.param("relu_param"), "negative_slope", 0.0))
    on: Array = g.x > 0
    if g.step.node.type == "ReLU6":
        on = on & (g.x < 6)
    g.bottoms[0] = g.dy * (on + slope * (g.x <= 0))


@gradient("PReLU")
def prelu(g: Gradient) -> None:
    """Dy * (1 or slope); the slope gets sum dy*x over x <= 0. In place, Caffe keeps a copy of x."""
    b, x = g.backend, g.step.saved.get("x", g.x)
    slope = g.step.params[0]
    below = rows(b, g.dy) * (rows(b, x) <= 0)
    if g.learns[0]:
        found = (below * rows(b, x)).sum(axis=1)
        g.params[0] = (found.sum() if slope.size == 1 else found).reshape(slope.shape)
    if g.wanted[0]:
        wide = slope.reshape(() if slope.size == 1 else (-1, *(1,) * (x.ndim - 2)))
        g.bottoms[0] = g.dy * ((x > 0) + wide * (x <= 0))


@gradient("ELU")
def elu(g: Gradient) -> None:
    """Dy * (1, or alpha + y for x <= 0)."""
    alpha = np.float32(_value(g.step.param("elu_param"), "alpha", 1.0))
    g.bottoms[0] = g.dy * ((g.x > 0) + (alpha + g.y) * (g.x <= 0))


@gradient("Sigmoid")
def sigmoid(g: Gradient) -> None:
    """Dy * y * (1 - y)."""
    g.bottoms[0] = g.dy * g.y * (np.float32(1) - g.y)


@gradient("TanH")
def tanh(g: Gradient) -> None:
    """Dy * (1 - y^2)."""
    g.bottoms[0] = g.dy * (np.float32(1) - g.y * g.y)


@gradient("AbsVal")
def absval(g: Gradient) -> None:
    """Dy * sign(x)."""
    g.bottoms[0] = g.dy * g.backend.xp.sign(g.x)


@gradient("BNLL")
def bnll(g: Gradient) -> None:
    """Dy * e/(e + 1) with e = exp(min(x, 50))."""
    xp = g.backend.xp
    e = xp.exp(xp.minimum(g.x, np.float32(50)))
    g.bottoms[0] = g.dy * (e / (e + np.float32(1)))


@gradient("Swish")
def swish(g: Gradient) -> None:
    """Dy * (beta*y + s*(1 - beta*y)), s = sigmoid(beta*x) as it was computed forward."""
    beta = np.float32(_value(g.step.param("swish_param"), "beta", 1.0))
    x = g.step.saved.get("x", g.x)
    half = np.float32(0.5)
    s = half * g.backend.xp.tanh(half * beta * x) + half
    g.bottoms[0] = g.dy * (beta * g.y + s * (np.float32(1) - beta * g.y))


@gradient("Clip")
def clip(g: Gradient) -> None:
    """Dy where min <= x <= max."""
    p = g.step.param("clip_param")
    low, high = np.float32(_value(p, "min", 0.0)), np.float32(_value(p, "max", 0.0))
    g.bottoms[0] = g.dy * ((g.x >= low) & (g.x <= high))


def _times_dy(g: Gradient, factor: Array | np.float32) -> Array:
    """Dy * factor, for a layer that writes the factor into the bottom's gradient first: in place that is factor^2."""
    if not g.step.in_place:
        return g.dy * factor
    return factor * factor + g.backend.xp.zeros_like(g.dy)  # type: ignore[no-any-return]


@gradient("Power")
def power(g: Gradient) -> None:
    """Four cases, as power_layer.cpp has them: a constant factor, a square, no shift (y/x), anything else."""
    p = g.step.param("power_param")
    n, k, q = (_value(p, field, default) for field, default in (("power", 1.0), ("scale", 1.0), ("shift", 0.0)))
    factor = np.float32(n * k)
    if n * k == 0:
        return
    if n == 1:
        g.bottoms[0] = _times_dy(g, factor)
    elif n == 2:
        g.bottoms[0] = _times_dy(g, factor * (np.float32(k) * g.x + np.float32(q)))
    elif q == 0:
        g.bottoms[0] = _times_dy(g, np.float32(n) * (g.y / g.x))
    else:
        g.bottoms[0] = _times_dy(g, factor * (g.y / (np.float32(k) * g.x + np.float32(q))))


def _log_base(p: Bound) -> float:
    base = _value(p, "base", -1.0)
    return 1.0 if base == -1 else math.log(base)


@gradient("Exp")
def exp(g: Gradient) -> None:
    """Dy * y * scale * ln(base)."""
    p = g.step.param("exp_param")
    g.bottoms[0] = g.dy * g.y * np.float32(_log_base(p) * _value(p, "scale", 1.0))


@gradient("Log")
def log(g: Gradient) -> None:
    """Dy * scale / (ln(base) * (scale*x + shift))."""
    p = g.step.param("log_param")
    k, q = _value(p, "scale", 1.0), _value(p, "shift", 0.0)
    g.bottoms[0] = _times_dy(g, np.float32(k / _log_base(p)) / (np.float32(k) * g.x + np.float32(q)))


@gradient("Dropout", "ScaleFilter", "SpatialDropout")
def dropout(g: Gradient) -> None:
    """The mask of the forward pass; the gradient itself where none was drawn."""
    mask = g.step.saved.get("mask")
    g.bottoms[0] = g.dy if mask is None else g.dy * mask


@gradient("Eltwise")
def eltwise(g: Gradient) -> None:
    """SUM: coefficient * dy. PROD: dy times the other bottoms. MAX: dy to the bottom that won.

    In place the first bottom's gradient (a product's factor even before it is used) overwrites dy for the others.
    """
    p, b, bottoms = g.step.param("eltwise_param"), g.backend, g.step.bottoms
    operation = str(p.get("operation"))
    given = [float(v) for v in p.all("coeff")]
    coefficients = given if len(given) == len(bottoms) else [1.0] * len(bottoms)
    dy = g.dy
    winner = _winners(g) if operation == "MAX" else None
    for i, x in enumerate(bottoms):
        if not g.wanted[i]:
            continue
        if operation == "SUM":
            dx = dy if coefficients[i] == 1 else dy * np.float32(coefficients[i])
        elif winner is not None:
            dx = b.xp.where(winner == i, dy, np.float32(0))
        else:
            others = [other for j, other in enumerate(bottoms) if j != i]
            factor = g.y / x if p.get("stable_prod_grad") is False else functools.reduce(operator.mul, others)
            dx = factor * (factor if i == 0 and g.step.in_place else dy)
        g.bottoms[i] = dx
        if i == 0 and g.step.in_place:
            dy = dx


def _winners(g: Gradient) -> Array:
    """Which bottom is the largest: the second of two equal ones first, later ones only when strictly larger."""
    xp, (first, second, *rest) = g.backend.xp, g.step.bottoms
    winner = xp.where(first > second, np.float32(0), np.float32(1))
    best = xp.where(first > second, first, second)
    for i, x in enumerate(rest, start=2):
        winner = xp.where(x > best, np.float32(i), winner)
        best = xp.where(x > best, x, best)
    return winner  # type: ignore[no-any-return]


@gradient("Scale", "Bias")
def scale_bias(g: Gradient) -> None:
    """Dx = dy * factor; the factor's gradient sums dy*x, the shift's dy, over the axes that they do not have."""
    s, b = g.step, g.backend
    is_scale = s.node.type == "Scale"
    second = len(s.bottoms) > 1
    small = s.bottoms[1] if second else s.params[0]
    axis = s.canonical(int(s.param("scale_param" if is_scale else "bias_param").get("axis"))) if small.ndim else 0
    x = s.saved.get("x", g.x)
    asked = g.wanted[1] if second else g.learns[0]
    if asked:
        found = _summed(g.dy * x if is_scale else g.dy, axis, tuple(small.shape))
        if second:
            g.bottoms[1] = found
        else:
            g.params[0] = found
    shift = (0 if second else 1) if is_scale else None
    if shift is not None and shift < len(s.params) and g.learns[shift]:
        g.params[shift] = _summed(g.dy, axis, tuple(s.params[shift].shape))
    if g.wanted[0]:
        wide = b.contiguous(small).reshape(*small.shape, *(1,) * (x.ndim - axis - small.ndim)) if small.ndim else small
        g.bottoms[0] = g.dy * wide if is_scale else g.dy


def _summed(a: Array, axis: int, shape: tuple[int, ...]) -> Array:
    """A summed over all axes but axis..axis+len(shape)."""
    others = tuple(i for i in range(a.ndim) if not axis <= i < axis + len(shape))
    return a.sum(axis=others).reshape(shape) if others else a.reshape(shape)


@gradient("Axpy")
def axpy(g: Gradient) -> None:
    """a*x + z: a gets the sum of dy*x over space, x gets a*dy, z gets dy."""
    factor, x, _ = g.step.bottoms
    wide = g.backend.contiguous(factor).reshape(*x.shape[:2], *(1,) * (x.ndim - 2))
    g.bottoms[0] = (g.dy * x).sum(axis=tuple(range(2, x.ndim))).reshape(factor.shape)
    g.bottoms[1] = g.dy * wide
    g.bottoms[2] = g.dy
