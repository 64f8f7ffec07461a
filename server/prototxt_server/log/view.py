"""A log as judges look at it: its passes, what is known of its layers, and what has already been explained."""

from __future__ import annotations

from collections.abc import Iterator

from prototxt_server.log.knowledge import Knowledge
from prototxt_server.log.record import Log
from prototxt_server.log.values import LayerValues, Pass, Value


class View:
    """explained: per pass number, the layers whose trouble has a verdict or follows from one that has."""

    def __init__(self, log: Log, known: Knowledge) -> None:
        self.log = log
        self.known = known
        self.explained: dict[int, set[str]] = {}
        self.reported: set[tuple[str, str]] = set()

    def first_time(self, code: str, layer: str) -> bool:
        """Whether this is the first verdict of that code about that layer; remembers it."""
        new = (code, layer) not in self.reported
        self.reported.add((code, layer))
        return new

    def explain_from(self, kept: Pass, layer: str) -> None:
        """Everything from this layer on, in the order of the pass, is a consequence."""
        names = list(kept.layers)
        self.explained.setdefault(kept.number, set()).update(names[names.index(layer) :])

    def is_explained(self, kept: Pass, layer: str) -> bool:
        """Whether something above says why."""
        return layer in self.explained.get(kept.number, ())

    def data_scale(self, kept: Pass) -> float:
        """The largest mean |x| of the data tops (labels left out); 0 when the pass shows none."""
        found = [
            value.number
            for layer in kept.layers.values()
            if self.known.is_source(layer, kept)
            for blob, value in layer.tops.items()
            if not self.known.is_label(blob)
        ]
        return max(found, default=0.0)

    def signals(self, kept: Pass) -> Iterator[tuple[LayerValues, str, Value]]:
        """Tops that carry the signal: neither data nor labels nor what is printed for people."""
        for layer, blob, value in kept.tops():
            if not (
                self.known.is_source(layer, kept)
                or self.known.is_output(layer, blob)
                or (self.known.is_label(blob) and self.known.node(layer.name) is None)
            ):
                yield layer, blob, value

    def healthy_before(self, kept: Pass, layer: str, blob: str) -> tuple[Pass, Value] | None:
        """The same top in the first pass of the run that was kept, when that is an earlier one."""
        for other in self.log.passes:
            if other.number < kept.number and other.run == kept.run and other.phase in (kept.phase, "TRAIN"):
                found = other.layers.get(layer)
                if found is not None and blob in found.tops:
                    return other, found.tops[blob]
        return None


def when(kept: Pass) -> str:
    """In words for the middle of a sentence: `in iteration 3`, `in the test of iteration 0`, `in this pass`."""
    if kept.iteration is None:
        return "in this pass"
    return f"in the test of iteration {kept.iteration}" if kept.phase == "TEST" else f"in iteration {kept.iteration}"


def figure(number: float) -> str:
    """A number as Caffe prints it, in four digits."""
    return f"{number:.4g}"


def layers(count: int) -> str:
    """`1 layer`, `2 layers`."""
    return f"{count} layer" if count == 1 else f"{count} layers"
