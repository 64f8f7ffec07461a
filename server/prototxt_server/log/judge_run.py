"""What the run as such tells: lines that are missing (SOL009), and an abort (LOG001)."""

from __future__ import annotations

from collections.abc import Iterator

from prototxt_server.log.verdict import Verdict
from prototxt_server.log.view import View


def findings(view: View) -> Iterator[Verdict]:
    """Missing debug lines, then how it ended."""
    log = view.log
    solver = log.solver
    trained = any(kept.backward for kept in log.passes)
    if solver.get("debug_info") == "true" and not trained and log.solver_place is not None:
        display = solver.get("display", "")
        if display in ("", "0"):
            yield Verdict(
                "SOL009",
                "warning",
                f"debug_info prints only on displayed iterations and display is {display or 'absent'}: that is why the "
                "train net prints nothing here. Set display: 1.",
                log.solver_place,
            )
    if log.abort is not None:
        abort = log.abort
        where = f"after layer '{abort.layer}' was begun" if abort.layer else "before any layer was made"
        yield Verdict(
            "LOG001",
            "error",
            f"Caffe aborted {where}: {abort.message}",
            abort.place,
            abort.layer or None,
        )
