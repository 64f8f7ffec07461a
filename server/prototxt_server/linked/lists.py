"""Lists of images: the labels in them, read as ImageData reads them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_INTEGER = re.compile(r"[ \t\n\v\f\r]*([+-]?[0-9]+)")  # what C's atoi takes
_WHOLE = re.compile(r"[ \t]*[+-]?[0-9]+[ \t\r]*")
_LINES = 1_000_000


@dataclass(slots=True, frozen=True, eq=False)
class ImageList:
    """A list. path: openable from the current folder. count: its lines. labels: for each label its first line, from 1.

    odd: the first label that is no whole number, as (line, text); None when there is none.
    """

    path: str
    count: int
    labels: Mapping[int, int]
    odd: tuple[int, str] | None = None


def read_list(path: str, text: str) -> ImageList | None:
    """A list of `name label` lines; the label stands behind the last space. None for an overlong one."""
    lines = text.removesuffix("\n").split("\n") if text else []
    if len(lines) > _LINES:
        return None
    labels: dict[int, int] = {}
    odd: tuple[int, str] | None = None
    for number, line in enumerate(lines, 1):
        word = line[line.rfind(" ") + 1 :]
        match = _INTEGER.match(word)
        labels.setdefault(int(match[1]) if match else 0, number)
        if odd is None and word != "" and _WHOLE.fullmatch(word) is None:
            odd = number, word.strip()
    return ImageList(path, len(lines), labels, odd)
