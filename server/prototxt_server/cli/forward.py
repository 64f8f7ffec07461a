"""`lsp forward`: one batch through a net."""

from __future__ import annotations

import json
import sys
import threading
from typing import Any

import click

from prototxt_net.finding import SEVERITIES, Finding
from prototxt_net.words import visible
from prototxt_server.analysis import Analysis
from prototxt_server.cli.common import KIND, fail, layout, read_net, reading_options, require_net, say, settings_of
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
@click.option(
    "--weights", multiple=True, metavar="FILE.caffemodel", help="Trained blobs to load (repeatable; later ones win)."
)
@click.option(
    "--input",
    "inputs",
    multiple=True,
    callback=_named_paths,
    metavar="BLOB=FILE.npy",
    help="Values of a blob that data layers or Input give (repeatable); used whole.",
)
@click.option(
    "--data",
    type=click.Choice(["auto", "synthetic"]),
    default="auto",
    show_default=True,
    help="auto: read the LMDB, LevelDB, HDF5 files, image list or window file that the net names, where it is there.",
)
@click.option("--batch", type=click.IntRange(1), help="Batch size (default: the net's on a GPU, at most 4 on the CPU).")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of fillers and synthetic input.")
@click.option(
    "--strict-fillers", is_flag=True, help="Absent fillers stay constant 0, as in Caffe, instead of being substituted."
)
@click.option("--backward", is_flag=True, help="Gradients too, with Caffe's [Backward] numbers.")
@click.option(
    "--solver",
    metavar="FILE",
    help="The solver at whose rate gradients are judged (default: those beside the net). Implies --backward.",
)
@click.option("--tf32", is_flag=True, help="Faster, less exact matrix products on the GPU.")
@click.option(
    "--format", "format_", type=click.Choice(["text", "json", "debug-info", "html"]), default="text", show_default=True
)
@click.option(
    "--fail-on", type=click.Choice(SEVERITIES), default="warning", show_default=True, help="Exit 1 from here on."
)
@click.option("--exit-zero", is_flag=True, help="Exit 0 whatever is found.")
@click.option("--stdin-filename", metavar="NAME", help="The name of what `-` reads.")
def command(net: str, format_: str, **options: Any) -> None:
    """Run one batch through NET and say where outputs collapse, and why.

    The batch is what --input gives, else what the net's data layers name (--data auto), else synthetic: 8-bit pictures
    of mean 118 and standard deviation 60 in patches of 1 to 97 pixels, then transform_param; for Input layers of mean 0
    and variance 1; labels that show many classes. docs/inputs.md tells the whole.

    \b
    Exit code: 0 nothing at or above --fail-on, 1 findings, 2 usage error, a net that Caffe does not load, or no result.
    """  # noqa: D301 (click's mark for a paragraph that is not refilled)
    source = read_net(net, options["stdin_filename"])
    analysis = analyze(source, settings_of(options, source.path))
    _refuse(analysis, options["inputs"])
    data, findings, lines = _run(analysis, options, format_)
    file = FileFindings(source.path, source.text, findings)
    if format_ == "json":
        data["findings"] = [record(file, finding) for finding in findings]
        say(json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False))
    elif format_ == "debug-info":
        say("\n".join(map(visible, lines)))
    elif format_ == "html":
        from prototxt_server.report.forward_html import page

        say(page(source.path, data, [record(file, finding) for finding in findings]))
    else:
        say(forward_text.heading(source.path, data))
        style = layout(sys.stdout, options)
        if sys.stdout.isatty():
            from prototxt_server.cli.forward_table import show

            say("")
            show(data, findings, sys.stdout, style.colour)
        else:
            say("\n" + forward_text.table(data))
        text = human.full([file], style)
        say(f"\n{text}" if text else "\nNothing found.")
    worst = SEVERITIES.index(options["fail_on"])
    failed = any(SEVERITIES.index(finding.severity) <= worst for finding in findings)
    raise SystemExit(1 if failed and not options["exit_zero"] else 0)


def _refuse(analysis: Analysis, inputs: dict[str, str]) -> None:
    """End with exit code 2 for what cannot be run: no net, one that Caffe would not load, inputs that it has not."""
    require_net(analysis)
    path = analysis.source.path
    aborts = [finding for finding in analysis.findings if finding.caffe_aborts]
    if aborts:
        say(human.concise([FileFindings(path, analysis.source.text, aborts)]), err=True)
        fail(f"{path}: {analysis.file.dialect} does not load this net, so there is nothing to run")
    tops = {top for net in analysis.nets for node in net.nodes for top in node.layer.tops}
    sources = {
        top: None for net in analysis.nets for node in net.nodes if not node.layer.bottoms for top in node.layer.tops
    }
    for blob, file in inputs.items():
        if blob not in sources:
            what = "is computed by a layer" if blob in tops else "is no blob of this net"
            fail(f"--input {blob}={file}: {blob!r} {what}; it is fed with {', '.join(sources) or 'nothing'}")


def _solver(options: dict[str, Any]) -> dict[str, Any]:
    """The solver that --solver names, for the worker. Ends with exit code 2 for a file that is none."""
    path = options["solver"]
    if path is None:
        return {}
    from prototxt_server.rates import solver_of

    analysis = analyze(read_net(path), settings_of(options, path))
    if analysis.file.kind != "solver":
        fail(f"{path}: is {KIND[analysis.file.kind]}, not a solver")
    solver = solver_of(analysis)
    if solver is None:
        say(f"{path}: its first update is not known exactly (only SGD and Nesterov are), so DYN032 is silent", err=True)
    return {"solvers": [solver.to_json()] if solver is not None else []}


def _run(analysis: Analysis, options: dict[str, Any], format_: str) -> tuple[dict[str, Any], list[Finding], list[str]]:
    from prototxt_gpu_check.client import RunCancelled, WorkerError
    from prototxt_server.cli.progress import Bar
    from prototxt_server.forward import as_findings, request_of, worker

    request = request_of(
        analysis,
        device=options["device"],
        weights=list(options["weights"]),
        inputs=options["inputs"],
        data=options["data"],
        batch=options["batch"],
        seed=options["seed"],
        strict_fillers=options["strict_fillers"],
        tf32=options["tf32"],
        backward=options["backward"] or options["solver"] is not None,
        debug_info=format_ == "debug-info",
        parameters=format_ in ("json", "html"),
        **_solver(options),
    )
    stop = threading.Event()
    with worker() as client, Bar("one batch") as bar:
        try:
            report = client.check(request, bar.show, cancel=stop)
        except WorkerError as error:
            fail(str(error) if error.code == "file" else f"{analysis.source.path}: {error}")
        except (RunCancelled, KeyboardInterrupt):
            fail("cancelled")
    return report.data, as_findings(report.findings, analysis), report.debug_info
