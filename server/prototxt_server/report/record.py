"""A finding with rows and columns: the record of the contract, which every format starts from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from prototxt_grammar import LineIndex
from prototxt_net.finding import Finding, Fix, Severity
from prototxt_server import files as disk


@dataclass(slots=True, frozen=True)
class Layout:
    """How a report is laid out. colour: ANSI colours. width: columns to wrap messages to, None for one line each.

    fail_on: the severity from which on the exit code is 1. unsafe: unsafe fixes were asked for.
    """

    colour: bool = False
    width: int | None = None
    fail_on: Severity = "warning"
    unsafe: bool = False


@dataclass
class FileFindings:
    """The findings of one file, with its text."""

    filename: str
    text: str
    findings: list[Finding]

    @cached_property
    def lines(self) -> LineIndex:
        """Offsets -> rows and columns of this text."""
        return LineIndex(self.text)

    def location(self, offset: int, filename: str = "") -> dict[str, int]:
        """1-based row and column; columns count code points. filename: the other file that the offset lies in.

        A file that cannot be read any more gives its first character.
        """
        lines = _lines_of(filename) if filename and filename != self.filename else self.lines
        row, column = lines.position(offset, "utf-32")
        return {"row": row + 1, "column": column + 1}


@cache
def _lines_of(filename: str) -> LineIndex:
    """Offsets -> rows and columns of a file on disk that a finding of another file points at."""
    try:
        return LineIndex(disk.read(filename).text)
    except disk.PathError:
        return LineIndex("")


def fix_record(file: FileFindings, fix: Fix | None) -> dict[str, Any] | None:
    """A fix as the contract has it."""
    if fix is None:
        return None
    return {
        "applicability": fix.applicability,
        "message": fix.message,
        "edits": [
            {
                "location": file.location(edit.start),
                "end_location": file.location(edit.end),
                "content": edit.content,
            }
            for edit in fix.edits
        ],
    }


def record(file: FileFindings, finding: Finding) -> dict[str, Any]:
    """A finding as the contract's JSON object."""
    return {
        "code": finding.code,
        "name": finding.name,
        "severity": finding.severity,
        "message": finding.message,
        "filename": file.filename,
        "location": file.location(finding.start),
        "end_location": file.location(finding.end),
        "layer": finding.layer,
        "phases": list(finding.phases),
        "dialect": finding.dialect,
        "caffe_aborts": finding.caffe_aborts,
        "fix": fix_record(file, finding.fix),
        "related": [
            {
                "message": related.message,
                "filename": related.filename or file.filename,
                "location": file.location(related.start, related.filename),
                "end_location": file.location(related.end, related.filename),
            }
            for related in finding.related
        ],
        "url": finding.url,
    }


def records(checked: Iterable[FileFindings]) -> Iterator[dict[str, Any]]:
    """The records of all findings, file by file."""
    return (record(file, finding) for file in checked for finding in file.findings)


def project_path(filename: str) -> str:
    """A path as services match it with a repository's files: forward slashes, no `./` before it."""
    return filename.replace("\\", "/").removeprefix("./")


def fingerprints(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    """A name for each record that an edit elsewhere does not change: what is found, in which layer of which file.

    No two are equal: the second finding of the same kind in the same layer is the second.
    """
    from hashlib import sha256

    seen: Counter[str] = Counter()
    for row in rows:
        identity = "\0".join((row["filename"], row["code"], row["layer"] or "", row["message"]))
        seen[identity] += 1
        yield sha256(f"{identity}\0{seen[identity]}".encode("utf-8", "replace")).hexdigest()


def per_rule(files: Iterable[FileFindings]) -> list[dict[str, Any]]:
    """How many findings each rule has at each severity, and how many of them have a safe fix; most frequent first."""
    counts: Counter[tuple[str, str, str]] = Counter()
    fixable: Counter[tuple[str, str, str]] = Counter()
    for file in files:
        for finding in file.findings:
            kind = finding.code, finding.severity, finding.name
            counts[kind] += 1
            fixable[kind] += finding.fix is not None and finding.fix.applicability == "safe"
    rows = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [
        {"code": kind[0], "name": kind[2], "severity": kind[1], "count": number, "fixable": fixable[kind]}
        for kind, number in rows
    ]
