"""Layers that only move values: Concat, Slice, Crop, Tile, and the reshaping ones."""

from __future__ import annotations

from collections.abc import Sequence

from prototxt_gpu_check.backend import Array, Backend
from prototxt_gpu_check.layout import new, storage, stored


def concat(b: Backend, bottoms: Sequence[Array], *, axis: int) -> Array:
    """Bottoms one after another along `axis`; along the channels each is one block copy."""
    shape = list(bottoms[0].shape)
    shape[axis] = sum(x.shape[axis] for x in bottoms)
    y = new(b, tuple(shape))
    at = 0
    for x in bottoms:
        where = _along(axis, at, at + x.shape[axis], y.ndim)
        at += x.shape[axis]
        if y.ndim >= 2:
            b.copy_into(storage(y[where]), storage(x))
        else:
            b.copy_into(y[where], x)
    return y


def slice_(b: Backend, x: Array, *, axis: int, sizes: Sequence[int]) -> list[Array]:
    """Consecutive parts of the given sizes along `axis`; along the channels they are views."""
    tops, at = [], 0
    for size in sizes:
        tops.append(stored(b, x[_along(axis, at, at + size, x.ndim)]))
        at += size
    return tops


def crop(b: Backend, x: Array, *, starts: Sequence[int], sizes: Sequence[int]) -> Array:
    """The box that begins at `starts` and has `sizes`, one entry an axis."""
    return stored(b, x[tuple(slice(s, s + n) for s, n in zip(starts, sizes, strict=True))])


def tile(b: Backend, x: Array, *, axis: int, tiles: int) -> Array:
    """`tiles` copies of x along `axis`."""
    return concat(b, [x] * tiles, axis=axis)


def _along(axis: int, start: int, stop: int, ndim: int) -> tuple[slice, ...]:
    return tuple(slice(start, stop) if a == axis else slice(None) for a in range(ndim))
