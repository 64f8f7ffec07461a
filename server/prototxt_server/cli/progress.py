"""A progress bar on a terminal, for what takes longer than a second."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, TextIO, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

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


class Bar:
    """Used as `with Bar("...") as bar: ... bar.show(done, total, what)`. Nothing is shown in the first second."""

    def __init__(self, title: str, stream: TextIO | None = None, patience_s: float = PATIENCE_S) -> None:
        self._title = title
        self._stream = stream or sys.stderr
        self._wanted = self._stream.isatty()
        self._from = time.monotonic() + patience_s
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def show(self, done: int, total: int, what: str) -> None:
        """How far it has come, and what is being done."""
        if not self._wanted or (self._progress is None and time.monotonic() < self._from):
            return
        if self._progress is None:
            self._progress = self._begin()
            self._task = self._progress.add_task(self._title, total=total, what="")
        assert self._task is not None
        self._progress.update(self._task, completed=done, total=total, what=what)

    def _begin(self) -> Progress:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[what]}", markup=False),
            console=Console(file=self._stream),
            transient=True,
        )
        progress.start()
        return progress
