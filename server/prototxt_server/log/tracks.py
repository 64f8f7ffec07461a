"""Numbers that come once an iteration (losses, rates, accuracies): a bounded series and what is remarkable about it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from prototxt_server.log.values import Place, place

POINTS = 512
"""At most so many points of a series are kept; older ones are thinned out."""


@dataclass(slots=True)
class Point:
    """One number of a series. line: the text around it (its whole line, unless that is very long)."""

    iteration: int
    number: float
    row: int
    line: bytes
    start: int
    end: int

    @property
    def place(self) -> Place:
        """Where it stands; made when it is asked for, because most points are soon forgotten."""
        return place(self.row, self.line, self.start, self.end)


@dataclass(slots=True)
class Track:
    """A series. first, last, lowest, highest: of its finite numbers. broken: the first that was not finite.

    same_since: from which point on it has been one and the same number; same_count: how many points that are.
    weight: the loss weight that the log prints beside it, None for a number that is no loss.
    """

    name: str
    weight: float | None = None
    count: int = 0
    first: Point | None = None
    last: Point | None = None
    lowest: Point | None = None
    highest: Point | None = None
    broken: Point | None = None
    same_since: Point | None = None
    same_count: int = 0
    points: list[tuple[int, float]] = field(default_factory=list)
    _stride: int = 1

    def add(self, point: Point) -> None:
        """Take the next number."""
        if self.count % self._stride == 0:
            self.points.append((point.iteration, point.number))
            if len(self.points) >= POINTS:
                self.points = self.points[::2]
                self._stride *= 2
        self.count += 1
        before = self.last.number if self.last is not None else None
        same = before == point.number or (before is not None and math.isnan(before) and math.isnan(point.number))
        if same:
            self.same_count += 1
        else:
            self.same_since, self.same_count = point, 1
        self.first = self.first or point
        self.last = point
        if not math.isfinite(point.number):
            self.broken = self.broken or point
            return
        if self.lowest is None or point.number < self.lowest.number:
            self.lowest = point
        if self.highest is None or point.number > self.highest.number:
            self.highest = point
