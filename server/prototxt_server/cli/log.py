"""`lsp log`: a training log, and the line at fault."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import click

from prototxt_net.finding import SEVERITIES
from prototxt_server.cli.common import fail, layout, read_net, reading_options, require_net, say, settings_of
from prototxt_server.log.findings import Report, report
from prototxt_server.log.reader import read
from prototxt_server.log.record import Log

_LONG = 64 << 20
"""Bytes from which on a bar shows how far it is."""


@click.command("log", epilog="Example: lsp log train.log --net train_val.prototxt")
@click.argument("log")
@click.option("--net", metavar="NET", help="The net that was trained: findings point at its lines and name the cause.")
@reading_options
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option(
    "--fail-on", type=click.Choice(SEVERITIES), default="warning", show_default=True, help="Exit 1 from here on."
)
@click.option("--exit-zero", is_flag=True, help="Exit 0 whatever is found.")
@click.option("--stdin-filename", metavar="NAME", help="The name of what `-` reads.")
def command(log: str, net: str | None, format_: str, **options: Any) -> None:
    """Read LOG, a Caffe training log (whole, cut off or pasted; `-` is standard input), and say what went wrong first.

    \b
    Exit code: 0 nothing at or above --fail-on, 1 findings, 2 usage error or a file that cannot be read.
    """  # noqa: D301 (click's mark for a paragraph that is not refilled)
    name = (options["stdin_filename"] or "<stdin>") if log == "-" else log
    source = read_net(net) if net is not None else None
    settings = settings_of(options, net or "")
    found = report(_read(log), name, source, settings)
    if net is not None and found.known.analysis is None:
        _not_a_net(net)
    if format_ == "json":
        from prototxt_server.report.log_json import as_object

        say(json.dumps(as_object(found), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        from prototxt_server.report.log_text import text

        say(text(found, layout(sys.stdout, options)))
    raise SystemExit(_exit_code(found, options))


def _exit_code(found: Report, options: dict[str, Any]) -> int:
    worst = SEVERITIES.index(options["fail_on"])
    failed = any(SEVERITIES.index(finding.severity) <= worst for finding in found.findings)
    return 1 if failed and not options["exit_zero"] else 0


def _not_a_net(net: str) -> None:
    from prototxt_server.engine import analyze

    require_net(analyze(read_net(net)))


def _read(path: str) -> Log:
    if path == "-":
        return read(sys.stdin.buffer)
    try:
        with open(path, "rb") as stream, _progress(stream) as told:
            return read(stream, told)
    except IsADirectoryError:
        fail(f"{path}: is a folder, not a file")
    except FileNotFoundError:
        fail(f"{path}: no such file")
    except PermissionError:
        fail(f"{path}: permission denied")
    except (OSError, ValueError) as error:
        fail(f"{path}: {getattr(error, 'strerror', None) or error}")


@contextmanager
def _progress(stream: BinaryIO) -> Iterator[Callable[[int], None] | None]:
    """A bar on a terminal for a log that takes a while."""
    size = os.fstat(stream.fileno()).st_size
    if size < _LONG or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=size)
        yield lambda done: bar.update(task, completed=done)
