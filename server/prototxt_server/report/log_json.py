"""A training log for programs. No NaN or infinity: null, with `broken` beside it."""

from __future__ import annotations

import math
from typing import Any

from prototxt_server.log.compare import Comparison, Row
from prototxt_server.log.findings import Report
from prototxt_server.log.tracks import Point, Track
from prototxt_server.log.values import Pass, Value
from prototxt_server.report.record import record


def as_object(report: Report, compared: Comparison | None = None) -> dict[str, Any]:
    """The documented object; with `compared` where a batch was run beside the log."""
    log = report.log
    found: dict[str, Any] = {
        "filename": report.name,
        "writer": {
            "dialect": report.writer.dialect or None,
            "name": report.writer.name or None,
            "why": report.writer.why,
        },
        "rows": log.rows,
        "runs": log.runs,
        "finished": log.finished,
        "weights": log.weights or None,
        "solver": log.solver,
        "passes": log.pass_count,
        "debug_lines": log.debug_lines,
        "loss": _track(log.loss) if log.loss.count else None,
        "lr": _track(log.lr) if log.lr.count else None,
        "train": [_track(track) for track in log.train.values()],
        "test": [_track(track) for track in log.test.values()],
        "kept_passes": [_pass(report, kept) for kept in log.passes],
        "findings": [record(file, finding) for file in report.files for finding in file.findings],
    }
    if compared is not None:
        found["compared"] = {
            "device": compared.device,
            "phase": compared.phase,
            "batch": compared.batch,
            "factor": compared.factor,
            "iteration": compared.kept.iteration,
            "first": None if compared.first is None else _compared(compared.first),
            "numbers": [_compared(row) for row in compared.rows],
        }
    return found


def _compared(row: Row) -> dict[str, Any]:
    here = row.here if row.here is None else _finite(row.here)
    return {"layer": row.layer, "what": row.what, "log": _finite(row.log), "here": here, "agrees": row.agrees}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _point(point: Point | None) -> dict[str, Any] | None:
    if point is None:
        return None
    return {"iteration": point.iteration, "value": _finite(point.number), "row": point.place.row + 1}


def _track(track: Track) -> dict[str, Any]:
    return {
        "name": track.name,
        "loss_weight": track.weight,
        "count": track.count,
        "first": _point(track.first),
        "last": _point(track.last),
        "lowest": _point(track.lowest),
        "highest": _point(track.highest),
        "broken": _point(track.broken),
        "points": [[iteration, _finite(value)] for iteration, value in track.points],
    }


def _sizes(values: dict[str, Value]) -> list[dict[str, Any]]:
    return [{"name": name, "mean_abs": _finite(value.number)} for name, value in values.items()]


def _pass(report: Report, kept: Pass) -> dict[str, Any]:
    return {
        "number": kept.number,
        "phase": kept.phase or None,
        "iteration": kept.iteration,
        "kept_because": sorted(kept.reasons),
        "layers": [
            {
                "name": values.name,
                "type": report.known.type(values.name) or None,
                "tops": _sizes(values.tops),
                "params": _sizes(values.params),
                "bottom_diffs": _sizes(values.bottom_diffs),
                "param_diffs": _sizes(values.param_diffs),
            }
            for values in kept.layers.values()
        ],
        "norms": None
        if kept.norms is None
        else {
            name: _finite(getattr(kept.norms, name)) for name in ("l1_data", "l1_diff", "l2_data", "l2_diff")
        },
    }  # fmt: skip
