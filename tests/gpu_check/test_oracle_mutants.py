"""Faulty nets: whatever is wrong with a net, a pass ends with a result, and a net that Caffe loads is run whole."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from prototxt_gpu_check.policy import Refused, Request, forward


def run(text: str, phase: str) -> str:
    try:
        result, _ = forward(Request(text, "bvlc", phase, device="cpu"))
    except Refused:
        return "refused"
    json.dumps(result.to_json(), allow_nan=False)
    return result.status


def test_every_mutant_ends_with_a_result(shared: Path) -> None:
    with gzip.open(shared / "oracle/mutants.jsonl.gz", "rt") as lines:
        records = [json.loads(line) for line in lines]
    status = {r["id"]: run(r["text"], r["phase"]) for r in records}
    assert {i for i, found in status.items() if found not in ("ok", "partial", "error", "refused")} == set()
    assert [r["id"] for r in records if r["ok"] and status[r["id"]] != "ok"] == []


@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
def test_every_probe_ends_with_a_result(phase: str, shared: Path) -> None:
    for path in sorted((shared / "oracle/one-fault").glob("*.prototxt")):
        assert run(path.read_text(), phase) in ("ok", "partial", "error", "refused"), path.name


def test_shared_parameters_of_two_sizes_leave_a_layer_out(shared: Path) -> None:
    text = (shared / "oracle/one-fault/share_mismatch.prototxt").read_text()
    result, _ = forward(Request(text, "bvlc", "TRAIN", device="cpu"))
    assert result.status == "partial"
    assert "caffe-refuses" in {d.code for d in result.degraded}
    assert any("shares parameter" in layer.reason for layer in result.layers)
