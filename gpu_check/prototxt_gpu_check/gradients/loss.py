"""Gradients of the losses: the loss weight (the top's gradient) over the normaliser, times what the formula says."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from prototxt_gpu_check.layers.base import Gradient, gradient
from prototxt_gpu_check.layers.loss import class_weights, ignored, normalizer
from prototxt_gpu_check.layout import count
from prototxt_gpu_check.ops.losses import LOG_FLOOR, named
from prototxt_gpu_check.ops.softmax import class_rows, softmax_rows, unrolled

Host = npt.NDArray[np.float64]


def _host(g: Gradient, index: int) -> Host:
    b = g.backend
    return b.to_host(b.contiguous(g.step.bottoms[index])).astype(np.float64)


def _weight(g: Gradient) -> float:
    return float(g.backend.to_host(g.dy).reshape(-1)[0])


def _set(g: Gradient, index: int, dx: Host) -> None:
    if g.wanted[index]:
        g.bottoms[index] = g.backend.asarray(dx.reshape(g.step.bottoms[index].shape))


def _no_labels(g: Gradient) -> None:
    if len(g.wanted) > 1 and g.wanted[1]:
        raise NotImplementedError(f"Caffe cannot backpropagate to the labels of a {g.step.node.type} and aborts")


def _class_scores(g: Gradient, axis: int) -> tuple[Host, npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Softmax probabilities (classes, positions), labels, and which positions count."""
    b = g.backend
    p = b.to_host(softmax_rows(b, class_rows(b, g.x, axis))).astype(np.float64)
    labels = _host(g, 1).reshape(-1).astype(np.int64)
    ignore = ignored(g.step)
    return p, labels, np.ones(len(labels), np.bool_) if ignore is None else labels != ignore


@gradient("SoftmaxWithLoss", "SoftmaxWithLossOHEM")
def softmax_loss(g: Gradient) -> None:
    """(p - 1 at the label) * weight / normaliser, 0 where the label is ignored."""
    _no_labels(g)
    s, x = g.step, g.x
    axis = s.canonical(int(s.param("softmax_param").get("axis")))
    p, labels, counted = _class_scores(g, axis)
    inside = counted & (labels >= 0) & (labels < len(p))
    p[labels[inside], np.flatnonzero(inside)] -= 1
    p[:, ~counted] = 0
    factors = class_weights(s, len(p))
    if factors is not None:
        p[:, inside] *= factors[labels[inside]]
    divisor = normalizer(s, count(tuple(x.shape[:axis])), "VALID")(len(labels), int(counted.sum()))
    found = (p * (_weight(g) / divisor)).astype(np.float32)
    g.bottoms[0] = g.backend.asarray(unrolled(found, tuple(x.shape), axis))


@gradient("InfogainLoss")
def infogain(g: Gradient) -> None:
    """(p * sum of H's row - H[label]) * weight / normaliser."""
    _no_labels(g)
    s, x = g.step, g.x
    if len(g.wanted) > 2 and g.wanted[2]:
        raise NotImplementedError("Caffe cannot backpropagate to the infogain matrix and aborts")
    given = s.param("infogain_loss_param").get("axis")
    axis = s.canonical(1 if given is None else int(given))
    p, labels, counted = _class_scores(g, axis)
    k, inside = named(_host(g, 1), len(p))
    counted &= inside
    h = _host(g, 2).reshape(len(p), len(p))[k].T
    found = np.where(counted, p * h.sum(axis=0) - h, 0.0)
    divisor = normalizer(s, count(tuple(x.shape[:axis])), "VALID")(len(labels), int(counted.sum()))
    scaled = (found * (_weight(g) / divisor)).astype(np.float32)
    g.bottoms[0] = g.backend.asarray(unrolled(scaled, tuple(x.shape), axis))


@gradient("EuclideanLoss", "L1Loss")
def euclidean(g: Gradient) -> None:
    """+-(a - b) * weight / samples; its sign for NVIDIA's L1Loss."""
    d = _host(g, 0) - _host(g, 1).reshape(g.x.shape)
    if g.step.node.type == "L1Loss":
        d = np.sign(d)
    d *= _weight(g) / (g.x.shape[0] if g.x.ndim else 1)
    _set(g, 0, d)
    _set(g, 1, -d)


@gradient("SmoothL1Loss")
def smooth_l1(g: Gradient) -> None:
    """+-(sigma^2 * d, or the sign of d beyond 1/sigma^2) * inside and outside weights * weight / samples."""
    d = _host(g, 0) - _host(g, 1).reshape(g.x.shape)
    sigma = g.step.param("smooth_l1_loss_param").get("sigma")
    square = 1.0 if sigma is None else float(sigma) ** 2
    inside = _host(g, 2) if len(g.step.bottoms) > 2 else np.ones(())
    outside = _host(g, 3) if len(g.step.bottoms) > 3 else np.ones(())
    d = d * inside
    d = np.where(np.abs(d) < 1 / square, square * d, np.sign(d)) * inside * outside
    d *= _weight(g) / g.x.shape[0]
    _set(g, 0, d)
    _set(g, 1, -d)


@gradient("SigmoidCrossEntropyLoss")
def sigmoid_cross_entropy(g: Gradient) -> None:
    """(sigmoid(x) - target) * weight / normaliser, 0 where int(target) is ignored."""
    _no_labels(g)
    x, target = _host(g, 0).reshape(-1), _host(g, 1).reshape(-1)
    ignore = ignored(g.step)
    counted = np.ones(len(x), np.bool_) if ignore is None else target.astype(np.int64) != ignore
    divisor = normalizer(g.step, g.x.shape[0], "BATCH_SIZE")(len(x), int(counted.sum()))
    with np.errstate(over="ignore"):
        d = 0.5 * np.tanh(0.5 * x) + 0.5 - target
    _set(g, 0, np.where(counted, d, 0.0) * (_weight(g) / divisor))


@gradient("HingeLoss")
def hinge(g: Gradient) -> None:
    """The sign of each term (L1), or twice the term (L2), * weight / samples; minus for the labelled class."""
    _no_labels(g)
    x = _host(g, 0).reshape(g.x.shape[0], -1)
    sign = np.ones_like(x)
    k, inside = named(_host(g, 1), x.shape[1])
    sign[np.flatnonzero(inside), k[inside]] = -1
    z = np.maximum(0.0, 1 + sign * x)
    d = 2 * z if g.step.param("hinge_loss_param").get("norm") == "L2" else np.sign(z)
    _set(g, 0, d * sign * (_weight(g) / len(x)))


@gradient("MultinomialLogisticLoss")
def multinomial(g: Gradient) -> None:
    """-weight / (samples * max(p[label], 1e-20)) at the label."""
    _no_labels(g)
    p = _host(g, 0).reshape(g.x.shape[0], -1)
    k, inside = named(_host(g, 1), p.shape[1])
    at = (np.flatnonzero(inside), k[inside])
    d = np.zeros_like(p)
    d[at] = -_weight(g) / len(p) / np.maximum(p[at], LOG_FLOOR)
    _set(g, 0, d)


@gradient("ContrastiveLoss")
def contrastive(g: Gradient) -> None:
    """+-(a - b) * weight / samples for similar pairs; others inside the margin push the other way."""
    p = g.step.param("contrastive_loss_param")
    margin, legacy = float(p.get("margin")), bool(p.get("legacy_version"))
    d = (_host(g, 0) - _host(g, 1)).reshape(g.x.shape[0], -1)
    similar = _host(g, 2).reshape(-1) != 0
    square = (d * d).sum(axis=1)
    alpha = _weight(g) / len(d)
    distance = np.sqrt(square)
    left = margin - (square if legacy else distance)
    push = -alpha * (np.ones_like(left) if legacy else left / (distance + 1e-4))
    factor = np.where(similar, alpha, np.where(left > 0, push, 0.0))
    _set(g, 0, factor[:, None] * d)
    _set(g, 1, -factor[:, None] * d)
