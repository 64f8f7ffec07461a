"""A layered drawing of a directed graph without cycles: which row each box is in, its place in the row, and the edges.

The steps of Sugiyama, Tagawa and Toda (1981): rows by the longest path, edges over several rows broken by invisible
boxes, an order in each row that crosses few edges (medians of the neighbours), and places that keep to the order and
lie close to the neighbours (least squares under the order, by pooling adjacent violators).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

SWEEPS, PLACE_SWEEPS = 8, 100
LANE = 16.0
"""Width of the lane that an edge takes where it passes a row."""

GAP_X, GAP_Y = 22.0, 34.0


@dataclass(slots=True, eq=False)
class Box:
    """A box to place. x: its centre, y: its top; both are results. edge: only the lane of an edge in that row."""

    key: int
    width: float
    height: float
    edge: bool = False
    row: int = 0
    x: float = 0.0
    y: float = 0.0
    above: list[Box] = field(default_factory=list, repr=False)
    below: list[Box] = field(default_factory=list, repr=False)


@dataclass(slots=True)
class Drawing:
    """The result. paths: for each edge the boxes that it passes, both ends included. rows: each row's (top, height)."""

    boxes: list[Box]
    paths: dict[tuple[int, int], list[Box]]
    rows: list[tuple[float, float]]
    width: float
    height: float


def arrange(sizes: Sequence[tuple[float, float]], edges: Iterable[tuple[int, int]]) -> Drawing:
    """Place boxes of the given (width, height). edges: (from, to), indices with from < to; repeated ones count once."""
    boxes = [Box(i, width, height) for i, (width, height) in enumerate(sizes)]
    unique = sorted({(a, b) for a, b in edges if a < b})
    _rows(boxes, unique)
    every = list(boxes)
    paths = {edge: _path(boxes[edge[0]], boxes[edge[1]], every) for edge in unique}
    table: list[list[Box]] = [[] for _ in range(max((box.row for box in boxes), default=-1) + 1)]
    for box in every:
        table[box.row].append(box)
    _order(table)
    _place(table)
    rows, y = [], 0.0
    for row in table:
        height = max((box.height for box in row), default=0.0)
        for box in row:
            box.y = y
        rows.append((y, height))
        y += height + GAP_Y
    left = min((box.x - box.width / 2 for box in every), default=0.0)
    for box in every:
        box.x -= left
    right = max((box.x + box.width / 2 for box in every), default=0.0)
    return Drawing(boxes, paths, rows, right, max(y - GAP_Y, 0.0))


def _rows(boxes: list[Box], edges: list[tuple[int, int]]) -> None:
    """The longest path from a source; a source itself stands just above the first box that it feeds."""
    into: dict[int, list[int]] = {}
    out: dict[int, list[int]] = {}
    for a, b in edges:
        into.setdefault(b, []).append(a)
        out.setdefault(a, []).append(b)
    for box in boxes:
        box.row = max((boxes[a].row + 1 for a in into.get(box.key, ())), default=0)
    for box in boxes:
        if box.key not in into and box.key in out:
            box.row = min(boxes[b].row for b in out[box.key]) - 1


def _path(start: Box, end: Box, every: list[Box]) -> list[Box]:
    path = [start]
    for row in range(start.row + 1, end.row):
        lane = Box(len(every), LANE, 0.0, True, row)
        every.append(lane)
        path.append(lane)
    path.append(end)
    for upper, lower in pairwise(path):
        upper.below.append(lower)
        lower.above.append(upper)
    return path


def _order(table: list[list[Box]]) -> None:
    """Sort each row by the medians of its neighbours, down and up in turn."""
    place = {box: float(i) for row in table for i, box in enumerate(row)}
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        for row in table if down else reversed(table):
            wanted = {}
            for box in row:
                near = box.above if down else box.below
                wanted[box] = median(place[other] for other in near) if near else place[box]
            row.sort(key=lambda box: wanted[box])
            for i, box in enumerate(row):
                place[box] = float(i)


def _place(table: list[list[Box]]) -> None:
    for row in table:
        middle = sum(box.width + GAP_X for box in row) / 2
        at = -middle
        for box in row:
            box.x = at + (box.width + GAP_X) / 2
            at += box.width + GAP_X
    for sweep in range(PLACE_SWEEPS):
        for row in table if sweep % 2 == 0 else reversed(table):
            _spread(row, [_wanted(box) for box in row])


def _wanted(box: Box) -> tuple[float, float]:
    """The mean of the neighbours' places and its weight; all are drawn a little to one line, so that nothing drifts."""
    total, weight = 0.0, _TO_THE_LINE
    for other in (*box.above, *box.below):
        upper, lower = (other, box) if other.row < box.row else (box, other)
        chain = len(upper.below) == 1 == len(lower.above)
        pull = _CHAIN if chain else _PULL[box.edge + other.edge]
        total += pull * other.x
        weight += pull
    return total / weight, weight


_PULL, _CHAIN = (1.0, 2.0, 8.0), 8.0
"""How hard neighbours draw, by how many of the two are lanes: long edges run straight (Gansner et al. 1993), and so do
chains of boxes."""

_TO_THE_LINE = 0.02


def _spread(row: list[Box], wanted: list[tuple[float, float]]) -> None:
    """The places closest to the wanted ones that keep the order and the distances.

    With the distances taken off, that is isotonic regression: neighbours that would cross are pooled at their mean.
    """
    offsets, at = [], 0.0
    for i, box in enumerate(row):
        if i:
            at += (row[i - 1].width + box.width) / 2 + GAP_X
        offsets.append(at)
    pools: list[tuple[float, float, int]] = []  # (weighted mean, weight, boxes)
    for (want, pull), offset in zip(wanted, offsets, strict=True):
        mean, weight, size = want - offset, pull, 1
        while pools and pools[-1][0] > mean:
            other, heavy, more = pools.pop()
            mean = (mean * weight + other * heavy) / (weight + heavy)
            weight, size = weight + heavy, size + more
        pools.append((mean, weight, size))
    places = [mean for mean, _, size in pools for _ in range(size)]
    for box, place, offset in zip(row, places, offsets, strict=True):
        box.x = place + offset
