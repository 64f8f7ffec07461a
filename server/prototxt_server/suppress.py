"""Comments that silence findings: `# lsp: ignore[CODE,CODE] reason` and `# lsp: ignore-file[CODE]`.

At the end of a line the comment covers the findings that start on that line. On a line of its own it covers what comes
next in the same message: a layer, a block, a field. `ignore-file` covers the file, wherever it stands. A code may be a
prefix (`BN`) or a rule's name. What silences nothing is reported (SUP001), so that old comments do not pile up.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prototxt_grammar.comments import comments
from prototxt_grammar.edits import Edit, line_end, line_start, newline_of
from prototxt_grammar.tree import Field, ListValue, Message, Tree
from prototxt_net.finding import Finding, Fix

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis

UNUSED = "SUP001"
_DIRECTIVE = re.compile(r"#[ \t]*lsp:[ \t]*ignore(-file)?[ \t]*\[([^\]\r\n]*)\]")


@dataclass(slots=True)
class Directive:
    """One comment. codes: (code, where it stands). start, end: what it covers. comment: where the comment begins.

    own_line: nothing else stands on its line. used: the codes that have silenced something.
    """

    codes: list[tuple[str, int]]
    comment: int
    comment_end: int
    start: int
    end: int
    own_line: bool
    used: set[str] = field(default_factory=set)


def apply(findings: list[Finding], analysis: Analysis, active: frozenset[str] = frozenset()) -> list[Finding]:
    """The findings that no comment silences, in order, and a SUP001 for each code that silenced nothing.

    active: the codes of the rules that were asked; only these can be said to be silent.
    """
    if "lsp:" not in analysis.tree.text:
        return findings
    found = directives(analysis.tree)
    if not found:
        return findings
    kept = _heard(findings, found)
    if UNUSED in active and analysis.settings.phase in ("auto", "all"):
        kept += _heard(_unused(found, analysis, active), found)
        kept.sort(key=lambda f: (f.start, f.end, f.code))
    return kept


def _heard(findings: list[Finding], found: list[Directive]) -> list[Finding]:
    """The findings (sorted by place) that no directive silences."""
    waiting = sorted(found, key=lambda directive: directive.start, reverse=True)
    covering: list[Directive] = []
    kept = []
    for finding in findings:
        while waiting and waiting[-1].start <= finding.start:
            covering.append(waiting.pop())
        covering = [directive for directive in covering if finding.start < directive.end]
        if not _silenced(finding, covering):
            kept.append(finding)
    return kept


def _silenced(finding: Finding, covering: list[Directive]) -> bool:
    silenced = False
    for directive in covering:
        for code, _ in directive.codes:
            if finding.code.startswith(code) or finding.name == code:
                directive.used.add(code)
                silenced = True
    return silenced


def directives(tree: Tree) -> list[Directive]:
    """The suppression comments of a text, in file order."""
    text = tree.text
    found = []
    spans = list(comments(text))
    for match in _DIRECTIVE.finditer(text):
        at = bisect_right(spans, (match.start(), len(text))) - 1
        if at < 0 or spans[at][1] <= match.start():
            continue  # inside a string
        first, last = line_start(text, match.start()), line_end(text, match.end())
        comment = max(spans[at][0], first)
        codes = [(part.group(), match.start(2) + part.start()) for part in re.finditer(r"[^\s,]+", match.group(2))]
        own_line = not text[first:comment].strip()
        if match.group(1):
            start, end = 0, len(text) + 1
        elif own_line:
            start, end = _next_field(tree, match.end())
        else:
            start, end = first, last
        found.append(Directive(codes, comment, last, start, end, own_line))
    return found


def _next_field(tree: Tree, offset: int) -> tuple[int, int]:
    """The field that comes next after `offset` in the same message; (0, 0) when there is none."""
    for index in range(max(0, bisect_right(tree.starts, offset) - 1), len(tree.chunks)):
        base, fields = tree.starts[index], tree.chunks[index].fields
        nested = False
        while True:
            at = bisect_left(fields, offset - base, key=lambda item: item.start)
            if at and offset - base < fields[at - 1].end:
                fields, nested = _children(fields[at - 1], offset - base), True
            elif at < len(fields):
                return base + fields[at].start, base + max(fields[at].end, fields[at].start + 1)
            elif nested:
                return 0, 0
            else:
                break  # the next chunk begins with the next field
    return 0, 0


def _children(item: Field, offset: int) -> list[Field]:
    value = item.value
    if isinstance(value, ListValue):
        value = next((v for v in value.items if v.start <= offset < v.end), None)
    return value.fields if isinstance(value, Message) else []


def _unused(found: list[Directive], analysis: Analysis, active: frozenset[str]) -> list[Finding]:
    from prototxt_server.rules.base import find

    rule = find(UNUSED)
    if rule is None:
        return []
    result = []
    for directive in found:
        if any(code == UNUSED for code, _ in directive.codes):
            continue  # its author keeps it
        for code, at in directive.codes:
            if code in directive.used or not _can_be_judged(code, active):
                continue
            message = f"`{code}` silences nothing here. Delete it, so that the comment does not hide something later."
            fix = Fix("safe", f"Delete `{code}`", (_without(directive, code, analysis.tree.text),))
            result.append(rule.in_file(analysis.file, message, at, at + len(code), fix=fix))
    return result


def _can_be_judged(code: str, active: frozenset[str]) -> bool:
    """Not the codes of the forward check, nor those of rules that were not asked."""
    from prototxt_server.rules.base import registered

    return any(rule.code.startswith(code) or rule.name == code for rule in registered() if rule.code in active)


def _without(directive: Directive, code: str, text: str) -> Edit:
    """The edit that takes a code out of a comment, and the comment with it when it is the last."""
    rest = [name for name, _ in directive.codes if name != code]
    if rest:
        open_, close = text.index("[", directive.comment), text.index("]", directive.comment)
        return Edit(open_ + 1, close, ", ".join(rest))
    start, end = directive.comment, directive.comment_end
    if directive.own_line:
        start = line_start(text, start)
        end += len(re.match(r"\r\n|\n|\r|", text[end : end + 2]).group())  # type: ignore[union-attr]
    else:
        while start > 0 and text[start - 1] in " \t":
            start -= 1
    return Edit(start, end, "")


def ignore_edit(analysis: Analysis, finding: Finding, reason: str = "") -> Edit:
    """The edit that silences a finding: its code in a comment before the layer (or field) that it stands in.

    A comment that is there already gets the code added. A finding outside of all fields is silenced for the file.
    """
    text = analysis.tree.text
    place = next(
        (base + f.start for base, f in analysis.tree.fields() if base + f.start <= finding.start < base + f.end), None
    )
    tail = f" {reason}" if reason else ""
    if place is None:
        at = 1 if text.startswith("\ufeff") else 0
        return Edit(at, at, f"# lsp: ignore-file[{finding.code}]{tail}{newline_of(text)}")
    for directive in directives(analysis.tree):
        if directive.own_line and directive.start == place and directive.codes and directive.comment < place:
            last, at = directive.codes[-1]
            return Edit(at + len(last), at + len(last), f", {finding.code}")
    before = text[line_start(text, place) : place]
    comment = f"# lsp: ignore[{finding.code}]{tail}{newline_of(text)}"
    if before.strip():
        return Edit(place, place, newline_of(text) + comment)
    return Edit(place, place, comment + before)
