"""Gradients of the forks' layers for segmentation and detection: Interp, Upsample, ROIPooling. On the host."""

from __future__ import annotations

import numpy as np

from prototxt_gpu_check.backend import Array
from prototxt_gpu_check.layers.base import Gradient, gradient
from prototxt_gpu_check.layers.resizing import Host, between, roi_bins


def _host(g: Gradient, a: Array) -> Host:
    return np.asarray(g.backend.to_host(g.backend.contiguous(a)), np.float32)


@gradient("Interp")
def interp(g: Gradient) -> None:
    """The transposed weights; what the negative pads cut off gets 0."""
    p = g.step.param("interp_param")
    begin, end = -int(p.get("pad_beg") or 0), int(p.get("pad_end") or 0)
    inner = np.zeros(g.x.shape, np.float32)[:, :, begin : g.x.shape[2] + end, begin : g.x.shape[3] + end]
    d = _host(g, g.dy)
    for axis in (3, 2):
        d = _gathered(d, axis, inner.shape[axis])
    dx = np.zeros(g.x.shape, np.float32)
    dx[:, :, begin : g.x.shape[2] + end, begin : g.x.shape[3] + end] = d
    g.bottoms[0] = g.backend.asarray(dx)


def _gathered(d: Host, axis: int, size: int) -> Host:
    """The transpose of layers.resizing's stretching along one axis."""
    if size == d.shape[axis]:
        return d
    low, high, share = between(size, d.shape[axis])
    moved = np.moveaxis(d, axis, 0)
    out = np.zeros((size, *moved.shape[1:]), np.float32)
    wide = share.reshape(-1, *(1,) * (d.ndim - 1))
    np.add.at(out, low, moved * (1 - wide))
    np.add.at(out, high, moved * wide)
    return np.moveaxis(out, 0, axis)


@gradient("Upsample")
def upsample(g: Gradient) -> None:
    """SegNet: dy at the place that the mask names, nothing for the mask. YOLO's: the sum of each block."""
    x, dy = g.x, _host(g, g.dy)
    n, c, h, w = x.shape
    if len(g.step.bottoms) < 2:
        scale = int(g.step.param("upsample_param").get("scale") or 1)
        g.bottoms[0] = g.backend.asarray(dy.reshape(n, c, h, scale, w, scale).sum(axis=(3, 5)))
        return
    places = _host(g, g.step.bottoms[1]).reshape(n * c, -1).astype(np.int64)
    g.bottoms[0] = g.backend.asarray(np.take_along_axis(dy.reshape(n * c, -1), places, axis=1).reshape(x.shape))


@gradient("ROIPooling")
def roi_pooling(g: Gradient) -> None:
    """Each bin's gradient to the place of its maximum, as on the GPU: on the CPU the forks abort, or leave 0."""
    x, dy = _host(g, g.x), _host(g, g.dy)
    dx = np.zeros_like(x)
    for r, i, j, image, (rows, columns) in roi_bins(g.step):
        part = x[image, :, rows, columns]
        wide = part.shape[2]
        for channel, at in enumerate(part.reshape(len(part), -1).argmax(axis=1)):
            dx[image, channel, rows.start + at // wide, columns.start + at % wide] += dy[r, channel, i, j]
    g.bottoms[0] = g.backend.asarray(dx)
