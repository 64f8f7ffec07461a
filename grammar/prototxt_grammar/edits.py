"""Replacements in the text, and the edits that know a prototxt's layout."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Edit(NamedTuple):
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


# --- layout ----------------------------------------------------------------------------------------------------------


def line_start(text: str, offset: int) -> int:
    """Where the line of `offset` begins, as `LineIndex` counts lines."""
    if text.startswith("\r\n", offset - 1) and offset > 0:
        offset -= 1
    line = text.rfind("\n", 0, offset) + 1
    return max(line, text.rfind("\r", line, offset) + 1)  # no search for "\r" through a text that has none


def line_end(text: str, offset: int) -> int:
    """Where the line of `offset` ends, before its line break; an offset inside of CRLF is still in that line."""
    if text.startswith("\r\n", offset - 1) and offset > 0:
        return offset - 1
    end = text.find("\n", offset)
    end = len(text) if end < 0 else end
    mark = text.find("\r", offset, end)
    return end if mark < 0 else mark


def indent_of(text: str, offset: int) -> str:
    """The blanks and tabs with which the line of `offset` begins."""
    start = line_start(text, offset)
    return text[start : skip_blanks(text, start)]


def skip_blanks(text: str, offset: int) -> int:
    """Where the blanks and tabs from `offset` on end."""
    while offset < len(text) and text[offset] in " \t":
        offset += 1
    return offset


def newline_of(text: str) -> str:
    """The line break that the text uses first: CRLF, or LF. A lone CR is none: it does not end a comment."""
    at = text.find("\n")
    return "\r\n" if at > 0 and text[at - 1] == "\r" else "\n"


def field_removal(text: str, start: int, end: int) -> Edit:
    """Removes the field text[start:end] with its separator and what only served to set it off.

    A field that has its lines to itself goes with them and their line break. Comments stay, since they may speak of
    what follows; of a field that shares a line, the white space before it goes, so that its neighbours keep one space
    between them.
    """
    after = skip_blanks(text, end)
    if text[after : after + 1] in (",", ";"):
        end = after + 1
        after = skip_blanks(text, end)
    first = line_start(text, start)
    before = start
    while before > first and text[before - 1] in " \t":
        before -= 1
    if before > first:  # something stands in front of it
        return Edit(before, end, "")
    last = line_end(text, after)
    if after < last:  # a comment, or the next field: it takes the place
        return Edit(start, after, "")
    if text.startswith("\r\n", last):
        return Edit(first, last + 2, "")
    if last < len(text):
        return Edit(first, last + 1, "")
    # The last line of the file: take the line break before it instead of the one behind.
    return Edit(line_end(text, first - 1) if first > 0 else 0, last, "")


def insert_field(text: str, message_start: int, message_end: int, snippet: str) -> Edit:
    """Puts `snippet` (one or more fields, without indentation) in as the last field of a message.

    message_start: the opening bracket. message_end: behind the closing one, which must be there. In a message that
    spans lines the snippet gets lines of its own, indented as the message's first line is (one step deeper than the
    message where it has none); the lines of the snippet keep their depth among each other. In a message on one line,
    `{}` too, it goes before the closing bracket, its lines joined.
    """
    close = message_end - 1
    body = text[message_start + 1 : close]
    if "\n" not in body:
        joined = " ".join(line.strip() for line in snippet.splitlines())
        kept = message_start + 1 + len(body.rstrip(" \t"))
        return Edit(kept, close, f" {joined} ")
    newline = newline_of(text)
    indent = _body_indent(text, message_start, close)
    lines = newline.join(indent + _as_deep(line, indent) if line.strip() else "" for line in snippet.splitlines())
    closing_line = line_start(text, close)
    if not text[closing_line:close].strip(" \t"):
        return Edit(closing_line, closing_line, lines + newline)
    # The closing bracket shares the line of the last field: it moves to a line of its own.
    kept = message_start + 1 + len(body.rstrip(" \t"))
    return Edit(kept, close, newline + lines + newline + indent_of(text, message_start))


def _as_deep(line: str, indent: str) -> str:
    """A line of a snippet, whose own steps of two spaces become tabs where the text is indented by tabs."""
    body = line.lstrip(" ")
    steps, rest = divmod(len(line) - len(body), 2)
    return ("\t" if "\t" in indent else "  ") * steps + " " * rest + body


def _body_indent(text: str, message_start: int, close: int) -> str:
    """The indentation of the fields of a message: that of its first line with a field, not of nested blocks."""
    outer = indent_of(text, message_start)
    position = text.find("\n", message_start, close) + 1
    while position:
        line = text[position : line_end(text, position)]
        if line.strip() and not line.lstrip().startswith("#") and position + len(line) - len(line.lstrip()) < close:
            return indent_of(text, position)
        position = text.find("\n", position, close) + 1
    return outer + ("\t" if outer.startswith("\t") else "  ")
