"""Formats for programs: json, json-lines, github, sarif."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from prototxt_server.report.record import FileFindings, record

_SARIF_LEVEL = {"error": "error", "warning": "warning", "info": "note", "hint": "note"}
_GITHUB_LEVEL = {"error": "error", "warning": "warning", "info": "notice", "hint": "notice"}


def as_json(files: Iterable[FileFindings]) -> str:
    """The contract's list of records, one a line (indenting would leave json's encoder in C, at 5 times the price)."""
    rows = as_json_lines(files).replace("\n", ",\n")
    return f"[\n{rows}\n]" if rows else "[]"


def as_json_lines(files: Iterable[FileFindings]) -> str:
    """One record a line."""
    return "\n".join(
        json.dumps(record(file, finding), ensure_ascii=False, allow_nan=False)
        for file in files
        for finding in file.findings
    )


def as_github(files: Iterable[FileFindings]) -> str:
    """Workflow commands that GitHub Actions shows as annotations (`::error file=...::message`)."""
    lines = []
    for file in files:
        for finding in file.findings:
            row = record(file, finding)
            start, end = row["location"], row["end_location"]
            place = f"file={_property(file.filename)},line={start['row']},endLine={end['row']}"
            if start["row"] == end["row"]:
                place += f",col={start['column']},endColumn={end['column']}"
            level = _GITHUB_LEVEL[finding.severity]
            title = _property(f"{finding.code} {finding.name}")
            text = f"{file.filename}:{start['row']}:{start['column']}: {finding.code} {finding.message}"
            lines.append(f"::{level} title={title},{place}::{_data(text)}")
    return "\n".join(lines)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def as_sarif(files: Iterable[FileFindings], version: str) -> str:
    """SARIF 2.1.0, one run. Columns count code points (`columnKind: unicodeCodePoints`)."""
    rules: dict[str, dict[str, Any]] = {}
    results = []
    for file in files:
        for finding in file.findings:
            row = record(file, finding)
            rules.setdefault(
                finding.code,
                {
                    "id": finding.code,
                    "name": finding.name,
                    "shortDescription": {"text": finding.name.replace("-", " ")},
                    "helpUri": finding.url,
                },
            )
            results.append(_sarif_result(row))
    order = {code: index for index, code in enumerate(sorted(rules))}
    for result in results:
        result["ruleIndex"] = order[result["ruleId"]]
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {"name": "prototxt-lsp", "version": version, "rules": [rules[code] for code in order]}
                },
                "columnKind": "unicodeCodePoints",
                "results": results,
            }
        ],
    }
    return json.dumps(log, indent=2, ensure_ascii=False)


def _region(row: dict[str, Any]) -> dict[str, int]:
    return {
        "startLine": row["location"]["row"],
        "startColumn": row["location"]["column"],
        "endLine": row["end_location"]["row"],
        "endColumn": row["end_location"]["column"],
    }


def _physical(row: dict[str, Any]) -> dict[str, Any]:
    uri = row["filename"].replace("\\", "/")
    return {"artifactLocation": {"uri": uri}, "region": _region(row)}


def _sarif_result(row: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": row["code"],
        "level": _SARIF_LEVEL[row["severity"]],
        "message": {"text": row["message"]},
        "locations": [{"physicalLocation": _physical(row)}],
        "properties": {
            "layer": row["layer"],
            "phases": row["phases"],
            "dialect": row["dialect"],
            "caffeAborts": row["caffe_aborts"],
        },
    }
    if row["related"]:
        result["relatedLocations"] = [
            {"message": {"text": related["message"]}, "physicalLocation": _physical(related)}
            for related in row["related"]
        ]
    fix = row["fix"]
    if fix is not None:
        result["fixes"] = [
            {
                "description": {"text": fix["message"]},
                "artifactChanges": [
                    {
                        "artifactLocation": {"uri": row["filename"].replace("\\", "/")},
                        "replacements": [
                            {
                                "deletedRegion": _region(edit),
                                "insertedContent": {"text": edit["content"]},
                            }
                            for edit in fix["edits"]
                        ],
                    }
                ],
            }
        ]
    return result
