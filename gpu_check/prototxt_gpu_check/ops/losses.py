"""Losses and Accuracy. They end in one number, so the last steps run on the host, in double precision."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from prototxt_gpu_check.backend import Array, Backend
from prototxt_gpu_check.layout import rows
from prototxt_gpu_check.ops.softmax import pick

FLT_MIN = float(np.finfo(np.float32).tiny)
LOG_FLOOR = 1e-20
"""MultinomialLogisticLoss and InfogainLoss clamp probabilities here; SoftmaxWithLoss at FLT_MIN."""

Host = npt.NDArray[np.float32]


@dataclass(slots=True, frozen=True)
class Normalizer:
    """LossParameter's normalisation: FULL every position, VALID counted ones, BATCH_SIZE outer, NONE 1; at least 1.

    PRE_FIXED (R-FCN, Intel) is the number `fixed`.
    """

    mode: str
    outer: int
    fixed: float = 1.0

    def __call__(self, positions: int, valid: int) -> float:
        """The divisor for a loss summed over `valid` of `positions`."""
        if self.mode == "PRE_FIXED":
            return self.fixed
        n = {"FULL": positions, "VALID": valid, "BATCH_SIZE": self.outer, "NONE": 1}[self.mode]
        return float(max(1, n))


@dataclass(slots=True, frozen=True)
class ClassLoss:
    """A classification loss and what explains it.

    Of `valid` counted positions `floored` have a probability at the floor; labels in `bad_labels` name no class. each:
    the loss of every position before the division, 0 for those that do not count. classes_seen: distinct labels that
    count.
    """

    loss: float
    valid: int
    floored: int
    bad_labels: tuple[float, ...] = ()
    each: Host = field(default_factory=lambda: np.empty(0, np.float32))
    classes_seen: int = 0


def negative_log(
    b: Backend,
    p: Array,
    labels: Array,
    normalizer: Normalizer,
    ignore: int | None,
    floor: float = FLT_MIN,
    weights: Host | None = None,
) -> ClassLoss:
    """-sum log(max(p[label], floor)) / normalizer over positions whose label is not `ignore`; p (classes, positions).

    A NaN stays NaN, as in Caffe on a CPU (on a GPU Caffe prints the floor, 87.3365, instead). weights: SegNet's factor
    of each class; the divisor does not know them (measured).
    """
    values, _ = pick(b, p, labels)
    host = b.to_host(labels)
    counted = counting(host, ignore)
    values, host = values[counted].astype(np.float64), host[counted]
    terms = -np.log(np.maximum(values, floor))
    if weights is not None:
        terms *= weights[np.clip(host.astype(np.int64), 0, len(weights) - 1)]
    total = float(terms.sum())
    each = np.zeros(len(counted), np.float32)
    each[counted] = terms
    bad = host[(host != np.floor(host)) | (host < 0) | (host >= p.shape[0])]
    return ClassLoss(
        total / normalizer(len(counted), len(values)),
        len(values),
        int((values <= floor).sum()),
        tuple(float(v) for v in bad),
        each,
        len(np.unique(host)),
    )


def counting(labels: Host, ignore: int | None) -> npt.NDArray[np.bool_]:
    """Which positions have a label other than `ignore`."""
    return np.ones(len(labels), np.bool_) if ignore is None else np.asarray(labels.astype(np.int64) != ignore)


def accuracy(b: Backend, scores: Array, labels: Array, *, top_k: int, ignore: int | None) -> tuple[float, Host]:
    """Share of positions where fewer than top_k other classes score at least as high; and the share of each class."""
    _, rank = pick(b, scores, labels, with_rank=True)
    assert rank is not None
    counted = counting(b.to_host(labels), ignore)
    right = (rank < top_k)[counted]
    classes = b.to_host(labels).astype(np.int64)[counted]
    per_class = np.zeros(scores.shape[0], np.float32)
    for k in range(scores.shape[0]):
        mine = right[classes == k]
        per_class[k] = mine.mean() if len(mine) else 0.0
    return (float(right.mean()) if len(right) else 0.0), per_class


def euclidean(b: Backend, x: Array, z: Array) -> float:
    """Sum (x - z)^2 / (2 * samples)."""
    samples = int(x.shape[0]) if x.ndim else 1
    r, q = rows(b, x).reshape(-1), rows(b, z).reshape(-1)
    if b.kernels is None:
        d = (r - q).astype(np.float64)
        return float(np.dot(d, d)) / (2 * samples)
    d = b.empty((r.size,))
    b.launch("binary", r.size, r, q, d, r.size, 0, 1.0, -1.0)
    host = b.to_host(d).astype(np.float64)
    return float(np.dot(host, host)) / (2 * samples)


def sigmoid_cross_entropy(x: Host, target: Host, normalizer: Normalizer, ignore: int | None) -> float:
    """-sum [x*(t - (x>=0)) - log(1 + exp(x - 2x*(x>=0)))] / normalizer, without positions where int(t) == ignore."""
    v, t = x.astype(np.float64).reshape(-1), target.astype(np.float64).reshape(-1)
    counted = np.ones(len(t), np.bool_) if ignore is None else t.astype(np.int64) != ignore
    positive = v >= 0
    with np.errstate(over="ignore", invalid="ignore"):
        terms = v * (t - positive) - np.log1p(np.exp(np.where(positive, -v, v)))
    return float(-terms[counted].sum()) / normalizer(len(t), int(counted.sum()))


def named(labels: npt.NDArray[Any], classes: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """The class of each label, which Caffe truncates to an integer, and whether there is such a class (else class 0).

    Where there is none, Caffe reads and writes foreign memory; here the loss is NaN.
    """
    flat = labels.reshape(-1)
    k = np.clip(np.where(np.isnan(flat), -1, flat), -1, classes).astype(np.int64)
    inside = (k >= 0) & (k < classes)
    return np.where(inside, k, 0), inside


def hinge(scores: Host, labels: Host, norm: str) -> float:
    """Sum over classes of max(0, 1 -+ score), minus for the labelled class; squared for L2; / samples."""
    s = scores.reshape(scores.shape[0], -1).astype(np.float64)
    k, inside = named(labels, s.shape[1])
    if not inside.all():
        return math.nan
    sign = np.ones_like(s)
    sign[np.arange(len(s)), k] = -1
    z = np.maximum(0.0, 1 + sign * s)
    total = float((z * z if norm == "L2" else z).sum())
    return total / len(s)


def multinomial(p: Host, labels: Host) -> float:
    """-sum log(max(p[label], 1e-20)) / samples, p being probabilities."""
    q = p.reshape(p.shape[0], -1).astype(np.float64)
    k, inside = named(labels, q.shape[1])
    picked = np.where(inside, q[np.arange(len(q)), k], np.nan)
    return float(-np.log(np.maximum(picked, LOG_FLOOR)).mean())


def infogain(p: Host, labels: Host, matrix: Host, normalizer: Normalizer, ignore: int | None) -> float:
    """-sum over positions and classes of H[label, k] * log(max(p[k], 1e-20)) / normalizer; p (classes, positions)."""
    k, inside = named(labels, len(p))
    counted = counting(labels.reshape(-1), ignore)
    if not inside[counted].all():
        return math.nan
    logs = np.log(np.maximum(p.astype(np.float64), LOG_FLOOR))
    h = matrix.reshape(p.shape[0], p.shape[0]).astype(np.float64)
    terms = (h[k[counted]] * logs.T[counted]).sum()
    total = float(-terms)
    return total / normalizer(len(k), int(counted.sum()))


def contrastive(x: Host, z: Host, similar: Host, *, margin: float, legacy: bool) -> float:
    """Mean of d^2 for similar pairs, max(margin - d, 0)^2 (legacy: max(margin - d^2, 0)) for others, halved."""
    d = (x.reshape(x.shape[0], -1) - z.reshape(z.shape[0], -1)).astype(np.float64)
    square = (d * d).sum(axis=1)
    far = np.maximum(margin - square, 0.0) if legacy else np.maximum(margin - np.sqrt(square), 0.0) ** 2
    total: float = float(np.where(similar.reshape(-1) != 0, square, far).sum())
    return total / (2.0 * len(square))
