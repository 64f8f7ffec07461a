"""Single units: outputs that are nearly all 0, constant or saturated (DYN007 to DYN009), weights all alike (DYN029)."""

from __future__ import annotations

import math
from collections.abc import Iterator

from prototxt_gpu_check.result import LayerResult
from prototxt_gpu_check.verdict.view import RELU_FAMILY, View, alike, feeds_weights, param
from prototxt_gpu_check.verdict.zeros import MIN_CHANNEL
from prototxt_net.finding import Finding
from prototxt_net.flow import WEIGHTED, lr

SPARSE = 0.95
CONSTANT = 0.1
SATURATED = {"Sigmoid": 17.0, "TanH": 9.5}
"""|x| from which on the derivative is below 1e-7 (the limits of SageMaker's SaturatedActivation)."""
MOST = 0.5


def findings(view: View) -> Iterator[Finding]:
    """Of each kind the first layer."""
    for check in (_sparse, _constant, _saturated, _alike):
        yield from ([found for layer in view.layers if (found := check(view, layer)) is not None][:1])


def _sparse(view: View, layer: LayerResult) -> Finding | None:
    top = view.first(layer)
    if layer.node.type not in RELU_FAMILY or top is None or top[0] in view.explained or not view.data_varies:
        return None
    blob, stats = top
    if stats.all_zero or stats.zero_frac <= SPARSE or stats.count < MIN_CHANNEL * 4:
        return None
    before = view.stats(layer.node.bottoms[0])
    if before is None or before.zero_frac > MOST:
        return None  # sparse already
    if stats.zero_channels > CONSTANT * stats.channels:
        return None  # dead channels: DYN006
    return view.finding(
        "DYN007",
        layer,
        "warning",
        f"{100 * stats.zero_frac:.3g}% of '{blob.name}' is 0: almost no signal passes '{layer.name}'. Check the bias "
        "and the scale of its input.",
    )


def _constant(view: View, layer: LayerResult) -> Finding | None:
    top, before = view.first(layer), next(view.bottoms(layer), None)
    if layer.node.type not in WEIGHTED or top is None or before is None or top[0] in view.explained:
        return None
    blob, stats = top
    if stats.per_channel < 4 or stats.all_zero or stats.nonfinite or not before[1].std or len(stats.shape) < 2:
        return None
    count = int(stats.constant_channels.sum())
    if count <= CONSTANT * stats.channels or before[1].constant_channels.any():
        return None
    if not view.data_varies or (view.tops[before[0]].same_samples and stats.per_channel == stats.shape[0]):
        return None  # all samples are the same (a benchmark's DummyData), and a channel holds one value of each
    weight = param(layer, "weight")
    if weight is None or weight.before.all_zero:
        return None
    sparse = weight.origin.filler is not None and weight.origin.filler.sparse >= 0
    return view.finding(
        "DYN008",
        layer,
        "info" if weight.origin.kind == "loaded" or sparse else "warning",
        f"{count} of {stats.channels} channels of '{blob.name}' are constant although the input of '{layer.name}' "
        f"varies: their weights are 0{', which the sparse filler draws' if sparse else ''}.",
    )


def _saturated(view: View, layer: LayerResult) -> Finding | None:
    limit, bottom = SATURATED.get(layer.node.type), next(view.bottoms(layer), None)
    if limit is None or bottom is None or bottom[0] in view.explained or bottom[1].nonfinite:
        return None
    blob, stats = bottom
    if not stats.per_channel or not blob.producer.bottoms:
        return None
    share = 0.0
    for total, spread in zip(stats.total, stats.spread, strict=True):
        mean, std = total / stats.per_channel, math.sqrt(spread / stats.per_channel)
        share += _beyond(mean, std, limit) / stats.channels
    if share <= MOST or not layer.node.tops[0].readers:
        return None  # final probabilities may be sure of themselves
    return view.finding(
        "DYN009",
        layer,
        "warning",
        f"About {100 * share:.2g}% of '{layer.name}' is saturated (|x| above {limit:g}): its gradient there is below "
        "1e-7. Lower the scale of its input.",
    )


def _beyond(mean: float, std: float, limit: float) -> float:
    """The share of a normal distribution outside -limit..limit."""
    if not std:
        return float(abs(mean) > limit)
    return 0.5 * (math.erfc((limit - mean) / std / math.sqrt(2)) + math.erfc((limit + mean) / std / math.sqrt(2)))


def _alike(view: View, layer: LayerResult) -> Finding | None:
    weight = param(layer, "weight")
    if weight is None or weight.origin.kind != "filler" or not view.trains or layer.node.type not in WEIGHTED:
        return None
    if weight.origin.filler is not None and weight.origin.filler.varies:
        return None
    stats, outputs = weight.before, weight.shape[0] if weight.shape else 1
    if stats.all_zero or stats.nonfinite or not alike(stats) or outputs < 2 or stats.count <= outputs:
        return None
    index = next((i for i, blob in enumerate(layer.node.setup.params) if blob.role == "weight"), 0)
    if lr(view.net, layer.node, index) == 0:
        return None
    top = view.first(layer)
    if top is None or not feeds_weights(top[0]) or view.fate(top[0]) == "added":
        return None  # the loss, or what is added, tells the units apart
    path = layer.node.setup.params[index].filler
    return view.finding(
        "DYN029",
        layer,
        "warning",
        f"All weights of '{layer.name}' are {stats.mean:.3g}: its {outputs} units compute the same, and only layers "
        "behind it with other weights can tell them apart. Use a weight_filler that draws at random, such as msra.",
        path,
    )
