"""Our forward pass against the real Caffe's, top by top (oracle/golden and oracle/forks/golden)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from golden_nets import Golden, paths

from prototxt_gpu_check import debug_info
from prototxt_gpu_check.backend import Array, Backend

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
NETS = [pytest.param(p, id=p.stem) for p in paths(SHARED)] or [
    pytest.param(None, marks=pytest.mark.skip("../shared is not here"))
]
WHOLE_NET = 1e-4


def error(ours: Array, caffe: Array) -> float:
    """The largest difference, in units of max(1, largest magnitude)."""
    assert ours.shape == caffe.shape or (ours.shape, caffe.shape) == ((), (1,))  # the npz gives a scalar an axis
    if not caffe.size:
        return 0.0
    return float(np.abs(ours.astype(np.float64) - caffe).max() / max(1.0, np.abs(caffe).max()))


def rows(x: Array) -> Array:
    """The rows in an order of their own: PVANET's quick sort leaves proposals of equal score in no particular one."""
    return x[np.lexsort(x.round(3).reshape(len(x), -1).T)]


@pytest.mark.parametrize("path", NETS)
def test_every_top_agrees_with_caffe(path: Path, backend: Backend) -> None:
    golden = Golden(path)
    run, result = golden.run(backend)
    assert [layer.reason for layer in result.layers if not layer.checked] == []
    index = golden.index_of(run.net.nodes)
    for node in run.net.nodes:
        for blob in node.tops if node.position in index else ():
            caffe = golden.top(index[node.position], node.name, blob.name)
            if caffe is None:
                continue
            ours = run.arrays[blob]
            if node.type == "Proposal":
                ours, caffe = rows(ours), rows(caffe)
            assert error(ours, caffe) <= WHOLE_NET, (node.name, blob.name)


@pytest.mark.parametrize("path", NETS)
def test_the_loss_is_caffes(path: Path) -> None:
    golden = Golden(path)
    _, result = golden.run(Backend())
    assert (result.loss or 0.0) == pytest.approx(golden.record["loss"], rel=1e-5, abs=1e-5)


def one_pass(golden: Golden) -> Golden:
    """Skips a net whose averages were recorded after two passes: ours makes one."""
    if golden.record.get("forwards", 1) > 1 and golden.record["dialect"] != "nvidia-0.15":
        pytest.skip("recorded after two passes, which moved the running averages twice")
    return golden


@pytest.mark.parametrize("path", NETS)
def test_statistics_after_the_pass_agree_with_caffe(path: Path) -> None:
    golden = one_pass(Golden(path))
    _, result = golden.run(Backend())
    for layer in result.layers:
        for i, param in enumerate(layer.params):
            after = golden.arrays.get(f"param_after/{layer.name}/{i}")
            if after is not None:
                assert param.after.mean_abs == pytest.approx(float(np.abs(after).mean()), rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("path", NETS)
def test_debug_info_lines_are_caffes(path: Path) -> None:
    golden = one_pass(Golden(path))
    _, result = golden.run(Backend())
    recorded = {layer["name"] for layer in golden.record["layers"]}
    # A dialect without an Input layer prints the net's inputs otherwise, and no line for a layer.
    ours = [x for x in debug_info.lines(result) if "input" in recorded or "Layer input, top" not in x]
    caffe = [x for x in golden.record["debug_info"]["forward"] if not x.startswith("[Forward] Input ")]
    assert len(ours) == len(caffe)
    for mine, theirs in zip(ours, caffe, strict=True):
        left, value = mine.strip().rsplit(" ", 1)
        right, wanted = theirs.rsplit(" ", 1)
        assert left == right
        # Caffe adds up |x| in float32 and prints six digits.
        assert float(value) == pytest.approx(float(wanted), rel=1e-4, abs=1e-6), mine
