"""Weights are looked at when somebody asks for their statistics: a pass alone, and its verdict, need not."""

from __future__ import annotations

import numpy as np
import pytest

from prototxt_gpu_check import run
from prototxt_gpu_check.backend import Array, Backend
from prototxt_gpu_check.policy import Request, forward
from prototxt_gpu_check.result import ForwardResult
from prototxt_gpu_check.stats import Stats
from prototxt_gpu_check.weights import StoredLayer, Weights

NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 16 dim: 8 dim: 8 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 256 kernel_size: 3 weight_filler { type: "gaussian" std: 0.1 }
    bias_filler { type: "constant" value: 0.5 } } }
layer { name: "norm" type: "BatchNorm" bottom: "conv" top: "norm" }
layer { name: "ip" type: "InnerProduct" bottom: "norm" top: "ip" param { name: "w" }
  inner_product_param { num_output: 9 weight_filler { type: "xavier" } } }
layer { name: "again" type: "InnerProduct" bottom: "norm" top: "again" param { name: "w" }
  inner_product_param { num_output: 9 weight_filler { type: "xavier" } } }
"""


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the parameter blobs that were looked at so far."""
    sizes: list[int] = []
    take = run.take

    def noted(backend: Backend, x: Array) -> Stats:
        sizes.append(x.size)
        return take(backend, x)

    monkeypatch.setattr(run, "take", noted)
    return sizes


def result_of(**options: object) -> ForwardResult:
    return forward(Request(NET, device="cpu", **options))[0]  # type: ignore[arg-type]


def test_a_pass_and_its_verdict_look_at_no_weights_that_work(looked_at: list[int]) -> None:
    result = result_of()
    assert max(looked_at, default=0) <= 256
    result.to_json(parameters=False)
    assert max(looked_at, default=0) <= 256
    assert result.to_json()["layers"][1]["params"][0]["mean_abs"] == pytest.approx(0.08, rel=0.02)
    assert 256 * 16 * 9 in looked_at


def test_a_report_that_will_print_them_has_them_taken_while_they_are_there(looked_at: list[int]) -> None:
    result = result_of(parameters=True)
    assert looked_at == []
    assert result.layers[1].params[0].before.mean_abs == pytest.approx(0.08, rel=0.02)
    assert looked_at == []


def test_nobody_looks_twice(looked_at: list[int]) -> None:
    result = result_of()
    result.to_json()
    before = list(looked_at)
    result.to_json()
    assert looked_at == before


def test_late_and_early_looks_see_the_same() -> None:
    """A backward pass needs the norms of all parameters, so there they are taken at once."""
    late, early = result_of(), result_of(backward=True)
    for a, b in zip(late.layers, early.layers, strict=True):
        for p, q in zip(a.params, b.params, strict=True):
            assert (p.before.mean_abs, p.before.std, p.after.mean) == (q.before.mean_abs, q.before.std, q.after.mean)


def test_running_statistics_are_seen_before_and_after_they_move() -> None:
    mean, variance, factor = (p for p in result_of().layers[2].params)
    assert (mean.before.all_zero, variance.before.all_zero, factor.before.all_zero) == (True, True, True)
    assert factor.after.mean == 1
    assert not variance.after.all_zero


@pytest.mark.parametrize(
    ("type_", "broken"),
    [("Convolution", np.nan), ("Convolution", np.inf), ("Embed", np.nan), ("LSTM", np.inf)],
)
def test_loaded_weights_that_are_not_finite_are_found(
    type_: str, broken: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where no output shows it: a row of Embed that no word asks for, a gate of LSTM that an Inf saturates."""
    nets = {
        "Convolution": (
            'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 5 dim: 5 } } }'
            'layer { name: "x" type: "Convolution" bottom: "data" top: "x" convolution_param { num_output: 2 '
            "kernel_size: 3 } }",
            [(2, 3, 3, 3), (2,)],
        ),
        "Embed": (
            'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 } } }'
            'layer { name: "x" type: "Embed" bottom: "data" top: "x" embed_param { input_dim: 5000 num_output: 4 '
            "bias_term: false } }",
            [(5000, 4)],
        ),
        "LSTM": (
            'layer { name: "data" type: "Input" top: "data" top: "go" input_param { shape { dim: 3 dim: 2 dim: 900 } '
            "shape { dim: 3 dim: 2 } } }"
            'layer { name: "x" type: "LSTM" bottom: "data" bottom: "go" top: "x" recurrent_param { num_output: 5 } }',
            [(20, 900), (20,), (20, 5)],
        ),
    }
    text, shapes = nets[type_]
    blobs = [np.full(shape, 0.01, np.float32) for shape in shapes]
    blobs[0].flat[-1] = broken
    stored = Weights({"x": StoredLayer("x", "", [_Held(b) for b in blobs])}, "net.caffemodel")
    monkeypatch.setattr("prototxt_gpu_check.policy._weights", lambda request: stored)
    _, findings = forward(Request(text, device="cpu", phase="TEST"))
    assert ("DYN001", "error", "x") in [(f.code, f.severity, f.layer) for f in findings]


class _Held:
    """A stored blob in memory."""

    legacy = False

    def __init__(self, values: np.ndarray) -> None:
        self._values = values
        self.shape, self.size = values.shape, values.size

    def array(self) -> np.ndarray:
        return self._values
