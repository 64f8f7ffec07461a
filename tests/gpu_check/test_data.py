"""The net's own data: databases made here, and the batch that Caffe would make of them, written out by hand."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from data_sources import (
    COUNTING,
    DATABASES,
    MEAN,
    RECORDS,
    RED_GREEN,
    TEST,
    TRAIN,
    Floats,
    Maker,
    batch_of,
    data_layer,
    hdf5_layer,
    image_layer,
    make_hdf5,
    make_lmdb,
    png,
)
from PIL import Image
from protos import blob, block, datum, encoded, number


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


def test_rows_of_hdf5_files_follow_one_another(tmp_path: Path) -> None:
    make_hdf5(tmp_path / "1.h5", x=np.arange(4.0).reshape(2, 2), y=[5, 6])
    make_hdf5(tmp_path / "2.h5", x=np.arange(10.0, 12.0).reshape(1, 2), y=[7])
    (tmp_path / "list.txt").write_text("1.h5\n2.h5\n")
    tops, _ = batch_of(hdf5_layer("batch_size: 4"), tmp_path)
    np.testing.assert_array_equal(tops["x"], [[0, 1], [2, 3], [10, 11], [0, 1]])
    np.testing.assert_array_equal(tops["y"], [5, 6, 7, 5])


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
