"""What the command shows of a backward pass: Caffe's lines in Caffe's order, the JSON object, when it runs unasked."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from prototxt_gpu_check import debug_info, policy
from prototxt_gpu_check.policy import Request, forward
from prototxt_gpu_check.result import ForwardResult

ORACLE = Path(__file__).resolve().parents[2].parent / "shared" / "oracle"
LOGS = sorted((ORACLE / "logs").glob("*.log"))

NET = """
layer { name: "data" type: "Input" top: "data" top: "label"
  input_param { shape { dim: 4 dim: 3 dim: 6 dim: 6 } shape { dim: 4 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" param { lr_mult: 1 } param { lr_mult: 0 }
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "msra" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "ip" type: "InnerProduct" bottom: "conv" top: "ip"
  inner_product_param { num_output: %d weight_filler { type: "msra" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""


def run(text: str, **options: object) -> ForwardResult:
    return forward(Request(text, device="cpu", **options))[0]  # type: ignore[arg-type]


def words(line: str) -> str:
    """A line without its numbers."""
    return re.sub(r"-?(nan|inf|\d+.?\d*(e[-+]\d+)?)(?=[,)]|$)", "#", line.strip())


@pytest.mark.parametrize("log", LOGS or [pytest.param(None, marks=pytest.mark.skip("../shared is not here"))], ids=str)
def test_the_lines_of_an_iteration_are_those_of_a_training_log(log: Path) -> None:
    theirs = [
        line.split("] ", 1)[1] for line in log.read_text().splitlines() if "[Forward]" in line or "[Backward]" in line
    ]
    end = next(i for i, line in enumerate(theirs) if "All net params" in line)
    result = run(log.with_suffix(".prototxt").read_text(), phase="TRAIN", backward=True)
    assert [words(line) for line in debug_info.lines(result)] == [words(line) for line in theirs[: end + 1]]


def probes() -> list[Any]:
    """Small nets that the real Caffe ran backward, some of them until it aborted."""
    found = []
    for path in sorted((ORACLE / "one-fault").glob("*.json")):
        record = json.loads(path.read_text()).get("forward") or {}
        if record.get("backward") and path.stem not in ABORTS_FORWARD:
            found.append(pytest.param(path.with_suffix(".prototxt"), record, id=path.stem))
    return found or [pytest.param(None, None, marks=pytest.mark.skip("../shared is not here"))]


ABORTS_FORWARD = {"loss_on_5_axes"}


@pytest.mark.parametrize(("path", "record"), probes())
def test_odd_nets_have_caffes_lines_up_to_where_it_aborts(path: Path, record: dict[str, Any]) -> None:
    result = run(path.read_text(), dialect="bvlc", phase="TRAIN", backward=True)
    ours = [words(line) for line in debug_info.lines(result) if "[Backward]" in line or "# Layer" in line]
    theirs = [words(line) for line in record["debug_info"] if "[Backward]" in line]
    assert ours[: len(theirs)] == theirs
    if record["ok"]:
        assert len(ours) == len(theirs)
    else:
        assert ours[len(theirs)].startswith("# Layer")
        assert "Caffe" in ours[len(theirs)]


def test_the_json_object_has_the_gradients_of_each_layer() -> None:
    out = run(NET % 5, backward=True).to_json()
    layers = {layer["name"]: layer for layer in out["layers"]}
    assert layers["data"]["bottom_diffs"] == []
    assert layers["conv"]["bottom_diffs"] == []  # nothing below it learns
    assert [d["name"] for d in layers["relu"]["bottom_diffs"]] == ["conv"]
    assert [d["name"] for d in layers["loss"]["bottom_diffs"]] == ["ip"]
    weight, bias = layers["conv"]["param_diffs"]
    assert weight["mean_abs"] > 0
    assert bias["mean_abs"] is None  # lr_mult 0: Caffe does not compute it
    assert out["backward"]["l2"]["diff"] > 0


def test_without_the_option_there_are_no_gradients() -> None:
    out = run(NET % 5).to_json()
    assert "backward" not in out
    assert all(layer["bottom_diffs"] == layer["param_diffs"] == [] for layer in out["layers"])


def test_a_net_without_a_loss_is_told_so() -> None:
    text = (NET % 5).partition('layer { name: "loss"')[0]
    assert [d.code for d in run(text, backward=True).degraded] == ["no-backward"]


@pytest.mark.parametrize(
    ("limit", "phase", "runs"),
    [(policy.AUTO_MACS, "TRAIN", True), (policy.AUTO_MACS, "TEST", False), (100, "TRAIN", False)],
    ids=["small", "TEST", "large"],
)
def test_unasked_it_runs_for_small_nets_in_train(
    limit: float, phase: str, runs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "AUTO_MACS", limit)
    assert (run(NET % 5, phase=phase, backward=None).backward is not None) is runs
