"""A pass of a log beside one batch of the same net run here: where do the numbers part?

Both are Caffe's own lines, read by the same reader. Fresh weights are drawn anew and synthetic data is not the user's,
so digits never agree; sizes do, until the first layer that does something else in the log than the net says.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from prototxt_server.log.knowledge import Knowledge
from prototxt_server.log.record import Log
from prototxt_server.log.values import LayerValues, Pass, Value

GRADIENTS = 10.0
"""Gradients may differ by so many times the factor: they depend on the batch size and on the labels."""
OVERFLOWING = 1e30
"""Beyond this a value and one that is not finite count as the same."""


@dataclass(slots=True)
class Row:
    """One number. what: "top conv1", "parameter blob 0", "gradient of ...". here: None where our pass has none."""

    layer: str
    what: str
    log: float
    here: float | None
    agrees: bool


@dataclass(slots=True)
class Comparison:
    """All numbers of the pass in the order of the log. first: the first layer that disagrees, None when none does.

    data: whether the data itself differs in size (rows of data layers never count as the first disagreement).
    """

    kept: Pass
    factor: float
    device: str = ""
    phase: str = ""
    batch: int | None = None
    rows: list[Row] = field(default_factory=list)
    first: Row | None = None
    data: Row | None = None


def chosen(log: Log) -> Pass | None:
    """The pass to compare: the first of the training, in which weights are as the fillers left them; else the first."""
    training = (kept for kept in log.passes if kept.phase == "TRAIN")
    return next(training, None) or next(iter(log.passes), None)


def compare(kept: Pass, here: Log, known: Knowledge, factor: float) -> Comparison:
    """Lay the first pass of `here` beside `kept`. Layers that only one of them has (Split layers) are left out."""
    found = Comparison(kept, factor)
    ours = here.passes[0] if here.passes else None
    if ours is None:
        return found
    for values in kept.layers.values():
        other = ours.layers.get(values.name)
        if other is None:
            continue
        source = known.is_source(values, kept)
        for what, number, mine in _numbers(values, other, forward=True):
            row = Row(values.name, what, number, mine, mine is None or _agree(number, mine, factor))
            found.rows.append(row)
            if row.agrees or _small(known, values, what):
                continue
            if source:
                found.data = found.data or row
            else:
                found.first = found.first or row
    for values in reversed(kept.layers.values()):
        other = ours.layers.get(values.name)
        if other is None:
            continue
        for what, number, mine in _numbers(values, other, forward=False):
            row = Row(values.name, what, number, mine, mine is None or _agree(number, mine, GRADIENTS * factor))
            found.rows.append(row)
            if not row.agrees:
                found.first = found.first or row
    return found


def _numbers(values: LayerValues, other: LayerValues, forward: bool) -> list[tuple[str, float, float | None]]:
    groups: tuple[tuple[str, dict[str, Value], dict[str, Value]], ...]
    if forward:
        # weights first: where they differ the top does so because of them
        groups = (("parameter blob", values.params, other.params), ("top", values.tops, other.tops))
    else:
        groups = (
            ("gradient of bottom", values.bottom_diffs, other.bottom_diffs),
            ("gradient of parameter blob", values.param_diffs, other.param_diffs),
        )
    return [
        (f"{what} {name}", value.number, theirs[name].number if name in theirs else None)
        for what, mine, theirs in groups
        for name, value in mine.items()
    ]


def _small(known: Knowledge, values: LayerValues, what: str) -> bool:
    """A label, an accuracy, or the mean of a normalisation: numbers about the data, or around 0."""
    if values.name.lower().startswith(("label", "acc")) or what in ("top label", "top accuracy"):
        return True
    roles = dict(zip(values.params, known.roles(values), strict=False))
    return roles.get(what.removeprefix("parameter blob ")) == "mean"


def _agree(one: float, other: float, factor: float) -> bool:
    if not (math.isfinite(one) and math.isfinite(other)):
        # Caffe sums |x| in single precision, so a large blob prints inf some decades before its elements overflow
        return not any(math.isfinite(number) and abs(number) < OVERFLOWING for number in (one, other))
    if one == 0 or other == 0:
        return one == other
    return 1 / factor <= one / other <= factor
