"""A net that somebody pasted beside a log: its layers, at the places where they stand."""

from __future__ import annotations

import re

LARGEST = 1 << 20
"""Bytes up to which a text is looked through: what is larger was not pasted by hand."""
_HEAD = re.compile(r"\blayers?\s*\{")
_BRACE = re.compile(r"[{}]|\"[^\"\n]*\"|'[^'\n]*'")
_SWALLOWING = re.compile(r"#\s*\w+\s*:\s*[^\s{}]+")
"""A commented field. Where line ends were lost, the rest of the line would be part of the comment."""
_LINE = re.compile(r"[^\r\n]")


def layers(text: str) -> str:
    """The text with everything blanked out that is no layer, so that rows and columns stay; "" without a layer."""
    kept: list[str] = []
    at = 0
    for head in _HEAD.finditer(text):
        if head.start() < at:
            continue
        end = _end(text, head.end())
        if end is None:
            break
        kept.append(_LINE.sub(" ", text[at : head.start()]))
        kept.append(_uncommented(text[head.start() : end]))
        at = end
    return "".join([*kept, _LINE.sub(" ", text[at:])]) if kept else ""


def _end(text: str, start: int) -> int | None:
    """Where the block that was opened before `start` is closed; None where it is not."""
    depth = 1
    for found in _BRACE.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(found[0], 0)
        if not depth:
            return found.end()
    return None


def _uncommented(block: str) -> str:
    if "\n" in block:
        return block
    return _SWALLOWING.sub(lambda found: " " * len(found[0]), block)
