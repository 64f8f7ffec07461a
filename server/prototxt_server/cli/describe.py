"""`lsp describe`: layers, shapes and counts of nets."""

from __future__ import annotations

import json
from typing import Any

import click

from prototxt_net.describe import describe, describe_text
from prototxt_server.analysis import Analysis, Source
from prototxt_server.cli.common import fail, read_text, reading_options, settings_of
from prototxt_server.engine import analyze
from prototxt_server.report.record import FileFindings, record


@click.command("describe", epilog="Example: lsp describe deploy.prototxt --format json")
@click.argument("nets", nargs=-1, required=True)
@reading_options
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--stdin-filename", help="The name of what `-` reads.")
def command(nets: tuple[str, ...], format_: str, stdin_filename: str | None, **options: Any) -> None:
    """Describe NETS: layers, blob shapes, parameter shapes, counts, multiply-accumulates."""
    settings = settings_of(options)
    rows: list[dict[str, Any]] = []
    texts: list[str] = []
    for path in nets:
        source = read_text(path, stdin_filename)
        analysis = analyze(Source(source.text, source.path), settings)
        if analysis.file.kind != "net":
            fail(f"{source.path}: is a {analysis.file.kind} file, not a net")
        chosen = analysis.nets if settings.phase == "all" else analysis.nets[-1:]
        for net in chosen:
            row = describe(net, source.path)
            row["findings"] = _errors(analysis, source.path, net.phase)
            rows.append(row)
            texts.append(describe_text(net, source.path))
    if format_ == "json":
        click.echo(json.dumps(rows[0] if len(rows) == 1 else rows, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        click.echo("\n\n".join(texts))


def _errors(analysis: Analysis, path: str, phase: str) -> list[dict[str, Any]]:
    file = FileFindings(path, analysis.source.text, [])
    return [
        record(file, finding)
        for finding in analysis.findings
        if finding.severity == "error" and (not finding.phases or phase in finding.phases)
    ]
