"""Sources made in a folder, and the batch that comes of them: for the tests of `prototxt_gpu_check.data`."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from protos import datum

import prototxt_net.layers  # noqa: F401  (registers the layer types)
from prototxt_gpu_check import plan
from prototxt_gpu_check.backend import Backend
from prototxt_gpu_check.data.reading import Reader
from prototxt_gpu_check.run import Options, Pass
from prototxt_gpu_check.sources import Inputs
from prototxt_grammar.parse import parse
from prototxt_net.phases import State
from prototxt_net.read import read

Floats = npt.NDArray[np.float32]
Maker = Callable[[Path, list[bytes]], None]
TRAIN, TEST = "TRAIN", "TEST"


def batch_of(text: str, folder: Path, phase: str = TEST, *, seed: int = 0) -> tuple[dict[str, Floats], list[str]]:
    """The tops of a net's data layers, and the notes of the pass. The net lies in `folder` and runs from elsewhere."""
    inputs = Inputs(reader=Reader(str(folder / "net.prototxt"), seed, working=folder / "elsewhere"))
    planned = plan.make(read(parse(text), "bvlc"), State(phase), inputs, None, None)  # type: ignore[arg-type]
    blobs = {blob for node in planned.net.nodes for blob in node.tops}
    run = Pass(planned, Backend(), inputs, Options(keep=frozenset(blobs)))
    result = run.run()
    return {b.name: np.asarray(run.arrays[b]) for b in blobs}, [d.message for d in result.degraded]


def make_lmdb(path: Path, records: list[bytes]) -> None:
    lmdb = pytest.importorskip("lmdb")
    path.mkdir()
    with lmdb.open(str(path), map_size=1 << 20) as env, env.begin(write=True) as transaction:
        for at, record in enumerate(records):
            transaction.put(b"%08d" % at, record)


def make_leveldb(path: Path, records: list[bytes]) -> None:
    plyvel = pytest.importorskip("plyvel")
    with plyvel.DB(str(path), create_if_missing=True) as db:
        for at, record in enumerate(records):
            db.put(b"%08d" % at, record)


def png(pixels: npt.NDArray[np.uint8], mode: str = "RGB") -> bytes:
    """An image file; pixels (H, W) or (H, W, 3), red first."""
    file = io.BytesIO()
    Image.fromarray(pixels, mode).save(file, "PNG")
    return file.getvalue()


def data_layer(
    param: str = "batch_size: 2", transform: str = "", backend: str = "LMDB", label: str = 'top: "label"'
) -> str:
    return (
        f'layer {{ name: "d" type: "Data" top: "data" {label} '
        f'data_param {{ source: "db" backend: {backend} {param} }} transform_param {{ {transform} }} }}'
    )


# Two records of 2 channels, 3 rows, 4 columns: 0..23 and 100..123.
COUNTING = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
RECORDS = [datum(COUNTING, 7), datum(COUNTING + np.uint8(100), 3)]
MEAN = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4) / 2
RED_GREEN = np.array([[[250, 20, 10], [0, 200, 100]]], np.uint8)  # one row of two pixels, red first
DATABASES = [pytest.param(make_lmdb, "LMDB", id="LMDB"), pytest.param(make_leveldb, "LEVELDB", id="LevelDB")]


def image_layer(param: str, transform: str = "") -> str:
    return (
        'layer { name: "i" type: "ImageData" top: "data" top: "label" '
        f'image_data_param {{ source: "list.txt" {param} }} transform_param {{ {transform} }} }}'
    )


def hdf5_layer(param: str = "batch_size: 3") -> str:
    return f'layer {{ name: "h" type: "HDF5Data" top: "x" top: "y" hdf5_data_param {{ source: "list.txt" {param} }} }}'


def make_hdf5(path: Path, **sets: npt.ArrayLike) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        for name, values in sets.items():
            file[name] = values
