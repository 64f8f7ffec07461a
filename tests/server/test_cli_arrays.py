"""`lsp forward` with arrays and weights that do not fit: refused in one line, or used whole."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"

Lsp = Callable[..., Any]


def stored(*, cut: int | None = None, **arrays: Any) -> bytes:
    """What numpy writes for one array, or for several."""
    file = io.BytesIO()
    if len(arrays) == 1:
        np.save(file, next(iter(arrays.values())), allow_pickle=True)
    else:
        np.savez(file, **arrays)
    return file.getvalue()[:cut]


IMAGES = np.ones((2, 1, 28, 28), np.float32)
ARRAYS = {
    "nothing": (b"", "x.npy is no .npy file"),
    "junk": (b"hello", "x.npy is no .npy file"),
    "half of it": (stored(a=IMAGES, cut=900), "x.npy is no .npy file, or not a whole one"),
    "a promise": (stored(a=IMAGES).replace(b"(2, 1, 28, 28)", b"(99999999, 9999999)"), "does not fit into memory"),
    "objects": (stored(a=np.array([{}])), "x.npy is no .npy file"),
    "words": (stored(a=np.array(["a"])), "not one array of numbers"),
    "complex numbers": (stored(a=IMAGES * 1j), "not one array of numbers"),
    "no images": (stored(a=IMAGES[:0]), "not one array of numbers"),
    "an archive": (stored(a=IMAGES, b=IMAGES), "it holds several arrays"),
}


@pytest.mark.parametrize("name", ARRAYS, ids=str)
def test_an_array_that_cannot_be_used(lsp: Lsp, name: str, some_files: Path) -> None:
    content, said = ARRAYS[name]
    (some_files / "x.npy").write_bytes(content)
    done = lsp("forward", "net.prototxt", "--input", "data=x.npy", cwd=some_files)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert said in done.err


def test_an_array_of_another_shape_is_said(lsp: Lsp, some_files: Path) -> None:
    np.save(some_files / "x.npy", np.ones((2, 3, 28, 28), np.float32))
    data = lsp("forward", "net.prototxt", "--input", "data=x.npy", "--format", "json", cwd=some_files).json
    assert "input-shape" in {note["code"] for note in data["degraded"]}


@pytest.mark.parametrize("shape", [(), (7,), (2, 1, 2, 2)])
def test_an_array_with_which_the_net_does_not_load_is_refused(
    lsp: Lsp, shape: tuple[int, ...], some_files: Path
) -> None:
    np.save(some_files / "x.npy", np.ones(shape, np.float32))
    done = lsp("forward", "net.prototxt", "--input", "data=x.npy", cwd=some_files)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "does not fit the values given for its inputs ('data' as " in done.err


@pytest.mark.parametrize("dtype", ["f8", "u1", "i4", "?"])
def test_an_array_of_any_number_type_is_used_whole(lsp: Lsp, dtype: str, some_files: Path) -> None:
    np.save(some_files / "x.npy", np.ones((5, 1, 28, 28), dtype))
    data = lsp("forward", "net.prototxt", "--input", "data=x.npy", "--format", "json", cwd=some_files).json
    assert data["batch_used"] == 5
    assert data["layers"][0]["tops"][0]["mean_abs"] == 1


def test_weights_of_another_net_are_found(lsp: Lsp, some_files: Path, shared: Path) -> None:
    golden = shared / "oracle" / "golden"

    def codes_with(name: str, cut: int | None = None) -> tuple[int, set[str]]:
        (some_files / "w.caffemodel").write_bytes((golden / name).read_bytes()[:cut])
        done = lsp("forward", "net.prototxt", "--weights", "w.caffemodel", "--format", "json", cwd=some_files)
        return done.code, {row["code"] for row in done.json["findings"]} if done.out else {done.err}

    assert codes_with("dev_lenet_test.caffemodel") == (1, {"SHP027"})
    assert codes_with("lstm_unit.caffemodel") == (1, {"INI011"})
    code, (said,) = codes_with("dev_lenet_test.caffemodel", 2000)
    assert code == 2
    assert "w.caffemodel is truncated: a layer that begins at byte" in said
