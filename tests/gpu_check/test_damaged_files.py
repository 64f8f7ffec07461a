"""Files that are cut off, overwritten in places or promise more than they hold: a sentence about the file, or a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from data_sources import (
    RECORDS,
    RED_GREEN,
    data_layer,
    hdf5_layer,
    image_layer,
    make_hdf5,
    make_leveldb,
    make_lmdb,
    png,
)
from protos import block, number, varint

from prototxt_gpu_check.policy import Refused, forward
from prototxt_gpu_check.worker import read_request

Fields = dict[str, object]
WEIGHTED = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 2 } }
"""
VALUES = np.arange(6, dtype=np.float32).reshape(2, 3)


def caffemodel(folder: Path) -> tuple[list[Path], Fields]:
    path = folder / "net.caffemodel"
    blobs = block(7, block(7, block(1, varint(2) + varint(3))) + block(5, VALUES.tobytes()))
    blobs += block(7, block(7, block(1, varint(2))) + block(5, VALUES[0, :2].tobytes()))
    path.write_bytes(block(1, b"net") + block(100, block(1, b"ip") + block(2, b"InnerProduct") + blobs))
    return [path], {"text": WEIGHTED, "weights": str(path)}


def hdf5_weights(folder: Path) -> tuple[list[Path], Fields]:
    h5py = pytest.importorskip("h5py")
    path = folder / "net.caffemodel.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("data/ip/0", data=VALUES, compression="gzip")
        file.create_dataset("data/ip/1", data=VALUES[0, :2])
    return [path], {"text": WEIGHTED, "weights": str(path)}


def array(folder: Path) -> tuple[list[Path], Fields]:
    path = folder / "x.npy"
    np.save(path, VALUES.astype(np.float64))
    return [path], {"text": WEIGHTED, "inputs": {"data": str(path)}}


def net_beside(folder: Path, text: str) -> Fields:
    return {"text": text, "data": "auto", "path": str(folder / "net.prototxt")}


def database(folder: Path) -> tuple[list[Path], Fields]:
    make_lmdb(folder / "db", RECORDS)
    return [folder / "db" / "data.mdb"], net_beside(folder, data_layer())


def leveldb(folder: Path) -> tuple[list[Path], Fields]:
    make_leveldb(folder / "db", RECORDS)
    files = [file for file in sorted((folder / "db").iterdir()) if file.is_file() and file.stat().st_size]
    return files, net_beside(folder, data_layer(backend="LEVELDB"))


def images(folder: Path) -> tuple[list[Path], Fields]:
    (folder / "a.png").write_bytes(png(RED_GREEN))
    (folder / "list.txt").write_text("a.png 1\n")
    return [folder / "a.png", folder / "list.txt"], net_beside(folder, image_layer("batch_size: 2"))


def hdf5(folder: Path) -> tuple[list[Path], Fields]:
    make_hdf5(folder / "a.h5", x=VALUES, y=VALUES[:, 0])
    (folder / "list.txt").write_text(f"{folder / 'a.h5'}\n")
    return [folder / "a.h5", folder / "list.txt"], net_beside(folder, hdf5_layer())


KINDS = {
    "caffemodel": caffemodel,
    "HDF5 weights": hdf5_weights,
    "array": array,
    "LMDB": database,
    "LevelDB": leveldb,
    "images": images,
    "HDF5": hdf5,
}
Kind = Callable[[Path], tuple[list[Path], Fields]]


def outcome(request: Fields) -> str:
    """What the user is told: "" for a run."""
    try:
        result, _ = forward(read_request({"device": "cpu", **request}))
    except Refused as refused:
        return str(refused)
    assert result.layers
    return ""


@pytest.mark.parametrize("kind", [pytest.param(make, id=name) for name, make in KINDS.items()])
def test_whole_files_run(kind: Kind, tmp_path: Path) -> None:
    assert outcome(kind(tmp_path)[1]) == ""


def told_well(said: str) -> None:
    assert "\n" not in said
    assert len(said) < 400


@pytest.mark.parametrize("kind", [pytest.param(make, id=name) for name, make in KINDS.items()])
def test_files_that_are_cut_off(kind: Kind, tmp_path: Path) -> None:
    files, request = kind(tmp_path)
    said = []
    for file in files:
        whole = file.read_bytes()
        for share in (0, 0.05, 0.3, 0.6, 0.9, 0.99):
            file.write_bytes(whole[: int(len(whole) * share)])
            said.append(outcome(request))
            told_well(said[-1])
        file.write_bytes(whole)
    assert any(said)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    "kind", [pytest.param(make, id=name) for name, make in KINDS.items() if name not in ("LMDB", "LevelDB")]
)
def test_files_that_are_overwritten_in_places(kind: Kind, seed: int, tmp_path: Path) -> None:
    """Not databases: what a damaged page does is their libraries' affair, and the worker process dies for it alone."""
    files, request = kind(tmp_path)
    rng = np.random.default_rng(seed)
    for file in files:
        whole = file.read_bytes()
        for width, value in ((1, None), (4, 0xFF), (9, 0)):
            data = bytearray(whole)
            at = int(rng.integers(min(len(data), 600)))
            new = rng.integers(256, size=width, dtype=np.uint8) if value is None else np.full(width, value, np.uint8)
            data[at : at + width] = new.tobytes()
            file.write_bytes(data)
            told_well(outcome(request))
        file.write_bytes(whole)


PROMISES = {
    "a blob of 2^40 numbers": block(7, block(7, block(1, varint(1 << 20) + varint(1 << 20))) + block(5, bytes(24))),
    "a blob of negative size": block(7, block(7, block(1, varint(-1))) + block(5, bytes(24))),
    "a field of 2^60 bytes": varint(7 << 3 | 2) + varint(1 << 60) + bytes(8),
}


@pytest.mark.parametrize("blobs", [pytest.param(v, id=k) for k, v in PROMISES.items()])
def test_weights_that_promise_more_than_they_hold(blobs: bytes, tmp_path: Path) -> None:
    path = tmp_path / "net.caffemodel"
    path.write_bytes(block(100, block(1, b"ip") + block(2, b"InnerProduct") + blobs))
    told_well(outcome({"text": WEIGHTED, "weights": str(path)}))


@pytest.mark.parametrize("sizes", [(1 << 30, 1 << 30, 1 << 30), (1, 1 << 40, 1), (0, 0, 0)])
def test_records_that_promise_more_than_they_hold(sizes: tuple[int, ...], tmp_path: Path) -> None:
    record = b"".join(number(field, size) for field, size in enumerate(sizes, 1)) + block(4, bytes(24))
    make_lmdb(tmp_path / "db", [record])
    said = outcome(net_beside(tmp_path, data_layer()))
    told_well(said)
    assert "db" in said


def test_a_dataset_of_a_trillion_rows_that_nobody_wrote(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name in "xy":
            file.create_dataset(name, shape=(10**12, 2), chunks=(1000, 2), dtype="f4")
    (tmp_path / "list.txt").write_text(f"{tmp_path / 'a.h5'}\n")
    said = outcome(net_beside(tmp_path, hdf5_layer("batch_size: 2 shuffle: true")))
    assert "is larger than a blob can be; Caffe aborts" in said


def test_hdf5_weights_with_names_that_are_no_small_numbers(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "net.caffemodel.h5"
    with h5py.File(path, "w") as file:
        for name in ("99999999999", "\u00b2", "x"):
            file.create_dataset(f"data/ip/{name}", data=VALUES)
        file.create_group("data/ip/0")
    told_well(outcome({"text": WEIGHTED, "weights": str(path)}))
