"""`lsp forward`: one batch through a net."""

from __future__ import annotations

import json
import sys
import threading
from typing import Any

import click

from prototxt_net.finding import SEVERITIES, Finding
from prototxt_server.analysis import Analysis, Source
from prototxt_server.cli.common import fail, read_text, reading_options, settings_of
from prototxt_server.engine import analyze
from prototxt_server.report import forward_text, human
from prototxt_server.report.record import FileFindings, record


def _named_paths(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    named = {}
    for value in values:
        blob, equals, path = value.partition("=")
        if not equals or not blob or not path:
            raise click.BadParameter(f"{value!r} is not of the form BLOB=FILE.npy", ctx, param)
        named[blob] = path
    return named


@click.command("forward", epilog="Example: lsp forward train_val.prototxt --weights net.caffemodel --phase TEST")
@click.argument("net")
@reading_options
@click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda:N")
@click.option("--weights", multiple=True, type=click.Path(), help="A .caffemodel to load (repeatable; later ones win).")
@click.option("--input", "inputs", multiple=True, callback=_named_paths, metavar="BLOB=FILE.npy", help="Values of a source top; used whole.")
@click.option("--batch", type=click.IntRange(1), help="Batch size (default: the net's on a GPU, at most 4 on the CPU).")
@click.option("--seed", type=int, default=0, show_default=True, help="Of fillers and synthetic input.")
@click.option("--strict-fillers", is_flag=True, help="Absent fillers stay constant 0, as in Caffe, instead of being substituted.")
@click.option("--tf32", is_flag=True, help="Faster, less exact matrix products on the GPU.")
@click.option("--format", "format_", type=click.Choice(["text", "json", "debug-info"]), default="text", show_default=True)
@click.option("--fail-on", type=click.Choice(SEVERITIES), default="warning", show_default=True, help="Exit 1 from here on.")
@click.option("--exit-zero", is_flag=True, help="Exit 0 whatever is found.")
@click.option("--stdin-filename", help="The name of what `-` reads.")
def command(net: str, format_: str, **options: Any) -> None:
    """Run one batch through NET and say where outputs collapse, and why."""
    settings = settings_of(options)
    source = read_text(net, options["stdin_filename"])
    analysis = analyze(Source(source.text, source.path, source.encoding_problem), settings)
    _refuse(analysis)
    data, findings, lines = _run(analysis, options, format_)
    file = FileFindings(source.path, source.text, findings)
    if format_ == "json":
        data["findings"] = [record(file, finding) for finding in findings]
        click.echo(json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False))
    elif format_ == "debug-info":
        click.echo("\n".join(lines))
    else:
        click.echo(forward_text.heading(source.path, data))
        click.echo("\n" + forward_text.table(data))
        text = human.full([file], sys.stdout.isatty())
        click.echo(f"\n{text}" if text else "\nNothing found.")
    worst = SEVERITIES.index(options["fail_on"])
    failed = any(SEVERITIES.index(finding.severity) <= worst for finding in findings)
    raise SystemExit(1 if failed and not options["exit_zero"] else 0)


def _refuse(analysis: Analysis) -> None:
    """End with exit code 2 for what cannot be run: no net, or one that Caffe would not load."""
    if analysis.file.kind != "net":
        fail(f"{analysis.source.path}: is a {analysis.file.kind} file, not a net")
    aborts = [finding for finding in analysis.findings if finding.caffe_aborts]
    if aborts:
        file = FileFindings(analysis.source.path, analysis.source.text, aborts)
        click.echo(human.concise([file]), err=True)
        fail(f"{analysis.source.path}: {analysis.file.dialect} does not load this net, so there is nothing to run")


def _run(
    analysis: Analysis, options: dict[str, Any], format_: str
) -> tuple[dict[str, Any], list[Finding], list[str]]:
    from prototxt_gpu_check.client import RunCancelled, WorkerError
    from prototxt_server.forward import as_findings, request_of, worker

    request = request_of(
        analysis.source,
        analysis.settings,
        device=options["device"],
        weights=list(options["weights"]),
        inputs=options["inputs"],
        batch=options["batch"],
        seed=options["seed"],
        strict_fillers=options["strict_fillers"],
        tf32=options["tf32"],
        debug_info=format_ == "debug-info",
    )
    stop = threading.Event()
    with worker() as client:
        try:
            report = client.check(request, cancel=stop)
        except WorkerError as error:
            fail(f"{analysis.source.path}: {error}")
        except (RunCancelled, KeyboardInterrupt):
            fail("cancelled")
    return report.data, as_findings(report.findings, analysis), report.debug_info
