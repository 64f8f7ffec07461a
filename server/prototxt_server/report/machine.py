"""Formats for programs, one record or line a finding: json, json-lines, pylint."""

from __future__ import annotations

import json
from collections.abc import Iterable

from prototxt_net.words import visible
from prototxt_server.report.record import FileFindings, Layout, per_rule, record, records


def as_json(files: list[FileFindings], layout: Layout) -> str:
    """The contract's list of records, one record a line."""
    return one_a_line(records(files))


def one_a_line(rows: Iterable[object]) -> str:
    """A JSON list. Python indents with an encoder of its own that takes ten times as long for a large report."""
    lines = ",\n".join(json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows)
    return f"[\n{lines}\n]" if lines else "[]"


def statistics(files: Iterable[FileFindings]) -> str:
    """`--statistics --format json`: a list of counts, one rule a line."""
    return one_a_line(per_rule(files))


def as_json_lines(files: list[FileFindings], layout: Layout) -> str:
    """One record a line."""
    return "\n".join(json.dumps(row, ensure_ascii=False, allow_nan=False) for row in records(files))


def as_pylint(files: list[FileFindings], layout: Layout) -> str:
    """`file:row: [CODE] message`, which many editors and bots read."""
    rows = ((file, record(file, finding)) for file in files for finding in file.findings)
    return "\n".join(
        f"{visible(file.filename)}:{row['location']['row']}: [{row['code']}] {visible(row['message'])}"
        for file, row in rows
    )
