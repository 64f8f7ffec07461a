"""Datum, the record of Caffe's databases: an image as raw bytes, as floats or as an encoded file, and a label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from prototxt_gpu_check import wire
from prototxt_gpu_check.data.base import DataError, sizes

# Numbers in message Datum.
_CHANNELS, _HEIGHT, _WIDTH, _DATA, _LABEL, _FLOATS, _ENCODED = range(1, 8)


@dataclass(slots=True)
class Datum:
    """One record. pixels: (C, H, W), uint8 or float32; None where `encoded` holds the bytes of an image file."""

    label: int
    pixels: npt.NDArray[np.uint8] | npt.NDArray[np.float32] | None
    encoded: bytes = b""


def parse(record: bytes) -> Datum:
    """Read a record. Bytes win over floats, as in Caffe. Raises DataError."""
    data = memoryview(record)
    numbers = {_CHANNELS: 0, _HEIGHT: 0, _WIDTH: 0, _LABEL: 0, _ENCODED: 0}
    raw = b""
    floats: list[npt.NDArray[np.float32]] = []
    try:
        for number, kind, start, stop in wire.fields(data, 0, len(data)):
            if number in numbers and kind == wire.VARINT:
                numbers[number] = wire.signed(wire.varint(data, start, stop)[0])
            elif number == _DATA and kind == wire.BYTES:
                raw = bytes(data[start:stop])
            elif number == _FLOATS and kind in (wire.BYTES, wire.FIXED32):
                if (stop - start) % 4:
                    raise wire.WireError("floats of a broken length", start)
                floats.append(np.frombuffer(data[start:stop], "<f4"))
    except wire.WireError as error:
        raise DataError(f"is no Datum: {error}") from None
    if numbers[_ENCODED]:
        if not raw:
            raise DataError("is marked as encoded and holds no image")
        return Datum(numbers[_LABEL], None, raw)
    shape = (numbers[_CHANNELS], numbers[_HEIGHT], numbers[_WIDTH])
    values = np.frombuffer(raw, np.uint8) if raw else np.concatenate(floats) if floats else np.empty(0, np.float32)
    if min(shape) <= 0 or values.size != shape[0] * shape[1] * shape[2]:
        raise DataError(f"is no Datum: {values.size} values for {sizes(shape)}")
    return Datum(numbers[_LABEL], values.reshape(shape))
