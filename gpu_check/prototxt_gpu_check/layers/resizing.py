"""Layers of the forks for segmentation and detection: Interp, Upsample, ROIPooling, PriorBox. They run on the host."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from prototxt_gpu_check.backend import Array
from prototxt_gpu_check.layers.base import Step, runs
from prototxt_gpu_check.layout import stored
from prototxt_net.message import Bound

Host = npt.NDArray[np.float32]


def _host(s: Step, index: int = 0) -> Host:
    return np.asarray(s.backend.to_host(s.backend.contiguous(s.bottoms[index])), np.float32)


def _back(s: Step, y: npt.NDArray[np.float64] | Host) -> Array:
    return stored(s.backend, s.backend.asarray(y))


@runs("Interp")
def interp(s: Step) -> Sequence[Array]:
    """Bilinear with aligned corners, after cropping by negative pads."""
    p = s.param("interp_param")
    begin, end = -int(p.get("pad_beg") or 0), int(p.get("pad_end") or 0)
    x = _host(s)
    x = x[:, :, begin : x.shape[2] + end, begin : x.shape[3] + end]
    for axis in (2, 3):
        x = _stretched(x, axis, s.tops[0][axis])
    return [_back(s, x)]


def _stretched(x: Host, axis: int, size: int) -> Host:
    have = x.shape[axis]
    if size == have:
        return x
    low, high, share = between(have, size)
    shape = [1] * x.ndim
    shape[axis] = size
    share = share.reshape(shape)
    return np.asarray(np.take(x, low, axis) * (1 - share) + np.take(x, high, axis) * share, np.float32)


def between(have: int, size: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Host]:
    """For each of `size` points over `have` with aligned corners: its two neighbours, and the share of the second."""
    at = np.arange(size) * ((have - 1) / (size - 1) if size > 1 else 0.0)
    low = np.minimum(at.astype(np.int64), have - 1)
    return low, np.minimum(low + 1, have - 1), (at - low).astype(np.float32)


@runs("Upsample")
def upsample(s: Step) -> Sequence[Array]:
    """SegNet: values put where the pooling mask (bottom 1) says. YOLO's fork (one bottom): nearest neighbour."""
    x = _host(s)
    n, c, h, w = s.tops[0]
    if len(s.bottoms) < 2:
        scale = int(s.param("upsample_param").get("scale") or 1)
        return [_back(s, x.repeat(scale, axis=2).repeat(scale, axis=3))]
    flat = np.zeros((n * c, h * w), np.float32)
    values, places = x.reshape(n * c, -1), _host(s, 1).reshape(n * c, -1).astype(np.int64)
    if places.size and not 0 <= places.min() <= places.max() < h * w:
        wrong = places[(places < 0) | (places >= h * w)][0]
        raise NotImplementedError(f"its mask names place {wrong} of maps with {h * w}; Caffe aborts")
    for row, value, place in zip(flat, values, places, strict=True):
        row[place] = value  # of equal places the last one wins
    return [_back(s, flat.reshape(n, c, h, w))]


def _rounded(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(np.sign(x) * np.floor(np.abs(x) + 0.5))  # C's round: half away from zero


@runs("ROIPooling")
def roi_pooling(s: Step) -> Sequence[Array]:
    """The largest value of each bin of each region; 0 for an empty bin."""
    x = _host(s)
    y = np.zeros(s.tops[0], np.float32)
    for r, i, j, image, window in roi_bins(s):
        y[r, :, i, j] = x[(image, slice(None), *window)].max(axis=(1, 2))
    return [_back(s, y)]


def regions_of(s: Step) -> Host:
    """The second bottom's regions (R, 5): image, x1, y1, x2, y2. Raises NotImplementedError for what are none."""
    rois = _host(s, 1).reshape(s.tops[0][0], -1)
    images = s.bottoms[0].shape[0]
    if not np.isfinite(rois).all():
        raise NotImplementedError("a region of it is not finite")
    outside = rois[(rois[:, 0] <= -1) | (rois[:, 0] >= images), 0]
    if outside.size:
        raise NotImplementedError(f"Caffe refuses a region of image {outside[0]:g}: there are {images}")
    return rois


def roi_bins(s: Step) -> Iterator[tuple[int, int, int, int, tuple[slice, slice]]]:
    """The bins that are not empty: region, row, column, which image, and the rows and columns of it that are read."""
    p, rois = s.param("roi_pooling_param"), regions_of(s)
    scale = p.get("spatial_scale")
    scale = np.float32(1.0 if scale is None else scale)
    high, wide = s.tops[0][2:]
    height, width = s.bottoms[0].shape[2:]
    for r, roi in enumerate(rois):
        xs, ys, xe, ye = _rounded((roi[1:5] * scale).astype(np.float64))
        bin_w = np.float32(max(xe - xs + 1, 1)) / np.float32(wide)
        bin_h = np.float32(max(ye - ys + 1, 1)) / np.float32(high)
        for i in range(high):
            top, bottom = _bin(i, bin_h, ys, height)
            for j in range(wide):
                left, right = _bin(j, bin_w, xs, width)
                if bottom > top and right > left:
                    yield r, i, j, int(roi[0]), (slice(top, bottom), slice(left, right))


def _bin(i: int, size: np.float32, start: float, limit: int) -> tuple[int, int]:
    first = math.floor(np.float32(i) * size) + int(start)
    last = math.ceil(np.float32(i + 1) * size) + int(start)
    return min(max(first, 0), limit), min(max(last, 0), limit)


@runs("PriorBox", "PriorBoxClustered")
def prior_box(s: Step) -> Sequence[Array]:
    """Channel 0: boxes (xmin, ymin, xmax, ymax) relative to the image, cell by cell; channel 1: their variances.

    PriorBoxClustered lists the widths and heights instead of sizes and ratios.
    """
    p = s.param("prior_box_param")
    height, width = s.bottoms[0].shape[2:]
    img_h, img_w = _pair(p, "img_size", "img_h", "img_w") or tuple(s.bottoms[1].shape[2:])
    step_h, step_w = _pair(p, "step", "step_h", "step_w") or (img_h / height, img_w / width)
    offset = p.get("offset")
    offset = 0.5 if offset is None else float(offset)
    sizes = _listed_sizes(p) if s.node.type == "PriorBoxClustered" else _box_sizes(p)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64) + offset
    centre = np.stack([x * step_w, y * step_h], axis=-1)[:, :, None, :]
    half = np.asarray(sizes, np.float64)[None, None] / 2
    image = np.asarray([img_w, img_h], np.float64)
    boxes = np.concatenate([(centre - half) / image, (centre + half) / image], axis=-1).reshape(-1)
    if p.get("clip"):
        boxes = np.clip(boxes, 0, 1)
    variances = [float(v) for v in p.all("variance")] or [0.1]
    spread = np.tile(variances if len(variances) == 4 else variances[:1] * 4, boxes.size // 4)
    return [s.backend.asarray(np.stack([boxes, spread])[None])]


def _pair(p: Bound, both: str, high: str, wide: str) -> tuple[float, float] | None:
    if p.has(both):
        return float(p.get(both)), float(p.get(both))
    if p.has(high) and p.has(wide):
        return float(p.get(high)), float(p.get(wide))
    return None


def _listed_sizes(p: Bound) -> list[tuple[float, float]]:
    return [(float(w), float(h)) for w, h in zip(p.all("width"), p.all("height"), strict=False)]


def _box_sizes(p: Bound) -> list[tuple[float, float]]:
    """(width, height) of the boxes of one cell; sizes are truncated to integers (measured)."""
    ratios = [1.0]
    for ratio in map(float, p.all("aspect_ratio")):
        if any(abs(ratio - known) < 1e-6 for known in ratios):
            continue
        ratios.append(ratio)
        if p.get("flip") is not False:
            ratios.append(1.0 / ratio)
    larger = [int(v) for v in p.all("max_size")]
    sizes: list[tuple[float, float]] = []
    for i, small in enumerate(int(v) for v in p.all("min_size")):
        sizes.append((small, small))
        if larger:
            side = math.sqrt(small * larger[i])
            sizes.append((side, side))
        sizes.extend(
            (small * math.sqrt(ratio), small / math.sqrt(ratio)) for ratio in ratios if abs(ratio - 1.0) >= 1e-6
        )
    return sizes
