"""Formats for programs, one record or line a finding: json, json-lines, pylint."""

from __future__ import annotations

import json

from prototxt_server.report.record import FileFindings, Layout, record, records


def as_json(files: list[FileFindings], layout: Layout) -> str:
    """The contract's list of records."""
    return json.dumps(list(records(files)), indent=2, ensure_ascii=False, allow_nan=False)


def as_json_lines(files: list[FileFindings], layout: Layout) -> str:
    """One record a line."""
    return "\n".join(json.dumps(row, ensure_ascii=False, allow_nan=False) for row in records(files))


def as_pylint(files: list[FileFindings], layout: Layout) -> str:
    """`file:row: [CODE] message`, which many editors and bots read."""
    rows = ((file, record(file, finding)) for file in files for finding in file.findings)
    return "\n".join(
        f"{file.filename}:{row['location']['row']}: [{row['code']}] {' '.join(row['message'].split())}"
        for file, row in rows
    )
