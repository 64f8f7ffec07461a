"""What gradients tell: DYN028, DYN030, DYN031, DYN033.

`[Backward]` lines come in the order of back-propagation, so the first layer of a trouble is the first in the log.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from prototxt_net.finding import Severity
from prototxt_server.log.judge_forward import starts_at_zero
from prototxt_server.log.knowledge import NORMS, STATISTICS
from prototxt_server.log.values import LayerValues, Pass, Value
from prototxt_server.log.verdict import Note, Verdict
from prototxt_server.log.view import View, figure, layers, when

VANISHED = 1e-7
RATIO = 1e-5
NORM_RATIO = 100.0
LARGE = 1e4
SMALL_UPDATE = 0.1
"""Learning rate times gradient, as a share of the weights (L2 norms): what is smaller leaves them what they are."""
DECADES, DEPTH = 1.0, 5


def findings(view: View) -> Iterator[Verdict]:
    """Each kind once, in the first pass that shows it."""
    for kept in view.log.passes:
        if not kept.backward:
            continue
        learning = _learning(view, kept)
        yield from _exploding(view, kept, learning)
        yield from _zero(view, kept)
        yield from _vanishing(view, kept, learning)


def _learning(view: View, kept: Pass) -> list[tuple[LayerValues, str, Value]]:
    """The largest parameter gradient of each layer that learns, from the loss down; statistics left out."""
    found = []
    for values in _downwards(kept):
        diffs = _learnt(view, values)
        if diffs:
            index, value = max(
                diffs.items(), key=lambda item: item[1].number if item[1].number == item[1].number else 0
            )
            found.append((values, index, value))
    return found


def _downwards(kept: Pass) -> list[LayerValues]:
    """Layers with gradients, from the loss down: in the order of the log, however much of it is missing."""

    def begins(values: LayerValues) -> tuple[int, int]:
        place = next(iter((*values.bottom_diffs.values(), *values.param_diffs.values()))).place
        return place.row, place.column

    return sorted((x for x in kept.layers.values() if x.bottom_diffs or x.param_diffs), key=begins)


def _spoilt(kept: Pass) -> tuple[LayerValues, str, Value] | None:
    """The first gradient that is no number: (layer, what it is the gradient of, value)."""
    for values in _downwards(kept):
        named = [(f"its input '{blob}'", value) for blob, value in values.bottom_diffs.items()]
        named += [(f"its parameter blob {index}", value) for index, value in values.param_diffs.items()]
        for what, value in named:
            if not math.isfinite(value.number):
                return values, what, value
    return None


def _learnt(view: View, values: LayerValues) -> dict[str, Value]:
    """The parameter gradients that mean something: those of BatchNorm's statistics are always 0."""
    roles = view.known.roles(values)
    if not roles and view.known.type(values.name) in NORMS and len(values.param_diffs) == 3:
        return {}
    return {
        index: value
        for index, value in values.param_diffs.items()
        if not (index.isdigit() and int(index) < len(roles) and roles[int(index)] in STATISTICS)
        and not (view.known.type(values.name) in NORMS and not roles)
    }


# -- too large -----------------------------------------------------------------------------------------------------
def _exploding(view: View, kept: Pass, learning: list[tuple[LayerValues, str, Value]]) -> Iterator[Verdict]:
    norms = kept.norms
    spoilt = _spoilt(kept)
    if spoilt is not None:
        if not _nonfinite(kept) and view.first_time("DYN031", ""):
            yield _first_nan(view, kept, *spoilt)
        return
    ratio = norms.l2_diff / norms.l2_data if norms is not None and norms.l2_data else 0.0
    largest = max(learning, key=lambda item: item[2].number, default=None)
    if largest is None or not (ratio > NORM_RATIO or (norms is None and largest[2].number > LARGE)):
        return
    rate = view.log.lr.first.number if view.log.lr.first is not None else None
    if rate is not None and rate * (ratio or largest[2].number) < SMALL_UPDATE:
        return  # a loss that is a sum has such gradients, and a rate that makes up for it
    values, index, value = largest
    if view.is_explained(kept, values.name) or not view.first_time("DYN031", ""):
        return  # values that explode in the forward pass make gradients that do
    notes = (Note("norms of all parameters and gradients", norms.place),) if norms is not None and ratio else ()
    size = f"L2 norm {figure(norms.l2_diff)} against {figure(norms.l2_data)}, " if norms is not None and ratio else ""
    times = f"{figure(ratio)} times the weights ({size}" if ratio else "too large ("
    harm = "the first update would destroy them"
    if rate is not None and ratio:
        harm = f"at learning rate {rate:g} an update is {figure(rate * ratio)} times as large as the weights"
    sums = next((v for x, b, v in kept.tops() if view.known.is_output(x, b) and v.number > 100), None)
    advice = (
        f" The loss is {figure(sums.number)}: if it is a sum over elements, divide it (loss normalization) first."
        if sums is not None
        else ""
    )
    yield Verdict(
        "DYN031",
        "warning",
        f"Gradients are {times}largest in '{values.name}', parameter blob {index}: mean |dw| {figure(value.number)}) "
        f"{when(kept)}: {harm}. Lower base_lr or set clip_gradients.{advice}",
        value.place,
        values.name,
        kept,
        notes,
    )


def _nonfinite(kept: Pass) -> bool:
    """Whether the forward pass says why: it has values that are not finite."""
    return any(not math.isfinite(value.number) for _, _, value in kept.tops())


def _first_nan(view: View, kept: Pass, values: LayerValues, what: str, value: Value) -> Verdict:
    word = "NaN" if math.isnan(value.number) else "Inf"
    message = f"{word} first appears in the gradient that '{values.name}' makes for {what} {when(kept)}"
    seen = any(layer.tops for layer in kept.layers.values())
    first = next(iter(_downwards(kept))) is values
    if seen:
        message += ", although all outputs are finite"
    message += ": the update makes weights NaN."
    if first and view.known.type(values.name).endswith("Loss"):
        message += " It comes from the loss: look at the labels, the loss_weight, and scores that are enormous."
    elif first:
        message += " The log begins here, so it may have come from above."
    else:
        message += f" What arrives at '{values.name}' is finite: look at its input (a root, a logarithm or a division "
        message += "near 0), or lower base_lr."
    return Verdict("DYN031", "error" if seen else "warning", message, value.place, values.name, kept)


# -- exactly 0 -----------------------------------------------------------------------------------------------------
def _zero(view: View, kept: Pass) -> Iterator[Verdict]:
    dead = [
        values
        for values in _downwards(kept)
        if (diffs := _learnt(view, values))
        and all(value.number == 0 for value in diffs.values())
        and view.known.needs_backward(values.name) is not False
        and any(view.known.lr(values.name, i) != 0 for i in range(len(diffs)))
    ]
    if _nonfinite(kept) or _spoilt(kept) is not None:
        return  # NaN hides behind zeros
    if not dead or not view.first_time("DYN028", ""):
        return
    first = dead[0]
    value = next(iter(_learnt(view, first).values()))
    stop = _stop(view, kept)
    why = ""
    notes: tuple[Note, ...] = ()
    if stop is not None:
        layer, at = stop
        why = f" The gradient ends at '{layer.name}'"
        tops = list(layer.tops.values())
        zero = tops and all(v.number == 0 for v in tops)
        why += ", whose output is 0." if zero else ", which passes nothing back."
        notes = (Note(f"the gradient is 0 from '{layer.name}' on", at.place),)
    more = f" and {layers(len(dead) - 1)} below it get" if len(dead) > 1 else " gets"
    last = next((p for p in reversed(view.log.passes) if p.backward), kept)
    lasting = last is not kept and _still(last, first)
    severity: Severity = "error" if lasting else "warning"
    outcome = f"{'they learn' if len(dead) > 1 else 'it learns'} nothing from this iteration"
    if lasting:
        outcome = f"{'they' if len(dead) > 1 else 'it'} cannot learn"
        why += f" It is still so {when(last)}."
    elif stop is not None and starts_at_zero(stop[0]):
        severity = "info"
        why = f" The weights of '{stop[0].name}' are 0 but get a gradient, so the first update ends it."
    yield Verdict(
        "DYN028",
        severity,
        f"'{first.name}'{more} a gradient of exactly 0 {when(kept)}: {outcome}.{why}",
        value.place,
        first.name,
        kept,
        notes,
        ("INI001", "INI002", "BN031", "BN022", "FRZ013", "NET015"),
    )


def _still(last: Pass, first: LayerValues) -> bool:
    values = last.layers.get(first.name)
    return values is not None and bool(values.param_diffs) and all(v.number == 0 for v in values.param_diffs.values())


def _stop(view: View, kept: Pass) -> tuple[LayerValues, Value] | None:
    """The first layer, from the loss down, that hands a gradient of 0 down although it got one."""
    arrived: dict[str, float] = {}
    for values in _downwards(kept):
        got = [arrived[blob] for blob in values.tops if blob in arrived]
        for value in values.bottom_diffs.values():
            if value.number == 0 and (not got or any(got)):
                return values, value
        arrived.update({blob: value.number for blob, value in values.bottom_diffs.items()})
    return None


# -- too small -----------------------------------------------------------------------------------------------------
def _vanishing(view: View, kept: Pass, learning: list[tuple[LayerValues, str, Value]]) -> Iterator[Verdict]:
    alive = [item for item in learning if item[2].number > 0 and math.isfinite(item[2].number)]
    if len(alive) < 2:
        return
    top, bottom = alive[0], alive[-1]
    ratio = bottom[2].number / top[2].number
    if bottom[2].number < VANISHED and ratio < RATIO and view.first_time("DYN030", ""):
        yield Verdict(
            "DYN030",
            "warning",
            f"Gradients fall to {figure(bottom[2].number)} at '{bottom[0].name}' ({ratio:.3g} of those of "
            f"'{top[0].name}') {when(kept)}: the lower layers barely learn. Use msra or xavier fillers, BatchNorm or "
            "ReLU.",
            bottom[2].place,
            bottom[0].name,
            kept,
            (Note(f"mean |dw| of '{top[0].name}' is {figure(top[2].number)}", top[2].place),),
            ("INI005", "INI003", "INI012"),
        )
        return
    if view.is_explained(kept, bottom[0].name) or view.is_explained(kept, top[0].name) or len(alive) < DEPTH:
        return
    slope = _slope([math.log10(item[2].number) for item in alive])
    if abs(slope) > DECADES and view.first_time("DYN033", ""):
        yield Verdict(
            "DYN033",
            "info",
            f"Gradient size changes by {abs(slope):.2g} decades a layer between '{top[0].name}' "
            f"({figure(top[2].number)}) and '{bottom[0].name}' ({figure(bottom[2].number)}) {when(kept)}.",
            bottom[2].place,
            bottom[0].name,
            kept,
        )


def _slope(logs: list[float]) -> float:
    """The slope of a straight line through the points (0, logs[0]), (1, logs[1]) ..., by least squares."""
    n = len(logs)
    mean_x, mean_y = (n - 1) / 2, sum(logs) / n
    return sum((x - mean_x) * (y - mean_y) for x, y in enumerate(logs)) / sum((x - mean_x) ** 2 for x in range(n))
