"""`lsp describe`: layers, shapes and counts of nets."""

from __future__ import annotations

import json
from typing import Any

import click

from prototxt_net.describe import describe, describe_text
from prototxt_net.finding import Finding
from prototxt_net.words import count
from prototxt_server.analysis import Analysis
from prototxt_server.cli.common import complain, read_net, reading_options, require_net, say, settings_of
from prototxt_server.engine import analyze
from prototxt_server.report import human
from prototxt_server.report.record import FileFindings, record


@click.command("describe", epilog="Example: lsp describe deploy.prototxt --format json")
@click.argument("nets", nargs=-1, required=True)
@reading_options
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--stdin-filename", metavar="NAME", help="The name of what `-` reads.")
def command(nets: tuple[str, ...], format_: str, stdin_filename: str | None, **options: Any) -> None:
    """Describe NETS: layers, blob shapes, parameter shapes, counts, multiply-accumulates.

    A net that Caffe would not load is described as far as it goes, and its errors are named.
    """
    rows: list[dict[str, Any]] = []
    texts: list[str] = []
    analyses: list[Analysis] = []
    for path in nets:
        source = read_net(path, stdin_filename)
        settings = settings_of(options, source.path)
        analysis = analyze(source, settings)
        require_net(analysis)
        analyses.append(analysis)
        for net in analysis.nets if settings.phase == "all" else analysis.nets[-1:]:
            row = describe(net, source.path)
            file = FileFindings(source.path, source.text, [])
            row["findings"] = [record(file, f) for f in _errors(analysis, net.phase)]
            rows.append(row)
            texts.append(describe_text(net, source.path))
    if format_ == "json":
        say(json.dumps(rows[0] if len(rows) == 1 else rows, indent=2, ensure_ascii=False, allow_nan=False))
        return
    say("\n\n".join(texts))
    for analysis in analyses:
        _name_errors(analysis)


def _errors(analysis: Analysis, phase: str) -> list[Finding]:
    return [f for f in analysis.findings if f.severity == "error" and (not f.phases or phase in f.phases)]


def _name_errors(analysis: Analysis) -> None:
    """On standard error: why Caffe would not load what was described."""
    aborts = [finding for finding in analysis.findings if finding.caffe_aborts]
    if aborts:
        file = FileFindings(analysis.source.path, analysis.source.text, aborts[:3])
        say("\n" + human.concise([file]), err=True)
        more = f" and {count(len(aborts) - 3, 'error')} more" if len(aborts) > 3 else ""
        complain(f"{analysis.source.path}: {analysis.file.dialect} does not load this net, because of the above{more}")
