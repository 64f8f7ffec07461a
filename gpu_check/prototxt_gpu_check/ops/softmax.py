"""Softmax, and what losses and Accuracy read from class scores."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from prototxt_gpu_check.backend import Array, Backend
from prototxt_gpu_check.layout import new, rows, storage


def class_rows(b: Backend, x: Array, axis: int) -> Array:
    """(classes, positions) contiguous; positions in C order of the other axes."""
    if axis == 1 and x.ndim >= 2:
        return rows(b, x)
    moved = x.transpose(axis, *(a for a in range(x.ndim) if a != axis))
    return b.contiguous(moved).reshape(x.shape[axis], -1)


def softmax_rows(b: Backend, r: Array) -> Array:
    """exp(r - max) / sum down each column of (classes, positions)."""
    y = b.empty(tuple(r.shape))
    if b.kernels is not None:
        b.launch("softmax", r.shape[1], r, y, r.shape[0], r.shape[1])
        return y
    with np.errstate(invalid="ignore", over="ignore"):
        np.subtract(r, r.max(axis=0), out=y)
        np.exp(y, out=y)
        y /= y.sum(axis=0)
    return y


def softmax(b: Backend, x: Array, *, axis: int) -> Array:
    """Softmax along `axis`."""
    p = softmax_rows(b, class_rows(b, x, axis))
    if axis == 1 and x.ndim >= 2:
        y = new(b, x.shape)
        b.copy_into(storage(y).reshape(p.shape), p)
        return y
    return unrolled(p, tuple(x.shape), axis)


def unrolled(r: Array, shape: tuple[int, ...], axis: int) -> Array:
    """The inverse of class_rows: (classes, positions) as a blob of that shape."""
    others = [a for a in range(len(shape)) if a != axis]
    return r.reshape(shape[axis], *(shape[a] for a in others)).transpose(*np.argsort([axis, *others]))


def pick(b: Backend, r: Array, labels: Array, with_rank: bool = False) -> tuple[npt.NDArray[np.float32], Array | None]:
    """The labelled class's value in each column of r (classes, positions), on the host; NaN for a label outside.

    with_rank: also how many other classes have at least that value.
    """
    classes, positions = r.shape
    if b.kernels is not None:
        y = b.empty((positions,))
        rank = b.empty((positions,)) if with_rank else None
        b.launch("pick", positions, r, labels, y, rank, classes, positions)
        return b.to_host(y), None if rank is None else b.to_host(rank)
    k = labels.astype(np.int64)
    inside = (k >= 0) & (k < classes)
    values = np.where(inside, r[np.where(inside, k, 0), np.arange(positions)], np.float32(np.nan))
    if not with_rank:
        return values, None
    return values, (r >= values).sum(axis=0) - (inside & ~np.isnan(values))
