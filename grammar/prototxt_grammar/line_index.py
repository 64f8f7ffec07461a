"""Offsets in the text <-> (line, character), for every position encoding of the language server protocol."""

from __future__ import annotations

import re
from bisect import bisect_right
from itertools import pairwise

_BREAK = re.compile(r"\r\n|\r|\n")
ENCODINGS = ("utf-8", "utf-16", "utf-32")


class LineIndex:
    """The lines of `text`, split at LF, CR LF and CR and nowhere else. Lines and characters count from 0."""

    __slots__ = ("_ascii", "starts", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.starts = [0, *(match.end() for match in _BREAK.finditer(text))]
        self._ascii = text.isascii()

    @property
    def line_count(self) -> int:
        """Number of lines; an empty text has one."""
        return len(self.starts)

    def lines(self) -> list[str]:
        """The lines with their breaks; joined they are the text."""
        return [self.text[start:end] for start, end in pairwise([*self.starts, len(self.text)])]

    def line_of(self, offset: int) -> int:
        """The line that holds `offset`, which is clamped to the text."""
        return bisect_right(self.starts, min(max(offset, 0), len(self.text))) - 1

    def line_range(self, line: int) -> tuple[int, int]:
        """(start, end) of a line without its break; `line` is clamped."""
        line = min(max(line, 0), len(self.starts) - 1)
        start = self.starts[line]
        end = self.starts[line + 1] if line + 1 < len(self.starts) else len(self.text)
        if line + 1 < len(self.starts):
            end -= 2 if self.text.startswith("\r\n", end - 2) and end - 2 >= start else 1
        return start, end

    def position(self, offset: int, encoding: str = "utf-16") -> tuple[int, int]:
        """(line, character) of an offset. Clamped to the text, and inside of a line break to the end of its line."""
        line = self.line_of(offset)
        start, end = self.line_range(line)
        stop = min(max(offset, start), end)
        return line, self._width(start, stop, encoding)

    def offset(self, line: int, character: int, encoding: str = "utf-16") -> int:
        """The offset of (line, character), clamped to the text and to the line; inside of a character: its start."""
        if line < 0:
            return 0
        if line >= len(self.starts):
            return len(self.text)
        start, end = self.line_range(line)
        if self._ascii or encoding == "utf-32":
            return min(start + max(character, 0), end)
        position, left = start, character
        while position < end:
            left -= _units(self.text[position], encoding)
            if left < 0:
                break
            position += 1
        return position

    def _width(self, start: int, stop: int, encoding: str) -> int:
        if self._ascii or encoding == "utf-32":
            return stop - start
        part = self.text[start:stop]
        if part.isascii():
            return stop - start
        return sum(_units(char, encoding) for char in part)

    def updated(self, start: int, end: int, content: str) -> LineIndex:
        """The index of the text with text[start:end] replaced by `content`, at the price of the lines touched."""
        old, starts = self.text, self.starts
        new = old[:start] + content + old[end:]
        # A break is two characters at most, so one character beside the edit may belong to a new or a lost one.
        first = bisect_right(starts, max(start - 1, 0)) - 1
        last = bisect_right(starts, min(end + 1, len(old)))
        shift = len(new) - len(old)
        window_start = starts[first]
        window_end = starts[last] + shift if last < len(starts) else len(new)
        index = LineIndex.__new__(LineIndex)
        index.text = new
        index._ascii = self._ascii and content.isascii() if self._ascii else new.isascii()
        index.starts = [
            *starts[: first + 1],
            *(match.end() for match in _BREAK.finditer(new, window_start, window_end)),
            *[place + shift for place in starts[last + 1 :]],
        ]
        return index


def _units(char: str, encoding: str) -> int:
    """Code units of one character; a lone surrogate counts as what its code point would take."""
    code = ord(char)
    if encoding == "utf-16":
        return 2 if code > 0xFFFF else 1
    return 1 if code < 0x80 else 2 if code < 0x800 else 3 if code < 0x10000 else 4
