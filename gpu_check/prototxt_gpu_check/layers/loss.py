"""Losses and Accuracy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from prototxt_gpu_check.backend import Array
from prototxt_gpu_check.layers.base import Step, runs
from prototxt_gpu_check.layout import count, stored
from prototxt_gpu_check.ops import losses
from prototxt_gpu_check.ops.softmax import class_rows, softmax_rows, unrolled


def _scalar(s: Step, value: float) -> Array:
    with np.errstate(over="ignore"):
        return s.backend.asarray(np.float32(value).reshape(s.tops[0] if s.tops and count(s.tops[0]) == 1 else ()))


def _host(s: Step, index: int) -> losses.Host:
    return np.asarray(s.backend.to_host(s.backend.contiguous(s.bottoms[index])), np.float32)


def ignored(s: Step, message: str = "loss_param") -> int | None:
    """The label that does not count."""
    p = s.param(message)
    return int(p.get("ignore_label")) if p.has("ignore_label") else None


def normalizer(s: Step, outer: int, default: str) -> losses.Normalizer:
    """LossParameter: `normalization`, else the deprecated `normalize` (true VALID, false BATCH_SIZE), else default."""
    p = s.param("loss_param")
    if p.has("normalization"):
        fixed = p.get("pre_fixed_normalizer")
        return losses.Normalizer(str(p.get("normalization")), outer, 1.0 if fixed is None else float(fixed))
    if p.has("normalize"):
        return losses.Normalizer("VALID" if p.get("normalize") else "BATCH_SIZE", outer)
    return losses.Normalizer(default, outer)


def class_weights(s: Step, classes: int) -> losses.Host | None:
    """SegNet's factors of the classes, one class_weighting each; only with weight_by_label_freqs (measured)."""
    p = s.param("loss_param")
    given = [float(v) for v in p.all("class_weighting")]
    return np.asarray(given, np.float32) if p.get("weight_by_label_freqs") and len(given) == classes else None


@runs("SoftmaxWithLoss", "SoftmaxWithLossOHEM")
def softmax_loss(s: Step) -> Sequence[Array]:
    """Multinomial logistic loss of the softmax; the second top, where declared, is the probabilities.

    R-FCN has a third one: the loss of each position.
    """
    b, x = s.backend, s.bottoms[0]
    axis = s.canonical(int(s.param("softmax_param").get("axis")))
    scores = class_rows(b, x, axis)
    p = softmax_rows(b, scores)
    labels = b.contiguous(s.bottoms[1]).reshape(scores.shape[1])
    outer = count(tuple(x.shape[:axis]))
    found = losses.negative_log(
        b, p, labels, normalizer(s, outer, "VALID"), ignored(s), weights=class_weights(s, scores.shape[0])
    )
    s.facts.update(
        classes=scores.shape[0],
        positions=scores.shape[1],
        valid=found.valid,
        floored=found.floored,
        classes_seen=found.classes_seen,
        each=float(found.each.sum(dtype=np.float64)) / max(1, found.valid),
    )
    if found.bad_labels:
        s.facts["bad_labels"] = found.bad_labels
    tops = [_scalar(s, found.loss), unrolled(p, tuple(x.shape), axis)][: max(1, len(s.tops))]
    if len(s.tops) > 2:
        tops.append(stored(b, b.asarray(found.each.reshape(s.tops[2]))))
    return tops


@runs("Accuracy")
def accuracy(s: Step) -> Sequence[Array]:
    """Top-k accuracy, and per class in the second top."""
    p, x = s.param("accuracy_param"), s.bottoms[0]
    axis = s.canonical(int(p.get("axis")) if p.get("axis") is not None else 1)
    scores = class_rows(s.backend, x, axis)
    labels = s.backend.contiguous(s.bottoms[1]).reshape(scores.shape[1])
    total, per_class = losses.accuracy(
        s.backend, scores, labels, top_k=int(p.get("top_k")), ignore=ignored(s, "accuracy_param")
    )
    return [_scalar(s, total), s.backend.asarray(per_class)][: max(1, len(s.tops))]


@runs("EuclideanLoss")
def euclidean(s: Step) -> Sequence[Array]:
    """Half the mean squared distance of the samples."""
    return [_scalar(s, losses.euclidean(s.backend, s.bottoms[0], s.bottoms[1]))]


@runs("SigmoidCrossEntropyLoss")
def sigmoid_cross_entropy(s: Step) -> Sequence[Array]:
    """Cross entropy of sigmoid(x) against targets in 0..1."""
    divisor = normalizer(s, s.bottoms[0].shape[0], "BATCH_SIZE")
    return [_scalar(s, losses.sigmoid_cross_entropy(_host(s, 0), _host(s, 1), divisor, ignored(s)))]


def _judge_labels(s: Step, classes: int, ignore: int | None = None) -> None:
    """Remember labels that count and name no class."""
    labels = _host(s, 1).reshape(-1)
    bad = labels[~losses.named(labels, classes)[1] & losses.counting(labels, ignore)]
    if bad.size:
        s.facts.update(classes=classes, bad_labels=tuple(float(v) for v in bad))


def _classes(s: Step) -> int:
    """Scores of one sample."""
    return count(tuple(s.bottoms[0].shape[1:]))


@runs("HingeLoss")
def hinge(s: Step) -> Sequence[Array]:
    """One-against-all hinge loss."""
    _judge_labels(s, _classes(s))
    return [_scalar(s, losses.hinge(_host(s, 0), _host(s, 1), str(s.param("hinge_loss_param").get("norm"))))]


@runs("MultinomialLogisticLoss")
def multinomial(s: Step) -> Sequence[Array]:
    """Negative log of probabilities that the net has computed itself."""
    _judge_labels(s, _classes(s))
    return [_scalar(s, losses.multinomial(_host(s, 0), _host(s, 1)))]


@runs("InfogainLoss")
def infogain(s: Step) -> Sequence[Array]:
    """Softmax loss weighted by a matrix, which must be the third bottom (the file `source` is not read)."""
    if len(s.bottoms) < 3:
        raise NotImplementedError("the infogain matrix comes from a file")
    x, given = s.bottoms[0], s.param("infogain_loss_param").get("axis")
    axis = s.canonical(1 if given is None else int(given))
    p = softmax_rows(s.backend, class_rows(s.backend, x, axis))
    _judge_labels(s, p.shape[0], ignored(s))
    divisor = normalizer(s, count(tuple(x.shape[:axis])), "VALID")
    loss = losses.infogain(s.backend.to_host(p), _host(s, 1), _host(s, 2), divisor, ignored(s))
    return [_scalar(s, loss), unrolled(p, tuple(x.shape), axis)][: max(1, len(s.tops))]


@runs("ContrastiveLoss")
def contrastive(s: Step) -> Sequence[Array]:
    """Distance of pairs against a margin."""
    p = s.param("contrastive_loss_param")
    loss = losses.contrastive(
        _host(s, 0), _host(s, 1), _host(s, 2), margin=float(p.get("margin")), legacy=bool(p.get("legacy_version"))
    )
    return [_scalar(s, loss)]


@runs("L1Loss")
def l1(s: Step) -> Sequence[Array]:
    """NVIDIA's mean absolute difference: sum |a - b| / samples."""
    x, z = _host(s, 0).astype(np.float64), _host(s, 1).astype(np.float64)
    return [_scalar(s, float(np.abs(x - z).sum()) / x.shape[0])]


@runs("SmoothL1Loss")
def smooth_l1(s: Step) -> Sequence[Array]:
    """0.5*d^2 near 0 and |d| - 0.5 beyond; the R-CNN forks scale by sigma and weigh inside and outside."""
    x, z = _host(s, 0).astype(np.float64), _host(s, 1).astype(np.float64)
    sigma = s.param("smooth_l1_loss_param").get("sigma")
    square = 1.0 if sigma is None else float(sigma) ** 2
    d = x - z
    if len(s.bottoms) > 2:
        d = d * _host(s, 2)
    terms = np.where(np.abs(d) < 1 / square, 0.5 * square * d * d, np.abs(d) - 0.5 / square)
    if len(s.bottoms) > 3:
        terms = terms * _host(s, 3)
    return [_scalar(s, float(terms.sum()) / x.shape[0])]
