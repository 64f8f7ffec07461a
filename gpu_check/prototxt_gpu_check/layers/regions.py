"""Layers of R-FCN, PSPNet, YOLO and others of their time that have few relatives. They run on the host.

Read in their sources; of these only SegAccuracy could be compared with a running original.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from prototxt_gpu_check.backend import Array
from prototxt_gpu_check.fill import UNIFORM, raw
from prototxt_gpu_check.layers.base import Step, runs
from prototxt_gpu_check.layers.loss import normalizer
from prototxt_gpu_check.layers.resizing import regions_of
from prototxt_gpu_check.layout import count, stored
from prototxt_gpu_check.ops import elementwise as e

Host = npt.NDArray[np.float32]


def _host(s: Step, index: int = 0) -> Host:
    return np.asarray(s.backend.to_host(s.backend.contiguous(s.bottoms[index])), np.float32)


def _back(s: Step, y: npt.NDArray[np.float64] | Host) -> Array:
    return stored(s.backend, s.backend.asarray(y))


@runs("SegAccuracy")
def seg_accuracy(s: Step) -> Sequence[Array]:
    """Pixel accuracy, mean class recall, mean intersection over union; a class that nobody has or says counts as 1."""
    scores, labels = _host(s), _host(s, 1).reshape(-1).astype(np.int64)
    classes = scores.shape[1]
    # of equal scores the larger index wins
    said = classes - 1 - scores[:, ::-1].argmax(axis=1).reshape(-1)
    counted = ~np.isin(labels, [int(v) for v in s.param("seg_accuracy_param").all("ignore_label")])
    labels, said = labels[counted], said[counted]
    if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        raise NotImplementedError(f"Caffe refuses a label outside 0..{classes - 1}")
    table = np.zeros((classes, classes))
    np.add.at(table, (labels, said), 1)
    right, truth = np.diag(table), table.sum(axis=1)
    union = truth + table.sum(axis=0) - right
    recall = np.divide(right, truth, out=np.ones(classes), where=right != truth)
    iou = np.divide(right, union, out=np.ones(classes), where=right != union)
    total = table.sum()
    return [_back(s, np.asarray([right.sum() / total if total else 1.0, recall.mean(), iou.mean()]).reshape(s.tops[0]))]


@runs("PSROIPooling")
def position_sensitive(s: Step) -> Sequence[Array]:
    """The mean of each bin of each region, bin (i, j) from channels of its own; 0 for an empty bin."""
    x = _host(s)
    outputs, group = s.tops[0][1:3]
    high, wide = x.shape[2:]
    # mean over a rectangle = four corners of the running sums
    sums = np.zeros((*x.shape[:2], high + 1, wide + 1))
    sums[:, :, 1:, 1:] = x.astype(np.float64).cumsum(axis=2).cumsum(axis=3)
    tables = sums.reshape(x.shape[0], outputs, group, group, high + 1, wide + 1)
    y = np.zeros(s.tops[0], np.float32)
    for r, i, j, image, (rows, columns) in psroi_bins(s):
        at = tables[image, :, i, j]
        top, bottom, left, right = rows.start, rows.stop, columns.start, columns.stop
        total = at[:, bottom, right] - at[:, top, right] - at[:, bottom, left] + at[:, top, left]
        y[r, :, i, j] = total / ((bottom - top) * (right - left))
    return [_back(s, y)]


def psroi_bins(s: Step) -> Iterator[tuple[int, int, int, int, tuple[slice, slice]]]:
    """The bins that are not empty: region, row, column, which image, and the rows and columns of it that are read."""
    p, rois = s.param("psroi_pooling_param"), regions_of(s)
    scale, group = np.float32(p.get("spatial_scale")), s.tops[0][2]
    high, wide = s.bottoms[0].shape[2:]
    for r, roi in enumerate(rois):
        start = _rounded(roi[1:3]) * scale
        side = np.maximum((_rounded(roi[3:5]) + 1) * scale - start, np.float32(0.1)) / np.float32(group)
        for i in range(group):
            top, bottom = _bin(i, side[1], start[1], high)
            for j in range(group):
                left, right = _bin(j, side[0], start[0], wide)
                if bottom > top and right > left:
                    yield r, i, j, int(roi[0]), (slice(top, bottom), slice(left, right))


def _rounded(x: Host) -> Host:
    return np.asarray(np.sign(x) * np.floor(np.abs(x) + np.float32(0.5)), np.float32)  # C's round


def _bin(i: int, size: np.float32, start: np.float32, limit: int) -> tuple[int, int]:
    first = int(np.floor(np.float32(i) * size + start))
    last = int(np.ceil(np.float32(i + 1) * size + start))
    return min(max(first, 0), limit), min(max(last, 0), limit)


@runs("BoxAnnotatorOHEM")
def hardest(s: Step) -> Sequence[Array]:
    """Labels and box weights of the roi_per_img regions of each image with the largest loss; the others ignored."""
    p = s.param("box_annotator_ohem_param")
    rois, loss = _host(s), _host(s, 1).reshape(-1)
    labels, weights = _host(s, 2).copy(), _host(s, 3).copy()
    ignored = p.get("ignore_label")
    keep = np.zeros(len(loss), np.bool_)
    images = rois.reshape(len(rois), -1)[:, 0]
    for image in np.unique(images):
        mine = np.flatnonzero(images == image)
        keep[mine[np.argsort(-loss[mine], kind="stable")[: int(p.get("roi_per_img"))]]] = True
    labels[~keep] = -1 if ignored is None else float(ignored)
    weights[~keep] = 0
    return [_back(s, labels.reshape(s.tops[0])), _back(s, weights.reshape(s.tops[1]))]


@runs("SmoothL1LossOHEM")
def smooth_l1_ohem(s: Step) -> Sequence[Array]:
    """Smooth L1, and as second top the loss of each place summed over its channels."""
    d = _host(s).astype(np.float64) - _host(s, 1)
    if len(s.bottoms) > 2:
        d = d * _host(s, 2)
    terms = np.where(np.abs(d) < 1, 0.5 * d * d, np.abs(d) - 0.5)
    places = terms.size // max(1, terms.shape[1])
    divisor = normalizer(s, terms.shape[0], "VALID")(places, places)
    tops = [s.backend.asarray(np.float32(terms.sum() / divisor))]
    if len(s.tops) > 1:
        tops.append(_back(s, terms.sum(axis=1).reshape(s.tops[1])))
    return tops


@runs("CenterLoss")
def center_loss(s: Step) -> Sequence[Array]:
    """Half the squared distance from the centre of the sample's class, over the samples."""
    if s.param("center_loss_param").get("distance_type") not in (None, "L2"):
        raise NotImplementedError("CenterLoss is run with L2 distances only")
    x = _host(s).reshape(s.bottoms[0].shape[0], -1).astype(np.float64)
    centres = np.asarray(s.backend.to_host(s.params[0]), np.float64)
    labels = _host(s, 1).reshape(-1).astype(np.int64)
    if len(labels) and not 0 <= labels.min() <= labels.max() < len(centres):
        raise NotImplementedError(f"a label lies outside the {len(centres)} centres")
    d = x - centres[labels]
    return [s.backend.asarray(np.float32((d * d).sum() / (2 * len(x))))]


@runs("GRN")
def grn(s: Step) -> Sequence[Array]:
    """Each value over sqrt(sum over the channels of x^2 + bias)."""
    x, bias = _host(s).astype(np.float64), s.param("grn_param").get("bias")
    return [_back(s, x / np.sqrt((x * x).sum(axis=1, keepdims=True) + (1e-7 if bias is None else float(bias))))]


@runs("Reorg")
def reorg(s: Step) -> Sequence[Array]:
    """Reorg of darknet: reverse moves channels into space; forward is the flat copy that darknet makes of it."""
    p, x = s.param("reorg_param"), _host(s)
    stride, (n, channels, high, wide) = int(p.get("stride") or 1), x.shape
    if p.get("reverse"):
        out = channels // (stride * stride)
        y = x.reshape(n, stride, stride, out, high, wide).transpose(0, 3, 4, 1, 5, 2)
        return [_back(s, y.reshape(s.tops[0]))]
    # The bottom's memory read as (N, C/s^2, H*s, W*s), whatever its shape, and undone with the bottom's C, H, W.
    out = channels // (stride * stride)
    if out * stride * stride != channels:
        raise NotImplementedError(f"{channels} channels do not divide by {stride} * {stride}")
    y = x.reshape(n, out, high, stride, wide, stride).transpose(0, 3, 5, 1, 2, 4)
    return [_back(s, np.ascontiguousarray(y).reshape(s.tops[0]))]


@runs("Maximum")
def maximum(s: Step) -> Sequence[Array]:
    """x, y and value of the largest element of each channel."""
    x = _host(s)
    flat = x.reshape(*x.shape[:2], -1)
    at = flat.argmax(axis=2)
    return [_back(s, np.stack([at % x.shape[3], at // x.shape[3], flat.max(axis=2)], axis=-1).reshape(s.tops[0]))]


@runs("ScaleFilter")
def scale_filter(s: Step) -> Sequence[Array]:
    """The input itself in TEST; each plane times a random factor in TRAIN, drawn only on request as Dropout's mask."""
    if s.phase != "TRAIN" or not s.dropout:
        s.facts["dropout"] = "identity"
        return [s.bottoms[0]]
    p = s.param("scale_filter_param")
    low, high = (1.0 if p.get(f) is None else float(p.get(f)) for f in ("min_scale", "max_scale"))
    u = _planes(s)
    return [_times(s, (low + (high - low) * u).astype(np.float32))]


@runs("SpatialDropout")
def spatial_dropout(s: Step) -> Sequence[Array]:
    """The input itself in TEST; in TRAIN whole planes are dropped, drawn only on request as Dropout's mask."""
    if s.phase != "TRAIN" or not s.dropout:
        s.facts["dropout"] = "identity"
        return [s.bottoms[0]]
    ratio = s.param("dropout_param").get("dropout_ratio")
    ratio = 0.5 if ratio is None else float(ratio)
    keep = _planes(s) >= ratio
    with np.errstate(divide="ignore", invalid="ignore"):
        return [_times(s, keep.astype(np.float32) / np.float32(1 - ratio))]


def _planes(s: Step) -> Host:
    """A uniform number for each plane (N, C, 1...)."""
    shape = tuple(s.bottoms[0].shape)
    planes = shape[:2]
    return raw(count(planes), s.seed, UNIFORM, 2.0**-24, 0.5).reshape(*planes, *(1,) * (len(shape) - 2))


def _times(s: Step, factor: Host) -> Array:
    shape = tuple(s.bottoms[0].shape)
    mask = s.backend.asarray(np.ascontiguousarray(np.broadcast_to(factor, shape)))
    mask = stored(s.backend, mask)
    if s.keep:
        s.saved["mask"] = mask
    return e.eltwise(s.backend, [s.bottoms[0], mask], "PROD", [1.0, 1.0])
