"""`lsp check`: diagnostics for files and folders, as text or for programs, with fixes."""

from __future__ import annotations

import difflib
import gc
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from prototxt_net.finding import SEVERITIES
from prototxt_server import files
from prototxt_server.analysis import Analysis, Settings, Source
from prototxt_server.cli.common import fail, read_text, reading_options, settings_of
from prototxt_server.engine import analyze
from prototxt_server.fixing import fix_text
from prototxt_server.report import human, machine
from prototxt_server.report.record import FileFindings
from prototxt_server.version import VERSION

FORMATS = ("full", "concise", "json", "json-lines", "github", "sarif")


def _codes(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(code.strip().upper() for value in values for code in value.split(",") if code.strip())


@click.command("check", epilog="Example: lsp check models/ --format github --fail-on error")
@click.argument("paths", nargs=-1)
@reading_options
@click.option("--format", "format_", type=click.Choice(FORMATS), default="full", show_default=True)
@click.option("--select", multiple=True, callback=_codes, help="Only these codes (prefixes allowed, comma separated).")
@click.option("--ignore", multiple=True, callback=_codes, help="Not these codes.")
@click.option("--extend-select", multiple=True, callback=_codes, help="These codes too (rules that are off by default).")
@click.option("--fix", "fix", is_flag=True, help="Apply safe fixes.")
@click.option("--unsafe-fixes", is_flag=True, help="With --fix or --diff: apply fixes that change behaviour too.")
@click.option("--diff", "diff", is_flag=True, help="Show what --fix would change, change nothing.")
@click.option("--fail-on", type=click.Choice(SEVERITIES), default="warning", show_default=True, help="Exit 1 from here on.")
@click.option("--exit-zero", is_flag=True, help="Exit 0 whatever is found.")
@click.option("--statistics", is_flag=True, help="Counts per rule instead of findings.")
@click.option("--stdin-filename", help="The name of what `-` reads.")
@click.option("--forward", "forward", is_flag=True, help="Also run one batch and report the DYN findings.")
@click.option("--color/--no-color", "colour", default=None, help="Colours (default: on a terminal).")
def command(paths: tuple[str, ...], **options: Any) -> None:
    """Diagnose nets and solvers. PATHS are files, folders or - (standard input); the default is this folder."""
    gc.disable()  # short-lived process: collecting costs more than it frees (facts: 30 % on large nets)
    settings = settings_of(
        options, select=options["select"], extend_select=options["extend_select"], ignore=options["ignore"]
    )
    try:
        names = files.collect(paths)
    except files.UnreadableError as error:
        fail(str(error))
    if options["diff"] or options["fix"]:
        results = _fixed(names, settings, options)
        if options["diff"]:
            raise SystemExit(1 if any(results) and not options["exit_zero"] else 0)
    analyses = [_analysed(name, settings, options) for name in names]
    checked = _with_forward(analyses) if options["forward"] else [_plain(analysis) for analysis in analyses]
    _print(checked, options)
    worst = SEVERITIES.index(options["fail_on"])
    failed = any(SEVERITIES.index(f.severity) <= worst for file in checked for f in file.findings)
    raise SystemExit(1 if failed and not options["exit_zero"] else 0)


def _analysed(name: str, settings: Settings, options: dict[str, Any]) -> Analysis:
    source = read_text(name, options["stdin_filename"])
    return analyze(Source(source.text, source.path, source.encoding_problem), settings)


def _plain(analysis: Analysis) -> FileFindings:
    return FileFindings(analysis.source.path, analysis.source.text, analysis.findings)


def _with_forward(analyses: list[Analysis]) -> list[FileFindings]:
    """The findings with those of one batch; a net that Caffe would not load is not run."""
    from prototxt_server.forward import run_each  # starts a process; only --forward pays

    results = {id(analysis): _plain(analysis) for analysis in analyses}
    nets = [a for a in analyses if a.file.kind == "net" and not any(f.caffe_aborts for f in a.findings)]
    for analysis, found, why in run_each(nets, {"device": "auto"}):
        if why:
            click.echo(f"lsp: {analysis.source.path}: no forward pass: {why}", err=True)
        merged = sorted([*analysis.findings, *found], key=lambda f: (f.start, f.end, f.code))
        results[id(analysis)] = FileFindings(analysis.source.path, analysis.source.text, merged)
    return list(results.values())


def _fixed(names: list[str], settings: Settings, options: dict[str, Any]) -> list[bool]:
    """Apply fixes (or show them); says for each file whether it changes."""
    changed = []
    for name in names:
        source = read_text(name, options["stdin_filename"])
        new = fix_text(Source(source.text, source.path, source.encoding_problem), settings, options["unsafe_fixes"])
        changed.append(new != source.text)
        if new == source.text:
            continue
        if options["diff"]:
            old_lines, new_lines = source.text.splitlines(True), new.splitlines(True)
            lines = difflib.unified_diff(old_lines, new_lines, source.path, source.path)
            click.echo("".join(line if line.endswith("\n") else line + "\n" for line in lines), nl=False)
        elif name == "-":
            click.echo(new, nl=False)
        else:
            Path(name).write_bytes(new.encode("utf-8", "surrogateescape"))
    return changed


def _print(checked: list[FileFindings], options: dict[str, Any]) -> None:
    colour = sys.stdout.isatty() if options["colour"] is None else options["colour"]
    if options["statistics"]:
        click.echo(human.statistics(checked))
        return
    writers: dict[str, Callable[[], str]] = {
        "full": lambda: human.full(checked, colour),
        "concise": lambda: human.concise(checked),
        "json": lambda: machine.as_json(checked),
        "json-lines": lambda: machine.as_json_lines(checked),
        "github": lambda: machine.as_github(checked),
        "sarif": lambda: machine.as_sarif(checked, VERSION),
    }
    text = writers[options["format_"]]()
    if text:
        # Invalid bytes of a file are kept as surrogates inside; a terminal gets a replacement character.
        click.echo(text.encode("utf-8", "replace").decode("utf-8"))
    if options["format_"] in ("full", "concise"):
        click.echo(("\n" if text and options["format_"] == "full" else "") + human.summary(checked, len(checked)), err=True)
