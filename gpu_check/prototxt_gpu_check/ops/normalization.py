"""BatchNorm's arithmetic, Scale and Bias, and MVN."""

from __future__ import annotations

import numpy as np

from prototxt_gpu_check.backend import Array, Backend
from prototxt_gpu_check.kernels import MOMENTS_BLOCK
from prototxt_gpu_check.layout import new, rows, storage

_CACHED = 1 << 16
"""Elements of whole channels that are worked on at a time, so that they stay in the cache."""


def moments(b: Backend, x: Array) -> tuple[Array, Array]:
    """Mean and biased variance of each channel over samples and space, each (C).

    A channel of one value (one element, or constant) has exactly that mean and variance 0.
    """
    r = rows(b, x)
    if b.kernels is not None:
        mean, var = b.empty((r.shape[0],)), b.empty((r.shape[0],))
        b.launch_grid("moments", (r.shape[0],), MOMENTS_BLOCK, r, mean, var, r.shape[1])
        return mean, var
    mean, var = np.empty(len(r), np.float32), np.empty(len(r), np.float32)
    length = r.shape[1]
    group = max(1, _CACHED // max(1, length))
    for c in range(0, len(r), group):
        some = r[c : c + group]
        d = some - some[:, :1]
        mu = d.mean(axis=1, dtype=np.float32)
        d -= mu[:, None]
        mean[c : c + group] = some[:, 0] + mu
        var[c : c + group] = np.einsum("ij,ij->i", d, d) / np.float32(length)
    return mean, var


def normalize(
    b: Backend,
    x: Array,
    mean: Array,
    var: Array,
    *,
    eps: float,
    factor: Array | None = None,
    gamma: Array | None = None,
    beta: Array | None = None,
) -> Array:
    """(x - mean) / sqrt(var + eps), then * gamma + beta; all (C).

    factor (1): BVLC's stored statistics are sums; they count times 1/factor, and times 0 when it is 0, which leaves
    mean 0 and variance 0: the result is x / sqrt(eps), 316 times x at the default eps.
    """
    y = new(b, x.shape)
    r, yr = rows(b, x), storage(y).reshape(rows_shape(x.shape))
    c = r.shape[0]
    if b.kernels is not None:
        m, g = b.empty((c,)), b.empty((c,))
        b.launch("bn_fold", c, mean, var, factor, gamma, eps, m, g, c)
        b.launch("affine", r.size, r, m, g, beta, yr, r.size, r.shape[1])
        return y
    s = np.float32(1)
    if factor is not None:
        s = np.float32(0) if factor[0] == 0 else np.float32(1) / factor[0]
    g = np.float32(1) / np.sqrt(var * s + np.float32(eps))
    _affine(r, yr, mean * s, g if gamma is None else g * gamma, beta)
    return y


def _affine(r: Array, yr: Array, mean: Array | None, factor: Array | None, shift: Array | None) -> None:
    """(r - mean) * factor + shift into yr, rows (C, L) and vectors (C), some channels at a time."""
    group = max(1, _CACHED // max(1, r.shape[1]))
    for c in range(0, len(r), group):
        some, out = r[c : c + group], yr[c : c + group]
        for values, apply in ((mean, np.subtract), (factor, np.multiply), (shift, np.add)):
            if values is not None:
                some = apply(some, values[c : c + group, None], out=out)


def rows_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """The shape of layout.rows for a blob of this shape."""
    size = int(np.prod(shape, dtype=np.int64))
    if len(shape) < 2:
        return (1, size)
    return (shape[1], size // shape[1] if shape[1] else 0)


def scale(b: Backend, x: Array, factor: Array | None, shift: Array | None, *, axis: int) -> Array:
    """X * factor + shift, both shaped like x.shape[axis : axis + their axes] (either may be None)."""
    shape = next(tuple(a.shape) for a in (factor, shift) if a is not None)
    if axis == 1 and x.ndim >= 2 and shape == tuple(x.shape[1:2]):
        y = new(b, x.shape)
        r, yr = rows(b, x), storage(y).reshape(rows_shape(x.shape))
        if b.kernels is not None:
            b.launch("affine", r.size, r, None, factor, shift, yr, r.size, r.shape[1])
            return y
        _affine(r, yr, None, factor, shift)
        return y
    trailing = (1,) * (x.ndim - axis - len(shape)) if shape else ()
    y = x
    if factor is not None:
        y = y * factor.reshape(shape + trailing)
    if shift is not None:
        y = y + shift.reshape(shape + trailing)
    return y


def mvn(
    b: Backend, x: Array, *, across_channels: bool, normalize_variance: bool, eps: float
) -> tuple[Array, Array | None]:
    """Each (sample, channel), or each sample, minus its mean, divided by (its standard deviation + eps).

    Also gives that divisor, (groups, 1).
    """
    n, c = x.shape[0], x.shape[1] if x.ndim > 1 else 1
    groups = b.contiguous(x).reshape((n, -1) if across_channels else (n * c, -1))
    centred = groups - groups.mean(axis=1, keepdims=True)
    divisor = None
    if normalize_variance:
        divisor = b.xp.sqrt((centred * centred).mean(axis=1, keepdims=True)) + np.float32(eps)
        centred = centred / divisor
    return centred.reshape(x.shape), divisor
