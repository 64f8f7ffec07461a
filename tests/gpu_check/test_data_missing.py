"""Data that is not there gives a synthetic batch; data that Caffe could not read either ends the run in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from data_sources import (
    COUNTING,
    MEAN,
    RECORDS,
    RED_GREEN,
    batch_of,
    data_layer,
    hdf5_layer,
    image_layer,
    make_hdf5,
    make_leveldb,
    make_lmdb,
    png,
)
from protos import blob, datum, encoded, number

from prototxt_gpu_check import plan
from prototxt_gpu_check.data.base import DataError
from prototxt_gpu_check.data.reading import Reader
from prototxt_gpu_check.sources import Inputs
from prototxt_grammar.parse import parse
from prototxt_net.phases import State
from prototxt_net.read import read


def test_a_source_that_is_not_there_gives_a_synthetic_batch_and_a_note(tmp_path: Path) -> None:
    tops, notes = batch_of(data_layer("batch_size: 2"), tmp_path)
    assert tops["data"].shape[0] == 2
    assert "'d' gets a synthetic batch: db is not there." in notes


def test_transforms_that_are_not_carried_out_give_a_synthetic_batch_and_a_note(tmp_path: Path) -> None:
    make_lmdb(tmp_path / "db", RECORDS)
    text = data_layer(transform="distort_param { brightness_prob: 0.5 }")
    inputs = Inputs(reader=Reader(str(tmp_path / "net.prototxt")))
    planned = plan.make(read(parse(text), "ssd"), State("TRAIN"), inputs, None, None)
    assert planned.degraded[0].message.endswith("transform_param.distort_param is not carried out here.")


def test_sources_are_looked_for_beside_the_net_then_in_the_working_folder_then_above(tmp_path: Path) -> None:
    net = tmp_path / "caffe" / "examples" / "mnist"
    (net / "elsewhere").mkdir(parents=True)
    places = [tmp_path / "caffe" / "db", net / "elsewhere" / "db", net / "db"]
    for label, place in enumerate(places):
        make_lmdb(place, [datum(COUNTING, label)])
        assert batch_of(data_layer("batch_size: 1"), net)[0]["label"] == [label]


def broken(kind: str, folder: Path) -> str:
    """Makes a source that cannot be read; the text of its net."""
    db = folder / "db"
    match kind:
        case "no database":
            db.mkdir()
        case "other backend":
            make_lmdb(db, RECORDS)
            return data_layer(backend="LEVELDB")
        case "lmdb of text":
            db.mkdir()
            (db / "data.mdb").write_text("no database")
        case "truncated lmdb":
            make_lmdb(db, [datum(np.zeros((3, 40, 40), np.uint8), 0)] * 8)
            (db / "data.mdb").write_bytes((db / "data.mdb").read_bytes()[:16384])
        case "empty lmdb":
            make_lmdb(db, [])
        case "record that is no Datum":
            make_lmdb(db, [RECORDS[0], b"\xff\xff\xff"])
        case "Datum too short":
            make_lmdb(db, [datum(COUNTING, 0)[:-10]])
        case "Datum of another count":
            make_lmdb(db, [number(1, 3) + datum(COUNTING, 0)[2:]])
        case "damaged image":
            make_lmdb(db, [encoded(png(RED_GREEN)[:-25], 0)])
        case "encoded and no image":
            make_lmdb(db, [encoded(b"BM no image", 0)])
        case "sizes differ":
            make_lmdb(db, [RECORDS[0], datum(COUNTING[:, :2], 0)])
        case "crop too large":
            make_lmdb(db, RECORDS)
            return data_layer(transform="crop_size: 4")
        case "means do not fit":
            make_lmdb(db, RECORDS)
            return data_layer(transform="mean_value: 1 mean_value: 2 mean_value: 3")
        case "mean file of another size":
            make_lmdb(db, RECORDS)
            (folder / "m").write_bytes(blob(MEAN[:, :, :2]))
            return data_layer(transform='mean_file: "m"')
        case "mean file of text":
            make_lmdb(db, RECORDS)
            (folder / "m").write_text("no mean")
            return data_layer(transform='mean_file: "m"')
        case "both forced":
            make_lmdb(db, RECORDS)
            return data_layer(transform="force_color: true force_gray: true")
        case "broken leveldb":
            make_leveldb(db, RECORDS)
            (db / "CURRENT").write_text("MANIFEST-999999\n")
            return data_layer(backend="LEVELDB")
        case "empty list" | "image missing" | "image of text":
            (folder / "list.txt").write_text("" if kind == "empty list" else "a.png 3\n")
            if kind == "image of text":
                (folder / "a.png").write_text("no image")
            return image_layer("batch_size: 2")
        case "list is an HDF5 file":
            make_hdf5(folder / "list.txt", x=[1.0], y=[1])
            return hdf5_layer()
        case "listed HDF5 file missing" | "HDF5 file of text":
            (folder / "list.txt").write_text("1.h5\n")
            if kind == "HDF5 file of text":
                (folder / "1.h5").write_text("no HDF5")
            return hdf5_layer()
        case "no such dataset":
            make_hdf5(folder / "1.h5", x=[1.0])
            (folder / "list.txt").write_text("1.h5\n")
            return hdf5_layer()
        case "rows differ":
            make_hdf5(folder / "1.h5", x=[1.0, 2.0], y=[1])
            (folder / "list.txt").write_text("1.h5\n")
            return hdf5_layer()
    return data_layer()


BROKEN = {
    "no database": "is neither an LMDB (data.mdb) nor a LevelDB (CURRENT)",
    "other backend": "is an LMDB, but data_param says backend: LEVELDB",
    "lmdb of text": "cannot be read as an LMDB: MDB_INVALID",
    "truncated lmdb": "is truncated: 16384 of",
    "empty lmdb": "holds no records",
    "record that is no Datum": "record 1 is no Datum",
    "Datum too short": "record 0 is no Datum",
    "Datum of another count": "record 0 is no Datum: 24 values for 3x3x4",
    "damaged image": "record 0 holds a damaged image",
    "encoded and no image": "record 0 holds no image that can be decoded; Caffe aborts",
    "sizes differ": "sample 1 has shape 2x2x4, the first one 2x3x4; Caffe aborts",
    "crop too large": "'d': crop_size 4 exceeds the 3x4 images; Caffe aborts",
    "means do not fit": "'d': 3 mean_value for 2 channels; Caffe aborts",
    "mean file of another size": "the mean file is 2x2x4, the images are 2x3x4; Caffe aborts",
    "mean file of text": "is no mean file (a binary BlobProto)",
    "both forced": "'d' has force_color and force_gray; Caffe aborts",
    "broken leveldb": "cannot be read as a LevelDB",
    "empty list": "lists no images; Caffe aborts",
    "image missing": "list.txt:1: a.png is not there; Caffe aborts",
    "image of text": "a.png holds no image that can be decoded; Caffe aborts",
    "list is an HDF5 file": "is itself an HDF5 file",
    "listed HDF5 file missing": "lists 1.h5, which is not there; Caffe aborts",
    "HDF5 file of text": "cannot be read as HDF5",
    "no such dataset": "has no dataset 'y'; Caffe aborts",
    "rows differ": "different numbers of rows (x 2, y 1)",
}


@pytest.mark.parametrize(("kind", "words"), BROKEN.items(), ids=BROKEN)
def test_what_cannot_be_read_is_said_in_one_line(kind: str, words: str, tmp_path: Path) -> None:
    text = broken(kind, tmp_path)
    with pytest.raises(DataError) as caught:
        batch_of(text, tmp_path)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("module", "text", "extra"),
    [
        ("lmdb", data_layer(), "data"),
        ("plyvel", data_layer(backend="LEVELDB"), "leveldb"),
        ("h5py", hdf5_layer(), "data"),
    ],
)
def test_a_missing_library_is_named_by_its_extra(
    module: str, text: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (make_leveldb if module == "plyvel" else make_lmdb)(tmp_path / "db", RECORDS)
    (tmp_path / "list.txt").write_text("1.h5\n")
    monkeypatch.setitem(__import__("sys").modules, module, None)
    monkeypatch.setitem(__import__("sys").modules, "plyvel_next", None)
    _, notes = batch_of(text, tmp_path)
    assert any(f'pip install "prototxt-lsp[{extra}]"' in note for note in notes)
