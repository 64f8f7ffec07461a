"""STY002, STY003, STY008: blanks at the beginning and at the end of lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from prototxt_grammar.edits import Edit, line_start
from prototxt_grammar.tree import Field, ListValue, Message
from prototxt_net.finding import Finding, Fix
from prototxt_net.words import count
from prototxt_server.rules.base import Example, Rule, rule
from prototxt_server.rules.example_nets import CONV, IMAGE

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis

_STEP = 2


def indents(analysis: Analysis) -> Iterator[tuple[int, int, int]]:
    """(line start, where its first token stands, the depth it has) of each line that begins with a field or a close."""
    text = analysis.tree.text
    for base, item in analysis.tree.fields():
        for at, depth in _firsts(item):
            line = line_start(text, base + at)
            if not text[line : base + at].strip():
                yield line, base + at, depth


def _firsts(item: Field) -> Iterator[tuple[int, int]]:
    """(where it stands, its depth) of a field, of all fields inside and of their closing brackets, in file order."""
    waiting: list[tuple[Field | int, int]] = [(item, 0)]  # a stack: nothing limits how deep messages may be nested
    while waiting:
        here, depth = waiting.pop()
        if isinstance(here, int):
            yield here, depth
            continue
        yield here.start, depth
        values = here.value.items if isinstance(here.value, ListValue) else [here.value]
        for message in reversed(values):
            if isinstance(message, Message):
                if message.closed:
                    waiting.append((message.end - 1, depth))
                waiting.extend((inner, depth + 1) for inner in reversed(message.fields))


@rule
class Indentation(Rule):
    """Indentation that does not show how deep a line stands.

    ## What it does
    Reports lines that are not indented by two blanks for each message that they stand in. Off by default.

    ## Why is this bad?
    Caffe does not mind. Readers see from the indentation where a layer ends, and so do repairs of missing brackets.

    ## Fix safety
    Safe: only blanks change.
    """

    code = "STY002"
    name = "indent"
    severity = "hint"
    default_on = False
    fix_safety = "safe"
    GOOD = (Example(IMAGE),)
    BAD = (
        Example(IMAGE.replace('  top: "data"', '    top: "data"'), fixed=IMAGE),
        Example(IMAGE + CONV.replace('  type: "C', 'type: "C'), fixed=IMAGE + CONV),
    )

    def check_file(self, analysis: Analysis) -> Iterable[Finding]:
        """One finding a line."""
        text = analysis.tree.text
        for line, start, depth in indents(analysis):
            if text[line:start] != " " * (_STEP * depth):
                fix = Fix("safe", "Indent it", (Edit(line, start, " " * (_STEP * depth)),))
                found = "with tabs" if "\t" in text[line:start] else f"by {count(start - line, 'blank')}"
                message = f"indented {found}, its depth asks for {count(_STEP * depth, 'blank')}."
                yield self.in_file(analysis.file, message, line, start, fix=fix)


@rule
class TrailingSpace(Rule):
    """Blanks at the end of a line.

    ## What it does
    Reports blanks before a line end. Off by default.

    ## Why is this bad?
    They make differences between versions that nobody sees.

    ## Fix safety
    Safe: they are deleted.
    """

    code = "STY003"
    name = "trailing-space"
    severity = "hint"
    default_on = False
    fix_safety = "safe"
    GOOD = (Example(IMAGE),)
    BAD = (
        Example(IMAGE.replace('top: "data"', 'top: "data"  '), fixed=IMAGE),
        Example("\t\n" + IMAGE, fixed="\n" + IMAGE),
    )

    def check_file(self, analysis: Analysis) -> Iterable[Finding]:
        """One finding a line."""
        for match in re.finditer(r"[ \t]+(?=\r|\n|\Z)", analysis.tree.text):
            fix = Fix("safe", "Delete them", (Edit(match.start(), match.end(), ""),))
            yield self.in_file(analysis.file, "trailing blanks.", match.start(), match.end(), fix=fix)


@rule
class TabMix(Rule):
    """Tabs and blanks in one file.

    ## What it does
    Reports a file in which some lines are indented by tabs and some by blanks, once. Off by default.

    ## Why is this bad?
    How deep a line seems to stand depends on the editor.

    ## Fix safety
    Safe: tabs become two blanks for each message that the line stands in.
    """

    code = "STY008"
    name = "tab-mix"
    severity = "hint"
    default_on = False
    fix_safety = "safe"
    GOOD = (Example(IMAGE), Example(IMAGE.replace("  ", "\t")))
    BAD = (
        Example(IMAGE.replace('  top: "data"', '\ttop: "data"'), fixed=IMAGE),
        Example(IMAGE + CONV.replace("  name", "\tname"), fixed=IMAGE + CONV),
    )

    def check_file(self, analysis: Analysis) -> Iterable[Finding]:
        """At most one finding, at the first line with a tab."""
        text = analysis.tree.text
        lines = [(line, start, depth) for line, start, depth in indents(analysis) if start > line]
        tabbed = [item for item in lines if "\t" in text[item[0] : item[1]]]
        if not tabbed or all(set(text[line:start]) == {"\t"} for line, start, _ in lines):
            return
        edits = tuple(Edit(line, start, " " * (_STEP * depth)) for line, start, depth in tabbed)
        line, start, _ = tabbed[0]
        message = f"tabs and blanks are mixed: {len(tabbed)} of {len(lines)} indented lines have tabs."
        yield self.in_file(analysis.file, message, line, start, fix=Fix("safe", "Use blanks", edits))
