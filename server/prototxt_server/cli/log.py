"""`lsp log`: a training log, and the line at fault."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from typing import Any

import click

from prototxt_net.finding import SEVERITIES
from prototxt_server.cli.common import fail, layout, read_net, reading_options, require_net, say, settings_of
from prototxt_server.log.compare import Comparison, chosen, compare
from prototxt_server.log.findings import Report, report
from prototxt_server.log.reader import read, read_text
from prototxt_server.log.record import Log
from prototxt_server.log.streams import plain

_LONG = 64 << 20
"""Bytes from which on a bar shows how far it is."""


@click.command("log", epilog="Example: lsp log train.log --net train_val.prototxt")
@click.argument("log")
@click.option("--net", metavar="NET", help="The net that was trained: findings point at its lines and name the cause.")
@reading_options
@click.option("--compare", is_flag=True, help="Run one batch of NET and show the first layer that disagrees.")
@click.option(
    "--factor",
    type=click.FloatRange(1, min_open=True),
    default=3.0,
    show_default=True,
    help="What disagreeing means: by more than this factor.",
)
@click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda:N", help="Where --compare runs.")
@click.option("--weights", multiple=True, metavar="FILE.caffemodel", help="What --compare loads (repeatable).")
@click.option("--format", "format_", type=click.Choice(["text", "json", "html"]), default="text", show_default=True)
@click.option(
    "--fail-on", type=click.Choice(SEVERITIES), default="warning", show_default=True, help="Exit 1 from here on."
)
@click.option("--exit-zero", is_flag=True, help="Exit 0 whatever is found.")
@click.option("--stdin-filename", metavar="NAME", help="The name of what `-` reads.")
def command(log: str, net: str | None, format_: str, **options: Any) -> None:
    """Read LOG, a Caffe training log (whole, cut off, pasted or gzipped; `-`: standard input), and say what went wrong.

    \b
    Exit code: 0 nothing at or above --fail-on, 1 findings, 2 usage error or a file that cannot be read.
    """  # noqa: D301 (click's mark for a paragraph that is not refilled)
    name = (options["stdin_filename"] or "<stdin>") if log == "-" else log
    source = read_net(net) if net is not None else None
    settings = settings_of(options, net or "")
    if options["compare"] and source is None:
        fail("--compare runs the net: give it with --net")
    found = report(_read(log), name, source, settings)
    if net is not None and found.known.analysis is None:
        _not_a_net(net)
    compared = _compare(found, options) if options["compare"] else None
    if format_ == "json":
        from prototxt_server.report.log_json import as_object

        say(json.dumps(as_object(found, compared), indent=2, ensure_ascii=False, allow_nan=False))
    elif format_ == "html":
        from prototxt_server.report.log_html import page

        say(page(found))
    else:
        from prototxt_server.report.log_text import text

        say(text(found, layout(sys.stdout, options), compared))
        own = _own_net(found) if net is None and found.findings else None
        if own is not None:
            say(f"\nThe log names its net: `--net {own}` points at the lines of it.")
    raise SystemExit(_exit_code(found, options))


def _exit_code(found: Report, options: dict[str, Any]) -> int:
    worst = SEVERITIES.index(options["fail_on"])
    failed = any(SEVERITIES.index(finding.severity) <= worst for finding in found.findings)
    return 1 if failed and not options["exit_zero"] else 0


def _own_net(found: Report) -> str | None:
    """The net that the log names, by its solver or as the one that cannot be read, where it is at hand: from here, or
    beside the log.
    """
    refused = found.log.abort.message.partition("ReadProtoFromTextFile")[2] if found.log.abort is not None else ""
    refused = refused.partition("Failed to parse NetParameter file: ")[2]
    named = found.log.solver.get("net") or found.log.solver.get("train_net") or refused
    folder = os.path.dirname(found.name)
    paths = (named, os.path.join(folder, named), os.path.join(folder, os.path.basename(named)))
    return next((path for path in paths if named and os.path.isfile(path)), None)


def _not_a_net(net: str) -> None:
    from prototxt_server.engine import analyze

    require_net(analyze(read_net(net)))


def _compare(found: Report, options: dict[str, Any]) -> Comparison:
    """One batch of the net in the phase of the pass that is compared. Ends the program when there is nothing to lay it
    beside, or no result.
    """
    from prototxt_gpu_check.client import WorkerError
    from prototxt_server.forward import request_of, worker

    kept = chosen(found.log)
    analysis = found.known.analysis
    if kept is None or analysis is None:
        fail(f"{found.name}: has no debug_info lines to compare with")
    request = request_of(
        analysis,
        device=options["device"],
        weights=list(options["weights"]),
        strict_fillers=True,
        backward=kept.backward,
        debug_info=True,
    )
    request["phase"] = kept.phase or "auto"
    with worker() as client:
        try:
            done = client.check(request)
        except WorkerError as error:
            fail(f"{analysis.source.path}: {error}")
    result = compare(kept, read_text("\n".join([*done.debug_info, ""])), found.known, options["factor"])
    result.device, result.phase = str(done.data["device"]), str(done.data["phase"])
    result.batch = done.data.get("batch_used")
    return result


def _read(path: str) -> Log:
    if path == "-":
        return read(plain(sys.stdin.buffer))
    try:
        with open(path, "rb") as stream, _progress(stream) as told:
            log = plain(stream)
            return read(log, told if log is stream else None)
    except IsADirectoryError:
        fail(f"{path}: is a folder, not a file")
    except FileNotFoundError:
        fail(f"{path}: no such file")
    except PermissionError:
        fail(f"{path}: permission denied")
    except (OSError, ValueError) as error:
        fail(f"{path}: {getattr(error, 'strerror', None) or error}")


@contextmanager
def _progress(stream: BufferedReader) -> Iterator[Callable[[int], None] | None]:
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
