"""SARIF 2.1.0: what code scanning of GitHub and others reads."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from prototxt_server.engine import DOCS_URL
from prototxt_server.report import rule_docs
from prototxt_server.report.record import FileFindings, Layout, fingerprints, project_path, records
from prototxt_server.rules.catalogue import load_all, load_dynamic
from prototxt_server.version import VERSION

_LEVEL = {"error": "error", "warning": "warning", "info": "note", "hint": "note"}


def as_sarif(files: list[FileFindings], layout: Layout) -> str:
    """One run. Columns count code points (`columnKind: unicodeCodePoints`)."""
    rows = list(records(files))
    rules: dict[str, dict[str, Any]] = {}
    results = []
    for row, fingerprint in zip(rows, fingerprints(rows), strict=True):
        if row["code"] not in rules:
            rules[row["code"]] = _rule(row)
        results.append(_result(row) | {"partialFingerprints": {"primaryLocationLineHash": fingerprint}})
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
    return json.dumps(log, ensure_ascii=False, allow_nan=False)


def _rule(row: dict[str, Any]) -> dict[str, Any]:
    """What code scanning shows beside a finding: it asks for all of this."""
    short = row["name"].replace("-", " ")
    rule = next((rule for rule in (*load_all(), *load_dynamic()) if rule.code == row["code"]), None)
    if rule is None:
        return {"id": row["code"], "name": row["name"], "shortDescription": {"text": short}, "helpUri": row["url"]}
    page = rule_docs.as_markdown(rule).replace("](../", f"]({DOCS_URL.removesuffix('rules/')}")
    return {
        "id": row["code"],
        "name": row["name"],
        "shortDescription": {"text": short},
        "fullDescription": {"text": rule_docs.summary(rule)},
        "help": {"text": rule_docs.as_text(rule), "markdown": page},
        "helpUri": row["url"],
        "defaultConfiguration": {"level": _LEVEL[rule.severity]},
    }


def _region(row: dict[str, Any]) -> dict[str, int]:
    return {
        "startLine": row["location"]["row"],
        "startColumn": row["location"]["column"],
        "endLine": row["end_location"]["row"],
        "endColumn": row["end_location"]["column"],
    }


def _artifact(filename: str) -> dict[str, str]:
    """A relative path stays relative, with what a URI cannot hold escaped."""
    path = project_path(filename).encode("utf-8", "surrogateescape")
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
