"""What SSD computes from predictions, priors and ground truth, on the host: detections, their evaluation, its loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from prototxt_gpu_check.ops import boxes as bx
from prototxt_gpu_check.ops.losses import FLT_MIN

Host = npt.NDArray[np.float32]


@dataclass(slots=True, frozen=True)
class Coding:
    """How offsets stand for boxes. in_target: the variances are part of the targets, not of the code."""

    code: str
    in_target: bool
    priors: Host
    variances: Host

    @property
    def applied(self) -> Host | None:
        """The variances that the code applies."""
        return None if self.in_target else self.variances


def coding(prior: Host, code: str, in_target: bool) -> Coding:
    """From a PriorBox top (1, 2, 4*boxes)."""
    table = prior.reshape(2, -1, 4)
    return Coding(code, in_target, table[0], table[1])


# -- DetectionOutput, DetectionEvaluate --------------------------------------------------------------------------------


@dataclass(slots=True, frozen=True)
class Keeping:
    """Which detections stay. top_k, keep: -1 for all."""

    background: int
    confidence: float
    threshold: float
    top_k: int
    eta: float
    keep: int


def detections(location: Host, scores: Host, how: Coding, keeping: Keeping) -> Host:
    """Rows (image, class, score, xmin, ymin, xmax, ymax); location (N, boxes, 1 or classes, 4), scores (N, boxes, K).

    Without any detection one row an image, -1 throughout but for the image.
    """
    rows: list[Host] = []
    shared = location.shape[2] == 1
    for image, (mine, conf) in enumerate(zip(location, scores, strict=True)):
        decoded = [bx.decode(how.priors, how.applied, how.code, mine[:, c]) for c in range(mine.shape[1])]
        found: list[tuple[int, bx.Indices]] = []
        for c in range(conf.shape[1]):
            if c == keeping.background:
                continue
            order = bx.best_first(conf[:, c])
            order = order[conf[order, c] > np.float32(keeping.confidence)]
            order = order if keeping.top_k < 0 else order[: keeping.top_k]
            at = decoded[0 if shared else c]
            found.append((c, bx.suppress(at, order, keeping.threshold, eta=keeping.eta)))
        if -1 < keeping.keep < sum(len(index) for _, index in found):
            found = _best(found, conf, keeping.keep)
        for c, index in found:
            at = decoded[0 if shared else c]
            head = np.empty((len(index), 3), np.float32)
            head[:, 0], head[:, 1], head[:, 2] = image, c, conf[index, c]
            rows.append(np.concatenate([head, at[index]], axis=1))
    table = np.concatenate(rows) if rows else np.empty((0, 7), np.float32)
    if not len(table):
        table = np.full((len(location), 7), -1, np.float32)
        table[:, 0] = np.arange(len(location))
    return table


def _best(found: list[tuple[int, bx.Indices]], conf: Host, keep: int) -> list[tuple[int, bx.Indices]]:
    classes = np.concatenate([np.full(len(index), c) for c, index in found])
    index = np.concatenate([index for _, index in found])
    order = bx.best_first(conf[index, classes])[:keep]
    return [(c, index[order[classes[order] == c]]) for c, _ in found]


def evaluation(found: Host, truth: Host, *, classes: int, background: int, threshold: float, difficult: bool) -> Host:
    """Rows (image, class, score, true positive, false positive) behind one row a class with its number of objects.

    found: rows of `detections`; truth: rows (image, class, instance, xmin, ymin, xmax, ymax, difficult).
    """
    truth = truth[: _length(truth)]
    counted = truth if difficult else truth[truth[:, 7] == 0]
    rows = [[-1.0, c, float((counted[:, 1] == c).sum()), -1.0, -1.0] for c in range(classes) if c != background]
    found = found[found[:, 0] != -1]
    for image in np.unique(found[:, 0]):
        here = truth[truth[:, 0] == image]
        mine = found[found[:, 0] == image]
        for c in np.unique(mine[:, 1]):
            if c == -1:
                continue
            dets, objects = mine[mine[:, 1] == c], here[here[:, 1] == c]
            dets = dets[bx.best_first(dets[:, 2])] if len(objects) else dets
            taken: set[int] = set()
            for row in dets:
                hit = (0.0, 1.0)
                if len(objects):
                    iou = bx.overlaps(row[3:7], objects[:, 3:7])
                    best = int(iou.argmax())
                    if iou[best] >= np.float32(threshold):
                        hit = (0.0, 0.0)
                        if difficult or not objects[best, 7]:
                            hit = (0.0, 1.0) if best in taken else (1.0, 0.0)
                            taken.add(best)
                rows.append([float(image), float(c), float(row[2]), *hit])
    return np.asarray(rows, np.float32).reshape(-1, 5)


def _length(truth: Host) -> int:
    """Rows of the ground truth before the first with image -1, where SSD stops reading."""
    ends = np.flatnonzero(truth[:, 0] == -1)
    return int(ends[0]) if len(ends) else len(truth)


# -- MultiBoxLoss ------------------------------------------------------------------------------------------------------


@dataclass(slots=True, frozen=True)
class MultiBox:
    """MultiBoxLossParameter. overlap None: BIPARTITE. nms: (threshold, top_k) for HARD_EXAMPLE, where given."""

    classes: int
    background: int
    overlap: float | None
    mining: str
    negative_ratio: float
    negative_overlap: float
    smooth: bool
    softmax: bool
    inside_only: bool = False
    agnostic: bool = False
    use_priors: bool = True
    sample_size: int = 64
    nms: tuple[float, int] | None = None
    nms_on_priors: bool = False


@dataclass(slots=True)
class MultiBoxLoss:
    """Sums before normalisation, and what a gradient needs: for each image and location class the matches.

    index (images, location classes, boxes): matched ground truth of the image, -1, -2.
    """

    location: float
    confidence: float
    matches: int
    index: bx.Indices
    offsets: Host = field(default_factory=lambda: np.empty((0, 4), np.float32))
    """Predicted minus wanted offsets of the matches, in the order of `index`."""
    counted: npt.NDArray[np.bool_] = field(default_factory=lambda: np.empty((0, 0), np.bool_))
    """Boxes (images, boxes) whose confidence is part of the loss."""
    target: bx.Indices = field(default_factory=lambda: np.empty((0, 0), np.int64))
    """Their class, -1 for none (LOGISTIC without mining)."""


def multibox(location: Host, scores: Host, truth: Host, how: Coding, p: MultiBox) -> MultiBoxLoss:
    """The loss of location (N, boxes, 1 or classes, 4), scores (N, boxes, classes); truth as for `evaluation`."""
    images, count, groups = location.shape[:3]
    index = np.full((images, groups, count), -1, np.int64)
    best = np.zeros((images, groups, count), np.float32)
    objects = [truth[truth[:, 0] == image] for image in range(images)]
    for image, mine in enumerate(objects):
        if len(mine):
            _match(index[image], best[image], location[image], mine, how, p)
    labels = _labels(index, objects, p)
    # An image without ground truth has no negatives either: SSD leaves its entry out of the table of matches.
    some = np.asarray([len(mine) > 0 for mine in objects], np.bool_).reshape(-1)
    negative = np.zeros((images, count), np.bool_)
    if p.mining != "NONE":
        conf = np.where(labels >= 0, labels, p.background)
        loss = _confidence(scores, conf, p.softmax)
        if p.mining == "HARD_EXAMPLE":
            loss = loss + _location(location, index, objects, how, p.smooth)
        for image in map(int, np.flatnonzero(some)):
            _mine(index[image, 0], best[image, 0], negative[image], loss[image], location[image, :, 0], how, p)
        labels = _labels(index, objects, p)
    positive = (index > -1).any(axis=1)
    offsets = _offsets(location, index, objects, how)
    d = np.abs(offsets.astype(np.float64))
    sums = np.where(d < 1, 0.5 * d * d, d - 0.5) if p.smooth else 0.5 * d * d
    target = np.where(positive, labels, np.where(negative, p.background, -1))
    counted = positive | negative
    if p.mining == "NONE":
        counted = np.ones_like(positive)
        target = np.where(positive, labels, p.background if p.softmax else -1)
    if p.agnostic:
        target = np.where(positive, p.background + 1, target)
    losses = _confidence(scores, target, p.softmax)
    confidence = float(losses[counted].sum())
    return MultiBoxLoss(float(sums.sum()), confidence, int((index > -1).sum()), index, offsets, counted, target)


def _match(index: bx.Indices, best: Host, location: Host, mine: Host, how: Coding, p: MultiBox) -> None:
    groups = location.shape[1]
    if p.use_priors:
        found, overlap = bx.match(how.priors, mine[:, 3:7], p.overlap, p.inside_only)
        for c in range(groups):
            if groups == 1:
                index[c], best[c] = found, overlap
            elif c != p.background:
                fits = (found > -1) & (mine[found, 1] == c)
                index[c] = np.where(fits, found, -1)
                best[c] = overlap
        return
    for c in range(groups):
        if groups > 1 and c == p.background:
            continue
        own = np.arange(len(mine)) if groups == 1 else np.flatnonzero(mine[:, 1] == c)
        decoded = bx.decode(how.priors, how.applied, how.code, location[:, c])
        found, overlap = bx.match(decoded, mine[own, 3:7], p.overlap, p.inside_only)
        index[c] = np.where(found > -1, own[found] if len(own) else -1, found)
        best[c] = overlap


def _labels(index: bx.Indices, objects: Sequence[Host], p: MultiBox) -> bx.Indices:
    """The class of each matched box (images, boxes), -1 for the others."""
    labels = np.full((index.shape[0], index.shape[2]), -1, np.int64)
    for image, mine in enumerate(objects):
        for found in index[image]:
            here = found > -1
            labels[image, here] = mine[found[here], 1].astype(np.int64)
    if labels.max(initial=-1) >= p.classes:
        raise NotImplementedError(f"Caffe refuses a ground truth of class {labels.max()} of {p.classes}")
    return labels


def _confidence(scores: Host, target: bx.Indices, softmax: bool) -> npt.NDArray[np.float64]:
    """The confidence loss of each box (images, boxes)."""
    x = scores.astype(np.float64)
    if softmax:
        e = np.exp(x - x.max(axis=2, keepdims=True))
        prob = np.take_along_axis(e, np.maximum(target, 0)[..., None], axis=2)[..., 0] / e.sum(axis=2)
        return np.asarray(-np.log(np.maximum(prob, FLT_MIN)))
    wanted = np.arange(x.shape[2]) == target[..., None]
    positive = x >= 0
    terms = x * (wanted.astype(np.float64) - positive) - np.log1p(np.exp(np.where(positive, -x, x)))
    return np.asarray(-terms.sum(axis=2))


def _offsets(location: Host, index: bx.Indices, objects: Sequence[Host], how: Coding) -> Host:
    """Predicted minus wanted offsets of the matched boxes, images and location classes in order."""
    parts = [np.empty((0, 4), np.float32)]
    for image, mine in enumerate(objects):
        for c, found in enumerate(index[image]):
            at = np.flatnonzero(found > -1)
            wanted = bx.encode(
                how.priors[at], None if how.in_target else how.variances[at], how.code, mine[found[at], 3:7]
            )
            d = location[image, at, c] - wanted
            parts.append(d / how.variances[at] if how.in_target else d)
    return np.concatenate(parts)


def _location(
    location: Host, index: bx.Indices, objects: Sequence[Host], how: Coding, smooth: bool
) -> npt.NDArray[np.float64]:
    """The location loss of each box (images, boxes), 0 for those without a match."""
    d = np.abs(_offsets(location, index, objects, how).astype(np.float64))
    sums = (np.where(d < 1, 0.5 * d * d, d - 0.5) if smooth else 0.5 * d * d).sum(axis=1)
    out = np.zeros(index.shape, np.float64)
    out[index > -1] = sums
    return np.asarray(out.sum(axis=1))


def _mine(
    index: bx.Indices,
    best: Host,
    negative: npt.NDArray[np.bool_],
    loss: npt.NDArray[np.float64],
    location: Host,
    how: Coding,
    p: MultiBox,
) -> None:
    """Choose the negatives of one image, and with HARD_EXAMPLE the positives too (changes index and negative)."""
    hard = p.mining == "HARD_EXAMPLE"
    eligible = np.flatnonzero(
        np.ones_like(negative) if hard else (index == -1) & (best < np.float32(p.negative_overlap))
    )
    wanted = p.sample_size if hard else int((index > -1).sum() * p.negative_ratio)
    wanted = min(wanted, len(eligible))
    values = loss[eligible].astype(np.float32)
    if p.nms is not None and p.nms[0] > 0:
        at = how.priors if p.nms_on_priors else bx.decode(how.priors, how.applied, how.code, location)
        order = bx.suppress_large(at[eligible], values, *p.nms)
    else:
        order = bx.best_first(values)
    chosen = np.zeros_like(negative)
    chosen[eligible[order[:wanted]]] = True
    if hard:
        index[(index > -1) & ~chosen] = -1
        negative[:] = (index == -1) & chosen
        return
    negative[:] = chosen
