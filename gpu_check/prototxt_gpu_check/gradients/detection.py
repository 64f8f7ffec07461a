"""Gradients of the forks' losses and layers for detection and recognition, on the host like their forward passes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from prototxt_gpu_check.layers.base import Gradient, gradient
from prototxt_gpu_check.layers.loss import normalizer
from prototxt_gpu_check.layers.regions import psroi_bins, reorg
from prototxt_gpu_check.layout import count

Host = npt.NDArray[np.float64]


def _host(g: Gradient, index: int) -> Host:
    b = g.backend
    return b.to_host(b.contiguous(g.step.bottoms[index])).astype(np.float64)


def _dy(g: Gradient) -> Host:
    return g.backend.to_host(g.backend.contiguous(g.dy)).astype(np.float64)


@gradient("MultiBoxLoss")
def multibox_loss(g: Gradient) -> None:
    """Smooth L1 (or L2) of the matched offsets, softmax or logistic loss of the counted boxes, over the normaliser."""
    if any(g.wanted[2:]):
        raise NotImplementedError("Caffe cannot backpropagate to the priors or the ground truth of a MultiBoxLoss")
    found, settings = g.step.saved["found"], g.step.saved["settings"]
    divisor, weight = g.step.saved["divisor"], float(_dy(g).reshape(-1)[0])
    images, groups, boxes = found.index.shape
    if g.wanted[0]:
        d = found.offsets.astype(np.float64)
        d = np.where(np.abs(d) < 1, d, np.sign(d)) if settings.smooth else d
        given = g.step.param("multibox_loss_param").get("loc_weight")
        location = np.zeros((images, groups, boxes, 4))
        location[found.index > -1] = d * (weight / divisor * (1.0 if given is None else float(given)))
        g.bottoms[0] = g.backend.asarray(location.transpose(0, 2, 1, 3).reshape(g.step.bottoms[0].shape))
    if g.wanted[1]:
        x = _host(g, 1).reshape(images, boxes, settings.classes)
        if settings.softmax:
            p = np.exp(x - x.max(axis=2, keepdims=True))
            p /= p.sum(axis=2, keepdims=True)
        else:
            p = 0.5 * np.tanh(0.5 * x) + 0.5
        p -= np.arange(settings.classes) == found.target[..., None]
        p[~found.counted] = 0
        g.bottoms[1] = g.backend.asarray((p * (weight / divisor)).reshape(g.step.bottoms[1].shape))


@gradient("SmoothL1LossOHEM")
def smooth_l1_ohem(g: Gradient) -> None:
    """As SmoothL1Loss, but the weights inside are not multiplied in again."""
    d = _host(g, 0) - _host(g, 1)
    if len(g.step.bottoms) > 2:
        d = d * _host(g, 2)
    places = d.size // max(1, d.shape[1])
    d = np.where(np.abs(d) < 1, d, np.sign(d)) * (
        float(_dy(g).reshape(-1)[0]) / normalizer(g.step, d.shape[0], "VALID")(places, places)
    )
    g.bottoms[0], g.bottoms[1] = g.backend.asarray(d), g.backend.asarray(-d)


@gradient("CenterLoss")
def center_loss(g: Gradient) -> None:
    """(x - centre) * weight / samples; a centre moves to its samples' mean, whatever the weight."""
    x = _host(g, 0).reshape(g.x.shape[0], -1)
    centres = g.backend.to_host(g.step.params[0]).astype(np.float64)
    labels = _host(g, 1).reshape(-1).astype(np.int64)
    d = x - centres[labels]
    if g.wanted[0]:
        g.bottoms[0] = g.backend.asarray((d * (float(_dy(g).reshape(-1)[0]) / len(x))).reshape(g.x.shape))
    if g.learns[0]:
        moved = np.zeros_like(centres)
        np.add.at(moved, labels, -d)
        seen = np.bincount(labels, minlength=len(centres))
        g.params[0] = g.backend.asarray(moved / (seen[:, None] + 1))


@gradient("GRN")
def grn(g: Gradient) -> None:
    """Dy/n - x * (sum of dy*y over the channels)/n^2, n the norm; dy itself with dummy_backward."""
    if g.step.param("grn_param").get("dummy_backward"):
        g.bottoms[0] = g.dy
        return
    x, dy, bias = _host(g, 0), _dy(g), g.step.param("grn_param").get("bias")
    norm = np.sqrt((x * x).sum(axis=1, keepdims=True) + (1e-7 if bias is None else float(bias)))
    shared = (dy * x / norm).sum(axis=1, keepdims=True)
    g.bottoms[0] = g.backend.asarray(dy / norm - x * shared / norm**2)


@gradient("Reorg")
def rearranged(g: Gradient) -> None:
    """Every value back to where forward read it."""
    size = count(tuple(g.x.shape))
    if size > 1 << 24:
        raise NotImplementedError("a Reorg of more than 2^24 elements is not run backward here")
    places = np.arange(size, dtype=np.float32).reshape(g.x.shape)
    moved = g.backend.to_host(reorg(replace(g.step, bottoms=[g.backend.asarray(places)]))[0])
    dx = np.zeros(size, np.float32)
    dx[np.ascontiguousarray(moved).reshape(-1).astype(np.int64)] = _dy(g).reshape(-1)
    g.bottoms[0] = g.backend.asarray(dx.reshape(g.x.shape))


@gradient("PSROIPooling")
def position_sensitive(g: Gradient) -> None:
    """Each bin's gradient spread evenly over what it averaged; nothing for the regions."""
    dy, dx = _dy(g), np.zeros(g.x.shape)
    outputs, group = g.step.tops[0][1:3]
    for r, i, j, image, (rows, columns) in psroi_bins(g.step):
        area = (rows.stop - rows.start) * (columns.stop - columns.start)
        at = np.arange(outputs) * group * group + i * group + j
        dx[image, at, rows, columns] += (dy[r, :, i, j] / area)[:, None, None]
    g.bottoms[0] = g.backend.asarray(dx)
