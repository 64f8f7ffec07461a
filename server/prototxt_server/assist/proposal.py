"""One proposal of completion, and the text that it puts in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["field", "message", "enum", "layer-type", "filler", "blob", "word", "snippet", "rule"]
_PLACE = re.compile(r"\$\d+")
_PLACE_WITH_DEFAULT = re.compile(r"\$\{\d+:((?:[^}\\]|\\.)*)\}")
_ESCAPED = re.compile(r"\\([$}\\])")


@dataclass(slots=True, frozen=True)
class Item:
    """One proposal. text replaces what stands from start to the offset; it is a snippet of the protocol.

    order: the smaller, the further up. more: where the cursor then stands there is something to propose again.
    doc_key: what `completion.document` turns into Markdown when the proposal is looked at.
    """

    label: str
    kind: Kind
    detail: str
    text: str
    start: int
    order: int = 5
    deprecated: bool = False
    more: bool = False
    doc_key: tuple[str, str, str] = ("", "", "")

    @property
    def plain(self) -> str:
        """The text for an editor without snippets."""
        text = _PLACE_WITH_DEFAULT.sub(r"\1", _PLACE.sub("", self.text))
        return _ESCAPED.sub(r"\1", text)


def literal(text: str) -> str:
    """Any text as a part of a snippet."""
    return re.sub(r"([$}\\])", r"\\\1", text)
