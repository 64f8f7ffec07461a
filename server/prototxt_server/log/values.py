"""What is kept of a log: numbers with their places, gathered into passes."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Part: TypeAlias = Literal["top", "param", "bottom"]
PassPhase: TypeAlias = Literal["TRAIN", "TEST", ""]


@dataclass(slots=True, frozen=True)
class Place:
    """Where something stands in a log. row, column: 0-based, columns in code points.

    line: the text around it, at most a few hundred characters of the line; start, end: where in `line` it stands.
    """

    row: int
    column: int
    line: str
    start: int
    end: int


_AROUND = 240
"""Bytes of a very long line that are shown before and after a place."""


def place(row: int, block: bytes, start: int, end: int) -> Place:
    """The place of block[start:end], with the text around it. A very long line is cut to what is near."""
    first = block.rfind(b"\n", 0, start) + 1
    last = block.find(b"\n", end)
    last = len(block) if last < 0 else last
    column = len(block[first:start].decode("utf-8", "replace"))
    near = max(first, start - _AROUND)
    before = block[near:start].decode("utf-8", "replace").lstrip("\ufffd")
    shown = block[start:end].decode("utf-8", "replace")
    after = block[end : min(last, end + _AROUND)].decode("utf-8", "replace").rstrip("\ufffd\r")
    return Place(row, column, before + shown + after, len(before), len(before) + len(shown))


@dataclass(slots=True, eq=False)
class Slot:
    """One of the numbers that every pass prints: a top's data, a parameter's data or gradient, a bottom's gradient.

    samples: values of the sampled passes, by phase.
    """

    layer: str
    part: Part
    blob: str
    diff: bool
    source: str = ""
    samples: dict[PassPhase, array[float]] = field(default_factory=dict)


@dataclass(slots=True)
class Value:
    """A number at a place. It is mean(|x|) over all elements of the blob."""

    number: float
    place: Place


@dataclass(slots=True)
class Norms:
    """The line "All net params": norms over all learnable parameters, data and gradient."""

    l1_data: float
    l1_diff: float
    l2_data: float
    l2_diff: float
    place: Place


@dataclass(slots=True)
class LayerValues:
    """What one pass printed of one layer, in the order of the log. tops by blob; params by name (mostly an index)."""

    name: str
    tops: dict[str, Value] = field(default_factory=dict)
    params: dict[str, Value] = field(default_factory=dict)
    bottom_diffs: dict[str, Value] = field(default_factory=dict)
    param_diffs: dict[str, Value] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Pass:
    """One forward pass, with its backward pass where one follows.

    phase: "" where the log does not tell. iteration: None where the log ends before it is named. reasons: why the pass
    was kept ("first", "nonfinite", "zero", "large", "gradient", "last").
    """

    number: int
    phase: PassPhase
    iteration: int | None
    layers: dict[str, LayerValues]
    norms: Norms | None
    reasons: set[str]
    run: int = 0

    @property
    def backward(self) -> bool:
        """Whether gradients were printed."""
        return any(layer.bottom_diffs or layer.param_diffs for layer in self.layers.values())

    def tops(self) -> list[tuple[LayerValues, str, Value]]:
        """(layer, blob, value) of every top, in the order of the log."""
        return [(layer, blob, value) for layer in self.layers.values() for blob, value in layer.tops.items()]
