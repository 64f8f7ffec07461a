"""What batch normalisation makes of its statistics: DYN014 with the batch's, DYN015 and DYN016 with stored ones."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from prototxt_gpu_check.result import LayerResult
from prototxt_gpu_check.verdict.view import View, places
from prototxt_net.finding import Finding, Severity

EPS_DECIDES = 1.0
"""A variance below this many eps makes the output's standard deviation less than 0.71. (At ten eps it is still 0.95,
and nets that are known to train start there.)"""
SHARE = 0.1
SHARPEST = 1e3
"""Mean of a channel over its standard deviation, beyond which single precision loses three digits of the difference."""
GAP = 0.5
ENOUGH = 16
"""Samples of real data from which on a batch's statistics say something about stored ones."""

Host = npt.NDArray[np.float64]


def sanity(view: View) -> Iterator[Finding]:
    """DYN016: stored statistics that no training leaves. The first layer speaks for all."""
    found: list[Finding] = []
    for layer in view.layers:
        if not layer.facts.get("stored") or not any(p.origin.kind == "loaded" for p in layer.params):
            continue
        what, severity = _implausible(layer)
        if not what:
            continue
        at = view.first(layer)
        if severity == "error" and at is not None:
            view.explain(at[0], severity)
        found.append(
            view.finding(
                "DYN016",
                layer,
                severity,
                f"The stored statistics of '{layer.name}' are implausible: {what}. The file comes from another Caffe, "
                "or is damaged.",
            )
        )
    yield from sorted(found, key=lambda f: f.severity != "error")[:1]


def _implausible(layer: LayerResult) -> tuple[str, Severity]:
    mean, var, factor = layer.facts["stored"]
    k = 1.0
    if factor is not None:
        k = float(factor.reshape(-1)[0])
        keep = layer.node.param("batch_norm_param").get("moving_average_fraction")
        most = 1.01 / (1 - float(keep)) if keep is not None and float(keep) < 1 else math.inf
        if not 0 <= k <= most:
            return f"their factor is {k:.6g}, and training leaves at most {most:.4g}", "warning"
        if k == 0:
            return "", "info"  # empty: DYN012
    mean, var = _vector(mean) / k, _vector(var) / k
    if not (np.isfinite(mean).all() and np.isfinite(var).all()):
        return "", "info"  # DYN001
    if (var < 0).any():
        return f"a variance is negative ({var.min():.3g}), and the root of it is NaN", "error"
    sharp = np.abs(mean) / np.sqrt(var + float(layer.facts["eps"]))
    if (sharp > SHARPEST).any():
        return f"a mean is {sharp.max():.3g} times its standard deviation", "warning"
    return "", "info"


def _vector(blob: npt.NDArray[np.float32]) -> Host:
    return np.asarray(blob, np.float64).reshape(-1)


def findings(view: View) -> Iterator[Finding]:
    """DYN014 and DYN015, each once: the first layer, with the number of further ones."""
    yield from _first(list(_small_variances(view)), "so does the variance of {} more BatchNorm layer{}")
    yield from _first(list(_gaps(view)), "the same holds for {} more BatchNorm layer{}")


def _first(found: list[tuple[LayerResult, Finding]], more: str) -> Iterator[Finding]:
    if not found:
        return
    (_, first), n = found[0], len(found) - 1
    if not n:
        yield first
        return
    words = more.format(n, "" if n == 1 else "s")
    yield first._replace(
        message=f"{first.message} ({words[0].upper()}{words[1:]}.)",
        related=tuple(places((layer.node, f"'{layer.name}' as well") for layer, _ in found[1:])),
    )


def _small_variances(view: View) -> Iterator[tuple[LayerResult, Finding]]:
    if view.substituted or not view.data_varies:
        return
    for layer in view.layers:
        bottom = next(view.bottoms(layer), None)
        if layer.facts.get("mode") != "batch" or bottom is None or bottom[0] in view.explained:
            continue
        blob, stats = bottom
        if stats.per_channel < 2 or stats.nonfinite or not stats.channels:
            continue
        eps = float(layer.facts["eps"])
        variances = stats.spread / stats.per_channel
        small = (variances < EPS_DECIDES * eps) & ~stats.constant_channels
        count = int(small.sum())
        if count <= SHARE * stats.channels:
            continue
        top = view.first(layer)
        if top is not None:
            view.explain(top[0], "warning", zero=True)
        yield (
            layer,
            view.finding(
                "DYN014",
                layer,
                "warning",
                f"In {count} of {stats.channels} channels of '{blob.name}' the variance is below eps "
                f"({eps:.3g}), so eps decides what '{layer.name}' gives out. Raise the scale of its input, or "
                "lower eps.",
                "batch_norm_param.eps",
            ),
        )


def _gaps(view: View) -> Iterator[tuple[LayerResult, Finding]]:
    real = any("given" in x.facts.get("values", ()) for x in view.layers)
    if view.result.weights is None or not real or (view.result.batch_used or 0) < ENOUGH:
        return
    for layer in view.layers:
        bottom = next(view.bottoms(layer), None)
        if not layer.facts.get("stored") or bottom is None or bottom[0] in view.explained:
            continue
        _, stats = bottom
        mean, var, factor = layer.facts["stored"]
        k = 1.0 if factor is None else float(factor.reshape(-1)[0])
        if not k or stats.per_channel < 2 or stats.nonfinite:
            continue
        eps = float(layer.facts["eps"])
        ours, theirs = np.sqrt(stats.spread / stats.per_channel + eps), np.sqrt(np.maximum(_vector(var) / k, 0) + eps)
        away = (stats.total / stats.per_channel - _vector(mean) / k) / theirs
        batch = stats.spread / stats.per_channel
        # with y = (x - m)/s for both, over a channel: E[(y - y')^2] = (1/s - 1/s')^2 var + ((m - m')/s')^2
        square = ((1 / ours - 1 / theirs) ** 2 * batch + away**2).sum()
        size = (batch / ours**2).sum()
        ratio = math.sqrt(square / size) if size else 0.0
        if ratio > GAP:
            top = view.first(layer)
            if top is not None:
                view.explain(top[0], "warning")
            yield (
                layer,
                view.finding(
                    "DYN015",
                    layer,
                    "warning",
                    f"'{layer.name}' gives out something else with its stored statistics than with those of this batch "
                    f"(they differ by {100 * ratio:.3g}%): the stored ones do not fit this data, or are not divided by "
                    "their factor.",
                ),
            )
