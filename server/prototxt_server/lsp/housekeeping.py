"""Garbage collection while nobody waits.

Nodes and blobs of a net point at each other, so each keystroke leaves a net of cyclic garbage, and Python's collector,
left alone, walks over everything that is open (100 ms for ResNet-152) in the middle of some keystroke. Here it is off;
what is long-lived is frozen, and the rest, a few nets, is collected in the pause after a change. Everything is looked
through only when the user rests after documents were opened or closed, or after many changes.
"""

from __future__ import annotations

import asyncio
import gc

PAUSE_S = 0.05
REST_S = 5.0
CHANGES_WITHOUT_PAUSE = 20
"""So many changes are let through without any collection: about ten megabytes for a large net."""
MANY_CHANGES = 500


class Housekeeping:
    """Call `changed` after every change of a document, `opened` when one was opened or closed."""

    def __init__(self) -> None:
        self._pause: asyncio.TimerHandle | None = None
        self._rest: asyncio.TimerHandle | None = None
        self._since_pause = 0
        self._since_rest = 0

    def start(self) -> None:
        """Take over from the automatic collector."""
        gc.disable()
        thorough()

    def opened(self) -> None:
        """Look through everything in the next rest."""
        self._since_rest = MANY_CHANGES
        self.changed()

    def changed(self) -> None:
        """Collect in the next pause; at once when there has been none for long."""
        for timer in (self._pause, self._rest):
            if timer is not None:
                timer.cancel()
        self._since_pause += 1
        self._since_rest += 1
        loop = asyncio.get_running_loop()
        self._pause = loop.call_later(0 if self._since_pause >= CHANGES_WITHOUT_PAUSE else PAUSE_S, self._tidy)
        if self._since_rest >= MANY_CHANGES:
            self._rest = loop.call_later(REST_S, self._thorough)

    def _tidy(self) -> None:
        self._since_pause = 0
        tidy()

    def _thorough(self) -> None:
        self._since_rest = 0
        thorough()


def tidy() -> None:
    """Collect what is not frozen."""
    gc.collect()


def thorough() -> None:
    """Collect everything, then freeze what is left."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
