"""The formats of `lsp check` by name."""

from __future__ import annotations

from importlib import import_module

from prototxt_server.report.record import FileFindings, Layout

_WHERE = {
    "full": ("human", "full"),
    "concise": ("human", "concise"),
    "json": ("machine", "as_json"),
    "json-lines": ("machine", "as_json_lines"),
    "github": ("ci", "as_github"),
    "gitlab": ("ci", "as_gitlab"),
    "sarif": ("sarif", "as_sarif"),
    "junit": ("ci", "as_junit"),
    "pylint": ("machine", "as_pylint"),
}
NAMES = tuple(_WHERE)


def statistics(name: str, files: list[FileFindings]) -> str:
    """Findings per rule: for programs as JSON where that is the format, else as a table."""
    module, function = ("machine", "statistics") if name == "json" else ("human", "statistics")
    text: str = getattr(import_module(f"prototxt_server.report.{module}"), function)(files)
    return text


def render(name: str, files: list[FileFindings], layout: Layout) -> str:
    """The findings in the format of that name."""
    module, function = _WHERE[name]
    text: str = getattr(import_module(f"prototxt_server.report.{module}"), function)(files, layout)
    return text
