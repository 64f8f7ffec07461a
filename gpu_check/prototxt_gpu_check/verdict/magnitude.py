"""Values that are not finite, that explode, or that vanish: DYN001, DYN010, DYN011, DYN012, DYN013."""

from __future__ import annotations

import math
from collections.abc import Iterator

from prototxt_gpu_check.result import LayerResult
from prototxt_gpu_check.stats import Stats
from prototxt_gpu_check.verdict.view import (
    FLT_MAX,
    LARGE_WEIGHTS,
    NORMALISING,
    RELU_FAMILY,
    View,
    drowns,
    feeds_weights,
    param,
    start,
    weight_size,
)
from prototxt_net.finding import Finding, Severity
from prototxt_net.flow import WEIGHTED
from prototxt_net.net import Blob, Node

GROWTH = 1e4
LARGE = 1e6
HOPELESS = 1e30
VANISHED = 1e-6
HIGH_GAIN, LOW_GAIN = 100.0, 0.01
SMALL_WEIGHTS = 0.1
"""Standard deviation of weights, of 1 / sqrt(fan-in), up to which they are called small: xavier has 1, msra 1.4."""
_SCALARS = 16
_LINEAR = frozenset({"Convolution", "Deconvolution", "InnerProduct", "DepthwiseConvolution", "ConvolutionDepthwise"})


def findings(view: View) -> Iterator[Finding]:
    """Empty statistics first: what they multiply by 316 is their consequence."""
    yield from _empty_statistics(view)
    yield from _nonfinite(view)
    yield from _growth(view)


def _empty(layer: LayerResult) -> bool:
    if layer.facts.get("mode") != "stored":
        return False
    factor, variance = param(layer, "factor"), param(layer, "variance")
    if factor is not None and factor.before.all_zero:
        return True
    return variance is not None and variance.before.all_zero


def _empty_statistics(view: View) -> Iterator[Finding]:
    empty = [layer for layer in view.layers if _empty(layer)]
    if not empty:
        return
    first = empty[0]
    gain = 1 / math.sqrt(float(first.facts["eps"]))
    top = view.first(first)
    assert top is not None
    after = [view.first(layer) for layer in view.layers if layer.node.position > first.node.position]
    worst = max((t[1].maximum or 0.0 for t in after if t is not None), default=0.0)
    broken = next((x for x in view.layers if any(s.nonfinite for _, s in view.own(x))), None)
    asked = first.node.param("batch_norm_param").get("use_global_stats") is True
    loaded = any(p.origin.kind == "loaded" for p in first.params)
    gamma = param(first, "gamma")
    if gamma is not None and gamma.before.all_zero:
        return  # the statistics do not matter then: DYN003
    more = len(empty) - 1
    others = f" and {more} more BatchNorm layer{'s' if more > 1 else ''}" if more else ""
    each = "each " if others else ""
    verb = "multiply" if others else "multiplies"
    if broken is not None:
        outcome = f"; '{broken.name}' is the first to hold NaN or Inf."
    elif worst > LARGE:
        outcome = f"; values reach {worst:.3g}."
    else:
        outcome = "."
    if loaded:
        severity: Severity = "warning"
        advice = "The loaded statistics are empty: load weights that were saved after training."
    elif asked and view.trains and view.from_scratch:
        severity = "error" if broken is not None or worst > HOPELESS else "warning"
        advice = "use_global_stats is true although nothing has been stored: delete it, or load weights."
    else:
        severity = "info"
        way_out = "load weights, or check the TRAIN phase" if view.result.phase == "TEST" else "load weights"
        advice = f"That is how every fresh net runs with stored statistics; {way_out}."
    for layer in empty:
        for blob, _ in view.own(layer):
            view.explain(blob, severity)
    yield view.finding(
        "DYN012",
        first,
        severity,
        f"'{first.name}'{others} {each}{verb} by {gain:.3g} (1/sqrt(eps)), because the stored statistics are empty"
        f"{outcome} {advice}",
        "batch_norm_param.use_global_stats",
        [(layer.node, f"'{layer.name}' multiplies as well") for layer in empty[1:] if severity != "info"],
    )


def _nonfinite(view: View) -> Iterator[Finding]:
    for layer in view.layers:
        blob, stats = next(((b, s) for b, s in view.own(layer) if s.nonfinite), (None, None))
        # Weights that only multiply cannot hide: what they touch is not finite. The rest has to be looked at.
        hidden = blob is None and layer.node.type in _LINEAR
        spoilt = next((p for p in layer.params if not (hidden and p.role == "weight") and p.before.nonfinite), None)
        if spoilt is not None:
            yield view.finding(
                "DYN001",
                layer,
                "error" if spoilt.origin.kind == "loaded" else "warning",
                f"The {spoilt.role} of '{layer.name}' holds {_kinds(spoilt.before)}: everything that '{layer.name}' "
                "computes is worthless. Take another weights file.",
            )
        elif blob is None or stats is None or blob in view.explained or _passes_on(view, layer):
            continue
        elif layer.facts.get("values") or layer.facts.get("bad_labels"):
            pass  # DYN027 and DYN025 say it
        else:
            yield view.finding(
                "DYN001",
                layer,
                "warning",
                f"NaN or Inf first appears in '{blob.name}' of '{layer.name}' ({_kinds(stats)}), while its inputs and "
                f"weights are finite. {_nonfinite_cause(view, layer)}{_consequences(view, blob)}".rstrip(),
                related=_carriers(view, blob),
            )
        for top, _ in view.own(layer):
            view.explain(top, "warning")


def _passes_on(view: View, layer: LayerResult) -> bool:
    return any(s.nonfinite for _, s in view.bottoms(layer))


def _kinds(stats: Stats) -> str:
    nans, infs = int(stats.nans.sum()), int(stats.infs.sum())
    return " and ".join(f"{n} {word}" for n, word in ((nans, "NaN"), (infs, "Inf")) if n)


def _nonfinite_cause(view: View, layer: LayerResult) -> str:
    node = layer.node
    if node.type == "Dropout" and node.param("dropout_param").get("dropout_ratio") == 1:
        return "dropout_ratio 1 multiplies 0 by infinity. "
    if empty_window(view, layer):
        return "Its last window lies wholly beyond its input, so the average is 0 / 0. "
    if node.type == "Exp":
        largest = max((s.maximum or 0.0 for _, s in view.bottoms(layer)), default=0.0)
        return f"It takes the exponential of values of up to {largest:.3g}. "
    if node.type in ("Log", "Power"):
        return "It takes a logarithm or a root of values that are not positive. "
    largest = max((s.maximum or 0.0 for _, s in view.bottoms(layer)), default=0.0)
    if largest > HOPELESS:
        return f"Its input already reaches {largest:.3g}: the sum overflows. "
    return "Look at its parameters. "


def _consequences(view: View, blob: Blob) -> str:
    hidden = _hidden(view, blob)
    count = len(view.behind(blob, lambda s: s.nonfinite > 0))
    text = f"{count} later layers only carry it on." if count else ""
    if hidden is not None:
        hides = f"From '{hidden}' on it hides: MAX pooling turns NaN into -FLT_MAX, and ReLU that into 0."
        text = f"{text} {hides}" if text else hides
    return text


def _carriers(view: View, blob: Blob) -> list[tuple[Node, str]]:
    behind = view.behind(blob, lambda s: s.nonfinite > 0)
    return [(node, f"'{node.name}' carries it on") for node in behind]


def empty_window(view: View, layer: LayerResult) -> bool:
    """Whether the last window of a pooling begins behind its input: without pad nothing clips (pooling_layer.cpp)."""
    node, before = layer.node, view.stats(layer.node.bottoms[0] if layer.node.bottoms else None)
    p = node.param("pooling_param")
    if node.type != "Pooling" or before is None or len(before.shape) != 4 or p.get("global_pooling") or not layer.tops:
        return False
    if any(p.get(field) for field in ("pad", "pad_h", "pad_w")):
        return False
    for axis, field in ((2, "stride_h"), (3, "stride_w")):
        stride = int(p.get(field) or p.get("stride") or 1)
        if (layer.tops[0].shape[axis] - 1) * stride >= before.shape[axis]:
            return True
    return False


def _hidden(view: View, blob: Blob) -> str | None:
    """The name of a pooling behind it whose input has NaN and whose output has none."""
    seen: set[Blob] = set()
    waiting = [blob]
    while waiting:
        at = waiting.pop()
        if at in seen:
            continue
        seen.add(at)
        for reader, _ in at.readers:
            for top in reader.tops:
                stats = view.stats(top)
                if stats is None:
                    continue
                if stats.nonfinite:
                    waiting.append(top)
                elif reader.type in ("Pooling", "Threshold", "Clip"):
                    return reader.name
    return None


def _growth(view: View) -> Iterator[Finding]:
    data = view.data_rms
    if not data or view.substituted:
        return
    quiet: list[Finding] = []
    small: list[tuple[Node, str]] = []
    vanished = False
    for layer in view.layers:
        top = view.first(layer)
        if top is None or layer.facts.get("values"):
            continue
        blob, stats = top
        rms, largest = stats.rms, stats.maximum
        if rms is None or largest is None or blob in view.explained or stats.count < _SCALARS or stats.all_zero:
            continue
        if empty_window(view, layer):
            yield _of_empty_window(view, layer, blob, stats)
            view.explain(blob, "warning")
        elif _dead_by_bias(view, layer, blob, stats):
            continue  # DYN002 tells of the zeros, and names the bias
        elif rms > GROWTH * data or largest > max(LARGE, LARGE * data):
            yield view.finding(
                "DYN010",
                layer,
                "warning",
                f"Activations grow {rms / data:.3g} times from the data to '{blob.name}' (up to {largest:.3g}): "
                f"an overflow is near.{start(layer)} Check fillers and BatchNorm statistics.",
            )
            view.explain(blob, "warning")
        elif rms < VANISHED * data and not vanished and not _by_design(view, layer, blob):
            vanished = True
            yield view.finding(
                "DYN013",
                layer,
                "warning",
                f"Activations shrink to {rms / data:.3g} of the data at '{blob.name}': the signal vanishes."
                f"{start(layer)} Use msra fillers or BatchNorm.",
                related=small,
            )
            view.explain(blob, "warning")
        else:
            for found in _gain(view, layer, blob, stats):
                if found.severity != "info":
                    yield found
                    continue
                quiet.append(found)
                small.append((layer.node, f"'{layer.name}' makes it smaller"))
    if not vanished:
        yield from quiet[:1]


def _of_empty_window(view: View, layer: LayerResult, blob: Blob, stats: Stats) -> Finding:
    """MAX leaves what it starts from; AVE adds up nothing, and divides by an area that may be negative but not 0."""
    where = f"The last window of '{layer.name}' lies wholly beyond its input, so '{blob.name}' "
    advice = "Pad, or change kernel_size and stride."
    if stats.maximum == FLT_MAX:
        return view.finding("DYN010", layer, "warning", f"{where}holds -FLT_MAX there. {advice}", "pooling_param")
    return view.finding("DYN005", layer, "warning", f"{where}is 0 there, whatever the input. {advice}", "pooling_param")


def _dead_by_bias(view: View, layer: LayerResult, blob: Blob, stats: Stats) -> bool:
    """Its bias alone makes every value negative, and the ReLUs that read it all give 0."""
    bias = param(layer, "bias", "beta", "shift")
    if bias is None or not drowns(bias.before, stats) or not blob.readers:
        return False
    behind = [view.stats(top) for reader, _ in blob.readers for top in reader.tops]
    return all(reader.type in RELU_FAMILY for reader, _ in blob.readers) and all(s and s.all_zero for s in behind)


def _gain(view: View, layer: LayerResult, blob: Blob, stats: Stats) -> Iterator[Finding]:
    """DYN011: one layer with weights changes the scale a hundred times, and no BatchNorm behind it takes that back.

    The scale of what varies inside the channels, since a bias alone is no gain; a loss is one only where the same holds
    of the input, which may be large and hardly vary.
    """
    before = next((s for _, s in view.bottoms(layer)), None)
    if layer.node.type not in WEIGHTED or before is None or not before.rms or _normalised(blob):
        return
    gain = _varied(stats) / before.rms
    loud = gain > HIGH_GAIN
    if not loud and not 0 < gain <= _varied(stats) / (_varied(before) or math.inf) < LOW_GAIN:
        return
    path = next((p.filler for p in layer.node.setup.params if p.role == "weight"), "")
    size = weight_size(layer)
    if not loud and (size > SMALL_WEIGHTS or _by_design(view, layer, blob)):
        return
    if not loud and (not view.data_varies or view.tops[blob].same_samples):
        return  # where all samples are the same, what varies may be rounding
    why = " Its weights are far too large." if size > LARGE_WEIGHTS else "" if loud else " Its weights are very small."
    yield view.finding(
        "DYN011",
        layer,
        "warning" if loud else "info",
        f"'{layer.name}' alone changes the scale of its input {gain:.3g} times.{why}{start(layer)}",
        path,
    )
    if loud:
        view.explain(blob, "warning")


def _varied(stats: Stats) -> float:
    """The root mean square of the differences from each channel's mean; of the values where a channel has one only."""
    if stats.per_channel < 2:
        return stats.rms or 0.0
    return math.sqrt(float(stats.spread.sum()) / stats.count) if stats.count else 0.0


def _normalised(blob: Blob) -> bool:
    """Every reader of the blob is a BatchNorm, whatever of it runs with the batch's statistics."""
    return bool(blob.readers) and all(reader.type in NORMALISING for reader, _ in blob.readers)


def _by_design(view: View, layer: LayerResult, blob: Blob) -> bool:
    """A layer that scales explicitly; or that the file starts near 0: the last classifier, the end of a branch."""
    if layer.node.type in ("Power", "Scale", "Softmax", "Accuracy", "Reduction"):
        return True
    tiny = any(p.role == "weight" and (p.before.rms or 0.0) < VANISHED for p in layer.params)
    return tiny and (view.added(blob) or not feeds_weights(blob))
