"""Gradients of the layers that move, join, cut, select or reduce values."""

from __future__ import annotations

import numpy as np

from prototxt_gpu_check.layers.base import Gradient, gradient
from prototxt_gpu_check.layout import count, reshape, zeros
from prototxt_gpu_check.ops import arrange


@gradient("Split")
def split(g: Gradient) -> None:
    """The sum of the tops' gradients."""
    total = g.diffs[0]
    for dy in g.diffs[1:]:
        total = total + dy
    g.bottoms[0] = total


@gradient("Silence")
def silence(g: Gradient) -> None:
    """Zeros, which is what a gradient that is not set is."""


@gradient("Flatten", "Reshape")
def reshaped(g: Gradient) -> None:
    """The same values in the bottom's shape."""
    if g.step.node.type == "Flatten" or not _taken_away(g):
        g.bottoms[0] = reshape(g.backend, g.dy, tuple(g.x.shape))


def _taken_away(g: Gradient) -> bool:
    """Whether a Flatten reads the top: nothing then reaches the bottom (measured).

    Reshape, and Concat and Slice of one blob, let top and bottom share the gradient's memory during set-up. Backward,
    Flatten makes its bottom point to its own top's memory instead, so what it leaves is not where the bottom looks.
    """
    blob = g.step.node.tops[0]
    while len(blob.readers) == 1:
        reader, at = blob.readers[0]
        if reader.type == "Flatten":
            return True
        if at >= len(reader.in_place) or not reader.in_place[at]:
            return False
        blob = reader.tops[at]
    return False


@gradient("Concat")
def concat(g: Gradient) -> None:
    """Each bottom's part."""
    if len(g.wanted) == 1 and _taken_away(g):
        return
    p, s = g.step.param("concat_param"), g.step
    axis = int(p.get("concat_dim")) if p.has("concat_dim") else s.canonical(int(p.get("axis")))
    sizes = [x.shape[axis] for x in s.bottoms]
    for i, part in enumerate(arrange.slice_(g.backend, g.dy, axis=axis, sizes=sizes)):
        g.bottoms[i] = part


@gradient("Slice")
def slice_layer(g: Gradient) -> None:
    """The parts' gradients joined."""
    if len(g.diffs) == 1 and _taken_away(g):
        return
    p, s = g.step.param("slice_param"), g.step
    axis = int(p.get("slice_dim")) if p.has("slice_dim") else s.canonical(int(p.get("axis")))
    g.bottoms[0] = arrange.concat(g.backend, g.diffs, axis=axis)


@gradient("Crop")
def crop(g: Gradient) -> None:
    """Dy where it was cut out, zeros around it. In place the zeros come first and nothing is left."""
    if g.step.in_place:
        return
    p, s = g.step.param("crop_param"), g.step
    axis = s.canonical(int(p.get("axis")))
    offsets = [int(v) for v in p.all("offset")]
    starts = [0] * g.x.ndim
    for i in range(axis, len(starts)):
        if offsets:
            starts[i] = offsets[0] if len(offsets) == 1 else offsets[i - axis]
    dx = zeros(g.backend, tuple(g.x.shape))
    dx[tuple(slice(at, at + n) for at, n in zip(starts, s.tops[0], strict=True))] = g.dy
    g.bottoms[0] = dx


@gradient("Permute")
def permute(g: Gradient) -> None:
    """Axes back."""
    order = [int(v) for v in g.step.param("permute_param").all("order")]
    order += [axis for axis in range(g.x.ndim) if axis not in order]
    g.bottoms[0] = g.dy.transpose([int(i) for i in np.argsort(order)])


@gradient("ShuffleChannel")
def shuffle_channel(g: Gradient) -> None:
    """Channels back."""
    group = int(g.step.param("shuffle_channel_param").get("group") or 1)
    channels = g.dy.shape[1]
    at = np.arange(channels).reshape(group, channels // group).T.reshape(-1)
    back = np.argsort(at)
    g.bottoms[0] = g.dy[:, g.backend.xp.asarray(back)]


@gradient("Tile")
def tile(g: Gradient) -> None:
    """The sum over the copies."""
    p, s = g.step.param("tile_param"), g.step
    axis, tiles = s.canonical(int(p.get("axis"))), int(p.get("tiles"))
    shape = tuple(g.x.shape)
    split = g.backend.contiguous(g.dy).reshape(*shape[:axis], tiles, *shape[axis:])
    g.bottoms[0] = split.sum(axis=axis)


@gradient("Softmax")
def softmax(g: Gradient) -> None:
    """Y * (dy - sum(dy*y))."""
    axis = g.step.canonical(int(g.step.param("softmax_param").get("axis")))
    g.bottoms[0] = (g.dy - (g.dy * g.y).sum(axis=axis, keepdims=True)) * g.y


@gradient("Reduction")
def reduction(g: Gradient) -> None:
    """SUM and MEAN spread dy; ASUM gives it the sign of x, SUMSQ times 2x."""
    p, b = g.step.param("reduction_param"), g.backend
    x = g.x
    operation, coefficient = str(p.get("operation")), float(p.get("coeff"))
    outer = count(tuple(g.dy.shape))
    if operation == "MEAN":
        coefficient /= x.size // outer
    dy = (b.contiguous(g.dy) * np.float32(coefficient)).reshape(*g.dy.shape, *(1,) * (x.ndim - g.dy.ndim))
    match operation:
        case "ASUM":
            g.bottoms[0] = dy * b.xp.sign(x)
        case "SUMSQ":
            g.bottoms[0] = dy * (np.float32(2) * x)
        case _:
            g.bottoms[0] = dy + b.xp.zeros_like(x)


@gradient("BatchReindex")
def batch_reindex(g: Gradient) -> None:
    """Each sample gets the sum of its copies' gradients."""
    index = g.backend.to_host(g.step.bottoms[1]).astype(np.int64).reshape(-1)
    dx = np.zeros(g.x.shape, np.float32)
    np.add.at(dx, index, g.backend.to_host(g.dy))
    g.bottoms[0] = g.backend.asarray(dx)


@gradient("Filter")
def filter_(g: Gradient) -> None:
    """Gradients back to the samples that were kept; zeros for the others."""
    keep = np.flatnonzero(g.backend.to_host(g.step.bottoms[-1]).reshape(-1) != 0)
    for i, dy in enumerate(g.diffs):
        dx = np.zeros(g.step.bottoms[i].shape, np.float32)
        dx[keep] = g.backend.to_host(dy)
        g.bottoms[i] = g.backend.asarray(dx)


@gradient("Parameter")
def parameter(g: Gradient) -> None:
    """The blob's gradient is the top's."""
    g.params[0] = g.backend.contiguous(g.dy)


@gradient("Accuracy", "ArgMax", "Threshold", "DetectionOutput")
def none(g: Gradient) -> None:
    """Caffe has no Backward for these; Accuracy minds only where a gradient is asked of it."""
    if g.step.node.type != "Accuracy" or any(g.wanted):
        raise NotImplementedError(f"{g.step.node.type} has no backward pass: Caffe aborts here")
