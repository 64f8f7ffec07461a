"""Published nets with fresh weights, as the real Caffe ran them: the same blobs are exactly 0, the same are not finite,
and sizes agree within an order of magnitude (weights differ: Caffe draws its own)."""

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

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
QUICK = 3e5
LARGEST = 2.5e7
"""Elements of all tops together: below QUICK always run, below LARGEST in the slow tests; larger nets take minutes."""


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
        count = size(record)
        if count > LARGEST or (not record["input_fill"] and count > QUICK):
            continue
        name = f"{record['file']}-{record['phase']}"
        found.append(pytest.param(record, id=name, marks=[] if count < QUICK else [pytest.mark.slow]))
    return found or [pytest.param(None, marks=pytest.mark.skip("../shared is not here"))]


@pytest.mark.parametrize("record", params())
def test_the_same_blobs_die_and_explode_as_in_caffe(record: dict[str, Any]) -> None:
    text = (SHARED / "corpus" / record["file"]).read_text()
    arrays = inputs(record)
    batch = None if arrays else record["fake_batch"]
    request = Request(
        text, "bvlc", record["phase"], inputs=arrays, device="cpu", strict_fillers=True, seed=1, batch=batch
    )
    result, _ = forward(request)
    ours: dict[tuple[str, str], list[Any]] = {}
    for layer in result.layers:
        for top in layer.tops:
            ours.setdefault((layer.name, top.name), []).append(top)
    compared = 0
    for layer in record["layers"]:
        for caffe in layer["tops"]:
            same = ours.get((layer["name"], caffe["name"]))
            if not same or caffe["count"] == 1:
                continue
            top, where = same.pop(0), (layer["name"], caffe["name"])
            if not arrays:
                continue  # a DummyData net keeps its own batch in Caffe
            compared += 1
            assert list(top.shape) == caffe["shape"], where
            assert top.stats.all_zero == (caffe["zero_frac"] == 1), where
            assert (top.stats.nonfinite > 0) == (caffe["nonfinite"] > 0), where
            mean, wanted = top.stats.mean_abs, caffe["mean_abs"]
            if caffe["count"] > 100 and isinstance(wanted, float) and wanted > 1e-30 and mean and math.isfinite(mean):
                assert abs(math.log10(mean / wanted)) < 1, where
    assert compared or not arrays
