"""Applying fixes until nothing more changes."""

from __future__ import annotations

from prototxt_grammar.edits import Edit, apply_edits
from prototxt_net.finding import Finding
from prototxt_server.analysis import Settings, Source
from prototxt_server.engine import analyze

_ROUNDS = 20


def fix_text(source: Source, settings: Settings, unsafe: bool) -> str:
    """The text after all safe (and, when asked, unsafe) fixes, repeated until nothing changes.

    Fixes whose edits overlap wait for the next round. A round that would bring a new error is not kept.
    """
    text = source.text
    analysis = analyze(source, settings)
    for _ in range(_ROUNDS):
        edits = _edits(analysis.findings, unsafe)
        if not edits:
            break
        new = apply_edits(text, edits)
        after = analyze(Source(new, source.path, source.encoding_problem), settings, analysis)
        if new == text or _errors(after.findings) > _errors(analysis.findings):
            break
        text, analysis = new, after
    return text


def _errors(findings: list[Finding]) -> int:
    return sum(finding.severity == "error" for finding in findings)


def _edits(findings: list[Finding], unsafe: bool) -> list[Edit]:
    """Edits of the fixes that can be applied together: whole fixes only, first come first served."""
    chosen: list[Edit] = []
    for finding in findings:
        fix = finding.fix
        if fix is None or (fix.applicability == "unsafe" and not unsafe):
            continue
        if all(not _clash(edit, other) for edit in fix.edits for other in chosen):
            chosen.extend(fix.edits)
    return sorted(chosen, key=lambda edit: (edit.start, edit.end))


def _clash(a: Edit, b: Edit) -> bool:
    if a.start == a.end == b.start == b.end:
        return True
    return a.start < b.end and b.start < a.end or a.start == b.start
