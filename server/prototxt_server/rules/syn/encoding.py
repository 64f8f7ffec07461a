"""SYN008: bytes that are not plain UTF-8 text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prototxt_grammar.edits import Edit
from prototxt_net.finding import Finding, Fix
from prototxt_server.rules.base import Example, Rule, rule
from prototxt_server.rules.example_nets import IMAGE

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis

BOM = "\ufeff"


@rule
class Encoding(Rule):
    """A file that is not plain UTF-8.

    ## What it does
    Reports binary data, a byte-order mark, NUL characters and UTF-16 (errors), and invalid UTF-8 inside strings (a
    warning).

    ## Why is this bad?
    Caffe's parser takes a byte-order mark for an unexpected character and stops at line 1, column 1; a NUL stops it
    too. Invalid bytes in a string are read with a warning in the log. In comments they do no harm and are not reported.

    ## Fix safety
    Safe: the mark and the NUL characters are deleted. The others need the file to be saved anew.
    """

    code = "SYN008"
    name = "encoding"
    severity = "error"
    fix_safety = "safe"
    GOOD = (Example("# größer\n" + IMAGE),)
    BAD = (Example(BOM + IMAGE, fixed=IMAGE), Example(IMAGE + "\0", fixed=IMAGE))

    def check_file(self, analysis: Analysis) -> Iterable[Finding]:
        """One finding for each mark, for the first NUL, and for each damaged string."""
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
                aborts=not _in_comment(text, at),
                fix=Fix("safe", "Delete it", edits),
            )
        if analysis.source.encoding_problem and not text.isascii():
            yield from self._damaged(analysis, text)

    def _damaged(self, analysis: Analysis, text: str) -> Iterable[Finding]:
        """Invalid bytes are lone surrogates in the text."""
        line_start = 0
        for line in text.splitlines(keepends=True):
            at = next((i for i, c in enumerate(line) if "\udc80" <= c <= "\udcff"), -1)
            if at >= 0 and not _in_comment(text, line_start + at):
                message = (
                    "invalid UTF-8 here: Caffe reads it, with a warning, and other tools "
                    "may not. Save the file as UTF-8."
                )
                start = line_start + at
                yield self.in_file(analysis.file, message, start, start + 1, severity="warning")
            line_start += len(line)


def _in_comment(text: str, offset: int) -> bool:
    """Whether a `#` outside of strings stands before `offset` on its line."""
    line = text[text.rfind("\n", 0, offset) + 1 : offset]
    quote = ""
    skip = False
    for c in line:
        if skip:
            skip = False
        elif quote:
            skip = c == "\\"
            quote = "" if c == quote else quote
        elif c == "#":
            return True
        elif c in "\"'":
            quote = c
    return False
