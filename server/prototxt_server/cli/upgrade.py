"""`lsp upgrade`: old ways of writing a net become what Caffe makes of them, comments and layout kept."""

from __future__ import annotations

import sys
from typing import Any

import click

from prototxt_server import files
from prototxt_server.analysis import Source
from prototxt_server.cli.common import fail, read_net, reading_options, settings_of
from prototxt_server.report.diff import unified
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
    results: list[tuple[str, Source, Upgrade]] = []
    for path in nets:
        source = read_net(path, stdin_filename)
        if source.encoding_problem == files.UTF16:
            fail(f"{source.path}: cannot be converted: it is UTF-16, which Caffe does not read; save it as UTF-8 first")
        result = upgrade(source, settings_of(options, source.path if path != "-" or stdin_filename else "./-"))
        if result.problem:
            row = FileFindings(source.path, source.text, []).location(result.at)["row"]
            fail(f"{source.path}:{row}: cannot be converted: {result.problem}")
        results.append((path, source, result))
    changed = False
    for path, source, result in results:
        changed |= result.text != source.text
        if diff:
            _print(unified(source.text, result.text, source.path))
        elif in_place and path != "-":
            _write_back(path, source, result)
        else:
            _print(result.text)
    raise SystemExit(1 if diff and changed else 0)


def _write_back(path: str, source: Source, result: Upgrade) -> None:
    if result.text == source.text:
        click.echo(f"{path}: up to date", err=True)
        return
    try:
        files.write(path, result.text)
    except files.PathError as error:
        fail(str(error))
    click.echo(f"{path}: converted {', '.join(result.done)}", err=True)


def _print(text: str) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(files.encode(text))
    sys.stdout.buffer.flush()
