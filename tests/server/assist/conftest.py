"""Nets with a cursor in them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from prototxt_server.analysis import Analysis, Settings, Source
from prototxt_server.engine import analyze

CURSOR = "‸"


@pytest.fixture
def at_cursor() -> Callable[..., tuple[Analysis, int]]:
    """The analysis of a text with one `‸` in it, and where that stood."""

    def make(marked: str, dialect: str = "bvlc", phase: str = "auto") -> tuple[Analysis, int]:
        offset = marked.index(CURSOR)
        return analyze(Source(marked.replace(CURSOR, "")), Settings(dialect=dialect, phase=phase)), offset

    return make
