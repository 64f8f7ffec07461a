"""Formats that continuous integration shows beside the code: GitHub annotations, GitLab code quality, JUnit."""

from __future__ import annotations

import re

from prototxt_net.finding import SEVERITIES
from prototxt_server.report.machine import one_a_line
from prototxt_server.report.record import FileFindings, Layout, fingerprints, project_path, record, records

_GITHUB = {"error": "error", "warning": "warning", "info": "notice", "hint": "notice"}
_GITLAB = {"error": "critical", "warning": "major", "info": "minor", "hint": "info"}


def as_github(files: list[FileFindings], layout: Layout) -> str:
    """Workflow commands that GitHub Actions shows as annotations (`::error file=...::message`)."""
    lines = []
    for row in records(files):
        start, end = row["location"], row["end_location"]
        place = f"file={_property(project_path(row['filename']))},line={start['row']},endLine={end['row']}"
        if start["row"] == end["row"]:  # columns of a range over several lines are refused
            place += f",col={start['column']},endColumn={end['column']}"
        title = _property(f"{row['code']} {row['name']}")
        text = f"{row['filename']}:{start['row']}:{start['column']}: {row['code']} {row['message']}"
        lines.append(f"::{_GITHUB[row['severity']]} title={title},{place}::{_data(text)}")
    return "\n".join(lines)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def as_gitlab(files: list[FileFindings], layout: Layout) -> str:
    """GitLab's code quality report; paths are seen from the project's folder, where the job runs."""
    found = list(records(files))
    rows = [
        {
            "description": f"{row['code']}: {row['message']}",
            "check_name": row["code"],
            "fingerprint": fingerprint,
            "severity": _GITLAB[row["severity"]],
            "location": {
                "path": project_path(row["filename"]),
                "positions": {
                    "begin": {"line": row["location"]["row"], "column": row["location"]["column"]},
                    "end": {"line": row["end_location"]["row"], "column": row["end_location"]["column"]},
                },
            },
        }
        for row, fingerprint in zip(found, fingerprints(found), strict=True)
    ]
    return one_a_line(rows)


def as_junit(files: list[FileFindings], layout: Layout) -> str:
    """One test suite a file, one case a finding; a case fails where the exit code would. A clean file has one case."""
    worst = SEVERITIES.index(layout.fail_on)
    suites = []
    total = failed = 0
    for file in files:
        cases = []
        failures = 0
        for finding in file.findings:
            row = record(file, finding)
            place = f"{row['location']['row']}:{row['location']['column']}"
            text = f"{file.filename}:{place}: {row['severity']} {row['code']} {row['message']}"
            if SEVERITIES.index(finding.severity) <= worst:
                failures += 1
                body = f'<failure type="{row["severity"]}" message="{_xml(row["message"])}">{_xml(text)}</failure>'
            else:
                body = f"<system-out>{_xml(text)}</system-out>"
            name = _xml(f"{row['code']} {row['name']} at {place}")
            cases.append(f'    <testcase classname="{_xml(file.filename)}" name="{name}">{body}</testcase>')
        if not cases:
            cases.append(f'    <testcase classname="{_xml(file.filename)}" name="nothing found" />')
        head = f'  <testsuite name="{_xml(file.filename)}" tests="{len(cases)}" failures="{failures}" errors="0">'
        suites += [head, *cases, "  </testsuite>"]
        total, failed = total + len(cases), failed + failures
    head = f'<testsuites name="prototxt-lsp" tests="{total}" failures="{failed}" errors="0">'
    return "\n".join(['<?xml version="1.0" encoding="utf-8"?>', head, *suites, "</testsuites>"])


_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\n": "&#10;", "\r": "&#13;"})


def _xml(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text).translate(_ESCAPES)
