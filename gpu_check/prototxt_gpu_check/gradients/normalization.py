"""Gradients of the normalisations: BatchNorm and BN in their dialects, SSD's Normalize, MVN."""

from __future__ import annotations

import numpy as np

from prototxt_gpu_check.layers.base import Gradient, gradient
from prototxt_gpu_check.layout import blob, rows
from prototxt_net.flow import family


@gradient("BatchNorm")
def batch_norm(g: Gradient) -> None:
    """Stored statistics: dy / sqrt(var + eps). Batch statistics: (dy - mean(dy) - xh*mean(dy*xh)) / sqrt(var + eps).

    NVIDIA 0.15 takes the second formula in either mode, where it is wrong for stored statistics (measured).
    """
    stored = g.step.facts.get("mode") == "stored"
    _normalized(g, batch=not stored or family(g.step.dialect) == "N15")


@gradient("BN")
def segnet_or_pspnet_bn(g: Gradient) -> None:
    """SegNet: LEARN as above, INFERENCE dx = gamma*dy. PSPNet, yjxiong: as in a batch unless `frozen` (measured)."""
    if g.step.facts.get("mode") != "none":
        frozen = g.step.role("mean") is not None and bool(g.step.param("bn_param").get("frozen"))
        _normalized(g, batch=not frozen)
        if frozen:
            g.params.clear()
        return
    b, dy = g.backend, rows(g.backend, g.dy)
    gamma, beta = g.step.params[0], g.step.params[1]
    if g.learns[0]:
        g.params[0] = (rows(b, g.x) * dy).sum(axis=1).reshape(gamma.shape)
    if g.learns[1]:
        g.params[1] = dy.sum(axis=1).reshape(beta.shape)
    g.bottoms[0] = blob(dy * gamma.reshape(-1, 1), tuple(g.x.shape))


def _normalized(g: Gradient, *, batch: bool) -> None:
    """Gradients through x -> xh*gamma + beta with xh = (x - mean)/sqrt(var + eps); xh as the forward pass had it."""
    b, saved = g.backend, g.step.saved
    x = saved["x"]
    mean, var, factor = saved["mean"].reshape(-1), saved["var"].reshape(-1), saved["factor"]
    if factor is not None:
        share = b.xp.where(factor == 0, np.float32(0), np.float32(1) / factor)
        mean, var = mean * share, var * share
    inverse = (np.float32(1) / b.xp.sqrt(var + np.float32(saved["eps"])))[:, None]
    xh = (rows(b, x) - mean[:, None]) * inverse
    dy = rows(b, g.dy)
    for role in ("gamma", "beta"):
        index = g.learns_role(role)
        if index is not None:
            found = (dy * xh if role == "gamma" else dy).sum(axis=1)
            g.params[index] = found.reshape(g.step.params[index].shape)
    gamma = g.step.role("gamma")
    if gamma is not None:
        dy = dy * gamma.reshape(-1, 1)
    if batch:
        dy = dy - dy.mean(axis=1, keepdims=True) - xh * (dy * xh).mean(axis=1, keepdims=True)
    g.bottoms[0] = blob(dy * inverse, tuple(x.shape))


@gradient("Normalize")
def l2_normalize(g: Gradient) -> None:
    """Scale * (dy - x * sum(dy*x)/n^2) / n, n the norm; the scale gets sum(dy*y)/scale."""
    p, b = g.step.param("norm_param"), g.backend
    x, y, dy = (b.to_host(b.contiguous(a)).astype(np.float64) for a in (g.x, g.y, g.dy))
    axes = (1,) if p.get("across_spatial") is False else tuple(range(1, x.ndim))
    square = (x * x).sum(axis=axes, keepdims=True) + float(p.get("eps"))
    factor = b.to_host(g.step.params[0]).astype(np.float64).reshape(-1)
    if g.learns[0]:
        found = (dy * y).sum(axis=(0, *range(2, x.ndim)))
        g.params[0] = b.asarray(((found.sum() if factor.size == 1 else found) / factor).reshape(g.step.params[0].shape))
    if g.step.in_place:
        return  # it subtracts the gradient's memory from itself (measured)
    inner = (dy - x * (x * dy).sum(axis=axes, keepdims=True) / square) / np.sqrt(square)
    g.bottoms[0] = b.asarray(inner * factor.reshape(1, -1, *(1,) * (x.ndim - 2)))


@gradient("MVN")
def mean_variance(g: Gradient) -> None:
    """Dy - mean(dy), with variance (dy - mean(dy) - y*mean(dy*y)) / (standard deviation + eps).

    In place Caffe overwrites dy with its first product before it reads it again, and divides by what it remembers.
    """
    p, b = g.step.param("mvn_param"), g.backend
    x = g.x
    shape = (x.shape[0], -1) if p.get("across_channels") else (x.shape[0] * (x.shape[1] if x.ndim > 1 else 1), -1)
    dy, y = (b.contiguous(a).reshape(shape) for a in (g.dy, g.y))
    if not p.get("normalize_variance"):
        g.bottoms[0] = (dy - dy.mean(axis=1, keepdims=True)).reshape(x.shape)
        return
    deviation = g.step.saved["deviation"]
    if g.step.in_place:
        held = y * (y * dy).sum(axis=1, keepdims=True)
        held = held + held.sum(axis=1, keepdims=True)
        dx = held - held / np.float32(held.shape[1])
    else:
        dx = dy - dy.mean(axis=1, keepdims=True) - y * (dy * y).mean(axis=1, keepdims=True)
    g.bottoms[0] = (dx / deviation).reshape(x.shape)
