"""Image files as OpenCV gives them to Caffe: (H, W, channels), uint8, blue first."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from prototxt_gpu_check.data.base import Absent, DataError

Pixels: TypeAlias = npt.NDArray[np.uint8]
_COEFFICIENT_BITS = 11


def decode(data: bytes | Path, force: str = "") -> Pixels:
    """Decode an image file. force: "color" gives 3 channels, "gray" 1, "" what the file holds (BGR, with alpha).

    Raises DataError where Caffe could not decode it either, Absent without the image library.
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise Absent('reading images needs the extra `data` (pip install "prototxt-lsp[data]")') from None
    try:
        with Image.open(data if isinstance(data, Path) else io.BytesIO(data)) as image:
            return _pixels(image, force)
    except (UnidentifiedImageError, Image.DecompressionBombError):
        raise DataError("holds no image that can be decoded; Caffe aborts") from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise DataError(f"holds a damaged image ({error})") from None


def _pixels(image: Any, force: str) -> Pixels:
    if image.mode.startswith("I") or image.mode == "F":
        if not force:
            raise DataError("holds an image of more than 8 bits a channel; Caffe aborts")
        deep = np.asarray(image).astype(np.int64)
        grey = np.clip(deep >> 8, 0, 255).astype(np.uint8)[:, :, None]
        return grey if force == "gray" else np.repeat(grey, 3, axis=2)
    if force == "gray":
        return _grey(image)[:, :, None]
    if force == "color":
        return np.asarray(image.convert("RGB"))[:, :, ::-1]
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))[:, :, None]
    alpha = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
    if alpha:
        return np.asarray(image.convert("RGBA"))[:, :, [2, 1, 0, 3]]
    return np.asarray(image.convert("RGB"))[:, :, ::-1]


def _grey(image: Any) -> Pixels:
    """Luminance as OpenCV's decoders make it: JPEG's own, libpng's rounding down, else 14-bit weights rounded."""
    if image.format == "JPEG":
        image.draft("L", None)
    grey: Pixels = np.asarray(image.convert("L"))
    if image.mode in ("1", "L", "LA"):
        return grey
    red, green, blue = np.moveaxis(np.asarray(image.convert("RGB")).astype(np.int64), 2, 0)
    if image.format == "PNG":
        grey = ((red * 9798 + green * 19235 + blue * 3735) >> 15).astype(np.uint8)
    else:
        grey = ((red * 4899 + green * 9617 + blue * 1868 + (1 << 13)) >> 14).astype(np.uint8)
    return grey


def resize(pixels: Pixels, height: int, width: int) -> Pixels:
    """OpenCV's bilinear resize of 8-bit images (INTER_LINEAR), with its 11-bit weights and roundings."""
    if pixels.shape[:2] == (height, width):
        return pixels
    if pixels.shape[0] == 2 * height and pixels.shape[1] == 2 * width:  # then OpenCV takes means of 2 x 2 pixels
        wide = pixels.astype(np.int32)
        sums = wide[0::2, 0::2] + wide[0::2, 1::2] + wide[1::2, 0::2] + wide[1::2, 1::2]
        mean: Pixels = ((sums + 2) >> 2).astype(np.uint8)
        return mean
    rows, (up, down) = _weights(pixels.shape[0], height)
    columns, (left, right) = _weights(pixels.shape[1], width)
    wide = pixels.astype(np.int64)
    after = np.minimum(columns + 1, pixels.shape[1] - 1)
    lines = wide[:, columns] * left[None, :, None] + wide[:, after] * right[None, :, None]
    below = np.minimum(rows + 1, pixels.shape[0] - 1)
    first = (up[:, None, None] * (lines[rows] >> 4)) >> 16
    second = (down[:, None, None] * (lines[below] >> 4)) >> 16
    smooth: Pixels = np.clip((first + second + 2) >> 2, 0, 255).astype(np.uint8)
    return smooth


def _weights(size: int, wanted: int) -> tuple[npt.NDArray[np.int64], tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
    """For each pixel of a resized line: the first of the two source pixels, and the weights of both."""
    spot = ((np.arange(wanted) + 0.5) * (size / wanted) - 0.5).astype(np.float32)
    first = np.floor(spot).astype(np.int64)
    part = spot - first.astype(np.float32)
    part[(first < 0) | (first >= size - 1)] = 0
    one = np.float32(1 << _COEFFICIENT_BITS)
    weights = np.rint((1 - part) * one).astype(np.int64), np.rint(part * one).astype(np.int64)
    return np.clip(first, 0, size - 1), weights
