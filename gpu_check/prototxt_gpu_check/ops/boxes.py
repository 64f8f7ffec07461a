"""Boxes of detectors, on the host: encoding against priors, overlaps, suppression, matching with the ground truth.

A box is a row (xmin, ymin, xmax, ymax). Arithmetic is float32, as in SSD's bbox_util.cpp and R-FCN's Python: scores and
overlaps are compared with thresholds, so a different precision would keep other boxes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]

_TINY = 1e-6
"""Overlaps up to this do not count as such when boxes are matched."""
_SMALL = 1e-5
"""Boxes of a smaller area are dropped by the suppression that mines examples."""


def decode(priors: Boxes, variances: Boxes | None, code: str, offsets: Boxes) -> Boxes:
    """Predicted offsets (n, 4) -> boxes. variances: None where the targets already hold them."""
    v = offsets if variances is None else offsets * variances
    if code == "CORNER":
        return priors + v
    size = priors[:, 2:] - priors[:, :2]
    if code == "CORNER_SIZE":
        return np.asarray(priors + v * np.concatenate([size, size], axis=1), np.float32)
    centre = v[:, :2] * size + (priors[:, :2] + priors[:, 2:]) / np.float32(2)
    half = np.exp(v[:, 2:]) * size / np.float32(2)
    return np.concatenate([centre - half, centre + half], axis=1)


def encode(priors: Boxes, variances: Boxes | None, code: str, boxes: Boxes) -> Boxes:
    """The inverse of decode."""
    size = priors[:, 2:] - priors[:, :2]
    if code == "CORNER":
        v = boxes - priors
    elif code == "CORNER_SIZE":
        v = (boxes - priors) / np.concatenate([size, size], axis=1)
    else:
        middle = (boxes[:, :2] + boxes[:, 2:]) / np.float32(2) - (priors[:, :2] + priors[:, 2:]) / np.float32(2)
        v = np.concatenate([middle / size, np.log((boxes[:, 2:] - boxes[:, :2]) / size)], axis=1)
    return v if variances is None else v / variances


def areas(boxes: Boxes, pixels: bool = False) -> Boxes:
    """Areas; 0 for a box that is turned over. pixels: both ends belong to the box (add 1)."""
    sides = boxes[..., 2:] - boxes[..., :2]
    one = np.float32(1 if pixels else 0)
    return np.where((sides < 0).any(axis=-1), np.float32(0), (sides[..., 0] + one) * (sides[..., 1] + one))


def overlaps(box: Boxes, others: Boxes, pixels: bool = False) -> Boxes:
    """Intersection over union of one box (4,) with each of others (n, 4); 0 where they do not meet."""
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:], others[:, 2:])
    one = np.float32(1 if pixels else 0)
    sides = high - low + one
    meet = (sides > 0).all(axis=1)
    inner = np.where(meet, sides[:, 0] * sides[:, 1], np.float32(0))
    union = areas(box, pixels) + areas(others, pixels) - inner
    return np.asarray(np.divide(inner, union, out=np.zeros_like(inner), where=meet & (union != 0)), np.float32)


def best_first(scores: Boxes) -> Indices:
    """Indices by falling score; of equal ones the first stays first."""
    return np.argsort(-scores, kind="stable")


def suppress(
    boxes: Boxes, order: Indices, threshold: float, *, eta: float = 1.0, pixels: bool = False, keep: int | None = None
) -> Indices:
    """Greedy non-maximum suppression: of `order`, those that overlap no kept one by more than `threshold`.

    eta below 1 lowers a threshold above 0.5 after each kept box. keep: stop after that many.
    """
    limit = np.float32(threshold)
    adapts = eta < 1
    kept: list[int] = []
    waiting = np.asarray(order)
    while len(waiting) and (keep is None or len(kept) < keep):
        at, waiting = int(waiting[0]), waiting[1:]
        if adapts and kept and (overlaps(boxes[at], boxes[kept]) > limit).any():
            continue
        kept.append(at)
        if not adapts:
            waiting = waiting[overlaps(boxes[at], boxes[waiting], pixels) <= limit]
        elif limit > 0.5:
            limit *= np.float32(eta)
    return np.asarray(kept, np.int64)


def suppress_large(boxes: Boxes, scores: Boxes, threshold: float, top: int) -> Indices:
    """The suppression that mines hard examples: the best `top` (-1: all), without boxes of hardly any area."""
    order = best_first(scores)
    order = order if top < 0 else order[:top]
    return suppress(boxes, order[areas(boxes[order]) >= _SMALL], threshold, keep=None if top < 0 else top)


def match(
    boxes: Boxes, truth: Boxes, threshold: float | None, inside_only: bool = False
) -> tuple[Indices, npt.NDArray[np.float32]]:
    """For each box the index of its ground truth (-1: none, -2: ignored) and its best overlap.

    Each ground truth first takes the free box that overlaps it most, the best pair of all first. With a threshold
    (None: BIPARTITE) every other box then takes its best ground truth from that overlap on. inside_only: boxes that
    reach over the image's border are ignored.
    """
    index = np.full(len(boxes), -1, np.int64)
    best = np.zeros(len(boxes), np.float32)
    if not len(truth):
        return index, best
    crossing = np.asarray(((boxes < 0) | (boxes > 1)).any(axis=1) & inside_only, np.bool_)
    index[crossing] = -2
    table = np.stack([overlaps(t, boxes) for t in truth], axis=1)
    table[(table <= _TINY) | crossing[:, None]] = -1
    best = np.maximum(table.max(axis=1), 0)
    free = table.copy()
    for _ in range(len(truth)):
        box, gt = np.unravel_index(int(free.argmax()), free.shape)
        if free[box, gt] < 0:
            break
        index[box] = gt
        best[box] = table[box, gt]
        free[box], free[:, gt] = -1, -1
    if threshold is not None:
        others = (index == -1) & (table.max(axis=1) >= np.float32(threshold))
        index[others] = table[others].argmax(axis=1)
    return index, best.astype(np.float32)


def anchors(base: int, ratios: list[float], scales: list[float]) -> Boxes:
    """Anchors of one place, every ratio with every scale (generate_anchors of Faster R-CNN)."""
    centre = 0.5 * (base - 1)
    found = []
    for ratio in ratios:
        width = np.floor(np.sqrt(base * base / ratio) + 0.5)
        height = np.floor(width * ratio + 0.5)
        for scale in scales:
            half = 0.5 * (width * scale - 1), 0.5 * (height * scale - 1)
            found.append([centre - half[0], centre - half[1], centre + half[0], centre + half[1]])
    return np.asarray(found, np.float32)


def moved(boxes: Boxes, deltas: Boxes, width: float, height: float) -> Boxes:
    """Boxes in pixels (both ends inside) after centre offsets and logarithmic sizes, clipped to the image."""
    size = boxes[:, 2:] - boxes[:, :2] + np.float32(1)
    centre = deltas[:, :2] * size + (boxes[:, :2] + np.float32(0.5) * size)
    half = np.float32(0.5) * (np.exp(deltas[:, 2:]) * size)
    limit = np.asarray([width - 1, height - 1] * 2, np.float32)
    return np.asarray(np.clip(np.concatenate([centre - half, centre + half], axis=1), np.float32(0), limit), np.float32)
