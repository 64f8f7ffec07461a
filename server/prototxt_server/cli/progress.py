"""A progress bar on a terminal, for what takes longer than a second."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")
PATIENCE_S = 1.0


def shown(items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
    """The items, with a bar on standard error from the moment they have taken longer than a second.

    what: what is done to them, for example "Checking". Nothing is drawn where standard error is no terminal, or where
    there are fewer than two; the bar is gone when all is done.
    """
    if total < 2 or not sys.stderr.isatty():
        yield from items
        return
    begun = time.monotonic()
    source = iter(items)
    for done, item in enumerate(source, 1):
        yield item
        if time.monotonic() - begun > PATIENCE_S and done < total:
            yield from _with_bar(source, done, total, what)
            return


def _with_bar(items: Iterator[Item], done: int, total: int, what: str) -> Iterator[Item]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total, completed=done)
        for item in items:
            bar.advance(task)
            yield item
