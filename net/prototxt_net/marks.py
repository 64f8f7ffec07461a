"""Marks: what the text of one layer alone tells about it, found once and remembered with the text.

A rule that cares about few layers of a net registers a test for them and asks the net for the layers that bear its
mark. However many rules do, a keystroke looks at each layer once, and tests the one that was typed into.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from prototxt_net.file import LayerDef

Test = TypeVar("Test", bound=Callable[[LayerDef], bool])
_TESTS: dict[str, Callable[[LayerDef], bool]] = {}


def mark(name: str) -> Callable[[Test], Test]:
    """Register the test of a mark. It may look at the layer's text and dialect, and at nothing else."""

    def register(test: Test) -> Test:
        _TESTS[name] = test
        return test

    return register


def of(definition: LayerDef) -> tuple[str, ...]:
    """The marks that a layer bears."""
    found = definition.marks
    if found is None or found[0] != len(_TESTS):  # a rule that was imported since has brought a mark of its own
        found = len(_TESTS), tuple([name for name, test in _TESTS.items() if test(definition)])
        definition.marks = found
    return found[1]
