"""Collapses to zero and their causes: DYN002, DYN003, DYN004, DYN006.

A zero is reported where it begins: at a layer whose top is all 0 although a bottom is not. Zeros that a net starts with
on purpose are none of these: the last gamma of a residual block, the last classifier.
"""

from __future__ import annotations

from collections.abc import Iterator

from prototxt_gpu_check.result import LayerResult
from prototxt_gpu_check.stats import Stats
from prototxt_gpu_check.verdict.view import (
    FLT_MAX,
    NO_SIGNAL,
    RELU_FAMILY,
    View,
    drowns,
    feeds_weights,
    param,
    places,
)
from prototxt_net.finding import Finding, Severity
from prototxt_net.net import Blob, Node

CENTRED_SHARE = 0.05
"""Of channels with mean 0: one that has no positive value has no variance."""
MIN_CHANNEL = 64
"""Elements a channel needs before its zeros count: a healthy unit is 0 throughout with probability 2^-64."""


def findings(view: View) -> Iterator[Finding]:
    """Each collapse where it begins, in file order; of dead channels the first layer that has them."""
    dead: list[tuple[LayerResult, Finding]] = []
    for layer in view.layers:
        if layer.node.type in NO_SIGNAL or layer.facts.get("values"):
            continue
        found = _collapse(view, layer)
        if found is not None:
            yield found
            for blob, _ in view.own(layer):
                view.explain(blob, found.severity, zero=True)
        elif (more := _dead_channels(view, layer)) is not None:
            dead.append((layer, more))
    if dead:
        (_, first), others = dead[0], dead[1:]
        yield first._replace(
            message=first.message + (f" Dead channels also in {len(others)} more of the layers." if others else ""),
            related=tuple(places((layer.node, f"'{layer.name}' has dead channels as well") for layer, _ in others)),
        )


def _collapse(view: View, layer: LayerResult) -> Finding | None:
    gamma = param(layer, "gamma")
    if gamma is not None and gamma.before.all_zero:
        return _zero_gamma(view, layer)
    top = view.first(layer)
    if top is None:
        return None
    blob, stats = top
    if not stats.all_zero or stats.shape == ():
        return None
    bottoms = list(view.bottoms(layer))
    if not bottoms or any(b in view.silent for b, _ in bottoms) or all(s.all_zero for _, s in bottoms):
        return None
    weight = param(layer, "weight")
    if any(b in view.explained for b, _ in bottoms) and not (weight is not None and weight.before.all_zero):
        return None  # such as a ReLU behind an explosion; weights of 0 are a cause of their own
    return _cause(view, layer, blob, stats, bottoms)


def _zero_gamma(view: View, layer: LayerResult) -> Finding | None:
    top, gamma = view.first(layer), param(layer, "gamma")
    assert gamma is not None
    if top is None:
        return None
    blob, stats = top
    bottoms = list(view.bottoms(layer))
    if all(s.all_zero for _, s in bottoms):
        return None
    fate = view.fate(blob)
    if view.added(blob):
        return None  # a residual branch that starts at 0 on purpose
    loaded = gamma.origin.kind == "loaded"
    learns = fate == "alive" or not stats.all_zero
    severity: Severity = "warning" if loaded or learns or not view.trains else "error"
    path = _gamma_path(layer)
    message = f"gamma of '{layer.name}' is 0 in every channel, so its output is {_constant(stats)}"
    if loaded:
        message += "; the loaded weights say so."
    elif severity == "error":
        message += (
            ", and the ReLU behind it stops every gradient: no layer up to this one can ever learn. "
            f"Set the filler to value 1{_absent(layer, path)}."
        )
    else:
        message += f". Set the filler to value 1{_absent(layer, path)}."
    return view.finding("DYN003", layer, severity, message + _victims(view, blob), path, _suffering(view, blob))


def _constant(stats: Stats) -> str:
    return "exactly 0" if stats.all_zero else "a constant"


def _gamma_path(layer: LayerResult) -> str:
    return next((p.filler for p in layer.node.setup.params if p.role == "gamma"), "")


def _absent(layer: LayerResult, path: str) -> str:
    written = layer.node.layer.definition.bound.find(path) is not None
    return "" if written or not path else f" (`{path.rpartition('.')[2]}` is absent, and this Caffe then starts at 0)"


def _victims(view: View, blob: Blob) -> str:
    count = len(view.behind(blob, lambda s: s.all_zero))
    if not count:
        return ""
    if count == 1:
        return " One layer behind it gives zeros because of it."
    return f" {count} layers behind it give zeros because of it."


def _suffering(view: View, blob: Blob) -> list[tuple[Node, str]]:
    """The first layers that are 0 because of a blob, for the places beside a finding."""
    behind = view.behind(blob, lambda s: s.all_zero)
    return [(node, f"'{node.name}' gives zeros because of it") for node in behind]


def _cause(
    view: View, layer: LayerResult, blob: Blob, stats: Stats, bottoms: list[tuple[Blob, Stats]]
) -> Finding | None:
    node = layer.node
    weight = param(layer, "weight")
    source, _ = bottoms[0]
    was = "it was not before" if source.name == blob.name else f"'{source.name}' is not"
    head = f"Every element of '{blob.name}' is 0 although {was}: '{layer.name}' blocks the signal. "
    tail = _victims(view, blob)
    if weight is not None and weight.before.all_zero:
        return _zero_weights(view, layer, blob, head, tail)
    if layer.facts.get("mode") == "batch" and layer.facts.get("per_channel") == 1:
        return _one_element(view, layer, tail)
    suffering = _suffering(view, blob)
    if node.type in RELU_FAMILY:
        return _dead_relu(view, layer, blob, head, tail)
    if node.type == "Dropout":
        return None  # asked for
    if node.type == "Power" and not _value(node, "power_param", "scale"):
        if view.added(blob):
            return None
        head += "Its scale is 0."
        return view.finding("DYN002", layer, "warning", head + tail, "power_param.scale", suffering)
    if node.type == "Eltwise" and len(bottoms) > 1:
        head += "Its bottoms cancel each other: look at its coefficients."
        return view.finding("DYN002", layer, "warning", head + tail, "eltwise_param.coeff", suffering)
    if node.type == "BatchNorm" and not view.data_varies:
        return None  # the input is one constant (a benchmark's DummyData), so this says nothing
    if node.type == "BatchNorm":
        head += "Each channel of its input holds one value only, and BatchNorm subtracts it."
    return view.finding("DYN002", layer, "warning", (head + tail).strip(), "", suffering)


def _dead_relu(view: View, layer: LayerResult, blob: Blob, head: str, tail: str) -> Finding:
    """A ReLU without a positive input; where a bias makes it so, the layer of the bias is named."""
    before = next(view.bottoms(layer))
    suffering = _suffering(view, blob)
    if before[1].maximum == FLT_MAX:
        head += "Its input is -FLT_MAX, what MAX pooling makes of NaN."
        return view.finding("DYN002", layer, "warning", head + tail, "", suffering)
    source = view.by_node.get(before[0].producer)
    bias = None if source is None else param(source, "bias", "beta", "shift")
    if source is None or bias is None or not drowns(bias.before, before[1]):
        head += f"All its inputs are negative (a dead ReLU){_turned(view, source)}."
        return view.finding("DYN002", layer, "warning", head + tail, "", suffering)
    path = next((p.filler for p in source.node.setup.params if p.role == bias.role), "")
    message = (
        f"The bias of '{source.name}' is {bias.before.mean:.3g}, far below what its input adds, so every input of "
        f"'{layer.name}' is negative and its output '{blob.name}' exactly 0 (a dead ReLU).{tail}"
    )
    return view.finding("DYN002", source, "warning", message, path, [(layer.node, "Everything is 0 from here on")])


def _turned(view: View, source: LayerResult | None) -> str:
    """That a layer makes negative numbers of numbers that are not, as part of a sentence."""
    before = None if source is None else next(view.bottoms(source), None)
    if source is None or before is None or before[1].all_zero or before[1].mean != before[1].mean_abs:
        return ""
    gamma = param(source, "gamma")
    why = f" (its gamma is {gamma.before.mean:.3g})" if gamma is not None and not gamma.before.std else ""
    return f": '{source.name}' makes them of values that are never negative{why}"


def _value(node: Node, message: str, field: str) -> float:
    value = node.param(message).get(field)
    return 1.0 if value is None else float(value)


def _zero_weights(view: View, layer: LayerResult, blob: Blob, head: str, tail: str) -> Finding | None:
    weight = param(layer, "weight")
    assert weight is not None
    path = next((p.filler for p in layer.node.setup.params if p.role == "weight"), "")
    fate = view.fate(blob)
    suffering = _suffering(view, blob)
    if view.added(blob):
        return None
    if weight.origin.kind == "loaded":
        return view.finding("DYN002", layer, "warning", head + "The loaded weights are all 0." + tail, "", suffering)
    written = layer.node.layer.definition.bound.find(path) is not None
    cause = "its weight_filler is the constant 0" if written else "it has no weight_filler, and Caffe then starts at 0"
    if fate == "alive":
        if not feeds_weights(blob):
            return None  # the last classifier: it learns from the first step on
        return view.finding("DYN002", layer, "warning", f"{head}Cause: {cause}.{tail}", path, suffering)
    severity: Severity = "error" if view.trains and written else "warning"
    message = f"{head}Cause: {cause}, and the ReLU behind it stops every gradient, so it stays 0.{tail}"
    return view.finding("DYN002", layer, severity, message, path, suffering)


def _one_element(view: View, layer: LayerResult, tail: str) -> Finding:
    requested, used = view.result.batch_requested or 1, view.result.batch_used or 1
    own = requested == 1 or used == requested
    message = (
        f"'{layer.name}' sees one value per channel, so it subtracts the value from itself: its output is exactly 0. "
    )
    if not own:
        message += f"(Only with this batch of {used}; the file's is {requested}.) "
        return view.finding("DYN004", layer, "info", message + "Run a larger --batch." + tail)
    assumed = any(d.code == "shape-assumed" for d in view.result.degraded)
    severity: Severity = "error" if view.trains and not assumed else "warning"
    return view.finding("DYN004", layer, severity, message + "Use a larger batch or stored statistics." + tail)


def _dead_channels(view: View, layer: LayerResult) -> Finding | None:
    if layer.node.type not in RELU_FAMILY or not layer.node.bottoms or not view.data_varies:
        return None
    before, top = view.stats(layer.node.bottoms[0]), view.first(layer)
    if before is None or top is None or top[0] in view.explained or top[1].per_channel < MIN_CHANNEL:
        return None
    stats = top[1]
    if stats.all_zero or before.all_zero or before.channels != stats.channels:
        return None
    centred = _centred(view, layer.node.bottoms[0])
    dead = stats.silent if centred else stats.silent & ~before.silent
    count, channels = int(dead.sum()), stats.channels
    share = count / channels
    # A net that is just initialised sends similar signals for all samples, above all for synthetic ones, so many of its
    # channels are dead as a matter of course; a trained one commonly has 10 to 30 % of them.
    real = any("given" in x.facts.get("values", ()) for x in view.layers)
    low, high = (0.1, 0.5) if real else (0.5, 0.95)
    if share < (CENTRED_SHARE if centred else low):
        return None
    severity: Severity = "warning" if share >= high and view.result.weights is None else "info"
    constant = int((dead & before.constant_channels).sum())
    why = f" {constant} of them hold one constant." if constant else ""
    if centred:
        why = " Behind a BatchNorm that means a variance of 0: nothing varied before it."
        return view.finding(
            "DYN006",
            layer,
            severity,
            f"{count} of {channels} channels of '{layer.name}' are 0 for the whole batch.{why}",
        )
    return view.finding(
        "DYN006",
        layer,
        severity,
        f"{count} of {channels} channels of '{layer.name}' are 0 for the whole batch (dead): all their inputs are "
        f"negative.{why} Check the bias and the scale of its input.",
    )


def _centred(view: View, blob: Blob | None) -> bool:
    """Whether a BatchNorm with the batch's statistics, and a beta of 0, gives each channel of the blob the mean 0."""
    for _ in range(3):
        layer = view.by_node.get(blob.producer) if blob is not None else None
        if layer is None or layer.node.type not in ("Scale", "BatchNorm", "BN"):
            return False
        shift = param(layer, "beta", "bias", "shift")
        if shift is not None and not shift.before.all_zero:
            return False
        if layer.node.type != "Scale":
            return layer.facts.get("mode") == "batch"
        blob = layer.node.bottoms[0]
    return False
