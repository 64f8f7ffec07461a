"""Local response normalisation, across channels and within a channel."""

from __future__ import annotations

import numpy as np

from prototxt_gpu_check.backend import Array, Backend
from prototxt_gpu_check.layout import blob, new, rows, storage, stored
from prototxt_gpu_check.ops.pooling import ave_pooling, ave_pooling_grad


def lrn_across(b: Backend, x: Array, *, size: int, alpha: float, beta: float, k: float) -> Array:
    """X * (k + alpha/size * sum of x^2 over the `size` channels around it)^-beta."""
    y = new(b, x.shape)
    r = rows(b, x)
    out = storage(y).reshape(r.shape)
    channels, length = r.shape
    if b.kernels is not None:
        b.launch("lrn_across", r.size, r, out, channels, length, size, alpha / size, beta, k)
        return y
    square = r * r
    total = square.copy()
    before = (size - 1) // 2
    # Shifted adds; a running sum would cancel (9e-4 relative in float32).
    for d in range(-before, size - before):
        if d < 0 and -d < channels:
            total[-d:] += square[:d]
        elif 0 < d < channels:
            total[:-d] += square[d:]
    total *= np.float32(alpha / size)
    total += np.float32(k)
    with np.errstate(all="ignore"):
        np.multiply(r, np.power(total, np.float32(-beta)), out=out)
    return y


def lrn_within(b: Backend, x: Array, *, size: int, alpha: float, beta: float) -> Array:
    """X * (1 + alpha * average of x^2 over a size x size window)^-beta; the average is AVE pooling's, k is not used."""
    y = new(b, x.shape)
    r = rows(b, x)
    pad = (size - 1) // 2
    square = new(b, x.shape)
    flat = storage(square).reshape(-1)
    if b.kernels is not None:
        b.launch("binary", r.size, r.reshape(-1), r.reshape(-1), flat, r.size, 1, 1.0, 1.0)
    else:
        np.multiply(r.reshape(-1), r.reshape(-1), out=flat)
    out = (x.shape[2], x.shape[3])
    average = rows(b, ave_pooling(b, square, kernel=(size, size), stride=(1, 1), pad=(pad, pad), out=out))
    yr = storage(y).reshape(r.shape)
    if b.kernels is not None:
        b.launch("lrn_apply", r.size, r, average, yr, r.size, alpha, beta, 1.0)
    else:
        np.multiply(r, np.power(np.float32(1) + np.float32(alpha) * average, np.float32(-beta)), out=yr)
    return y


def lrn_across_grad(
    b: Backend, x: Array, y: Array, dy: Array, *, size: int, alpha: float, beta: float, k: float
) -> Array:
    """Dy * s^-beta - 2*alpha*beta/size * x * (sum of dy*y/s over the window), s as forward; y as it lies in memory."""
    r, q, d = rows(b, x), rows(b, y), rows(b, dy)
    s = _window_sums(b, r * r, size) * np.float32(alpha / size) + np.float32(k)
    shared = _window_sums(b, d * q / s, size)
    dx: Array = d * s ** np.float32(-beta) - np.float32(2 * alpha * beta / size) * r * shared
    return blob(dx, tuple(x.shape))


def _window_sums(b: Backend, r: Array, size: int) -> Array:
    """Sums over the `size` (odd) rows around each row."""
    total = r.copy()
    half = (size - 1) // 2
    for d in range(1, min(half, r.shape[0] - 1) + 1):
        total[d:] += r[:-d]
        total[:-d] += r[d:]
    return total


def lrn_within_grad(b: Backend, x: Array, dy: Array, *, size: int, alpha: float, beta: float) -> Array:
    """The chain through Caffe's own square, AVE pooling, power and product layers."""
    pad = (size - 1) // 2
    kernel, stride, margin = (size, size), (1, 1), (pad, pad)
    square = stored(b, x * x)
    average = ave_pooling(b, square, kernel=kernel, stride=stride, pad=margin, out=(x.shape[2], x.shape[3]))
    s = np.float32(1) + np.float32(alpha) * average
    q = s ** np.float32(-beta)
    into_power = stored(b, dy * x * (np.float32(-alpha * beta) * q / s))
    into_square = ave_pooling_grad(b, into_power, bottom=tuple(x.shape), kernel=kernel, stride=stride, pad=margin)
    dx: Array = dy * q + np.float32(2) * x * into_square
    return dx
