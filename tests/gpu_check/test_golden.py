"""Our forward pass against the real Caffe's, top by top (oracle/golden and oracle/forks/golden)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from golden_nets import NOT_RUN, RANDOM, Golden, paths, recorded, with_gradients

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


def agree(golden: Golden, backend: Backend) -> None:
    """Every top, those of Caffe's Splits included, and every running statistic, number by number."""
    run, result = golden.run(backend)
    assert [layer.reason for layer in result.layers if not layer.checked] == []
    unordered = {node.name for node in run.net.nodes if node.type == "Proposal"}
    keys = []
    for key, ours, caffe in golden.forward(run):
        keys.append(key)
        if key.split("/")[2] in unordered:
            ours, caffe = rows(ours), rows(caffe)
        assert error(ours, caffe) <= WHOLE_NET, key
    assert keys == golden.compared("top/", "param_after/")


@pytest.mark.parametrize("path", NETS)
def test_every_top_agrees_with_caffe(path: Path, backend: Backend) -> None:
    agree(Golden(path), backend)


def test_no_recorded_tensor_is_left_out(shared: Path) -> None:
    """What the tests of this file and of test_backward compare, and the few that nothing can stand beside."""
    found = recorded(shared)
    run, differentiated = set(paths(shared)), set(with_gradients(shared))
    left_out = set()
    compared = 0
    for path in found:
        golden = Golden(path)
        for key in golden.arrays:
            kind = key.split("/")[0]
            if kind in ("input", "param"):
                continue  # what both start from
            ours = path in (differentiated if kind in ("bottomdiff", "paramdiff") else run)
            if ours and key not in RANDOM.get(path.stem, ()):
                compared += 1
            else:
                left_out.add((path.stem, kind))
    assert left_out == {
        ("python_layer", "top"),
        ("python_layer", "bottomdiff"),
        ("segnet-dropout_test_sampling", "top"),
        ("pvanet-roi_pooling", "bottomdiff"),
    }
    assert len(found) >= 160
    assert compared > 3000


SOURCES_AND_SINKS = frozenset(
    {
        "Data", "DummyData", "HDF5Data", "HDF5Output", "ImageData", "Input", "MemoryData", "Silence", "WindowData",
    }
)  # fmt: skip
"""Types without a computed top: see test_data, test_fill."""

WITHOUT_BACKWARD = frozenset({"Accuracy", "ArgMax", "Threshold"})


def test_every_layer_type_of_bvlc_is_compared_forward_and_backward(shared: Path) -> None:
    types = json.loads((shared / "facts" / "layers.json").read_text())["registered_types_by_dialect"]["bvlc"]
    seen: dict[str, set[str]] = {"top": set(), "diff": set()}
    for path in paths(shared):
        golden = Golden(path)
        if golden.record.get("dialect", "bvlc") == "bvlc":
            layers = {layer["index"]: layer for layer in golden.record["layers"]}
            seen["top"] |= {layers[int(key.split("/")[1])]["type"] for key in golden.compared("top/")}
            seen["diff"] |= {layers[int(key.split("/")[1])]["type"] for key in golden.compared("bottomdiff/")}
            named = {layer["name"]: layer["type"] for layer in golden.record["layers"]}
            seen["diff"] |= {named[key[len("paramdiff/") : key.rindex("/")]] for key in golden.compared("paramdiff/")}
    computing = set(types) - SOURCES_AND_SINKS - NOT_RUN
    assert computing - seen["top"] == set()
    assert computing - WITHOUT_BACKWARD - seen["diff"] == set()


def test_a_layer_that_is_not_run_leaves_the_rest(shared: Path) -> None:
    path = shared / "oracle" / "golden" / "python_layer.prototxt"
    run, result = Golden(path).run(Backend())
    assert [(layer.name, layer.checked) for layer in result.layers] == [("u", True), ("v", True), ("pl", False)]
    assert result.status == "partial"
    assert len(run.arrays) == 2


def drawn(golden: Golden) -> Golden:
    """Skips a net whose sums hang on a draw."""
    if golden.path.stem in RANDOM:
        pytest.skip("Caffe draws here with its own generator")
    return golden


@pytest.mark.parametrize("path", NETS)
def test_the_loss_is_caffes(path: Path) -> None:
    golden = drawn(Golden(path))
    _, result = golden.run(Backend())
    assert (result.loss or 0.0) == pytest.approx(golden.record["loss"], rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("path", NETS)
def test_debug_info_lines_are_caffes(path: Path) -> None:
    golden = drawn(Golden(path))
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
