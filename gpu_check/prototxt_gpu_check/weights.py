"""Reading a .caffemodel: which layers have blobs, of which shapes, and the blobs themselves.

The file is mapped, not read: opening a 500 MB model touches its keys only, and a blob is a view of the file until it is
asked for. All ways that Caffe has ever written blobs are read: layers of version 2, 1 and 0, `shape` or the legacy
num/channels/height/width, packed and unpacked float and double data, NVIDIA's raw_data.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from prototxt_gpu_check import wire
from prototxt_gpu_check.layout import count

Ints = tuple[int, ...]

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


class WeightsError(Exception):
    """The file cannot be used as weights; the message says why in one sentence."""


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

    def array(self) -> npt.NDArray[np.float32]:
        """The numbers as float32 in the blob's shape; a view of the file where it holds plain floats."""
        pieces = [np.frombuffer(self.data[a:z], kind) for kind, a, z in self.parts]
        flat = pieces[0] if len(pieces) == 1 else np.concatenate(pieces) if pieces else np.empty(0, np.float32)
        return flat.astype(np.float32, copy=False).reshape(self.shape)


@dataclass(slots=True)
class StoredLayer:
    """A layer in the file."""

    name: str
    type: str
    blobs: list[StoredBlob]


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
        self, name: str, shapes: Sequence[Ints | None]
    ) -> tuple[list[npt.NDArray[np.float32]] | None, Misfit | None]:
        """The blobs for layer `name` whose parameters have these shapes; (None, None) when the file lacks the layer."""
        found = self.layers.get(name)
        if found is None or (not found.blobs and not shapes):
            return None, None
        if len(found.blobs) != len(shapes):
            return None, Misfit(
                name,
                f"'{name}' has {len(shapes)} parameter blobs, the weights file has {len(found.blobs)}; Caffe aborts "
                'with "Incompatible number of blobs for layer".',
            )
        arrays = []
        for i, (blob, shape) in enumerate(zip(found.blobs, shapes, strict=True)):
            if shape is None or not fits(blob, shape):
                return None, Misfit(
                    name,
                    f"parameter {i} of '{name}' has shape {_text(shape)}, the weights file has {_text(blob.shape)}; "
                    'Caffe aborts with "Cannot copy param". Rename the layer to keep it from being loaded.',
                )
            if blob.size != count(shape):
                return None, Misfit(
                    name,
                    f"parameter {i} of '{name}' holds {count(shape)} numbers, in the weights file only {blob.size}.",
                )
            arrays.append(blob.array().reshape(shape))
        return arrays, None


def _text(shape: Ints | None) -> str:
    return "?" if shape is None else "x".join(map(str, shape)) or "scalar"


def fits(blob: StoredBlob, shape: Ints) -> bool:
    """Blob::ShapeEquals: legacy shapes are compared right-aligned, filled with ones, for targets of up to 4 axes."""
    if not blob.legacy:
        return blob.shape == shape
    return len(shape) <= 4 and (1,) * (4 - len(shape)) + shape == blob.shape


def read(path: str | Path) -> Weights:
    """Open a .caffemodel. Raises WeightsError (unreadable, no protobuf, no layers, HDF5)."""
    try:
        with open(path, "rb") as file:
            head = file.read(8)
            if not head:
                raise WeightsError(f"{path} is empty.")
            data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except OSError as error:
        raise WeightsError(f"{path}: {error.strerror or error}.") from None
    if head == b"\x89HDF\r\n\x1a\n":
        raise WeightsError(f"{path} is an HDF5 file; weights are read from binary .caffemodel files.")
    try:
        layers: dict[str, StoredLayer] = {}
        for layer in _layers(data):
            layers.setdefault(layer.name, layer)
    except wire.WireError as error:
        raise WeightsError(f"{path} is not a caffemodel: {error}.") from None
    if not layers:
        raise WeightsError(f"{path} is not a caffemodel: it holds no layers.")
    return Weights(layers, str(path))


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
