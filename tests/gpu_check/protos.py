"""Protobuf messages by hand, byte for byte, so that what reads them is not tested with itself."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def block(field: int, data: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(data)) + data


def datum(pixels: npt.NDArray[np.generic], label: int) -> bytes:
    """A Datum of raw bytes (uint8) or of floats; pixels (C, H, W)."""
    sizes = b"".join(number(field, size) for field, size in zip((1, 2, 3), pixels.shape, strict=True))
    if pixels.dtype == np.uint8:
        return sizes + block(4, pixels.tobytes()) + number(5, label)
    return sizes + number(5, label) + block(6, pixels.astype("<f4").tobytes())


def encoded(image: bytes, label: int) -> bytes:
    """A Datum that holds an image file."""
    return block(4, image) + number(5, label) + number(7, 1)


def blob(array: npt.NDArray[np.float32]) -> bytes:
    """A BlobProto with the legacy four sizes, as compute_image_mean writes it."""
    sizes = b"".join(number(field, size) for field, size in enumerate(array.shape, 1))
    return sizes + block(5, array.astype("<f4").tobytes())
