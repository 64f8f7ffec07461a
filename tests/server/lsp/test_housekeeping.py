"""Garbage goes in the pauses, and after some changes without any."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

from prototxt_server.lsp import housekeeping
from prototxt_server.lsp.housekeeping import Housekeeping


class Knot:
    """Garbage that only the collector can find."""

    def __init__(self) -> None:
        self.myself = self


@pytest.fixture
def keeper() -> Iterator[Housekeeping]:
    keeper = Housekeeping()
    keeper.start()
    yield keeper
    gc.unfreeze()
    gc.enable()


async def test_a_keystroke_does_not_collect(keeper: Housekeeping) -> None:
    knot = weakref.ref(Knot())
    keeper.changed()
    assert knot() is not None


async def test_a_pause_collects(keeper: Housekeeping, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "PAUSE_S", 0.0)
    knot = weakref.ref(Knot())
    keeper.changed()
    while knot() is not None:
        await asyncio.sleep(0)


async def test_changes_without_pause_collect_in_the_end(keeper: Housekeeping, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "PAUSE_S", 3600.0)
    knot = weakref.ref(Knot())
    for _ in range(housekeeping.CHANGES_WITHOUT_PAUSE):
        assert knot() is not None
        keeper.changed()
    while knot() is not None:
        await asyncio.sleep(0)


async def test_a_rest_looks_through_what_was_frozen(keeper: Housekeeping, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was in use when it was frozen, and is garbage now, goes after a document was closed."""
    monkeypatch.setattr(housekeeping, "REST_S", 0.0)
    held = [Knot()]
    knot = weakref.ref(held[0])
    keeper.start()
    held.clear()
    keeper.opened()
    while knot() is not None:
        await asyncio.sleep(0)
