"""SYN008: bytes that are not plain UTF-8 text."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from typing import TYPE_CHECKING

from prototxt_grammar.comments import comments
from prototxt_grammar.edits import Edit
from prototxt_net.finding import Finding, Fix
from prototxt_net.words import count
from prototxt_server.rules.base import Example, Rule, rule
from prototxt_server.rules.example_nets import IMAGE

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis

BOM = "\ufeff"
_INVALID = re.compile("[\udc80-\udcff]+")
_FIELD_BEHIND_CR = re.compile(r"\r[ \t]*\w+[ \t]*[:{<]")


@rule
class Encoding(Rule):
    """A file that is not plain UTF-8.

    ## What it does
    Reports binary data, a byte-order mark, NUL characters and UTF-16 (errors), and, as warnings, invalid UTF-8 inside
    strings and lines that end in a lone carriage return behind a comment.

    ## Why is this bad?
    Caffe's parser takes a byte-order mark for an unexpected character and stops at line 1, column 1; a NUL stops it
    too. Invalid bytes in a string are read with a warning in the log. In comments they do no harm and are not reported.
    A comment ends at a line feed: where the lines of a file end in carriage returns alone, as on old Macs, Caffe takes
    everything behind the first `#` for one comment, up to a net without layers that loads without a word.

    ## Fix safety
    Safe: the mark and the NUL characters are deleted. Unsafe: carriage returns become line feeds, which brings back the
    layers that Caffe has skipped. The others need the file to be saved anew.
    """

    code = "SYN008"
    name = "encoding"
    severity = "error"
    fix_safety = "safe"
    GOOD = (Example("# größer\n" + IMAGE),)
    BAD = (
        Example(BOM + IMAGE, fixed=IMAGE),
        Example(IMAGE + "\0", fixed=IMAGE),
        Example(("# the net\n" + IMAGE).replace("\n", "\r"), fixed="# the net\n" + IMAGE),
    )

    def check_file(self, analysis: Analysis) -> Iterable[Finding]:
        """One finding for each kind of damage, at its first place."""
        if analysis.source.encoding_problem == "UTF-16":
            message = "the file is UTF-16: Caffe reads bytes and stops at the first. Save it as UTF-8 without BOM."
            yield self.in_file(analysis.file, message, 0, 0, aborts=True)
        if analysis.source.encoding_problem == "binary":
            message = (
                "this is binary data, not text: Caffe cannot read it as a net. If it holds trained weights, name the "
                "net's .prototxt here and give this file to `lsp forward --weights`."
            )
            yield self.in_file(analysis.file, message, 0, 0, aborts=True)
        text = analysis.tree.text
        if text.startswith(BOM):
            message = (
                "the file starts with a byte-order mark: Caffe stops at line 1, column 1. Save it as UTF-8 without BOM."
            )
            yield self.in_file(
                analysis.file, message, 0, 1, aborts=True, fix=Fix("safe", "Delete the mark", (Edit(0, 1, ""),))
            )
        if "\0" in text:
            at = text.index("\0")
            message = "the file contains a NUL character: Caffe refuses it. Delete it."
            edits = tuple(Edit(i, i + 1, "") for i, c in enumerate(text) if c == "\0")
            yield self.in_file(
                analysis.file,
                message,
                at,
                at + 1,
                aborts=not _in_one_of(list(comments(text.replace("\0", " "))), at),
                fix=Fix("safe", "Delete it", edits),
            )
        if analysis.source.encoding_problem and not text.isascii():
            yield from self._damaged(analysis, text)
        if "\r" in text:
            yield from self._swallowed(analysis, text)

    def _damaged(self, analysis: Analysis, text: str) -> Iterable[Finding]:
        """Invalid bytes are lone surrogates in the text; those in comments do no harm."""
        inside = list(comments(text))
        places = [match.start() for match in _INVALID.finditer(text) if not _in_one_of(inside, match.start())]
        if places:
            more = f" and at {count(len(places) - 1, 'more place')}" if len(places) > 1 else ""
            message = (
                f"invalid UTF-8 here{more}: Caffe reads it, with a warning, and other tools may not. Save the file as "
                "UTF-8."
            )
            yield self.in_file(analysis.file, message, places[0], places[0] + 1, severity="warning")

    def _swallowed(self, analysis: Analysis, text: str) -> Iterable[Finding]:
        """A comment that holds what stands on later lines for everybody but Caffe."""
        for start, end in comments(text):
            match = _FIELD_BEHIND_CR.search(text, start, end)
            if match:
                message = (
                    "the line of this comment ends in a carriage return alone, which ends no comment: Caffe skips "
                    "everything up to the next line feed. Save the file with LF line ends."
                )
                fix = None
                if "\n" not in text:
                    edits = tuple(Edit(i, i + 1, "\n") for i, c in enumerate(text) if c == "\r")
                    fix = Fix("unsafe", "End the lines with LF", edits)
                yield self.in_file(analysis.file, message, start, match.start(), severity="warning", fix=fix)
                return


def _in_one_of(spans: list[tuple[int, int]], offset: int) -> bool:
    """Whether an offset lies in one of the spans, which are in order."""
    at = bisect_right(spans, (offset, offset)) - 1
    return at >= 0 and offset < spans[at][1]
