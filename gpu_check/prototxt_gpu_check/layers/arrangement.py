"""Layers that move, join, cut, select or reduce values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from prototxt_gpu_check.backend import Array
from prototxt_gpu_check.layers.base import Step, runs
from prototxt_gpu_check.layout import blob, count, reshape, rows
from prototxt_gpu_check.ops import arrange
from prototxt_gpu_check.ops.elementwise import LINEAR, unary
from prototxt_gpu_check.ops.softmax import softmax as softmax_op


@runs("Split")
def split(s: Step) -> Sequence[Array]:
    """All tops share the bottom's memory."""
    return [s.bottoms[0]] * len(s.tops)


@runs("Silence", "HDF5Output")
def swallow(s: Step) -> Sequence[Array]:
    """Nothing."""
    return []


@runs("Flatten", "Reshape")
def reshaped(s: Step) -> Sequence[Array]:
    """The same values in another shape."""
    return [reshape(s.backend, s.bottoms[0], s.tops[0])]


@runs("Concat")
def concat(s: Step) -> Sequence[Array]:
    """Bottoms joined along an axis."""
    p = s.param("concat_param")
    axis = int(p.get("concat_dim")) if p.has("concat_dim") else s.canonical(int(p.get("axis")))
    return [arrange.concat(s.backend, s.bottoms, axis=axis)]


@runs("Slice")
def slice_layer(s: Step) -> Sequence[Array]:
    """The bottom cut along an axis."""
    p = s.param("slice_param")
    axis = int(p.get("slice_dim")) if p.has("slice_dim") else s.canonical(int(p.get("axis")))
    return arrange.slice_(s.backend, s.bottoms[0], axis=axis, sizes=[top[axis] for top in s.tops])


@runs("Crop")
def crop(s: Step) -> Sequence[Array]:
    """The bottom cut to the second bottom's size from `axis` on."""
    p = s.param("crop_param")
    axis = s.canonical(int(p.get("axis")))
    offsets = [int(v) for v in p.all("offset")]
    starts = [0] * s.bottoms[0].ndim
    for i in range(axis, len(starts)):
        if offsets:
            starts[i] = offsets[0] if len(offsets) == 1 else offsets[i - axis]
    return [arrange.crop(s.backend, s.bottoms[0], starts=starts, sizes=s.tops[0])]


@runs("Permute")
def permute(s: Step) -> Sequence[Array]:
    """Axes in the given order, those left out behind them."""
    order = [int(v) for v in s.param("permute_param").all("order")]
    order += [axis for axis in range(s.bottoms[0].ndim) if axis not in order]
    return [s.bottoms[0].transpose(order)]


@runs("ShuffleChannel")
def shuffle_channel(s: Step) -> Sequence[Array]:
    """Channels seen as (group, C/group) and transposed."""
    group = int(s.param("shuffle_channel_param").get("group") or 1)
    r = rows(s.backend, s.bottoms[0])
    mixed = s.backend.contiguous(r.reshape(group, r.shape[0] // group, r.shape[1]).transpose(1, 0, 2))
    return [blob(mixed.reshape(r.shape), s.tops[0])]


@runs("Tile")
def tile(s: Step) -> Sequence[Array]:
    """The bottom repeated along an axis."""
    p = s.param("tile_param")
    return [arrange.tile(s.backend, s.bottoms[0], axis=s.canonical(int(p.get("axis"))), tiles=int(p.get("tiles")))]


@runs("Softmax")
def softmax(s: Step) -> Sequence[Array]:
    """Probabilities along an axis."""
    axis = s.canonical(int(s.param("softmax_param").get("axis")))
    return [softmax_op(s.backend, s.bottoms[0], axis=axis)]


@runs("Reduction")
def reduction(s: Step) -> Sequence[Array]:
    """SUM, ASUM, SUMSQ or MEAN over the axes from `axis` on, times coeff."""
    p = s.param("reduction_param")
    flat = s.backend.to_host(reshape(s.backend, s.bottoms[0], (count(s.tops[0]), -1))).astype(np.float64)
    operation = str(p.get("operation"))
    values = {"ASUM": np.abs, "SUMSQ": np.square}.get(operation, lambda v: v)(flat).sum(axis=1)
    if operation == "MEAN":
        values /= flat.shape[1]
    return [s.backend.asarray(values.reshape(s.tops[0]) * float(p.get("coeff")))]


@runs("ArgMax")
def argmax(s: Step) -> Sequence[Array]:
    """Indices (and values) of the top_k largest entries; of equal ones the larger index first."""
    p = s.param("argmax_param")
    k, with_values = int(p.get("top_k")), bool(p.get("out_max_val"))
    x = s.backend.to_host(s.backend.contiguous(s.bottoms[0]))
    if p.has("axis"):
        axis = s.canonical(int(p.get("axis")))
        order = _largest(x, k, axis)
        y = np.take_along_axis(x, order, axis) if with_values else order
        return [s.backend.asarray(y)]
    flat = x.reshape(x.shape[0], -1)
    order = _largest(flat, k, 1)
    found = [order, np.take_along_axis(flat, order, 1)] if with_values else [order]
    return [s.backend.asarray(np.stack(found, axis=1).reshape(s.tops[0]))]


def _largest(x: Array, k: int, axis: int) -> Array:
    order = np.flip(np.argsort(x, axis=axis, kind="stable"), axis)
    return np.take(order, range(k), axis)


@runs("BatchReindex")
def batch_reindex(s: Step) -> Sequence[Array]:
    """Samples picked by index."""
    index = s.backend.to_host(s.bottoms[1]).astype(np.int64).reshape(-1)
    x = s.backend.to_host(s.backend.contiguous(s.bottoms[0]))
    outside = index[(index < 0) | (index >= len(x))]
    if outside.size:
        raise NotImplementedError(f"index {outside[0]} picks none of its {len(x)} samples; Caffe aborts")
    return [s.backend.asarray(x[index])]


@runs("Filter")
def filter_(s: Step) -> Sequence[Array]:
    """Samples whose selector (the last bottom) is not 0, in their order; maybe none."""
    keep = s.backend.to_host(s.bottoms[-1]).reshape(-1) != 0
    return [s.backend.asarray(s.backend.to_host(s.backend.contiguous(x))[keep]) for x in s.bottoms[:-1]]


@runs("Parameter")
def parameter(s: Step) -> Sequence[Array]:
    """The layer's own blob."""
    return [unary(s.backend, s.params[0], LINEAR, 0.0, 1.0, 0.0)]
