"""What the run as such tells: lines that are missing (SOL009)."""

from __future__ import annotations

from collections.abc import Iterator

from prototxt_server.log.verdict import Verdict
from prototxt_server.log.view import View


def findings(view: View) -> Iterator[Verdict]:
    """Missing debug lines."""
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
