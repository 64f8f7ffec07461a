"""Published nets with fresh weights, as the real Caffe ran them: the same blobs are exactly 0, the same are not finite,
sizes agree within a factor of 3 (weights differ: Caffe draws its own), and the findings name the layer where it begins.

241 records of 125 files, 22 746 tops; 107 hold a top that is 0 throughout, 16 one that is not finite. (Four more
records ended for lack of memory.)
"""

from __future__ import annotations

import gzip
import json
import math
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prototxt_gpu_check.policy import Request, forward
from prototxt_gpu_check.result import ForwardResult
from prototxt_net.finding import Finding

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
QUICK = 3e5
CUT = 5e7
"""Elements of all tops together: below QUICK always run, the others in the slow tests; above CUT with fewer samples."""

FACTOR = 3.0
EXPLODING_FACTOR = 10.0
SOURCES = frozenset({"Input", "DummyData", "Split", "Silence"})
ROUNDING = 1e-4
"""Mean |x| behind a BatchNorm below which it holds rounding errors: its input is one constant (a benchmark's data)."""


@cache
def records() -> list[dict[str, Any]]:
    path = SHARED / "oracle/forward.jsonl.gz"
    if not path.exists():
        return []
    with gzip.open(path, "rt") as lines:
        return [r for r in map(json.loads, lines) if r["ok"]]


def size(record: dict[str, Any]) -> int:
    return sum(top["count"] for layer in record["layers"] for top in layer["tops"])


def sequence(n: int, seed: int) -> np.ndarray:
    """The oracle's input formula, u in [0, 1)."""
    with np.errstate(over="ignore"):
        x = np.arange(1, n + 1, dtype=np.uint32) * np.uint32(0x9E3779B9) + np.uint32(seed)
        x ^= x >> np.uint32(16)
        x *= np.uint32(0x7FEB352D)
        x ^= x >> np.uint32(15)
        x *= np.uint32(0x846CA68B)
        x ^= x >> np.uint32(16)
    return x / 2.0**32


def inputs(record: dict[str, Any]) -> dict[str, np.ndarray]:
    arrays = {}
    for item in record["input_fill"]:
        u = sequence(math.prod(item["shape"]), record["seed"])
        classes = re.match(r"floor\(u\*(\d+)\)", item["fill"])
        if classes:
            u = np.floor(u * int(classes[1]))
        elif item["fill"] == "u>=0.5":
            u = u >= 0.5
        else:
            u = 2 * u - 1
        arrays[item["name"]] = np.asarray(u, np.float32).reshape(item["shape"])
    return arrays


def params() -> list[Any]:
    found = []
    for record in records():
        name = f"{record['file']}-{record['phase']}"
        found.append(pytest.param(record, id=name, marks=[] if size(record) < QUICK else [pytest.mark.slow]))
    return found or [pytest.param(None, marks=pytest.mark.skip("../shared is not here"))]


def fewer(record: dict[str, Any], arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """One sample (two where a BatchNorm sees them all) of each array, for large nets whose arrays agree on samples."""
    batches = {array.shape[0] for array in arrays.values()}
    keep = 2 if any(layer["type"] == "BatchNorm" for layer in record["layers"]) else 1
    if size(record) < CUT or len(batches) != 1 or "LSTM" in {layer["type"] for layer in record["layers"]}:
        return arrays
    return {name: array[:keep] for name, array in arrays.items()}


def run(record: dict[str, Any], arrays: dict[str, np.ndarray]) -> tuple[ForwardResult, list[Finding]]:
    text = (SHARED / "corpus" / record["file"]).read_text()
    batch = None if arrays else record["fake_batch"]  # a DummyData net keeps its own, larger batch in Caffe
    options = {"inputs": arrays, "strict_fillers": True, "seed": 1, "batch": batch, "device": "cpu"}
    return forward(Request(text, "bvlc", record["phase"], **options))


def rounding_starts(record: dict[str, Any]) -> str | None:
    """The first BatchNorm of a net with constant data that holds nothing but rounding errors."""
    if record["input_fill"]:
        return None
    for layer in record["layers"]:
        mean = layer["tops"][0]["mean_abs"] if layer["type"] == "BatchNorm" else "none"
        if isinstance(mean, float) and mean < ROUNDING:
            return str(layer["name"])
    return None


def compare_numbers(record: dict[str, Any], result: ForwardResult, whole: bool) -> int:
    ours: dict[tuple[str, str], list[Any]] = {}
    for layer in result.layers:
        for top in layer.tops:
            ours.setdefault((layer.name, top.name), []).append(top)
    noise, exploding = rounding_starts(record), any(t["nonfinite"] for x in record["layers"] for t in x["tops"])
    compared = 0
    for layer in record["layers"]:
        if layer["name"] == noise:
            break
        for caffe in layer["tops"]:
            same = ours.get((layer["name"], caffe["name"]))
            if not same or caffe["count"] == 1:
                continue
            top, where = same.pop(0), (layer["name"], caffe["name"])
            compared += 1
            assert not whole or list(top.shape) == caffe["shape"], where
            assert top.shape[1:] == tuple(caffe["shape"][1:]) or not record["input_fill"], where
            assert top.stats.all_zero == (caffe["zero_frac"] == 1), where
            assert (top.stats.nonfinite > 0) == (caffe["nonfinite"] > 0), where
            mean, wanted = top.stats.mean_abs, caffe["mean_abs"]
            if caffe["count"] > 100 and isinstance(wanted, float) and wanted > 1e-30 and mean and math.isfinite(mean):
                ratio = max(mean / wanted, wanted / mean)
                assert ratio < (EXPLODING_FACTOR if exploding else FACTOR), where
    return compared


def compare_findings(record: dict[str, Any], found: list[Finding]) -> None:
    """The first all-zero layer and the first with NaN or Inf are what the findings name, and nothing else is."""
    layers = [x for x in record["layers"] if x["type"] not in SOURCES]
    weighted = [x["name"] for x in layers if x["type"] in ("Convolution", "InnerProduct", "Deconvolution", "LSTM")]
    zero = [x["name"] for x in layers if any(t["zero_frac"] == 1 and t["count"] > 1 for t in x["tops"])]
    broken = [x["name"] for x in layers if any(t["nonfinite"] for t in x["tops"])]
    collapses = [f.layer for f in found if f.code in ("DYN002", "DYN003", "DYN004")]
    if zero and (not weighted or zero[0] != weighted[-1]):  # a last classifier that starts at 0 is no collapse
        assert zero[0] in collapses
    assert set(collapses) <= set(zero)
    named = [f for f in found if f.code == "DYN001" or (f.code == "DYN012" and "first to hold NaN" in f.message)]
    assert bool(named) == bool(broken)
    if broken:
        assert named[0].layer == broken[0] or f"'{broken[0]}' is the first to hold NaN or Inf" in named[0].message


@pytest.mark.parametrize("record", params())
def test_the_same_blobs_die_and_explode_as_in_caffe(record: dict[str, Any]) -> None:
    whole = inputs(record)
    arrays = fewer(record, whole)
    result, found = run(record, arrays)
    assert {layer.node.type for layer in result.layers if not layer.checked} <= {"Python"}
    compared = compare_numbers(record, result, bool(arrays) and arrays is whole)
    assert compared or rounding_starts(record) or {x["type"] for x in record["layers"]} <= SOURCES
    if not rounding_starts(record):
        compare_findings(record, found)
