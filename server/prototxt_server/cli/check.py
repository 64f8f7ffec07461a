"""`lsp check`: diagnostics for files and folders, as text or for programs, with fixes."""

from __future__ import annotations

import gc
import sys
from typing import Any

import click

from prototxt_net.finding import SEVERITIES
from prototxt_net.words import count
from prototxt_server import files
from prototxt_server.checking import Checked, Task, check_all
from prototxt_server.cli.common import complain, fail, layout, reading_options, say, settings_of
from prototxt_server.cli.progress import shown
from prototxt_server.config import ConfigError
from prototxt_server.report import formats, human
from prototxt_server.report.record import FileFindings


def _codes(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    codes = tuple(code for value in values for code in value.split(",") if code.strip())
    if codes:
        from prototxt_server.config_keys import spelled
        from prototxt_server.rules.catalogue import load_all, load_dynamic

        codes = tuple(map(spelled, codes))
        rules = (*load_all(), *load_dynamic())
        for code in codes:
            if code != "ALL" and not any(rule.code.startswith(code) or rule.name == code for rule in rules):
                raise click.BadParameter(f"no rule is called {code!r}; `lsp rule` lists them", ctx, param)
    return codes


@click.command("check", epilog="Example: lsp check models/ --format github --fail-on error")
@click.argument("paths", nargs=-1)
@reading_options
@click.option(
    "--format",
    "format_",
    type=click.Choice(formats.NAMES),
    default="full",
    show_default=True,
    help="For people: full, concise; the others are for programs.",
)
@click.option(
    "--select",
    multiple=True,
    callback=_codes,
    metavar="CODES",
    help="Only these rules: codes, prefixes of codes, or names, comma separated.",
)
@click.option("--ignore", multiple=True, callback=_codes, metavar="CODES", help="Not these rules.")
@click.option(
    "--extend-select",
    multiple=True,
    callback=_codes,
    metavar="CODES",
    help="These rules too (some are off by default).",
)
@click.option("--fix", "fix", is_flag=True, help="Apply safe fixes, then report what is left.")
@click.option(
    "--unsafe-fixes", is_flag=True, help="With --fix or --diff: also fixes that change what the net computes."
)
@click.option("--diff", "diff", is_flag=True, help="Show what --fix would change; change and report nothing.")
@click.option(
    "--fail-on",
    type=click.Choice(SEVERITIES),
    default="warning",
    show_default=True,
    help="Exit 1 from this severity on.",
)
@click.option("--exit-zero", is_flag=True, help="Exit 0 whatever is found.")
@click.option(
    "--add-ignore",
    is_flag=True,
    help="Write an ignore comment for each finding from --fail-on on, then report what is left.",
)
@click.option(
    "--baseline",
    metavar="FILE",
    help="Do not report what FILE knows (by file, code and layer); where there is no FILE, write it.",
)
@click.option("--prune-baseline", is_flag=True, help="Take out of the baseline what is not found any more.")
@click.option("--statistics", is_flag=True, help="Counts per rule instead of findings; a table, or --format json.")
@click.option("--jobs", type=click.IntRange(0), default=0, show_default=True, help="Processes; 0: as many as pay.")
@click.option(
    "--no-cache", is_flag=True, help="Judge every file anew (unchanged files are known from the user's cache)."
)
@click.option("--twin", metavar="NET", help="Compare with this net, instead of the training net next to a deploy net.")
@click.option("--weights", metavar="FILE", help="Compare batch norms and frozen layers with this caffemodel.")
@click.option("--stdin-filename", metavar="NAME", help="The name of what `-` reads.")
@click.option("--forward", "forward", is_flag=True, help="Also run one batch and report the DYN findings.")
@click.option("--color/--no-color", "colour", default=None, help="Colours (default: on a terminal).")
def command(paths: tuple[str, ...], **options: Any) -> None:
    """Diagnose nets and solvers. PATHS are files, folders or - (standard input); the default is this folder.

    \b
    Exit code: 0 nothing at or above --fail-on, 1 findings (with --diff: changes), 2 usage or internal error.
    """  # noqa: D301 (click's mark for a paragraph that is not refilled)
    gc.disable()  # short-lived process: collecting costs more than it frees (30 % on large nets)
    names, complaints = files.collect(paths or (".",))
    if not names and not complaints:
        click.echo(f"lsp: no nets in {', '.join(paths) or 'this folder'} ({', '.join(files.SUFFIXES)})", err=True)
    results = _checked(names, options)
    for message in (*complaints, *(r.complaint for r in results if r.complaint)):
        complain(message)
    found = [result.findings for result in results if result.findings is not None]
    changed = any(result.diff for result in results)
    if options["diff"]:
        _say_diff(results, "silence" if options["add_ignore"] else "fix")
    else:
        if options["forward"]:
            found = _with_forward(results)
        if options["baseline"]:
            found = _without_known(found, options["baseline"], options["prune_baseline"])
        _print(found, results, options)
    if complaints or any(result.complaint for result in results):
        raise SystemExit(2)
    worst = SEVERITIES.index(options["fail_on"])
    failed = any(SEVERITIES.index(f.severity) <= worst for file in found for f in file.findings)
    raise SystemExit(0 if options["exit_zero"] else int(changed if options["diff"] else failed))


def _checked(names: list[str], options: dict[str, Any]) -> list[Checked]:
    settings = settings_of(
        options, select=options["select"], extend_select=options["extend_select"], ignore=options["ignore"]
    )
    failing = SEVERITIES[: SEVERITIES.index(options["fail_on"]) + 1]
    if options["prune_baseline"] and not options["baseline"]:
        fail("--prune-baseline needs --baseline FILE")
    if options["prune_baseline"] and any(options[name] for name in ("select", "ignore", "diff")):
        fail("--prune-baseline excludes --select, --ignore and --diff: what they leave out is not gone")
    if options["add_ignore"] and options["fix"]:
        fail("--add-ignore and --fix exclude each other")
    _require_named(options)
    task = Task(
        settings,
        options["config"],
        options["isolated"],
        fix="show" if options["diff"] else "write" if options["fix"] else "",
        unsafe=options["unsafe_fixes"],
        silence=frozenset(failing) if options["add_ignore"] else frozenset(),
        stdin_filename=options["stdin_filename"],
        cached=not any(
            options[name] for name in ("no_cache", "fix", "diff", "add_ignore", "forward", "twin", "weights")
        ),
        twin=options["twin"] or "",
        weights=options["weights"] or "",
    )
    try:
        return list(shown(check_all(names, task, options["jobs"], keep=options["forward"]), len(names), "Checking"))
    except ConfigError as error:
        fail(str(error))


def _require_named(options: dict[str, Any]) -> None:
    """Ends the program with exit code 2 for a twin or weights that cannot be used."""
    try:
        if options["twin"]:
            files.read(options["twin"])
        if options["weights"]:
            from prototxt_server.linked.weights import read_weights  # imports NumPy

            read_weights(options["weights"])
    except files.PathError as error:
        fail(str(error))


def _say_diff(results: list[Checked], verb: str) -> None:
    """The differences on standard output, how many on standard error."""
    sys.stdout.flush()
    for result in results:
        sys.stdout.buffer.write(result.diff.encode("utf-8", "surrogateescape"))
    fixes, changed = sum(result.applied for result in results), sum(bool(result.diff) for result in results)
    click.echo(f"Would {verb} {count(fixes, 'finding')} in {count(changed, 'file')}.", err=True)


def _with_forward(results: list[Checked]) -> list[FileFindings]:
    """The findings with those of one batch; a net that Caffe would not load is not run."""
    from prototxt_server.forward import run_each  # starts a process; only --forward pays

    merged = {id(r.analysis): r.findings for r in results if r.analysis is not None and r.findings is not None}
    analyses = [r.analysis for r in results if r.analysis is not None]
    nets = [a for a in analyses if a.file.kind == "net" and not any(f.caffe_aborts for f in a.findings)]
    noted: dict[str, int] = {}
    for done in shown(run_each(nets, {"device": "auto"}), len(nets), "Running one batch"):
        source = done.analysis.source
        if done.problem:
            complain(f"{source.path}: no forward pass: {done.problem}")
        for note in done.notes:
            noted[note] = noted.get(note, 0) + 1
        every = sorted([*done.analysis.findings, *done.findings], key=lambda f: (f.start, f.end, f.code))
        merged[id(done.analysis)] = FileFindings(source.path, source.text, every)
    for note, times in noted.items():
        complain(f"one batch: {note}{f' ({times} nets)' if times > 1 else ''}")
    return list(merged.values())


def _without_known(found: list[FileFindings], path: str, prune: bool) -> list[FileFindings]:
    """The findings that the baseline does not know; the first time, they become the baseline.

    prune: also write the baseline anew without what is gone.
    """
    from prototxt_server import baseline

    try:
        known = baseline.load(path)
        if known is None:
            known = baseline.of(path, found)
            baseline.save(path, known)
            click.echo(f"Wrote {count(known.total(), 'finding')} to {path}.", err=True)
        rest, gone = baseline.without(path, known, found)
        if gone and prune:
            baseline.save(path, known - gone)
            click.echo(f"Took {count(gone.total(), 'finding')} out of {path}.", err=True)
        elif gone:
            click.echo(f"{count(gone.total(), 'finding')} of {path} gone: --prune-baseline takes them out.", err=True)
    except files.PathError as error:
        fail(str(error))
    return rest


def _print(found: list[FileFindings], results: list[Checked], options: dict[str, Any]) -> None:
    """The report on standard output; the fixed text of standard input takes that place, and the report goes beside."""
    fixed = next((result.fixed for result in results if result.fixed is not None), None)
    if fixed is not None:
        sys.stdout.flush()
        sys.stdout.buffer.write(fixed.encode("utf-8", "surrogateescape"))
    stream = sys.stdout if fixed is None else sys.stderr
    text = (
        formats.statistics(options["format_"], found)
        if options["statistics"]
        else formats.render(options["format_"], found, layout(stream, options))
    )
    if text:
        say(text, err=fixed is not None)
    if found and options["format_"] in ("full", "concise") and not options["statistics"]:
        gap = "\n" if text and options["format_"] == "full" else ""
        applied = sum(result.applied for result in results)
        say(gap + human.summary(found, applied, "Silenced" if options["add_ignore"] else "Fixed"), err=True)
