"""Applying fixes until nothing more changes; silencing what is to stay."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from prototxt_grammar.edits import Edit, apply_edits
from prototxt_net.finding import Finding
from prototxt_server.analysis import Analysis, Settings, Source
from prototxt_server.engine import analyze
from prototxt_server.linked import Reader, analyze_linked
from prototxt_server.linked.model import NOTHING, Named
from prototxt_server.suppress import ignore_edit

_TRIES = 200  # analyses
_WORK = 5_000_000  # characters to analyse: a text of megabytes with thousands of fixes stops sooner
_Key: TypeAlias = tuple[str, str | None, str]


@dataclass(slots=True, frozen=True)
class Fixed:
    """analysis: of the text after the fixes. applied: how many fixes are in it."""

    analysis: Analysis
    applied: int

    @property
    def text(self) -> str:
        """The text after the fixes."""
        return self.analysis.source.text


def fix_text(source: Source, settings: Settings, unsafe: bool) -> str:
    """The text after all safe (and, when asked, unsafe) fixes; see `fix_all`."""
    return fix_all(source, settings, unsafe).text


def fix_all(
    source: Source, settings: Settings, unsafe: bool, reader: Reader | None = None, named: Named = NOTHING
) -> Fixed:
    """Apply all safe (and, when asked, unsafe) fixes, again and again until nothing changes.

    reader, named: for the files that belong with this one; None: rules about several files stay silent.

    Fixes whose edits overlap wait for the next round. A fix that brings a new error, or leaves its own finding as it
    was, is taken back and not tried again in the same text. Applied to its own result, this changes nothing.
    """
    analysis = _analyzed(source, settings, reader, named)
    applied = 0
    refused: set[_Key] = set()
    group = _together(analysis.findings, unsafe, refused)
    for _ in range(max(8, min(_TRIES, _WORK // (len(source.text) + 1)))):
        if not group:
            break
        after = _with_fixes(analysis, group, reader, named)
        if not _does_harm(analysis, after, group):
            analysis, applied = after, applied + len(group)
            refused.clear()  # what was refused in the old text may be right in the new one
        elif len(group) > 1:
            group = group[: len(group) // 2]  # the one at fault is found by halving; the others come again
            continue
        else:
            refused.add(_key(group[0]))
        group = _together(analysis.findings, unsafe, refused)
    return Fixed(analysis, applied)


def _analyzed(
    source: Source, settings: Settings, reader: Reader | None, named: Named, last: Analysis | None = None
) -> Analysis:
    if reader is None:
        return analyze(source, settings, last)
    return analyze_linked(source, settings, reader, last, named)


def _with_fixes(analysis: Analysis, findings: list[Finding], reader: Reader | None, named: Named) -> Analysis:
    source = analysis.source
    edits = [edit for finding in findings if finding.fix for edit in finding.fix.edits]
    text = apply_edits(source.text, edits)
    return _analyzed(Source(text, source.path, source.encoding_problem), analysis.settings, reader, named, analysis)


def _does_harm(before: Analysis, after: Analysis, group: list[Finding]) -> bool:
    """Whether the fixes of `group` bring an error, or do not remove what they are for."""
    if after.source.text == before.source.text:
        return True
    remaining = Counter(map(_key, after.findings))
    earlier = Counter(map(_key, before.findings))
    if any(remaining[key] >= earlier[key] for key in map(_key, group)):
        return True
    if _syntax_errors(after.findings) < _syntax_errors(before.findings):
        return False  # what could not be read before is read now, and may have faults of its own
    return _errors(after.findings) > _errors(before.findings)


def _key(finding: Finding) -> _Key:
    return finding.code, finding.layer, finding.message


def _errors(findings: Iterable[Finding]) -> int:
    return sum(finding.severity == "error" for finding in findings)


def _syntax_errors(findings: Iterable[Finding]) -> int:
    return sum(finding.severity == "error" and finding.code.startswith("SYN") for finding in findings)


def _together(findings: list[Finding], unsafe: bool, refused: set[_Key]) -> list[Finding]:
    """The findings whose fixes can be applied at once: whole fixes only, first come first served."""
    chosen: list[Finding] = []
    taken: list[Edit] = []  # sorted, without overlaps
    for finding in findings:
        fix = finding.fix
        if fix is None or (fix.applicability == "unsafe" and not unsafe) or _key(finding) in refused:
            continue
        if not any(_clashes(edit, taken) for edit in fix.edits):
            chosen.append(finding)
            for edit in fix.edits:
                insort(taken, edit)
    return chosen


def _clashes(edit: Edit, taken: list[Edit]) -> bool:
    """Whether an edit overlaps, or starts where, one of `taken` does."""
    at = bisect_left(taken, edit)
    return any(
        e.start == edit.start or (e.start < edit.end and edit.start < e.end) for e in taken[max(at - 1, 0) : at + 1]
    )


def ignore_all(
    analysis: Analysis, severities: frozenset[str], reader: Reader | None = None, named: Named = NOTHING
) -> Fixed:
    """Write a comment that silences each finding of these severities. Findings that no comment can silence stay.

    reader, named: as for `fix_all`.
    """
    applied = 0
    given_up: set[_Key] = set()
    for _ in range(len(analysis.findings)):
        finding = next((f for f in analysis.findings if f.severity in severities and _key(f) not in given_up), None)
        if finding is None:
            break
        source = analysis.source
        text = apply_edits(source.text, [ignore_edit(analysis, finding)])
        after = _analyzed(
            Source(text, source.path, source.encoding_problem), analysis.settings, reader, named, analysis
        )
        if len(after.findings) < len(analysis.findings):
            applied += len(analysis.findings) - len(after.findings)
            analysis = after
        else:
            given_up.add(_key(finding))
    return Fixed(analysis, applied)
