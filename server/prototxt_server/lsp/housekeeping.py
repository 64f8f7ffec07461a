"""Garbage collection while nobody waits.

Nodes and blobs of a net point at each other, so each keystroke leaves a net of cyclic garbage, and Python's collector,
left alone, walks over everything that is open (100 ms for ResNet-152) in the middle of some keystroke. Here it is off;
what is long-lived is frozen, the rest (a few nets) is collected in the pause after a change, and everything is looked
through when the user has stopped typing.
"""

from __future__ import annotations

import asyncio
import gc

PAUSE_S = 0.05
REST_S = 2.0
CHANGES_WITHOUT_PAUSE = 50
"""So many changes are let through without any collection: some tens of megabytes."""


class Housekeeping:
    """Call `changed` after every change of a document."""

    def __init__(self) -> None:
        self._pause: asyncio.TimerHandle | None = None
        self._rest: asyncio.TimerHandle | None = None
        self._changes = 0

    def start(self) -> None:
        """Take over from the automatic collector."""
        gc.disable()
        thorough()

    def changed(self) -> None:
        """Collect in the next pause; at once when there has been none for long."""
        for timer in (self._pause, self._rest):
            if timer is not None:
                timer.cancel()
        loop = asyncio.get_running_loop()
        self._changes += 1
        pause = 0.0 if self._changes >= CHANGES_WITHOUT_PAUSE else PAUSE_S
        self._pause = loop.call_later(pause, self._tidy)
        self._rest = loop.call_later(REST_S, thorough)

    def _tidy(self) -> None:
        self._changes = 0
        tidy()


def tidy() -> None:
    """Collect what is not frozen."""
    gc.collect()


def thorough() -> None:
    """Collect everything, then freeze what is left."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
