"""Where the comments of a text are: what a `#` outside of strings begins."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from .lexicon import terminals


def comments(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of each comment, in order. It ends before a line feed; a lone carriage return is part of it."""
    for match in _strings_and_comments().finditer(text):
        if match.group(1) is not None:
            yield match.span()


def strings(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of each string, in order; one that is not closed ends with its line."""
    for match in _strings_and_comments().finditer(text):
        if match.group(1) is None:
            yield match.span()


@cache
def _strings_and_comments() -> re.Pattern[str]:
    loose = terminals("tolerant.lark")
    return re.compile(f"({terminals()['COMMENT']})|{loose['LOOSE_STRING']}|{loose['OPEN_STRING']}")
