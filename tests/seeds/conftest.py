"""The founding cases: what people wrote when they were stuck, read from the reference data, and nets of our own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from prototxt_server.analysis import Analysis, Settings, Source
from prototxt_server.engine import analyze


@pytest.fixture(scope="session")
def seed(shared: Path) -> Callable[[int, str, str], str]:
    """The text of seed `number` from the first `begin` up to the next `end` behind it (both given word for word)."""

    def cut(number: int, begin: str, end: str) -> str:
        text = next((shared / "seeds").glob(f"{number:03d}_*.txt")).read_text(encoding="utf-8")
        start = text.index(begin)
        return text[start : text.index(end, start)] if end else text[start:]

    return cut


@pytest.fixture(scope="session")
def check() -> Callable[..., Analysis]:
    """Analyse a text: `check(text, "nvidia-0.15", filename="net.prototxt", select=())`."""

    def run(text: str, dialect: str = "auto", filename: str = "net.prototxt", select: tuple[str, ...] = ()) -> Analysis:
        return analyze(Source(text, filename), Settings(dialect=dialect, extend_select=select))

    return run
