"""Our backward pass against the real Caffe's: every recorded gradient, and the lines of debug_info."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from golden_nets import Golden, with_gradients
from test_golden import WHOLE_NET
from test_golden import error as finite_error

from prototxt_gpu_check import debug_info
from prototxt_gpu_check.backend import Array, Backend
from prototxt_gpu_check.run import Pass

SHARED = Path(__file__).resolve().parents[2].parent / "shared"


ROUNDING = {"ssd-normalize": 1e-5}
"""Nets with a gradient that is nothing but rounding, and how far apart that may be."""

NETS = [pytest.param(p, id=p.stem) for p in with_gradients(SHARED)] or [
    pytest.param(None, marks=pytest.mark.skip("../shared is not here"))
]


def error(ours: Array, caffe: Array) -> float:
    """As test_golden's; a NaN must be one in both. Ours may lie on a device."""
    ours = ours.get() if hasattr(ours, "get") else ours
    assert (np.isnan(ours) == np.isnan(caffe)).all()
    return finite_error(np.nan_to_num(ours), np.nan_to_num(caffe))


@pytest.mark.parametrize("path", NETS)
def test_every_gradient_agrees_with_caffe(path: Path, backend: Backend) -> None:
    golden = Golden(path)
    run, result = golden.run(backend, backward=True)
    assert result.backward is not None
    assert [(layer.name, layer.reason) for layer in result.backward.layers if layer.reason] == []
    assert compared(golden, run) > 0


def compared(golden: Golden, run: Pass) -> int:
    """Compares all recorded gradients with ours; how many there were."""
    assert run.backprop is not None
    count = 0
    index = golden.index_of(run.net.nodes)
    recorded = {k: v for k, v in golden.arrays.items() if k.startswith(("bottomdiff/", "paramdiff/"))}
    for node in run.net.nodes:
        for i in range(len(node.bottoms)):
            prefix = f"bottomdiff/{index.get(node.position)}/{node.name}/{i}/"
            caffe = next((recorded.pop(k) for k in list(recorded) if k.startswith(prefix)), None)
            if caffe is not None:
                count += 1
                assert error(run.backprop.bottom_diffs[node, i], caffe) <= WHOLE_NET, (node.name, "bottom", i)
        for i in range(len(node.setup.params)):
            caffe = recorded.pop(f"paramdiff/{node.name}/{i}", None)
            if caffe is not None:
                count += 1
                ours = run.backprop.param_diffs[node, i]
                assert error(ours.reshape(caffe.shape), caffe) <= WHOLE_NET, (node.name, "param", i)
    for blob, ours in run.backprop.split_diffs.items():
        name = f"{blob.name}_{blob.producer.name}_{blob.top_index}_split"
        key = next(k for k in recorded if k.startswith("bottomdiff/") and k.endswith(f"/{name}/0/{blob.name}"))
        count += 1
        assert error(ours, recorded.pop(key)) <= WHOLE_NET, name
    assert list(recorded) == []
    return count


@pytest.mark.parametrize("path", NETS)
def test_debug_info_lines_are_caffes(path: Path) -> None:
    golden = Golden(path)
    _, result = golden.run(Backend(), backward=True)
    assert result.backward is not None
    ours, caffe = list(debug_info.backward_lines(result.backward)), golden.record["debug_info"]["backward"]
    if "All net params" not in caffe[-1]:
        ours.pop()  # recorded through pycaffe, which does not print that line
    for mine, theirs in zip(ours, caffe, strict=True):
        left, values = split_numbers(mine)
        right, wanted = split_numbers(theirs)
        assert left == right
        assert values == pytest.approx(wanted, rel=2e-4, abs=ROUNDING.get(path.stem, 1e-6), nan_ok=True), mine


def split_numbers(line: str) -> tuple[str, list[float]]:
    """A line with its numbers left out, and the numbers (four in the line of the norms)."""
    words, _, rest = line.strip().rpartition(": ")
    found = re.findall(_NUMBER, rest)
    return f"{words}: {re.sub(_NUMBER, '#', rest)}", [float(x) for x in found]


_NUMBER = re.compile(r"(?<!\w)-?(?:nan|inf|\d[\d.]*(?:e[-+]?\d+)?)")
