"""Replacements in the text, and the edits that know a prototxt's layout."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(slots=True, frozen=True, order=True)
class Edit:
    """Replace text[start:end] by `content`; offsets into the whole text."""

    start: int
    end: int
    content: str


class Applied(NamedTuple):
    """The new text and the edits that are in it, in order."""

    text: str
    edits: tuple[Edit, ...]


def apply_edits_reporting(text: str, edits: Iterable[Edit]) -> Applied:
    """Apply edits from the front; one that overlaps an earlier one, or lies outside of the text, is left out.

    Two insertions at the same place are both made, in the order of their contents; an equal edit given twice is made
    once.
    """
    parts: list[str] = []
    done: list[Edit] = []
    position = 0
    for edit in sorted(set(edits)):
        if edit.start < position or not edit.start <= edit.end <= len(text):
            continue
        parts += (text[position : edit.start], edit.content)
        position = edit.end
        done.append(edit)
    parts.append(text[position:])
    return Applied("".join(parts), tuple(done))


def apply_edits(text: str, edits: Iterable[Edit]) -> str:
    """The text with the edits made; see `apply_edits_reporting` for what becomes of overlapping ones."""
    return apply_edits_reporting(text, edits).text
