"""Reading caffemodels: every way in which Caffe has written blobs, and everything that is none."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from protos import block, number, varint

from prototxt_gpu_check import weights
from prototxt_gpu_check.weights import WeightsError

VALUES = np.arange(6, dtype=np.float32) / 4 - 1
FLOATS = VALUES.astype("<f4").tobytes()
SHAPE = block(7, block(1, varint(2) + varint(3)))

BLOBS = {
    "shape and packed floats": SHAPE + block(5, FLOATS),
    "unpacked dims": block(7, number(1, 2) + number(1, 3)) + block(5, FLOATS),
    "unpacked floats": SHAPE + b"".join(varint(5 << 3 | 5) + struct.pack("<f", v) for v in VALUES),
    "floats in two parts": SHAPE + block(5, FLOATS[:8]) + block(5, FLOATS[8:]),
    "packed doubles": SHAPE + block(8, VALUES.astype("<f8").tobytes()),
    "unpacked doubles": SHAPE + b"".join(varint(8 << 3 | 1) + struct.pack("<d", v) for v in VALUES),
    "doubles win over floats": SHAPE + block(5, bytes(24)) + block(8, VALUES.astype("<f8").tobytes()),
    "NVIDIA raw float": SHAPE + number(10, 1) + block(12, FLOATS),
    "NVIDIA raw half": SHAPE + number(10, 2) + block(12, VALUES.astype("<f2").tobytes()),
    "NVIDIA raw double": SHAPE + number(10, 0) + block(12, VALUES.astype("<f8").tobytes()),
    "unknown fields and a diff": number(99, 5) + SHAPE + block(6, FLOATS) + block(5, FLOATS),
}


def version2(blob: bytes) -> bytes:
    return block(1, b"net") + block(100, block(1, b"ip") + block(2, b"InnerProduct") + block(7, blob))


def version1(blob: bytes) -> bytes:
    return block(1, b"net") + block(2, block(4, b"ip") + number(5, 14) + block(6, blob))


def version0(blob: bytes) -> bytes:
    return block(2, block(1, block(1, b"ip") + block(2, b"innerproduct") + block(50, blob)))


def opened(tmp_path: Path, data: bytes) -> weights.Weights:
    path = tmp_path / "w.caffemodel"
    path.write_bytes(data)
    return weights.read(path)


@pytest.mark.parametrize("blob", [pytest.param(v, id=k) for k, v in BLOBS.items()])
@pytest.mark.parametrize("version", [version2, version1, version0])
def test_every_way_of_writing_a_blob_is_read(blob: bytes, version: object, tmp_path: Path) -> None:
    found = opened(tmp_path, version(blob))  # type: ignore[operator]
    arrays, misfit = found.fit("ip", [(2, 3)])
    assert misfit is None
    assert arrays is not None
    np.testing.assert_array_equal(arrays[0], VALUES.reshape(2, 3))
    assert arrays[0].dtype == np.float32


LEGACY = number(1, 1) + number(2, 1) + number(3, 2) + number(4, 3) + block(5, FLOATS)


@pytest.mark.parametrize(
    ("shape", "fits"),
    [((2, 3), True), ((1, 2, 3), True), ((1, 1, 2, 3), True), ((3, 2), False), ((6,), False), ((1, 1, 1, 2, 3), False)],
)
def test_legacy_shapes_are_compared_from_the_right(shape: tuple[int, ...], fits: bool, tmp_path: Path) -> None:
    arrays, misfit = opened(tmp_path, version2(LEGACY)).fit("ip", [shape])
    assert (arrays is not None) is fits
    assert (misfit is None) is fits


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        ([(2, 3), (2,)], ["2 parameter blobs", "the weights file has 1", "Incompatible number of blobs"]),
        ([(3, 3)], ["parameter 0", "shape 3x3", "has 2x3", "Cannot copy param"]),
        ([None], ["shape ?"]),
    ],
)
def test_what_does_not_fit_is_said_with_both_sides(shapes: list, words: list[str], tmp_path: Path) -> None:
    arrays, misfit = opened(tmp_path, version2(BLOBS["shape and packed floats"])).fit("ip", shapes)
    assert arrays is None
    assert misfit is not None
    assert misfit.layer == "ip"
    assert all(word in misfit.message for word in words)


def test_a_layer_that_the_file_lacks_keeps_its_fillers(tmp_path: Path) -> None:
    assert opened(tmp_path, version2(LEGACY)).fit("conv1", [(1,)]) == (None, None)


def test_of_two_layers_with_one_name_the_first_counts(tmp_path: Path) -> None:
    other = SHAPE + block(5, bytes(24))
    arrays, _ = opened(tmp_path, version2(LEGACY) + version2(other)).fit("ip", [(2, 3)])
    assert arrays is not None
    assert arrays[0].any()


def test_of_two_files_the_later_one_counts(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_bytes(version2(LEGACY))
    second.write_bytes(version2(SHAPE + block(5, bytes(24))))
    arrays, _ = weights.merged([weights.read(first), weights.read(second)]).fit("ip", [(2, 3)])
    assert arrays is not None
    assert not arrays[0].any()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b"name: 'net'\nlayer { name: 'ip' }\n", "is text, not a binary caffemodel", id="text"),
        pytest.param(bytes(range(1, 200)), "not a caffemodel", id="binary junk"),
        pytest.param(b"\x89HDF\r\n\x1a\n" + bytes(100), "cannot be read as HDF5", id="hdf5"),
        pytest.param(b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull", id="LFS pointer"),
        pytest.param(b"\n<!DOCTYPE html>", "is a web page", id="web page"),
        pytest.param(
            number(1, 500) + block(2, b"net_iter_500.caffemodel"), "looks like a .solverstate", id="solverstate"
        ),
        pytest.param(
            version2(LEGACY) + version2(LEGACY)[:-4],
            "is truncated: a layer that begins at byte \\d+ is not whole",
            id="cut in the middle",
        ),
        pytest.param(block(1, b"net"), "holds no layers", id="no layers"),
        pytest.param(version2(LEGACY)[:-4], "truncated", id="truncated"),
        pytest.param(version2(SHAPE + block(5, FLOATS[:-1])), "not a caffemodel", id="broken float data"),
    ],
)
def test_a_file_that_is_no_caffemodel_is_refused_in_one_sentence(data: bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=words):
        opened(tmp_path, data)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(WeightsError):
            weights.read(path)


def test_a_blob_is_a_view_of_the_file(tmp_path: Path) -> None:
    (blob,) = opened(tmp_path, version2(BLOBS["shape and packed floats"])).layers["ip"].blobs
    assert blob.size == 6
    assert not blob.array().flags.owndata


def test_an_array_with_too_few_numbers_is_a_misfit(tmp_path: Path) -> None:
    arrays, misfit = opened(tmp_path, version2(SHAPE + block(5, FLOATS[:8]))).fit("ip", [(2, 3)])
    assert arrays is None
    assert misfit is not None
    assert "holds 6 numbers" in misfit.message


# -- HDF5 --------------------------------------------------------------------------------------------------------------


def hdf5(path: Path, layers: dict[str, dict[str, np.ndarray]]) -> weights.Weights:
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        for name, blobs in layers.items():
            group = data.create_group(name)
            for index, values in blobs.items():
                group[index] = values
    return weights.read(path)


def test_hdf5_weights_are_read_by_layer_and_index_whatever_the_name_of_the_file(tmp_path: Path) -> None:
    bias = np.float64([0.5, 0.25])
    found = hdf5(tmp_path / "w.caffemodel", {"a/b": {"0": VALUES.reshape(2, 3), "1": bias}, "relu": {}})
    arrays, misfit = found.fit("a/b", [(2, 3), (2,)])
    assert misfit is None
    assert arrays is not None
    np.testing.assert_array_equal(arrays[0], VALUES.reshape(2, 3))  # type: ignore[arg-type]
    np.testing.assert_array_equal(arrays[1], bias)  # type: ignore[arg-type]
    assert found.fit("relu", []) == (None, None)
    assert found.fit("conv1", [(1,)]) == (None, None)


def test_an_hdf5_file_leaves_shared_blobs_to_their_owner(tmp_path: Path) -> None:
    found = hdf5(tmp_path / "w.h5", {"ip": {"1": np.zeros(2)}})
    arrays, misfit = found.fit("ip", [(2, 3), (2,)], shared={0})
    assert misfit is None
    assert arrays is not None
    assert arrays[0] is None
    arrays, misfit = found.fit("ip", [(2, 3), (2,)])
    assert arrays is None
    assert misfit is not None
    assert "Incompatible number of blobs" in misfit.message


def test_other_shapes_in_an_hdf5_file_abort(tmp_path: Path) -> None:
    found = hdf5(tmp_path / "w.h5", {"ip": {"0": np.zeros((3, 2))}})
    _, misfit = found.fit("ip", [(2, 3)])
    assert misfit is not None
    assert "shape mismatch" in misfit.message
    assert "2x3" in misfit.message
    assert "3x2" in misfit.message


def test_an_hdf5_file_of_something_else_is_refused(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = [1]
    with pytest.raises(WeightsError, match="without the group `data`"):
        weights.read(tmp_path / "x.h5")


# -- NVIDIA's BatchNorm ------------------------------------------------------------------------------------------------

C = (2,)


def floats(*values: float, shape: tuple[int, ...] | None = None) -> bytes:
    dims = b"".join(varint(d) for d in shape or (len(values),))
    return block(7, block(1, dims)) + block(5, np.float32(values).astype("<f4").tobytes())


def batch_norm(*blobs: bytes) -> bytes:
    return block(100, block(1, b"bn") + block(2, b"BatchNorm") + b"".join(block(7, blob) for blob in blobs))


GAMMA, BETA, MEAN, VARIANCE, SPARE = (2.0, 3.0), (4.0, 5.0), (6.0, 8.0), (10.0, 12.0), (0.0,)
DIGITS = batch_norm(*(floats(*v, shape=(1, 2, 1, 1)) for v in (GAMMA, BETA, MEAN, VARIANCE)), floats(*SPARE))
MODERN = batch_norm(*(floats(*v) for v in (MEAN, VARIANCE, (1.0,), GAMMA, BETA)))
BVLC = batch_norm(floats(*MEAN), floats(*VARIANCE), floats(4.0))
FIVE, THREE = [C, C, (1,), C, C], [C, C, (1,)]
ORDERED = [MEAN, VARIANCE, SPARE, GAMMA, BETA]


@pytest.mark.parametrize(
    ("file", "dialect", "shapes", "wanted"),
    [
        pytest.param(
            DIGITS, "nvidia-0.15", [(1, 2, 1, 1)] * 4 + [(1,)], [GAMMA, BETA, MEAN, VARIANCE, SPARE], id="own"
        ),
        pytest.param(DIGITS, "nvidia-0.16", FIVE, ORDERED, id="0.16 rearranges DIGITS' blobs"),
        pytest.param(DIGITS, "nvidia-0.17", FIVE, ORDERED, id="0.17 too"),
        pytest.param(MODERN, "nvidia-0.17", FIVE, [MEAN, VARIANCE, (1.0,), GAMMA, BETA], id="its own order stays"),
        pytest.param(BVLC, "nvidia-0.16", THREE, [MEAN, VARIANCE, (4.0,)], id="0.16 takes sums as they are"),
        pytest.param(BVLC, "nvidia-0.17", THREE, [(1.5, 2.0), (2.5, 3.0), (1.0,)], id="0.17 divides them"),
        pytest.param(BVLC, "bvlc", THREE, [MEAN, VARIANCE, (4.0,)], id="BVLC divides when it runs"),
        pytest.param(DIGITS, "nvidia-0.15", [C] * 4 + [(1,)], "1x2x1x1", id="0.15 with the other engine"),
        pytest.param(DIGITS, "bvlc", THREE, "3 parameter blobs, the weights file has 5", id="DIGITS in BVLC"),
        pytest.param(BVLC, "nvidia-0.15", [C] * 4 + [(1,)], "the weights file has 3", id="BVLC in 0.15"),
    ],
)
def test_batch_norm_blobs_are_taken_as_the_fork_takes_them(
    file: bytes, dialect: str, shapes: list, wanted: object, tmp_path: Path
) -> None:
    arrays, misfit = opened(tmp_path, file).fit("bn", shapes, dialect)
    if isinstance(wanted, str):
        assert misfit is not None
        assert wanted in misfit.message
        return
    assert misfit is None
    assert arrays is not None
    assert [tuple(a.reshape(-1).tolist()) for a in arrays if a is not None] == wanted
