"""Random small nets and what BVLC's Caffe said about each: verdict, place, shapes, parameters, who needs backward."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from prototxt_net.backward import backward
from prototxt_net.describe import inputs, num_parameters, outputs
from prototxt_net.net import Node
from prototxt_server.analysis import Analysis, Settings, Source
from prototxt_server.engine import analyze

FOLDER = Path(__file__).parent / "measured"
RECORDS = [
    pytest.param(json.loads(line), id=f"{name} {number}")
    for name in ("layers", "graphs")
    for number, line in enumerate((FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines(), 1)
]


def read(record: dict[str, Any]) -> Analysis:
    level, stages = record.get("level", 0), tuple(record.get("stages", ()))
    settings = Settings(dialect="bvlc", phase=record["phase"], level=level, stages=stages)
    return analyze(Source(record["text"]), settings)


def described(node: Node, needs_backward: bool) -> dict[str, Any]:
    """A layer as the records have it."""
    params = [
        [list(blob.shape or ()), float(f"{node.lr_mult(i):.7g}"), float(f"{node.decay_mult(i):.7g}")]
        for i, blob in enumerate(node.setup.params)
    ]
    tops = [[blob.name, None if blob.shape is None else list(blob.shape)] for blob in node.tops]
    return {"name": node.name, "tops": tops, "params": params, "needs_backward": needs_backward}


@pytest.mark.parametrize("record", [r for r in RECORDS if "layers" in r.values[0]])
def test_built(record: dict[str, Any]) -> None:
    analysis = read(record)
    assert [finding.message for finding in analysis.findings if finding.caffe_aborts] == []
    (net,) = analysis.nets
    needed = backward(net).layers
    ours = [described(node, node in needed) for node in net.nodes]
    for own, theirs in zip(ours, record["layers"], strict=True):
        if theirs["tops"] is None:
            own["tops"] = None
    assert ours == record["layers"]
    if "outputs" in record:
        assert (inputs(net), outputs(net)) == (record["inputs"], record["outputs"])
        assert num_parameters(net) == record["num_learnable"]


@pytest.mark.parametrize("record", [r for r in RECORDS if "error" in r.values[0]])
def test_refused(record: dict[str, Any]) -> None:
    """With an abort at the layer where Caffe stops; some CHECKs are made before it names the layer."""
    found = [finding for finding in read(record).findings if finding.caffe_aborts]
    assert found, record["error"]
    before = "propagate_down_size()" in record["error"] or not record["at_layer"]
    if not before:
        layers = {finding.layer for finding in found}
        assert any(layer is not None and record["at_layer"].startswith(layer) for layer in layers), record["error"]
