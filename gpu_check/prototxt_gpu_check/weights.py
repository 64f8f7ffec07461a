"""Reading a .caffemodel: which layers have blobs, of which shapes, and the blobs themselves.

The file is mapped, not read: opening a 500 MB model touches its keys only, and a blob is a view of the file until it is
asked for. All ways that Caffe has ever written blobs are read: layers of version 2, 1 and 0, `shape` or the legacy
num/channels/height/width, packed and unpacked float and double data, NVIDIA's raw_data. Files with HDF5's signature
are read by `weights_hdf5`.
"""

from __future__ import annotations

import mmap
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from prototxt_gpu_check import wire
from prototxt_gpu_check.layout import count

Ints: TypeAlias = tuple[int, ...]
Floats: TypeAlias = npt.NDArray[np.float32]
Loaded: TypeAlias = list[Floats | None]
"""A layer's blobs; None for one that another layer owns and an HDF5 file therefore does not repeat."""

# NetParameter: layer (version 2) is field 100, layers (version 1) field 2.
_NET_LAYER, _NET_V1 = 100, 2
# (name, type, blobs) in LayerParameter, V1LayerParameter and V0LayerParameter (field 1 of V1).
_V2, _V1, _V0 = (1, 2, 7), (4, 5, 6), (1, 2, 50)
_V1_LAYER = 1
# BlobProto
_LEGACY = {1: 0, 2: 1, 3: 2, 4: 3}
_DATA, _SHAPE, _DOUBLE, _RAW_TYPE, _RAW = 5, 7, 8, 10, 12
_RAW_DTYPES = {0: "<f8", 1: "<f4", 2: "<f2"}
"""NVIDIA's enum Type: DOUBLE 0, FLOAT 1, FLOAT16 2."""


HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


class WeightsError(Exception):
    """The file cannot be used as weights; the message says why in one sentence."""


class Blob(Protocol):
    """A blob in a file."""

    @property
    def shape(self) -> Ints:
        """As the file has it."""

    @property
    def legacy(self) -> bool:
        """The shape is num, channels, height, width."""

    @property
    def size(self) -> int:
        """How many numbers the file holds for it."""

    def array(self) -> Floats:
        """The numbers in the file's shape."""


@dataclass(slots=True)
class StoredBlob:
    """A blob in the file: its shape, and where its numbers are (dtype, start, stop), in file order."""

    shape: Ints
    legacy: bool
    parts: list[tuple[str, int, int]]
    data: memoryview = field(repr=False)

    @property
    def size(self) -> int:
        """How many numbers the file holds for it."""
        return sum((stop - start) // np.dtype(kind).itemsize for kind, start, stop in self.parts)

    def array(self) -> Floats:
        """The numbers as float32 in the blob's shape, aligned as arithmetic wants them; a view of the file where it
        holds plain floats at such an offset.
        """
        pieces = [np.frombuffer(self.data[a:z], kind) for kind, a, z in self.parts]
        flat = pieces[0] if len(pieces) == 1 else np.concatenate(pieces) if pieces else np.empty(0, np.float32)
        # NumPy copies an unaligned matrix on every product with it: once is enough.
        return np.require(flat, np.float32, "A").reshape(self.shape)


@dataclass(slots=True)
class StoredLayer:
    """A layer in the file.

    blobs: None for one that the file leaves out. type: "" in HDF5 files, which do not tell it.
    """

    name: str
    type: str
    blobs: list[Blob | None]
    hdf5: bool = False


@dataclass(slots=True, frozen=True)
class Misfit:
    """Stored blobs that the net's layer cannot take; Caffe aborts on it. `message` states both sides."""

    layer: str
    message: str


class Weights:
    """The layers of one or more files; of a name that occurs twice in one file the first counts."""

    def __init__(self, layers: dict[str, StoredLayer], path: str) -> None:
        self.layers = layers
        self.path = path

    def fit(
        self, name: str, shapes: Sequence[Ints | None], dialect: str = "", shared: Collection[int] = ()
    ) -> tuple[Loaded | None, Misfit | None]:
        """The blobs for layer `name` whose parameters have these shapes; (None, None) when the file lacks the layer.

        dialect: whose Caffe loads them. shared: indices of parameters that another layer owns.
        """
        found = self.layers.get(name)
        if found is None or (not found.blobs and not shapes):
            return None, None
        blobs = found.blobs
        if found.hdf5:  # such a file leaves shared blobs to their owner
            blobs = blobs + [None] * (len(shapes) - len(blobs))
        if len(blobs) != len(shapes) or any(blob is None and i not in shared for i, blob in enumerate(blobs)):
            return None, Misfit(
                name,
                f"'{name}' has {len(shapes)} parameter blobs, the weights file has "
                f'{sum(blob is not None for blob in blobs)}; Caffe aborts with "Incompatible number of blobs for '
                'layer".',
            )
        reshaped = found.type == "BatchNorm" and dialect in NVIDIA_CONVERTING
        if reshaped:
            blobs = _batch_norm_order(blobs)
        arrays: Loaded = []
        for i, (blob, shape) in enumerate(zip(blobs, shapes, strict=True)):
            if blob is None:
                arrays.append(None)
                continue
            if shape is None or not (fits(blob, shape) or (reshaped and count(blob.shape) == count(shape))):
                return None, Misfit(
                    name,
                    f"parameter {i} of '{name}' has shape {_text(shape)}, the weights file has {_text(blob.shape)}; "
                    f'Caffe aborts with "{_MISMATCH[found.hdf5]}". Rename the layer to keep it from being loaded.',
                )
            if blob.size != count(shape):
                return None, Misfit(
                    name,
                    f"parameter {i} of '{name}' holds {count(shape)} numbers, in the weights file only {blob.size}.",
                )
            arrays.append(blob.array().reshape(shape))
        if reshaped and len(arrays) == 3 and dialect != "nvidia-0.16":
            _divide_statistics(arrays)
        return arrays, None


NVIDIA_CONVERTING = frozenset({"nvidia-0.16", "nvidia-0.17", "jacinto-0.17"})
"""Forks that rearrange the blobs of BatchNorm layers while they load them."""

_MISMATCH = {False: "Cannot copy param", True: "Cannot load blob from hdf5; shape mismatch"}


def _batch_norm_order(blobs: list[Blob | None]) -> list[Blob | None]:
    """NVIDIA 0.15 and DIGITS wrote gamma, beta, mean, variance, spare; later ones read mean, variance, factor, gamma,
    beta. The old order is told by its single last number, as those forks tell it.
    """
    if len(blobs) != 5 or blobs[4] is None or blobs[4].size != 1:
        return blobs
    gamma, beta, mean, variance, spare = blobs
    return [mean, variance, spare, gamma, beta]


def _divide_statistics(arrays: Loaded) -> None:
    """Since NVIDIA 0.17.1 the sums of a BVLC file are divided by their factor, which is 1 afterwards."""
    mean, variance, factor = arrays
    assert mean is not None
    assert variance is not None
    assert factor is not None
    k = float(factor.reshape(-1)[0])
    scale = np.float32(1 / k if k else 0.0)
    arrays[:] = [mean * scale, variance * scale, np.ones_like(factor)]


def _text(shape: Ints | None) -> str:
    return "?" if shape is None else "x".join(map(str, shape)) or "scalar"


def fits(blob: Blob, shape: Ints) -> bool:
    """Blob::ShapeEquals: legacy shapes are compared right-aligned, filled with ones, for targets of up to 4 axes."""
    if not blob.legacy:
        return blob.shape == shape
    return len(shape) <= 4 and (1,) * (4 - len(shape)) + shape == blob.shape


def read(path: str | Path) -> Weights:
    """Open a .caffemodel or .caffemodel.h5. Raises WeightsError (unreadable, no weights, no layers)."""
    try:
        with open(path, "rb") as file:
            head = file.read(512)
            if not head:
                raise WeightsError(f"{path} is empty.")
            if head.startswith(HDF5_SIGNATURE):
                from prototxt_gpu_check.weights_hdf5 import read_hdf5

                return Weights(read_hdf5(path), str(path))
            data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except OSError as error:
        raise WeightsError(f"{path}: {error.strerror or error}.") from None
    layers: dict[str, StoredLayer] = {}
    try:
        for layer in _layers(data):
            layers.setdefault(layer.name, layer)
    except wire.WireError as error:
        raise WeightsError(f"{path} {_what_else(head, error, bool(layers))}.") from None
    if not layers:
        raise WeightsError(f"{path} {_what_else(head, None, False)}.")
    return Weights(layers, str(path))


def _what_else(head: bytes, error: wire.WireError | None, begun: bool) -> str:
    """What a file that is no caffemodel seems to be."""
    if isinstance(error, wire.Truncated) and begun:
        return f"is truncated: a layer that begins at byte {error.offset} is not whole"
    if head.startswith(b"version https://git-lfs"):
        return "is a Git LFS pointer, not the file itself: fetch it with `git lfs pull`"
    if head.lstrip()[:1] == b"<":
        return "is a web page, not a caffemodel"
    if not set(head) & set(range(9)) and b"{" in head:
        return "is text, not a binary caffemodel (is it the net?)"
    if head[:1] == b"\x08":  # field 1 is a number: SolverState.iter, where a net has its name
        return "is not a caffemodel: it looks like a .solverstate"
    if isinstance(error, wire.Truncated):
        return f"is truncated, or not a caffemodel: {error}"
    return f"is not a caffemodel: {error or 'it holds no layers'}"


def merged(many: Sequence[Weights]) -> Weights:
    """Several files loaded one after another, as `-weights a,b` does."""
    layers: dict[str, StoredLayer] = {}
    for weights in many:
        layers.update(weights.layers)
    return Weights(layers, ",".join(w.path for w in many))


def _layers(data: memoryview) -> Iterator[StoredLayer]:
    for number, kind, start, stop in wire.fields(data, 0, len(data)):
        if kind != wire.BYTES:
            continue
        if number == _NET_LAYER:
            yield _layer(data, start, stop, _V2)
        elif number == _NET_V1:
            nested = [f for f in wire.fields(data, start, stop) if f[0] == _V1_LAYER and f[1] == wire.BYTES]
            if nested:
                yield _layer(data, nested[0][2], nested[0][3], _V0)
            else:
                yield _layer(data, start, stop, _V1)


def _layer(data: memoryview, start: int, stop: int, numbers: tuple[int, int, int]) -> StoredLayer:
    name_field, type_field, blobs_field = numbers
    layer = StoredLayer("", "", [])
    for number, kind, a, z in wire.fields(data, start, stop):
        if number == name_field and kind == wire.BYTES:
            layer.name = bytes(data[a:z]).decode("utf-8", "replace")
        elif number == type_field:
            layer.type = bytes(data[a:z]).decode("utf-8", "replace") if kind == wire.BYTES else str(data[a])
        elif number == blobs_field and kind == wire.BYTES:
            layer.blobs.append(parse_blob(data, a, z))
    return layer


def parse_blob(data: memoryview, start: int, stop: int) -> StoredBlob:
    """A BlobProto in a buffer. Raises wire.WireError."""
    legacy = [0, 0, 0, 0]
    is_legacy = False
    shape: Ints = ()
    kinds: dict[int, list[tuple[str, int, int]]] = {_DATA: [], _DOUBLE: [], _RAW: []}
    raw_type = 1
    for number, kind, a, z in wire.fields(data, start, stop):
        if number in _LEGACY and kind == wire.VARINT:
            legacy[_LEGACY[number]] = wire.signed(wire.varint(data, a, z)[0])
            is_legacy = True
        elif number == _SHAPE and kind == wire.BYTES:
            shape = _dims(data, a, z)
        elif number in (_DATA, _DOUBLE):
            kinds[number].append(("<f8" if number == _DOUBLE else "<f4", a, z))
        elif number == _RAW_TYPE and kind == wire.VARINT:
            raw_type = wire.varint(data, a, z)[0]
        elif number == _RAW and kind == wire.BYTES:
            kinds[_RAW].append(("", a, z))
    if kinds[_DOUBLE]:
        parts = kinds[_DOUBLE]
    elif kinds[_DATA]:
        parts = kinds[_DATA]
    else:
        parts = [(_RAW_DTYPES.get(raw_type, "<f4"), a, z) for _, a, z in kinds[_RAW]]
    size = np.dtype(parts[0][0]).itemsize if parts else 1
    if any((z - a) % size for _, a, z in parts):
        raise wire.WireError("blob data has a broken length", start)
    return StoredBlob(tuple(legacy) if is_legacy else shape, is_legacy, parts, data)


def _dims(data: memoryview, start: int, stop: int) -> Ints:
    dims: list[int] = []
    for number, kind, a, z in wire.fields(data, start, stop):
        if number != 1:
            continue
        if kind == wire.VARINT:
            dims.append(wire.signed(wire.varint(data, a, z)[0]))
        elif kind == wire.BYTES:
            while a < z:
                value, a = wire.varint(data, a, z)
                dims.append(wire.signed(value))
    return tuple(dims)
