"""Stored BatchNorm statistics against the data that go through: DYN012, DYN015 and DYN016."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from protos import block, varint

from prototxt_gpu_check.policy import Request, forward
from prototxt_net.finding import Finding

NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 32 dim: 3 dim: 8 dim: 8 } } }
layer { name: "bn" type: "BatchNorm" bottom: "data" top: "bn" batch_norm_param { use_global_stats: true } }
layer { name: "ip" type: "InnerProduct" bottom: "bn" top: "ip"
  inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }
"""
MEAN, STD = np.array([10.0, 20, 30]), 2.0
DATA = MEAN.reshape(1, 3, 1, 1) + STD * np.random.default_rng(0).standard_normal((32, 3, 8, 8))
VAR = np.full(3, STD**2)
FACTOR = 999.0


def blob(values: np.ndarray) -> bytes:
    return block(7, block(1, varint(values.size))) + block(5, values.astype("<f4").tobytes())


def judged(folder: Path, mean: np.ndarray, var: np.ndarray, factor: float, *, samples: int = 32) -> list[Finding]:
    """The findings with these blobs, as a file holds them: sums, and what to divide them by."""
    path = folder / "w.caffemodel"
    blobs = b"".join(block(7, blob(values)) for values in (mean, var, np.array([factor])))
    path.write_bytes(block(100, block(1, b"bn") + block(2, b"BatchNorm") + blobs))
    inputs = {"data": DATA[:samples].astype(np.float32)} if samples else {}
    return forward(Request(NET, phase="TEST", device="cpu", weights=(str(path),), inputs=inputs))[1]


def test_statistics_of_this_data_are_left_alone(tmp_path: Path) -> None:
    assert judged(tmp_path, MEAN * FACTOR, VAR * FACTOR, FACTOR) == []


@pytest.mark.parametrize(
    ("mean", "var", "factor", "severity", "words"),
    [
        (MEAN, np.array([4.0, -1, 4]), 1.0, "error", "a variance is negative (-1)"),
        (MEAN * 5000, VAR * 5000, 5000.0, "warning", "their factor is 5000, and training leaves at most 1010"),
        (MEAN * 1e6, VAR, 1.0, "warning", "times its standard deviation"),
    ],
)
def test_statistics_that_no_training_leaves(
    mean: np.ndarray, var: np.ndarray, factor: float, severity: str, words: str, tmp_path: Path
) -> None:
    (finding,) = (f for f in judged(tmp_path, mean, var, factor) if f.code == "DYN016")
    assert (finding.layer, finding.severity) == ("bn", severity)
    assert words in finding.message


@pytest.mark.parametrize("factor", [1.0, 0.5, 999.0, 1000.0])
def test_a_factor_that_training_leaves_is_left_alone(factor: float, tmp_path: Path) -> None:
    """A converter's 1, the first iterations, and what 0.999 converges to."""
    assert judged(tmp_path, MEAN * factor, VAR * factor, factor) == []


def test_statistics_that_are_not_divided_by_their_factor(tmp_path: Path) -> None:
    """A file of sums whose factor is lost: the output is a thousandth of what was trained."""
    (finding,) = judged(tmp_path, MEAN * FACTOR, VAR * FACTOR, 1.0)  # and not the layer behind, whose input is odd
    assert (finding.code, finding.layer, finding.severity) == ("DYN015", "bn", "warning")
    assert "or are not divided by their factor" in finding.message


def test_statistics_of_other_data(tmp_path: Path) -> None:
    (finding,) = judged(tmp_path, MEAN * 0, VAR * 100, 1.0)
    assert finding.code == "DYN015"


@pytest.mark.parametrize("samples", [0, 15])
def test_few_samples_or_synthetic_ones_say_nothing_about_them(samples: int, tmp_path: Path) -> None:
    assert [f for f in judged(tmp_path, MEAN * 0, VAR * 100, 1.0, samples=samples) if f.code == "DYN015"] == []


def test_statistics_that_are_empty(tmp_path: Path) -> None:
    (finding,) = judged(tmp_path, MEAN * 0, VAR * 0, 0.0)
    assert (finding.code, finding.severity) == ("DYN012", "warning")
    assert "The loaded statistics are empty" in finding.message
