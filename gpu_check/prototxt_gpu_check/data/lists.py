"""ImageData: image files from a list of `path label` lines."""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prototxt_gpu_check.data import images
from prototxt_gpu_check.data.base import DataError, Sample, Source, find, label
from prototxt_gpu_check.data.transform import Transform
from prototxt_gpu_check.fill import UNIFORM, raw, stream

_INTEGER = re.compile(r"[ \t\n\v\f\r]*([+-]?[0-9]+)")


@dataclass(slots=True, frozen=True)
class Wanted:
    """What image_data_param says. height, width: 0 keeps each image's own size."""

    root: str = ""
    height: int = 0
    width: int = 0
    colour: bool = True
    shuffle: bool = False


def source(path: Path, wanted: Wanted, transform: Transform, folders: Sequence[Path]) -> Source:
    """The list at `path`. Raises DataError."""
    lines = read_list(path)
    order = list(range(len(lines)))
    if wanted.shuffle:
        order = permutation(len(lines), stream(transform.seed, "shuffle", transform.layer))

    def samples(n: int) -> Generator[Sample]:
        number = 0
        while True:
            for at in order:
                name, value = lines[at]
                pixels = read_image(wanted.root + name, folders, f"{path}:{at + 1}", wanted.colour)
                if wanted.height and wanted.width:
                    pixels = images.resize(pixels, wanted.height, wanted.width)
                yield transform(pixels.transpose(2, 0, 1), number), label(value)
                number += 1

    return Source("image list", path, samples)


def read_list(path: Path) -> list[tuple[str, int]]:
    """(file name, label) of each line: the label stands behind the last space, and text that is no number is 0.

    Raises DataError.
    """
    try:
        text = path.read_bytes().decode("utf-8", "surrogateescape")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None
    lines = []
    for line in text.removesuffix("\n").split("\n") if text else ():
        name, space, number = line.rpartition(" ")
        # Without a space Caffe takes the whole line for both, name and label.
        lines.append((name if space else line, atoi(number)))
    if not lines:
        raise DataError(f"{path} lists no images; Caffe aborts")
    return lines


def atoi(text: str) -> int:
    """C's atoi: the number at the start of a text, 0 where there is none."""
    match = _INTEGER.match(text)
    return int(match[1]) if match else 0


def read_image(name: str, folders: Sequence[Path], place: str, colour: bool = True) -> images.Pixels:
    """An image file that a list names at `place`. Raises DataError, Absent."""
    file = find(name, folders)
    if file is None:
        raise DataError(f"{place}: {name} is not there; Caffe aborts")
    try:
        return images.decode(file, "color" if colour else "gray")
    except DataError as error:
        raise DataError(f"{place}: {file} {error}") from None


def permutation(n: int, seed: int) -> list[int]:
    """0..n-1 in an order drawn from a seed."""
    found: list[int] = np.argsort(raw(n, seed, UNIFORM, 2.0**-24, 0.5), kind="stable").tolist()
    return found
