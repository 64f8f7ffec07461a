"""One batch, as the command line asks for it: the request for the worker process, and findings like any others."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prototxt_net.finding import Finding
from prototxt_server import suppress
from prototxt_server.advice import advised
from prototxt_server.analysis import Analysis
from prototxt_server.engine import DOCS_URL
from prototxt_server.linked import DISK
from prototxt_server.rules.catalogue import load_all, load_dynamic
from prototxt_server.rules.selection import is_selected

if TYPE_CHECKING:
    from prototxt_gpu_check.client import WorkerClient


def request_of(analysis: Analysis, **more: Any) -> dict[str, Any]:
    """The worker's request for a text as it was judged; `more` are its own options (device, batch, weights...).

    Gradients are judged beside the solvers that name the net, unless `more` brings others.
    """
    settings = analysis.settings
    if more.get("backward") and "solvers" not in more:
        from prototxt_server.rates import solvers_of  # reads other files

        more["solvers"] = [solver.to_json() for solver in solvers_of(analysis, DISK)]
    return {
        "text": analysis.source.text,
        "path": analysis.source.path,
        "dialect": analysis.file.dialect,
        "phase": "auto" if settings.phase == "all" else settings.phase,
        "level": settings.level,
        "stages": list(settings.stages),
        "shapes": {name: list(shape) for name, shape in settings.shapes},
        **more,
    }


@contextmanager
def worker() -> Iterator[WorkerClient]:
    """A worker process for the time of a command. Its log, tracebacks included, is shown with LSP_DEBUG=1."""
    from prototxt_gpu_check.client import WorkerClient

    client = WorkerClient(quiet=os.environ.get("LSP_DEBUG") != "1")
    try:
        yield client
    finally:
        client.close()


def as_findings(found: Sequence[Finding], analysis: Analysis) -> list[Finding]:
    """The verdicts of a pass as findings of the file: selected, suppressed where a comment says so; with page, fix."""
    settings = analysis.settings
    spoken = {
        rule.code
        for rule in (*load_dynamic(), *load_all())
        if is_selected(rule, settings.select, settings.extend_select, settings.ignore)
    }
    chosen = [f._replace(url=f"{DOCS_URL}{f.code}.md") for f in found if f.code in spoken]
    return advised(suppress.apply(chosen, analysis), analysis.findings)


@dataclass(slots=True, frozen=True)
class Pass:
    """One batch through one net. problem: why there was no result. notes: what was not as the net says."""

    analysis: Analysis
    findings: list[Finding]
    problem: str = ""
    notes: tuple[str, ...] = ()


def run_each(analyses: Sequence[Analysis], options: Mapping[str, Any]) -> Iterator[Pass]:
    """One pass for each net, with one worker; with gradients where they cost little (policy.AUTO_MACS)."""
    from prototxt_gpu_check.client import WorkerError

    with worker() as client:
        for analysis in analyses:
            try:
                report = client.check(request_of(analysis, **{"backward": "auto", "data": "auto", **options}))
            except WorkerError as error:
                yield Pass(analysis, [], str(error))
            else:
                notes = tuple(str(item["message"]) for item in report.data["degraded"])
                yield Pass(analysis, as_findings(report.findings, analysis), notes=notes)
