"""From a log to verdicts: forward, backward, outputs, the run; in the order in which a reader should hear of them."""

from __future__ import annotations

from prototxt_server.log import judge_abort, judge_backward, judge_forward, judge_losses, judge_outputs, judge_run
from prototxt_server.log.knowledge import Knowledge
from prototxt_server.log.record import Log
from prototxt_server.log.verdict import Verdict
from prototxt_server.log.view import View

_RANK = {"error": 0, "warning": 1, "info": 2, "hint": 3}


def judge(log: Log, known: Knowledge) -> list[Verdict]:
    """All verdicts: in time (passes), what is worse first among those of one time."""
    view = View(log, known)
    found = [
        *judge_run.findings(view),
        *judge_abort.findings(view),
        *judge_forward.findings(view),
        *judge_backward.findings(view),
        *judge_losses.findings(view),
        *judge_outputs.findings(view),
    ]
    order = {id(verdict): i for i, verdict in enumerate(found)}
    last = log.pass_count

    def key(verdict: Verdict) -> tuple[int, int, int]:
        at = verdict.kept.number if verdict.kept is not None else last
        return _RANK[verdict.severity] if verdict.severity in ("info", "hint") else 0, at, order[id(verdict)]

    return sorted(found, key=key)
