"""SARIF 2.1.0: what code scanning of GitHub and others reads."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from prototxt_server.report.record import FileFindings, Layout, records
from prototxt_server.version import VERSION

_LEVEL = {"error": "error", "warning": "warning", "info": "note", "hint": "note"}


def as_sarif(files: list[FileFindings], layout: Layout) -> str:
    """One run. Columns count code points (`columnKind: unicodeCodePoints`)."""
    rules: dict[str, dict[str, Any]] = {}
    results = []
    for row in records(files):
        rules.setdefault(
            row["code"],
            {
                "id": row["code"],
                "name": row["name"],
                "shortDescription": {"text": row["name"].replace("-", " ")},
                "helpUri": row["url"],
            },
        )
        results.append(_result(row))
    order = {code: index for index, code in enumerate(sorted(rules))}
    for result in results:
        result["ruleIndex"] = order[result["ruleId"]]
    driver = {
        "name": "prototxt-lsp",
        "version": VERSION,
        "informationUri": "https://github.com/prototxt-lsp/prototxt-lsp",
        "rules": [rules[code] for code in order],
    }
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
    }
    return json.dumps(log, indent=2, ensure_ascii=False, allow_nan=False)


def _region(row: dict[str, Any]) -> dict[str, int]:
    return {
        "startLine": row["location"]["row"],
        "startColumn": row["location"]["column"],
        "endLine": row["end_location"]["row"],
        "endColumn": row["end_location"]["column"],
    }


def _artifact(filename: str) -> dict[str, str]:
    """A relative path stays relative, with what a URI cannot hold escaped."""
    path = filename.replace("\\", "/").encode("utf-8", "surrogateescape")
    return {"uri": ("file://" if path.startswith(b"/") else "") + quote(path, safe="/")}


def _physical(row: dict[str, Any]) -> dict[str, Any]:
    return {"artifactLocation": _artifact(row["filename"]), "region": _region(row)}


def _result(row: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": row["code"],
        "level": _LEVEL[row["severity"]],
        "message": {"text": row["message"]},
        "locations": [{"physicalLocation": _physical(row)}],
        "properties": {key: row[key] for key in ("severity", "layer", "phases", "dialect", "caffe_aborts")},
    }
    if row["related"]:
        result["relatedLocations"] = [
            {"id": number, "message": {"text": related["message"]}, "physicalLocation": _physical(related)}
            for number, related in enumerate(row["related"])
        ]
    fix = row["fix"]
    if fix is not None:
        replacements = [
            {"deletedRegion": _region(edit), "insertedContent": {"text": edit["content"]}} for edit in fix["edits"]
        ]
        changes = [{"artifactLocation": _artifact(row["filename"]), "replacements": replacements}]
        result["fixes"] = [{"description": {"text": fix["message"]}, "artifactChanges": changes}]
    return result
