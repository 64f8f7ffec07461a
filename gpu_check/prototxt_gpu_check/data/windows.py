"""WindowData: windows of images, stretched to one size, for R-CNN: background windows first, then objects."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prototxt_gpu_check.data import images
from prototxt_gpu_check.data.base import DataError, Floats, Sample, Source, label
from prototxt_gpu_check.data.lists import read_image
from prototxt_gpu_check.data.transform import Transform
from prototxt_gpu_check.fill import UNIFORM, raw, stream
from prototxt_net.message import Bound


@dataclass(slots=True, frozen=True)
class Window:
    """A box of an image, both corners inside; class 0 is the background."""

    image: int
    label: int
    x1: int
    y1: int
    x2: int
    y2: int


@dataclass(slots=True, frozen=True)
class _Cut:
    """The part of the image to take, its size after stretching, and where it goes in the square of `crop`."""

    x1: int
    y1: int
    x2: int
    y2: int
    width: int
    height: int
    left: int
    top: int
    right: int


def source(path: Path, param: Bound, transform: Transform, folders: Sequence[Path]) -> Source:
    """The window file at `path`. Raises DataError."""
    thresholds = float(param.get("fg_threshold")), float(param.get("bg_threshold"))
    names, objects, background = read_windows(path, *thresholds)
    root, pad = str(param.get("root_folder") or ""), int(param.get("context_pad") or 0)
    square = param.get("crop_mode") == "square"
    scale = param.get("scale")

    def samples(n: int) -> Generator[Sample]:
        of_objects = int(np.float32(n) * np.float32(param.get("fg_fraction")))
        number = 0
        while True:
            chosen = objects if number % n >= n - of_objects else background
            if not chosen:
                raise DataError(f"{path} holds no {'object' if chosen is objects else 'background'} windows")
            spot, coin = raw(2, stream(transform.seed, "window", transform.layer, number), UNIFORM, 2.0**-24, 0.5)
            window = chosen[int(spot * len(chosen))]
            pixels = read_image(root + names[window.image], folders, str(path))
            flipped = transform.mirror and bool(coin >= 0.5)
            cut = place(window, pixels.shape[0], pixels.shape[1], transform.crop, pad, square)
            if not (0 <= cut.x1 <= cut.x2 < pixels.shape[1] and 0 <= cut.y1 <= cut.y2 < pixels.shape[0]):
                raise DataError(f"{path}: a window of {names[window.image]} is not inside the image; Caffe aborts")
            image = _stretched(pixels, cut, flipped, transform, 1.0 if scale is None else float(scale))
            yield image, label(window.label)
            number += 1

    return Source("window file", path, samples)


def read_windows(path: Path, fg: float, bg: float) -> tuple[dict[int, str], list[Window], list[Window]]:
    """Images, object windows and background windows of a file; those between the thresholds are left out.

    An image is `# index`, path, channels, height, width, number of windows, then `class overlap x1 y1 x2 y2` for each.
    Raises DataError.
    """
    try:
        words = iter(path.read_bytes().decode("utf-8", "surrogateescape").split())
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None
    names: dict[int, str] = {}
    objects: list[Window] = []
    background: list[Window] = []
    try:
        for mark in words:
            if mark != "#":
                raise ValueError
            index = int(next(words))
            names[index] = next(words)
            for _ in range(3):
                int(next(words))
            for _ in range(int(next(words))):
                number, overlap = int(next(words)), float(next(words))
                box = [int(next(words)) for _ in range(4)]
                if overlap >= fg:
                    objects.append(Window(index, number, *box))
                elif overlap < bg:
                    background.append(Window(index, 0, *box))
    except (ValueError, StopIteration):
        raise DataError(f"{path} is no window file, or not a whole one") from None
    if not names:
        raise DataError(f"{path} is empty; Caffe aborts")
    return names, objects, background


def place(window: Window, rows: int, columns: int, crop: int, pad: int, square: bool) -> _Cut:
    """Which part of an image of rows x columns a window takes, with `pad` pixels of context after stretching."""
    x1, y1, x2, y2 = window.x1, window.y1, window.x2, window.y2
    if not pad and not square:
        return _Cut(x1, y1, x2, y2, crop, crop, 0, 0, 0)
    context = crop / (crop - 2 * pad)
    half_height, half_width = (y2 - y1 + 1) / 2, (x2 - x1 + 1) / 2
    middle_x, middle_y = x1 + half_width, y1 + half_height
    if square:
        half_height = half_width = max(half_height, half_width)
    x1, x2 = _round(middle_x - half_width * context), _round(middle_x + half_width * context)
    y1, y2 = _round(middle_y - half_height * context), _round(middle_y + half_height * context)
    scale_x, scale_y = crop / (x2 - x1 + 1), crop / (y2 - y1 + 1)
    left, top = max(0, -x1), max(0, -y1)
    right, bottom = max(0, x2 - columns + 1), max(0, y2 - rows + 1)
    x1, y1, x2, y2 = x1 + left, y1 + top, x2 - right, y2 - bottom
    width, height = _round((x2 - x1 + 1) * scale_x), _round((y2 - y1 + 1) * scale_y)
    left, top, right = _round(left * scale_x), _round(top * scale_y), _round(right * scale_x)
    return _Cut(x1, y1, x2, y2, min(width, crop - left), min(height, crop - top), left, top, right)


def _round(value: float) -> int:
    """C's round: halves go away from 0."""
    return int(np.copysign(np.floor(abs(value) + 0.5), value))


def _stretched(pixels: images.Pixels, cut: _Cut, flipped: bool, transform: Transform, scale: float) -> Floats:
    crop = transform.crop
    left = cut.right if flipped else cut.left
    width = min(cut.width, crop - left)
    part = images.resize(pixels[cut.y1 : cut.y2 + 1, cut.x1 : cut.x2 + 1], cut.height, width)
    if flipped:
        part = part[:, ::-1]
    values = part.transpose(2, 0, 1).astype(np.float32)
    if transform.mean is not None:
        off = (transform.mean.shape[2] - crop) // 2
        y, x = off + cut.top, off + left
        values -= transform.mean[:, y : y + cut.height, x : x + width]
    elif transform.mean_values:
        values -= np.asarray(transform.mean_values, np.float32).reshape(-1, 1, 1)
    out = np.zeros((pixels.shape[2], crop, crop), np.float32)
    out[:, cut.top : cut.top + cut.height, left : left + width] = values * np.float32(scale)
    return out
