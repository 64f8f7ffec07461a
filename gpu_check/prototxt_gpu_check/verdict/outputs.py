"""What comes out and what went in: losses, labels, data, and nets that ignore their input.

DYN005, DYN018, DYN020 to DYN027.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from prototxt_gpu_check.result import LayerResult
from prototxt_gpu_check.stats import Stats
from prototxt_gpu_check.verdict.view import View, feeds_weights, loudest, param, start
from prototxt_net.finding import Finding
from prototxt_net.flow import WEIGHTED, carries_loss
from prototxt_net.net import Node

CONSTANT_LOGITS = 1e-3
NEAR_CHANCE = 0.02
BEYOND_PIXELS = 300.0
"""Mean |x| that no 8-bit picture has, whatever its mean: the transformation has made it."""
OFF_CENTRE = 20.0
"""Standard deviations that the mean of pictures may be away from 0: without any transformation it is 2."""
FEW = 0.01
"""Share of labels at the floor up to which single outliers explain it."""
HIGH_LOSS = 3.0
ONE_CLASS = 16
IGNORED = 0.95
ALIKE = 1e-3
ENOUGH = 8


def findings(view: View) -> Iterator[Finding]:
    """Data first, then what the net makes of it."""
    for layer in view.layers:
        if layer.facts.get("values"):
            yield from _data(view, layer)
    for layer in view.layers:
        foreign = _foreign_labels(view, layer)
        if foreign is not None:
            yield foreign
        elif layer.node.type == "SoftmaxWithLoss":
            yield from _softmax_loss(view, layer)
        elif carries_loss(layer.node.layer.definition, view.net.dialect):
            yield from _odd_loss(view, layer)
    yield from _ignores_input(view)


def _data(view: View, layer: LayerResult) -> Iterator[Finding]:
    """What was given or read; of synthetic values, which are ours, only what the file's own transformation does."""
    for kind, (blob, s) in zip(layer.facts["values"], view.own(layer), strict=False):
        if not s.count:
            continue
        advice = "check the source and transform_param"
        what = _degenerate(s, view.tops[blob].same_samples) if kind == "given" else ""
        if not what and kind in ("given", "images") and len(s.shape) == 4:
            what = _transformed(s)
            advice = "check scale, mean_value and mean_file of transform_param" if what else advice
        if not what:
            continue
        path = "transform_param" if kind == "images" else ""
        yield view.finding("DYN027", layer, "warning", f"The data in '{blob.name}' is {what}: {advice}.", path)
        view.explain(blob, "warning")


def _transformed(s: Stats) -> str:
    """What no transformation of pictures is meant to leave, as part of a sentence."""
    if (s.mean_abs or 0.0) > BEYOND_PIXELS:
        return f"{s.mean_abs:.4g} on average, and pixels are at most 255"
    if s.std and abs(s.mean or 0.0) > OFF_CENTRE * s.std:
        return f"{s.mean:.4g} on average, and varies by {s.std:.3g} only"
    return ""


def _degenerate(s: Stats, same_samples: bool | None) -> str:
    if s.nonfinite:
        return "not finite"
    if len(s.shape) < 2:
        return ""
    if s.all_zero:
        return "all 0"
    if s.std == 0:
        return "one constant"
    return "the same in every sample" if same_samples else ""


def _foreign_labels(view: View, layer: LayerResult) -> Finding | None:
    classes = int(layer.facts.get("classes", 0))
    # Caffe truncates a label to an integer, so only the range matters.
    outside = [v for v in layer.facts.get("bad_labels", ()) if not -1 < v < classes]
    if not outside:
        return None
    return view.finding(
        "DYN025",
        layer,
        "error",
        f"{len(outside)} labels are no class of 0..{classes - 1} (such as {outside[0]:g}): the loss reads foreign "
        "memory. Fix the labels or num_output.",
    )


def _softmax_loss(view: View, layer: LayerResult) -> Iterator[Finding]:
    facts = layer.facts
    valid, floored, classes = int(facts["valid"]), int(facts["floored"]), int(facts["classes"])
    scores = layer.node.bottoms[0]
    assert scores is not None
    stats = view.stats(scores)
    explained = scores in view.explained
    if not layer.tops or stats is None:
        return
    loss = layer.tops[0].stats.mean
    if loss is None or valid == 0 or stats.nonfinite or not math.isfinite(loss):
        yield from _odd_loss(view, layer)
        return
    real_labels = any("given" in x.facts.get("values", ()) for x in view.layers)
    if real_labels:
        yield from _labels(view, layer)
    origin = view.origin.get(scores)
    because = [] if origin is None else [(origin, f"'{origin.name}' is where it begins")]
    too_large = loudest(view) if origin is None and stats.rms else None
    if too_large is not None:
        because = [(too_large.node, f"The weights of '{too_large.name}' are too large.{start(too_large)}")]
    if floored == valid:
        cause = f"because of '{because[0][0].name}'" if because else "the scores differ by more than 87"
        yield view.finding(
            "DYN020",
            layer,
            "info" if view.substituted or explained else "warning",
            f"Loss {loss:.6g} is the floor -ln(FLT_MIN) = 87.3365: the true class has probability 0 in every sample "
            f"({cause}). Look for a missing input scale, too large fillers or empty BatchNorm statistics.",
            related=because,
        )
    elif floored and not view.substituted and (real_labels or view.result.weights is None):
        yield view.finding(
            "DYN021",
            layer,
            "warning" if floored > FEW * valid and not explained else "info",
            f"{100 * floored / valid:.3g}% of the samples are at the loss floor (87.34 each): the scores are far too "
            f"large{_of(because)}. Check the scale of the input and the fillers.",
            related=because,
        )
    elif not explained and (stats.rms or 0.0) < CONSTANT_LOGITS and classes > 1 and "NONE" not in _mode(layer):
        chance = math.log(classes)
        if abs(loss - chance) <= NEAR_CHANCE * chance:
            yield view.finding(
                "DYN022",
                layer,
                "info",
                f"Loss {loss:.6g} = ln {classes} with constant scores: the net does not look at its input"
                f"{'.' if view.result.weights else ' yet.'}",
            )
    elif not explained and not view.substituted and view.from_scratch and view.trains and classes > 1:
        yield from _high_loss(view, layer, real_labels, because)
    if not explained:
        yield from _same_answer(view, layer, stats)


def _of(because: list[tuple[Node, str]]) -> str:
    return f" because of '{because[0][0].name}'" if because else ""


def _labels(view: View, layer: LayerResult) -> Iterator[Finding]:
    """DYN026: labels that were given, and tell nothing."""
    valid, positions = int(layer.facts["valid"]), int(layer.facts["positions"])
    if positions - valid > IGNORED * positions:
        yield view.finding(
            "DYN026",
            layer,
            "warning",
            f"{100 * (1 - valid / positions):.3g}% of the labels are ignore_label: hardly anything is learned "
            "from this batch.",
        )
    elif layer.facts["classes_seen"] == 1 and valid >= ONE_CLASS and int(layer.facts["classes"]) > 1:
        yield view.finding(
            "DYN026",
            layer,
            "warning",
            f"All {valid} labels of this batch are the same class: the data is probably not shuffled.",
        )


def _high_loss(view: View, layer: LayerResult, real: bool, because: list[tuple[Node, str]]) -> Iterator[Finding]:
    """DYN023: the loss of one label, whatever it is divided by, against ln K."""
    each, chance = float(layer.facts["each"]), math.log(int(layer.facts["classes"]))
    if each > HIGH_LOSS * chance:
        yield view.finding(
            "DYN023",
            layer,
            "warning" if real else "info",
            f"The loss starts at {each:.4g} for each label, {each / chance:.3g} times ln {layer.facts['classes']}, "
            f"what guessing costs: the scores are too large{_of(because)}. Check the scale before the last layer.",
            related=because,
        )


def _same_answer(view: View, layer: LayerResult, scores: Stats) -> Iterator[Finding]:
    """DYN018: scores (N, K) that hardly differ from sample to sample, and not because they are all but 0."""
    if len(scores.shape) != 2 or scores.shape[0] < ENOUGH or scores.shape[1] < 2 or not view.data_varies:
        return
    rms = scores.rms or 0.0
    across = math.sqrt(float(scores.spread.sum()) / scores.count)
    if rms < CONSTANT_LOGITS or across >= ALIKE * rms or int(layer.facts["classes_seen"]) < 2:
        return
    best = int((scores.total / scores.per_channel).argmax())
    yield view.finding(
        "DYN018",
        layer,
        "warning" if view.result.weights else "info",
        f"All {scores.shape[0]} samples get class {best} with almost equal scores: the net tells none from another.",
    )


def _mode(layer: LayerResult) -> str:
    return str(layer.node.param("loss_param").get("normalization") or "")


def _odd_loss(view: View, layer: LayerResult) -> Iterator[Finding]:
    if not layer.tops or (layer.facts.get("valid") is None and not layer.tops[0].stats.nonfinite):
        return
    stats = layer.tops[0].stats
    if layer.facts.get("valid") == 0:
        yield view.finding("DYN024", layer, "warning", "The loss counts no sample: every label is ignore_label.")
    elif stats.nonfinite and not any(b in view.explained for b in layer.node.bottoms):
        yield view.finding(
            "DYN024", layer, "warning", f"The loss of '{layer.name}' is not finite although its inputs are."
        )


def _ignores_input(view: View) -> Iterator[Finding]:
    """DYN005, unless a zero or an explosion above already says why.

    Weights of 0 that leave only a bias are the origin where something behind them is the same for every sample. A last
    classifier may start so, and a layer that only tells others how to look at the data (a spatial transformer's).
    """
    if not view.data_varies:
        return
    held = [x for x in view.layers if _zero_weights(x)]
    for layer in view.layers:
        for blob, top in zip(layer.node.tops, layer.tops, strict=False):
            if not top.same_samples or top.stats.nonfinite or top.stats.count < 2 or blob in view.explained:
                continue
            if top.stats.all_zero or _zero_weights(layer) or layer.facts.get("values"):
                continue  # reported as a collapse, or a classifier that starts at 0
            if any((s := view.stats(b)) is not None and s.all_zero for b in layer.node.bottoms):
                continue
            if not layer.node.bottoms or layer.node.type in ("PriorBox", "Parameter", "Accuracy"):
                continue
            origin = next((x for x in held if layer.node in view.behind(x.node.tops[0], lambda _: True)), layer)
            if origin is not layer and not feeds_weights(origin.node.tops[0]):
                continue
            why = ": its weights are all 0, and only its bias is left" if origin is not layer else ""
            yield view.finding(
                "DYN005",
                origin,
                "warning",
                f"'{origin.tops[0].name}' is the same for every sample of the batch although the data differs: the net "
                f"ignores its input at '{origin.name}'{why}.",
            )
            return


def _zero_weights(layer: LayerResult) -> bool:
    weight = param(layer, "weight")
    if weight is None:
        return False
    if layer.node.type in WEIGHTED and layer.tops:
        # Weights of 0 leave the bias alone, one constant a channel: only then the weights are looked at.
        stats = layer.tops[0].stats
        if stats.channels == weight.shape[0] and not stats.constant_channels.all():
            return False
    return weight.before.all_zero
