"""`lsp upgrade`: old ways of writing a net become what Caffe makes of them, comments and layout kept."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path
from typing import Any

import click

from prototxt_server.analysis import Source
from prototxt_server.cli.common import fail, read_net, reading_options, settings_of
from prototxt_server.report.record import FileFindings
from prototxt_server.upgrading import Upgrade, upgrade


@click.command("upgrade", epilog="Example: lsp upgrade old_net.prototxt > net.prototxt")
@click.argument("nets", nargs=-1, required=True)
@reading_options
@click.option("--diff", "diff", is_flag=True, help="Show what would change; exit 1 when something would.")
@click.option("--in-place", "in_place", is_flag=True, help="Write the files instead of standard output.")
@click.option("--stdin-filename", help="The name of what `-` reads.")
def command(nets: tuple[str, ...], diff: bool, in_place: bool, stdin_filename: str | None, **options: Any) -> None:
    """Convert NETS from the V0 and V1 forms, `input` fields and `solver_type` to what today's Caffe reads as it is.

    Nothing but these changes: comments and layout stay. A file with a syntax error is refused, and nothing is written.
    """
    if diff and in_place:
        fail("--diff and --in-place exclude each other")
    if len(nets) > 1 and not (diff or in_place):
        fail("more than one net: say --in-place or --diff")
    settings = settings_of(options)
    results: list[tuple[str, Source, Upgrade]] = []
    for path in nets:
        source = read_net(path, stdin_filename)
        result = upgrade(source, settings)
        if result.problem:
            row = FileFindings(source.path, source.text, []).location(result.at)["row"]
            fail(f"{source.path}:{row}: cannot be converted: {result.problem}")
        results.append((path, source, result))
    changed = False
    for path, source, result in results:
        changed |= result.text != source.text
        if diff:
            _show_diff(source, result.text)
        elif in_place and path != "-":
            _write_back(path, source, result)
        else:
            _print(result.text)
    raise SystemExit(1 if diff and changed else 0)


def _show_diff(source: Source, new: str) -> None:
    lines = difflib.unified_diff(source.text.splitlines(True), new.splitlines(True), source.path, source.path)
    _print("".join(line if line.endswith("\n") else line + "\n\\ No newline at end of file\n" for line in lines))


def _write_back(path: str, source: Source, result: Upgrade) -> None:
    if result.text == source.text:
        click.echo(f"{path}: up to date", err=True)
        return
    Path(path).write_bytes(_encoded(result.text))
    click.echo(f"{path}: converted {', '.join(result.done)}", err=True)


def _print(text: str) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(_encoded(text))
    sys.stdout.buffer.flush()


def _encoded(text: str) -> bytes:
    """Bytes that are not UTF-8 were kept as surrogates and go back as they were."""
    return text.encode("utf-8", "surrogateescape")
