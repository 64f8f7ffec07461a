"""Layers that treat every element alone: the activations, Power, Exp, Log, and Eltwise over several bottoms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from prototxt_gpu_check.backend import Array, Backend
from prototxt_gpu_check.layout import new, rows, storage

# The `op` numbers of the kernel `unary`.
RELU, SIGMOID, TANH, ABS, POWER, EXP, LOG, BNLL, THRESHOLD, ELU, CLIP, LINEAR, SWISH = range(13)


def unary(b: Backend, x: Array, op: int, a: float = 0.0, p: float = 0.0, q: float = 0.0) -> Array:
    """One of the functions above. a, p, q:

    RELU slope a; POWER (p*x + q)^a; EXP a*exp(p*x); LOG a*ln(p*x + q); THRESHOLD a; ELU alpha a; CLIP to [a, p];
    LINEAR p*x + q; SWISH x*sigmoid(a*x).
    """
    y = new(b, x.shape)
    r, out = rows(b, x).reshape(-1), storage(y).reshape(-1)
    if b.kernels is not None:
        b.launch("unary", r.size, r, out, r.size, op, a, p, q)
    else:
        with np.errstate(all="ignore"):
            _BODIES[op](r, out, np.float32(a), np.float32(p), np.float32(q))
    return y


def _relu(x: Array, y: Array, a: np.float32, p: np.float32, q: np.float32) -> None:
    np.maximum(x, np.float32(0), out=y)
    # Caffe adds slope * min(x, 0) whatever the slope is: 0 * -inf is NaN. Only an infinity makes the second half matter
    # where the slope is 0. (`not >` is also true where a NaN hides the infinity from min().)
    if a or (x.size and not x.min() > -np.inf):
        y += a * np.minimum(x, np.float32(0))


def _sigmoid(x: Array, y: Array, a: np.float32, p: np.float32, q: np.float32) -> None:
    np.multiply(x, np.float32(0.5), out=y)
    np.tanh(y, out=y)
    y *= np.float32(0.5)
    y += np.float32(0.5)


def _power(x: Array, y: Array, a: np.float32, p: np.float32, q: np.float32) -> None:
    np.power(p * x + q, a, out=y)


def _bnll(x: Array, y: Array, a: np.float32, p: np.float32, q: np.float32) -> None:
    y[...] = np.maximum(x, np.float32(0)) + np.log1p(np.exp(-np.abs(x)))


def _threshold(x: Array, y: Array, a: np.float32, p: np.float32, q: np.float32) -> None:
    y[...] = x > a


def _elu(x: Array, y: Array, a: np.float32, p: np.float32, q: np.float32) -> None:
    y[...] = np.maximum(x, np.float32(0)) + a * (np.exp(np.minimum(x, np.float32(0))) - np.float32(1))


def _clip(x: Array, y: Array, a: np.float32, p: np.float32, q: np.float32) -> None:
    y[...] = np.where(x > a, np.minimum(x, p), a)  # a NaN becomes the lower bound


def _swish(x: Array, y: Array, a: np.float32, p: np.float32, q: np.float32) -> None:
    _sigmoid(a * x, y, a, p, q)
    y *= x


_BODIES = {
    RELU: _relu,
    SIGMOID: _sigmoid,
    TANH: lambda x, y, a, p, q: np.tanh(x, out=y),
    ABS: lambda x, y, a, p, q: np.abs(x, out=y),
    POWER: _power,
    EXP: lambda x, y, a, p, q: np.multiply(np.exp(p * x), a, out=y),
    LOG: lambda x, y, a, p, q: np.multiply(np.log(p * x + q), a, out=y),
    BNLL: _bnll,
    THRESHOLD: _threshold,
    ELU: _elu,
    CLIP: _clip,
    LINEAR: lambda x, y, a, p, q: np.add(p * x, q, out=y),
    SWISH: _swish,
}


def prelu(b: Backend, x: Array, slope: Array) -> Array:
    """max(x, 0) + slope*min(x, 0); slope (C), or one element for all channels."""
    y = new(b, x.shape)
    r = rows(b, x)
    out = storage(y).reshape(r.shape)
    if b.kernels is not None:
        b.launch("prelu", r.size, r, slope.reshape(-1), out, r.size, r.shape[1], int(slope.size == 1))
        return y
    np.minimum(r, np.float32(0), out=out)
    out *= slope.reshape(-1, 1)
    out += np.maximum(r, np.float32(0))
    return y


def eltwise(b: Backend, bottoms: Sequence[Array], operation: str, coefficients: Sequence[float]) -> Array:
    """PROD, SUM of coefficient*bottom, or MAX (a tie of the first two goes to the second; NaN only where that wins)."""
    y = new(b, bottoms[0].shape)
    out = storage(y).reshape(-1)
    flat = [rows(b, x).reshape(-1) for x in bottoms]
    op = {"SUM": 0, "PROD": 1, "MAX": 2}[operation]
    if len(flat) == 1:
        return unary(b, bottoms[0], LINEAR, 0.0, coefficients[0] if op == 0 else 1.0, 0.0)
    for i, x in enumerate(flat[1:], start=1):
        first = flat[0] if i == 1 else out
        left = coefficients[0] if i == 1 else 1.0
        right = coefficients[i]
        if op == 2 and i > 1:
            first, x = x, first  # later bottoms win only when strictly larger
        if b.kernels is not None:
            b.launch("binary", out.size, first, x, out, out.size, op, left, right)
        elif op == 0:
            np.add(_times(first, left), _times(x, right), out=out)
        elif op == 1:
            np.multiply(first, x, out=out)
        else:
            out[...] = np.where(first > x, first, x)
    return y


def _times(x: Array, k: float) -> Array:
    return x if k == 1 else x * np.float32(k)
