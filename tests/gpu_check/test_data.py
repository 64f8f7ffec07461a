"""The net's own data: databases made here, and the batch that Caffe would make of them, written out by hand."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from protos import blob, block, datum, encoded, number

import prototxt_net.layers  # noqa: F401  (registers the layer types)
from prototxt_gpu_check import plan
from prototxt_gpu_check.backend import Backend
from prototxt_gpu_check.data.base import DataError
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
DATABASES = [pytest.param(make_lmdb, "LMDB", id="LMDB"), pytest.param(make_leveldb, "LEVELDB", id="LevelDB")]


@pytest.mark.parametrize(("make", "backend"), DATABASES)
def test_records_are_read_in_order_and_from_the_start_again(make: Maker, backend: str, tmp_path: Path) -> None:
    make(tmp_path / "db", RECORDS)
    before = sorted((p.name, p.stat().st_mtime_ns) for p in (tmp_path / "db").iterdir())
    tops, notes = batch_of(data_layer("batch_size: 3", backend=backend), tmp_path)
    np.testing.assert_array_equal(tops["data"], np.stack([COUNTING, COUNTING + 100, COUNTING]).astype(np.float32))
    np.testing.assert_array_equal(tops["label"], [7, 3, 7])
    assert notes == []
    assert sorted((p.name, p.stat().st_mtime_ns) for p in (tmp_path / "db").iterdir()) == before


def test_float_records_are_read_and_bytes_win_over_floats(tmp_path: Path) -> None:
    floats = COUNTING.astype(np.float32) / 8 - 1
    both = datum(COUNTING, 1) + block(6, floats.tobytes())
    unpacked = b"".join([number(1, 1), number(2, 1), number(3, 2), b"\x35\x00\x00\x80\x3f", b"\x35\x00\x00\x00\xbf"])
    make_lmdb(tmp_path / "db", [datum(floats, -2), both])
    tops, _ = batch_of(data_layer(), tmp_path)
    np.testing.assert_array_equal(tops["data"], np.stack([floats, COUNTING.astype(np.float32)]))
    np.testing.assert_array_equal(tops["label"], [-2, 1])
    make_lmdb(tmp_path / "other", [unpacked])
    tops, _ = batch_of(data_layer("batch_size: 1").replace('"db"', '"other"'), tmp_path)
    np.testing.assert_array_equal(tops["data"], [[[[1, -0.5]]]])


def test_a_layer_with_one_top_reads_no_labels(tmp_path: Path) -> None:
    make_lmdb(tmp_path / "db", RECORDS)
    tops, _ = batch_of(data_layer(label=""), tmp_path)
    assert set(tops) == {"data"}


# -- transform_param ---------------------------------------------------------------------------------------------------

MEAN = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4) / 2
CENTRE = COUNTING[:, 0:2, 1:3].astype(np.float32)  # crop 2 of 3 x 4: the offsets 1 // 2 and 2 // 2

TRANSFORMS = {
    "scale": ("scale: 0.5", COUNTING / np.float32(2)),
    "one mean for all channels": ("mean_value: 10", COUNTING - np.float32(10)),
    "a mean for each channel": ("mean_value: 1 mean_value: 2", COUNTING - np.float32([[[1]], [[2]]])),
    "the mean before the scale": ("mean_value: 10 scale: 0.25", (COUNTING - np.float32(10)) / 4),
    "the centre in TEST": ("crop_size: 2", CENTRE),
    "a mean file": ('mean_file: "mean.binaryproto"', COUNTING - MEAN[0]),
    "a mean file at the place of the crop": (
        'mean_file: "mean.binaryproto" crop_size: 2 scale: 2',
        (CENTRE - MEAN[0, :, 0:2, 1:3]) * 2,
    ),
    "force_color of raw records does nothing": ("force_color: true", COUNTING.astype(np.float32)),
}


@pytest.mark.parametrize(("transform", "wanted"), [pytest.param(*v, id=k) for k, v in TRANSFORMS.items()])
def test_transform_param(transform: str, wanted: Floats, tmp_path: Path) -> None:
    make_lmdb(tmp_path / "db", RECORDS)
    (tmp_path / "mean.binaryproto").write_bytes(blob(MEAN))
    tops, _ = batch_of(data_layer("batch_size: 1", transform), tmp_path)
    np.testing.assert_array_equal(tops["data"], wanted[None])


def test_crops_are_drawn_in_train_and_a_seed_repeats_them(tmp_path: Path) -> None:
    make_lmdb(tmp_path / "db", [datum(np.arange(64, dtype=np.uint8).reshape(1, 8, 8), 0)])
    text = data_layer("batch_size: 40", "crop_size: 5")
    first, again, other = (batch_of(text, tmp_path, TRAIN, seed=seed)[0]["data"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    corners = {divmod(int(image[0, 0, 0]), 8) for image in first}
    assert {y for y, _ in corners} == {0, 1, 2, 3} == {x for _, x in corners}
    for image in first:
        np.testing.assert_array_equal(image[0] - image[0, 0, 0], np.arange(5)[:, None] * 8 + np.arange(5))


@pytest.mark.parametrize("phase", [TRAIN, TEST])
def test_mirror_flips_about_half_of_the_images_in_both_phases(phase: str, tmp_path: Path) -> None:
    make_lmdb(tmp_path / "db", [RECORDS[0]])
    images = batch_of(data_layer("batch_size: 40", "mirror: true"), tmp_path, phase)[0]["data"]
    flipped = [np.array_equal(image, COUNTING[:, :, ::-1]) for image in images]
    assert 10 < sum(flipped) < 30
    assert all(f or np.array_equal(image, COUNTING) for f, image in zip(flipped, images, strict=True))


def test_nothing_is_mirrored_unless_asked_for(tmp_path: Path) -> None:
    make_lmdb(tmp_path / "db", [RECORDS[0]])
    images = batch_of(data_layer("batch_size: 40"), tmp_path, TRAIN)[0]["data"]
    assert all(np.array_equal(image, COUNTING) for image in images)


# -- images ------------------------------------------------------------------------------------------------------------

RED_GREEN = np.array([[[250, 20, 10], [0, 200, 100]]], np.uint8)  # one row of two pixels, red first
BLUE_FIRST = np.array([[[10, 100]], [[20, 200]], [[250, 0]]], np.float32)  # (C, H, W)
GREY = np.array([[[(250 * 9798 + 20 * 19235 + 10 * 3735) >> 15, (200 * 19235 + 100 * 3735) >> 15]]], np.float32)

ENCODED = {
    "colours are stored blue first": (png(RED_GREEN), "", BLUE_FIRST),
    "force_color": (png(RED_GREEN), "force_color: true", BLUE_FIRST),
    "force_gray": (png(RED_GREEN), "force_gray: true", GREY),
    "a grey image has one channel": (png(RED_GREEN[:, :, 0], "L"), "", RED_GREEN[None, :, :, 0].astype(np.float32)),
    "force_color of a grey image": (
        png(RED_GREEN[:, :, 0], "L"),
        "force_color: true",
        np.repeat(RED_GREEN[None, :, :, 0], 3, axis=0).astype(np.float32),
    ),
}


@pytest.mark.parametrize(("image", "transform", "wanted"), [pytest.param(*v, id=k) for k, v in ENCODED.items()])
def test_encoded_records(image: bytes, transform: str, wanted: Floats, tmp_path: Path) -> None:
    make_lmdb(tmp_path / "db", [encoded(image, 5)])
    tops, _ = batch_of(data_layer("batch_size: 1", transform), tmp_path)
    np.testing.assert_array_equal(tops["data"], wanted[None])
    np.testing.assert_array_equal(tops["label"], [5])


def image_layer(param: str, transform: str = "") -> str:
    return (
        'layer { name: "i" type: "ImageData" top: "data" top: "label" '
        f'image_data_param {{ source: "list.txt" {param} }} transform_param {{ {transform} }} }}'
    )


def test_image_lists(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a b.png").write_bytes(png(RED_GREEN))
    (tmp_path / "pictures" / "c.png").write_bytes(png(RED_GREEN[:, ::-1]))
    (tmp_path / "list.txt").write_text("a b.png 4\nc.png cat\n")
    tops, _ = batch_of(image_layer('root_folder: "pictures/" batch_size: 3'), tmp_path)
    np.testing.assert_array_equal(tops["data"], np.stack([BLUE_FIRST, BLUE_FIRST[:, :, ::-1], BLUE_FIRST]))
    np.testing.assert_array_equal(tops["label"], [4, 0, 4])  # text that is no number is 0
    tops, _ = batch_of(image_layer('root_folder: "pictures/" batch_size: 1 is_color: false'), tmp_path)
    np.testing.assert_array_equal(tops["data"], GREY[None])


def test_shuffled_lists_keep_each_label_with_its_image(tmp_path: Path) -> None:
    for value in range(12):
        (tmp_path / f"{value}.png").write_bytes(png(np.full((2, 2), value, np.uint8), "L"))
    (tmp_path / "list.txt").write_text("".join(f"{value}.png {value}\n" for value in range(12)))
    tops, _ = batch_of(image_layer("batch_size: 12 is_color: false shuffle: true"), tmp_path)
    np.testing.assert_array_equal(tops["data"][:, 0, 0, 0], tops["label"])
    assert sorted(tops["label"]) == list(range(12)) != list(tops["label"])


@pytest.mark.parametrize(("rows", "columns"), [(8, 8), (5, 13), (17, 4), (20, 30), (40, 60), (10, 15)])
def test_images_are_resized_as_opencv_does(rows: int, columns: int) -> None:
    cv2 = pytest.importorskip("cv2")
    from prototxt_gpu_check.data.images import resize

    picture = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    theirs = cv2.resize(picture, (columns, rows), interpolation=cv2.INTER_LINEAR)
    assert np.abs(resize(picture, rows, columns).astype(int) - theirs).max() <= 1


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF"])
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA"])
@pytest.mark.parametrize(("force", "flag"), [("color", 1), ("gray", 0), ("", -1)])
def test_image_files_are_decoded_as_opencv_does(kind: str, mode: str, force: str, flag: int) -> None:
    cv2 = pytest.importorskip("cv2")
    from prototxt_gpu_check.data.images import decode

    smooth = np.linspace(0, 250, 30 * 40 * 3).reshape(30, 40, 3).astype(np.uint8)[:, :, [1, 2, 0]]
    file = io.BytesIO()
    try:
        Image.fromarray(smooth).convert(mode).save(file, kind)
    except OSError:
        pytest.skip(f"{kind} has no {mode}")
    theirs = cv2.imdecode(np.frombuffer(file.getvalue(), np.uint8), flag)
    ours = decode(file.getvalue(), force)
    assert np.abs(ours.astype(int) - theirs.reshape(30, 40, -1)).max() <= 1


def test_images_are_resized_before_they_are_cropped(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(np.repeat(np.arange(4, dtype=np.uint8) * 10, 4).reshape(4, 4), "L"))
    (tmp_path / "list.txt").write_text("a.png 0\n")
    tops, _ = batch_of(
        image_layer("batch_size: 1 is_color: false new_height: 2 new_width: 2", "crop_size: 1"), tmp_path
    )
    np.testing.assert_array_equal(tops["data"], [[[[5]]]])


# -- HDF5 --------------------------------------------------------------------------------------------------------------


def hdf5_layer(param: str = "batch_size: 3") -> str:
    return f'layer {{ name: "h" type: "HDF5Data" top: "x" top: "y" hdf5_data_param {{ source: "list.txt" {param} }} }}'


def make_hdf5(path: Path, **sets: npt.ArrayLike) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        for name, values in sets.items():
            file[name] = values


def test_rows_of_hdf5_files_follow_one_another(tmp_path: Path) -> None:
    make_hdf5(tmp_path / "1.h5", x=np.arange(4.0).reshape(2, 2), y=[5, 6])
    make_hdf5(tmp_path / "2.h5", x=np.arange(10.0, 12.0).reshape(1, 2), y=[7])
    (tmp_path / "list.txt").write_text("1.h5\n2.h5\n")
    tops, _ = batch_of(hdf5_layer("batch_size: 4"), tmp_path)
    np.testing.assert_array_equal(tops["x"], [[0, 1], [2, 3], [10, 11], [0, 1]])
    np.testing.assert_array_equal(tops["y"], [5, 6, 7, 5])


# -- what is not there, and what is broken -----------------------------------------------------------------------------


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


# -- the real Caffe ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["data_lmdb", "image_data", "hdf5_data", "window_data"])
def test_batches_are_caffes(name: str, shared: Path) -> None:
    folder = shared / "oracle" / "golden"
    text = (folder / f"{name}.prototxt").read_text()
    tops, _ = batch_of(text, folder)
    with np.load(folder / f"{name}.npz") as recorded:
        wanted = {key.removeprefix("input/"): recorded[key] for key in recorded if key.startswith("input/")}
    assert wanted
    for blob_name, array in wanted.items():
        np.testing.assert_array_equal(tops[blob_name], array)
