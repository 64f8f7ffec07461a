"""Marks: what the text of one layer alone tells about it, found once and remembered with the text.

A rule that cares about few layers of a net makes its test a mark and asks the net (or the file) for the layers that
bear it. However many rules do so, a keystroke looks at each layer once, and tests the one that was typed into.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from prototxt_net.file import LayerDef

Mark = Callable[[LayerDef], bool]
Test = TypeVar("Test", bound=Mark)
Item = TypeVar("Item")
_MARKS: list[Mark] = []


def mark(test: Test) -> Test:
    """Make a test of a layer a mark. It may look at the layer's text and dialect, and at nothing else."""
    _MARKS.append(test)
    return test


def of(definition: LayerDef) -> tuple[Mark, ...]:
    """The marks that a layer bears."""
    found = definition.marks
    if found is None or found[0] != len(_MARKS):  # a module that was imported since has brought marks of its own
        found = definition.marks = len(_MARKS), tuple([test for test in _MARKS if test(definition)])
    return found[1]


def table(items: Iterable[tuple[LayerDef, Item]]) -> dict[Any, list[Item]]:
    """The items by the marks of their layers, in their order."""
    found: dict[Any, list[Item]] = {}
    for definition, item in items:
        for test in of(definition):
            found.setdefault(test, []).append(item)
    return found


@mark
def source(definition: LayerDef) -> bool:
    """Whether the layer reads no blob."""
    return not definition.bottoms


@mark
def in_place(definition: LayerDef) -> bool:
    """Whether a top has the name of the bottom of the same place."""
    return True in definition.in_place


@mark
def old_style(definition: LayerDef) -> bool:
    """Whether the block is written in the form of V1 or V0."""
    return definition.version < 2


@mark
def weighs_a_top(definition: LayerDef) -> bool:
    """Whether the layer writes a loss_weight."""
    return "loss_weight" in definition.bound.entries
