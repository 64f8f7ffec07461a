"""Published nets with fresh weights, backward: Caffe's lines in its order, the same gradients 0, sizes alike."""

from __future__ import annotations

import math
from typing import Any

import pytest
from test_backward import split_numbers
from test_oracle_forward import QUICK, SHARED, inputs, records, size

from prototxt_gpu_check import debug_info
from prototxt_gpu_check.policy import Request, forward

LARGEST = 2e7
"""Elements of all tops together; larger nets take minutes."""


def params() -> list[Any]:
    found = []
    for record in records():
        if record.get("backward") and record["input_fill"] and size(record) < LARGEST:
            slow = [] if size(record) < QUICK else [pytest.mark.slow]
            found.append(pytest.param(record, id=f"{record['file']}-{record['phase']}", marks=slow))
    return found or [pytest.param(None, marks=pytest.mark.skip("../shared is not here"))]


@pytest.mark.parametrize("record", params())
def test_the_same_gradients_are_zero_as_in_caffe(record: dict[str, Any]) -> None:
    text = (SHARED / "corpus" / record["file"]).read_text()
    request = Request(
        text,
        "bvlc",
        record["phase"],
        inputs=inputs(record),
        device="cpu",
        strict_fillers=True,
        seed=1,
        backward=True,
        dropout=True,
    )
    result, _ = forward(request)
    assert result.backward is not None
    ours = list(debug_info.backward_lines(result.backward))
    for mine, theirs in zip(ours, record["debug_info"]["backward"], strict=True):
        words, values = split_numbers(mine)
        assert words == split_numbers(theirs)[0]
        for value, wanted in zip(values, split_numbers(theirs)[1], strict=True):
            assert (value == 0) == (wanted == 0), mine
            assert math.isfinite(value) == math.isfinite(wanted), mine
            if wanted and math.isfinite(wanted) and abs(wanted) > 1e-30:
                assert abs(math.log10(value / wanted)) < 1.5, (mine, theirs)  # two samples, other weights
