"""`lsp format`: indentation and spaces put right; tokens, comments and their order stay."""

from __future__ import annotations

import sys

import click

from prototxt_grammar import LineIndex, parse
from prototxt_grammar.formatter import format_text
from prototxt_net.words import count
from prototxt_server import files
from prototxt_server.cli.common import complain
from prototxt_server.report.diff import unified


@click.command("format", epilog="Example: lsp format --check models/")
@click.argument("paths", nargs=-1, required=True)
@click.option("--check", "check", is_flag=True, help="Write nothing; exit 1 when a file would change.")
@click.option("--diff", "diff", is_flag=True, help="Write nothing, show what would change; exit 1 when a file would.")
@click.option("--stdin-filename", metavar="NAME", help="The name of what `-` reads.")
def command(paths: tuple[str, ...], check: bool, diff: bool, stdin_filename: str | None) -> None:
    """Lay out PATHS (files, folders, or - for standard input to standard output).

    White space only: two spaces for each level, blocks on one line stay there, of several empty lines one is kept. A
    file with a syntax error is left alone, and said so; the exit code is then 2.
    """
    names, complaints = files.collect(paths)
    for complaint in complaints:
        complain(complaint)
    changed = same = 0
    refused = len(complaints)
    for name in names:
        try:
            done = _formatted(name, write=not (check or diff), diff=diff, stdin_filename=stdin_filename)
        except files.PathError as error:
            complain(str(error))
            refused += 1
            continue
        changed, same = changed + done, same + (not done)
        if done and check and not diff:
            click.echo(f"would lay out {name}")
    verb = "would change" if check or diff else "changed"
    click.echo(f"{count(changed, 'file')} {verb}, {count(same, 'file')} left as they are", err=True)
    raise SystemExit(2 if refused else int(changed > 0 and (check or diff)))


def _formatted(name: str, write: bool, diff: bool, stdin_filename: str | None) -> bool:
    """Lay out one file. Whether anything changed (or would). Raises files.PathError when it cannot be."""
    found = files.read(name, stdin_filename)
    if not found.writable:
        raise files.PathError(f"{found.path}: is {found.encoding_problem}, not the text of a net")
    tree = parse(found.text)
    text = format_text(tree)
    if text is None:
        start, problem = next(tree.problems())
        row = LineIndex(found.text).position(start + problem.start)[0] + 1
        raise files.PathError(f"{found.path}:{row}: has a syntax error, so its layout stays: `lsp check` says more")
    if write and name == "-":
        _print(text)
    elif diff:
        _print(unified(found.text, text, found.path))
    elif write and text != found.text:
        files.write(name, text)
    return text != found.text


def _print(text: str) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(files.encode(text))
    sys.stdout.buffer.flush()
