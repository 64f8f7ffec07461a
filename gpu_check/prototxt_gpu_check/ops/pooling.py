"""Pooling: MAX and AVE with Caffe's windows.

Sizes round up, windows are clipped to the blob, and AVE divides by the window clipped to the *padded* blob. MAX starts
from -FLT_MAX and takes strictly larger values, so a window of NaNs yields -FLT_MAX: a NaN does not pass.
"""

from __future__ import annotations

import numpy as np

from prototxt_gpu_check.backend import Array, Backend
from prototxt_gpu_check.layout import new, rows, storage, zeros

Pair = tuple[int, int]
FLT_MAX = float(np.finfo(np.float32).max)


def max_pooling(
    b: Backend, x: Array, *, kernel: Pair, stride: Pair, pad: Pair, out: Pair, with_index: bool = False
) -> tuple[Array, Array | None]:
    """The largest value of each window, and on request its place h*W + w within the channel (-1 for none)."""
    y = new(b, (x.shape[0], x.shape[1], *out))
    index = new(b, y.shape) if with_index else None
    if b.kernels is not None:
        _launch(b, x, y, index, kernel, stride, pad, out, 0)
        return y, index
    ys, xs = storage(y), x.swapaxes(0, 1)
    if index is None:
        _max_by_axes(xs, ys, kernel, stride, pad, out)
        return y, None
    ys[...] = -FLT_MAX
    storage(index)[...] = -1
    for _, _, src, dst in _windows(xs.shape[2:], kernel, stride, pad, out):
        values = xs[(..., *src)]
        better = values > ys[(..., *dst)]
        at = storage(index)[(..., *dst)]
        at[...] = np.where(better, _places(xs.shape[2:], src), at)
        np.fmax(ys[(..., *dst)], values, out=ys[(..., *dst)])
    return y, index


def _max_by_axes(xs: Array, ys: Array, kernel: Pair, stride: Pair, pad: Pair, out: Pair) -> None:
    """The largest value of each window into ys (C, N, out...): along the columns, then along the rows.

    kh + kw passes instead of kh * kw, and those along the rows run over the whole memory: what they compute across the
    ends of rows is never read.
    """
    (h, w), high, wide = xs.shape[2:], (out[0] - 1) * stride[0] + kernel[0], (out[1] - 1) * stride[1] + kernel[1]
    padded = np.full((*xs.shape[:2], high, wide), -FLT_MAX, np.float32)
    rows_, columns = min(h, high - pad[0]), min(w, wide - pad[1])
    padded[:, :, pad[0] : pad[0] + rows_, pad[1] : pad[1] + columns] = xs[:, :, :rows_, :columns]
    last = (out[0] - 1) * stride[0] + 1
    tall = padded[:, :, : last : stride[0]]
    if kernel[0] > 1:
        tall = np.fmax(tall, padded[:, :, 1 : 1 + last : stride[0]])
        for r in range(2, kernel[0]):
            np.fmax(tall, padded[:, :, r : r + last : stride[0]], out=tall)
    line = np.ascontiguousarray(tall).reshape(-1)
    best = np.fmax(line[: line.size - kernel[1] + 1], np.float32(-FLT_MAX))
    for s in range(1, kernel[1]):
        np.fmax(best, line[s : s + best.size], out=best)
    _, n, p, q = tall.shape
    steps = (n * p * q, p * q, q, stride[1])
    ys[...] = np.lib.stride_tricks.as_strided(best, ys.shape, tuple(4 * step for step in steps))


def ave_pooling(b: Backend, x: Array, *, kernel: Pair, stride: Pair, pad: Pair, out: Pair) -> Array:
    """The sum of each window's real elements divided by its area within H+pad, W+pad."""
    y = new(b, (x.shape[0], x.shape[1], *out))
    if b.kernels is not None:
        _launch(b, x, y, None, kernel, stride, pad, out, 1)
        return y
    ys = storage(y)
    xs = x.swapaxes(0, 1)
    if out == (1, 1) and pad == (0, 0) and kernel == tuple(x.shape[2:]):
        ys[:, :, 0, 0] = rows(b, x).reshape(*xs.shape[:2], kernel[0] * kernel[1]).sum(axis=2)
    else:
        ys[...] = 0
        for _, _, src, dst in _windows(xs.shape[2:], kernel, stride, pad, out):
            ys[(..., *dst)] += xs[(..., *src)]
    with np.errstate(divide="ignore", invalid="ignore"):
        ys /= _areas(xs.shape[2:], kernel, stride, pad, out)
    return y


def _launch(
    b: Backend, x: Array, y: Array, index: Array | None, kernel: Pair, stride: Pair, pad: Pair, out: Pair, mode: int
) -> None:
    h, w = x.shape[2:]
    args = (x.shape[0] * x.shape[1], h, w, *out, *kernel, *stride, *pad, mode)
    b.launch("pool", y.size, rows(b, x), storage(y), None if index is None else storage(index), *args)


def _windows(
    sizes: tuple[int, ...], kernel: Pair, stride: Pair, pad: Pair, out: Pair
) -> list[tuple[int, int, tuple[slice, slice], tuple[slice, slice]]]:
    """For every kernel offset, in row-major order: which inputs it reads and which outputs they go to."""
    spans = [[_span(r, sizes[a], stride[a], pad[a], out[a]) for r in range(kernel[a])] for a in range(2)]
    found = []
    for r, rows_ in enumerate(spans[0]):
        for s, columns in enumerate(spans[1]):
            if rows_ is not None and columns is not None:
                found.append((r, s, (rows_[0], columns[0]), (rows_[1], columns[1])))
    return found


def _span(offset: int, size: int, stride: int, pad: int, out: int) -> tuple[slice, slice] | None:
    """Outputs p for which 0 <= p*stride - pad + offset < size, and the inputs they read."""
    first = max(0, -(-(pad - offset) // stride))
    last = min(out - 1, (size - 1 + pad - offset) // stride)
    if last < first:
        return None
    start = first * stride - pad + offset
    return slice(start, start + (last - first) * stride + 1, stride), slice(first, last + 1)


def _places(sizes: tuple[int, ...], src: tuple[slice, slice]) -> Array:
    h = np.arange(sizes[0], dtype=np.float32)[src[0], None]
    w = np.arange(sizes[1], dtype=np.float32)[None, src[1]]
    return np.asarray(h * np.float32(sizes[1]) + w)


def _areas(sizes: tuple[int, ...], kernel: Pair, stride: Pair, pad: Pair, out: Pair) -> Array:
    sides = []
    for a in range(2):
        start = np.arange(out[a]) * stride[a] - pad[a]
        sides.append(np.minimum(start + kernel[a], sizes[a] + pad[a]) - start)
    return np.asarray(np.outer(sides[0], sides[1]), np.float32)


def max_pooling_grad(
    b: Backend, dy: Array, index: Array, *, bottom: tuple[int, ...], kernel: Pair, stride: Pair, pad: Pair
) -> Array:
    """Each window's gradient added to the place that `index` (from max_pooling) names; -1 names none."""
    dx = zeros(b, bottom)
    xs, ds, at = storage(dx), dy.swapaxes(0, 1), index.swapaxes(0, 1)
    if tuple(dy.shape[2:]) == (1, 1):  # a large kernel would take a pass for each of its elements
        place = b.xp.maximum(at, 0).astype("int64").reshape(*xs.shape[:2], 1)
        value = b.xp.where(at < 0, np.float32(0), ds).reshape(place.shape)
        b.xp.put_along_axis(xs.reshape(*xs.shape[:2], -1), place, value, axis=2)
        return dx
    for _, _, src, dst in _windows(bottom[2:], kernel, stride, pad, (dy.shape[2], dy.shape[3])):
        mine = at[(..., *dst)] == b.asarray(_places(bottom[2:], src))
        xs[(..., *src)] += b.xp.where(mine, ds[(..., *dst)], np.float32(0))
    return dx


def ave_pooling_grad(b: Backend, dy: Array, *, bottom: tuple[int, ...], kernel: Pair, stride: Pair, pad: Pair) -> Array:
    """Each window's gradient, divided as forward divides, added to its real elements."""
    dx = zeros(b, bottom)
    out = (dy.shape[2], dy.shape[3])
    xs, ds = storage(dx), dy.swapaxes(0, 1) / b.asarray(_areas(bottom[2:], kernel, stride, pad, out))
    if out == (1, 1) and pad == (0, 0) and kernel == tuple(bottom[2:]):
        xs += ds
        return dx
    for _, _, src, dst in _windows(bottom[2:], kernel, stride, pad, out):
        xs[(..., *src)] += ds[(..., *dst)]
    return dx
