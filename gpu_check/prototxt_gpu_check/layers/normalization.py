"""BatchNorm in its dialects, and MVN.

What differs (facts measured on BVLC Caffe and NVIDIA 0.15): which blobs there are (known by their roles), who decides
between batch and stored statistics, and how a batch moves the stored ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from prototxt_gpu_check.backend import Array
from prototxt_gpu_check.layers.base import Step, runs
from prototxt_gpu_check.layout import count, reshape
from prototxt_gpu_check.ops.normalization import moments, mvn, normalize, scale

# NVIDIA 0.16 and 0.17 read use_global_stats and never look at it: the phase decides.
_PHASE_ONLY = frozenset({"nvidia-0.16", "nvidia-0.17", "jacinto-0.17"})
_NVIDIA = frozenset({"nvidia-0.15"}) | _PHASE_ONLY
_EPS_FLOOR = 1e-5
_SEGNET_EPS = 1e-9


def uses_stored_statistics(s: Step) -> bool:
    """Whether this BatchNorm normalises with its stored statistics rather than with the batch's."""
    p = s.param("batch_norm_param")
    by_phase_only = s.dialect in _PHASE_ONLY or (s.dialect == "nvidia-0.15" and p.get("engine") == "CUDNN")
    if p.has("use_global_stats") and not by_phase_only:
        return bool(p.get("use_global_stats"))
    return s.phase == "TEST"


@runs("BatchNorm")
def batch_norm(s: Step) -> Sequence[Array]:
    """(x - mean) / sqrt(var + eps), and gamma, beta where the dialect has them."""
    b, x = s.backend, s.bottoms[0]
    p = s.param("batch_norm_param")
    eps = float(p.get("eps"))
    if s.dialect in _PHASE_ONLY:
        eps = max(eps, _EPS_FLOOR)
    stored = uses_stored_statistics(s)
    channels = x.shape[1] if x.ndim > 1 else 1
    samples = x.size // max(1, channels)
    s.facts.update(mode="stored" if stored else "batch", per_channel=samples, eps=eps)
    # NVIDIA 0.15 with cuDNN has them as (1, C, 1, 1)
    gamma, beta, mean, var = (_vector(s.role(role)) for role in ("gamma", "beta", "mean", "variance"))
    factor = s.role("factor")
    assert mean is not None
    assert var is not None
    if stored:
        # The third blob of NVIDIA 0.16 is a constant 1 that its own code does not divide by.
        f = None if s.dialect in _NVIDIA else factor
        s.facts["stored"] = [None if blob is None else s.backend.to_host(blob) for blob in (mean, var, f)]
        remember(s, mean, var, eps, f)
        return [normalize(b, x, mean, var, eps=eps, factor=f, gamma=gamma, beta=beta)]
    batch_mean, batch_var = moments(b, x)
    _move_statistics(s, batch_mean, batch_var, samples)
    remember(s, batch_mean, batch_var, eps)
    return [normalize(b, x, batch_mean, batch_var, eps=eps, gamma=gamma, beta=beta)]


def _vector(blob: Array | None) -> Array | None:
    return None if blob is None else blob.reshape(-1)


def remember(s: Step, mean: Array, var: Array, eps: float, factor: Array | None = None) -> None:
    """What the gradient needs, which reads neither bottom nor top: Caffe keeps the normalised values."""
    if s.keep:
        s.saved.update(x=s.bottoms[0], mean=mean, var=var, eps=eps, factor=factor)


def _move_statistics(s: Step, mean: Array, var: Array, samples: int) -> None:
    """What one forward pass leaves in the stored statistics."""
    m, v, f = (s.role_index(role) for role in ("mean", "variance", "factor"))
    assert m is not None
    assert v is not None
    if s.dialect in _NVIDIA:
        # The first batch is copied over whatever was loaded.
        s.updates[m], s.updates[v] = mean, var
        return
    keep = float(s.param("batch_norm_param").get("moving_average_fraction"))
    unbiased = samples / (samples - 1) if samples > 1 else 1.0
    s.updates[m] = _blend(s, s.params[m], mean, keep, 1.0)
    s.updates[v] = _blend(s, s.params[v], var, keep, unbiased)
    if f is not None:
        s.updates[f] = _blend(s, s.params[f], s.backend.full((1,), 1.0), keep, 1.0)


def _blend(s: Step, old: Array, new: Array, keep: float, weight: float) -> Array:
    b = s.backend
    if b.kernels is None:
        out: Array = (old * keep + new * weight).astype("float32")
        return out
    out = b.empty(tuple(old.shape))
    b.launch("binary", out.size, old, new, out, out.size, 0, keep, weight)
    return out


@runs("BN")
def segnet_or_pspnet_bn(s: Step) -> Sequence[Array]:
    """SegNet's BN has no running statistics and goes by bn_mode; that of PSPNet and yjxiong by phase and `frozen`."""
    b, x, p = s.backend, s.bottoms[0], s.param("bn_param")
    gamma, beta = (blob.reshape(-1) for blob in (s.params[0], s.params[1]))
    if s.role("mean") is None:
        if p.get("bn_mode") == "INFERENCE":
            s.facts["mode"] = "none"
            return [reshape(b, scale(b, x, gamma, beta, axis=1), s.tops[0])]
        mean, var = moments(b, x)
        remember(s, mean, var, _SEGNET_EPS)
        y = normalize(b, x, mean, var, eps=_SEGNET_EPS, gamma=gamma, beta=beta)
        s.facts.update(mode="batch", per_channel=x.size // max(1, x.shape[1]), eps=_SEGNET_EPS)
        tops = [reshape(b, y, s.tops[0]), mean, var]
        return [top.reshape(shape) for top, shape in zip(tops, s.tops, strict=False)]
    eps = float(p.get("eps"))
    old_mean, old_var = s.params[2].reshape(-1), s.params[3].reshape(-1)
    stored = s.phase == "TEST" or bool(p.get("frozen"))
    s.facts.update(mode="stored" if stored else "batch", per_channel=x.size // max(1, x.shape[1]), eps=eps)
    if stored:
        remember(s, old_mean, old_var, eps)
        s.facts["stored"] = [s.backend.to_host(old_mean), s.backend.to_host(old_var), None]
        return [normalize(b, x, old_mean, old_var, eps=eps, gamma=gamma, beta=beta)]
    mean, var = moments(b, x)
    remember(s, mean, var, eps)
    keep = float(p.get("momentum"))
    for index, old, new in ((2, old_mean, mean), (3, old_var, var)):
        s.updates[index] = _blend(s, old, new, keep, 1.0 - keep)
    return [normalize(b, x, mean, var, eps=eps, gamma=gamma, beta=beta)]


@runs("Normalize")
def l2_normalize(s: Step) -> Sequence[Array]:
    """SSD's Normalize: x / sqrt(sum of x^2 + eps) over the sample, or over the channels of a place; times a scale."""
    p, x = s.param("norm_param"), s.backend.to_host(s.backend.contiguous(s.bottoms[0])).astype(np.float64)
    axes = (1,) if p.get("across_spatial") is False else tuple(range(1, x.ndim))
    y = x / np.sqrt((x * x).sum(axis=axes, keepdims=True) + float(p.get("eps")))
    factor = s.backend.to_host(s.params[0]).reshape(-1)
    return [s.backend.asarray(y * factor.reshape(1, -1, *(1,) * (x.ndim - 2)))]


@runs("MVN")
def mean_variance(s: Step) -> Sequence[Array]:
    """Mean-variance normalisation of each sample; eps is added after the square root."""
    p, x = s.param("mvn_param"), s.bottoms[0]
    shape = (*x.shape, *(1,) * (4 - x.ndim))
    y, divisor = mvn(
        s.backend,
        reshape(s.backend, x, shape),
        across_channels=bool(p.get("across_channels")),
        normalize_variance=bool(p.get("normalize_variance")),
        eps=float(p.get("eps")),
    )
    assert count(s.tops[0]) == y.size
    if s.keep:
        s.saved["deviation"] = divisor
    return [y.reshape(s.tops[0])]
