"""What all kinds of sources share: what a source is, the two ways in which one fails, and where its file is.

Caffe takes a relative path from the folder in which it is started. Nobody knows that folder here, so the net's folder,
the working folder, and the folders above the net's (`examples/mnist/...` in Caffe's own tree) are tried in turn.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Ints: TypeAlias = tuple[int, ...]
Floats: TypeAlias = npt.NDArray[np.float32]
Sample: TypeAlias = tuple[Floats, ...]
"""One sample, an array for each top: an image (C, H, W), a label ()."""


def first_line(error: BaseException) -> str:
    """What a library says, without the details that some put on lines of their own."""
    said = str(error.args[0] if isinstance(error, KeyError) and error.args else error).strip().splitlines()
    return said[0].rstrip(" .") if said else type(error).__name__


class DataError(Exception):
    """The source is there and Caffe could not read it either, or not as the net says; one sentence."""


class Absent(Exception):
    """The source cannot be had here: it is not there, needs an extra, or is of a kind that is not read; one clause."""


@dataclass(slots=True)
class Source:
    """The data of one layer. kind: "LMDB", "LevelDB", "image list", "HDF5", "window file".

    begin(n) yields samples for a batch of n, in Caffe's order, the same ones at every call; after the last it starts
    over.
    """

    kind: str
    path: Path
    begin: Callable[[int], Generator[Sample]]
    _first: Sample | None = field(default=None, init=False)
    _waiting: dict[int, Floats] = field(default_factory=dict, init=False)

    def shapes(self) -> tuple[Ints, ...]:
        """The shape of one sample of each top. Raises DataError, Absent."""
        if self._first is None:
            self._first = self._take(1)[0]
        return tuple(array.shape for array in self._first)

    def top(self, index: int, n: int) -> Floats:
        """One top of a batch of n; what was read for the others waits for their turn. Raises DataError, Absent."""
        if index not in self._waiting or len(self._waiting[index]) != n:
            self._waiting = dict(enumerate(self.read(n)))
        return self._waiting.pop(index)

    def read(self, n: int) -> list[Floats]:
        """The first n samples: (n, ...) for each top. Raises DataError, Absent."""
        samples = self._take(n)
        first = samples[0]
        for number, sample in enumerate(samples):
            for have, want in zip(sample, first, strict=True):
                if have.shape != want.shape:
                    raise DataError(
                        f"{self.path}: sample {number} has shape {sizes(have.shape)}, the first one "
                        f"{sizes(want.shape)}; Caffe aborts. Give a crop_size, or resize the images."
                    )
        return [np.stack(arrays).astype(np.float32, copy=False) for arrays in zip(*samples, strict=True)]

    def _take(self, n: int) -> list[Sample]:
        with closing(self.begin(n)) as stream:
            return list(itertools.islice(stream, n))


def label(value: float) -> Floats:
    """A label as an array of no axes."""
    return np.full((), value, np.float32)


def sizes(shape: Sequence[int]) -> str:
    """A shape for people."""
    return "x".join(map(str, shape)) or "scalar"


def find(name: str, folders: Sequence[Path]) -> Path | None:
    """Where a file that a net names is; folders: see `search`. None when it is nowhere."""
    for folder in folders:
        path = folder / name  # an absolute name wins over the folder
        try:
            if path.exists():
                return path
        except (OSError, ValueError):  # too long, or a NUL in it: no name of a file
            return None
    return None


def search(net: str, working: Path) -> tuple[Path, ...]:
    """The folders in which to look for what a net names. net: its path, "" for a text without one."""
    own = Path(net).absolute().parent if net else working
    return tuple(dict.fromkeys((own, working, *own.parents)))
