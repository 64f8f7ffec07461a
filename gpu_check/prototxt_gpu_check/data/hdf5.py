"""HDF5Data: rows of the datasets that are named like the tops, from the files of a list, one file after another."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from prototxt_gpu_check.data.base import Absent, DataError, Sample, Source, find, first_line
from prototxt_gpu_check.data.lists import permutation
from prototxt_gpu_check.fill import stream

INT_MAX = 2**31 - 1


def source(path: Path, tops: Sequence[str], shuffle: bool, folders: Sequence[Path], seed: int) -> Source:
    """The list at `path`. shuffle: files, and rows within each. Raises DataError, Absent."""
    try:
        import h5py
    except ImportError:
        raise Absent('reading HDF5 needs the extra `data` (pip install "prototxt-lsp[data]")') from None
    files = _files(path, folders)

    def samples(n: int) -> Generator[Sample]:
        while True:
            for at in permutation(len(files), stream(seed, "shuffle", path)) if shuffle else range(len(files)):
                try:
                    with h5py.File(files[at], "r") as file:
                        sets = [_dataset(file, name, files[at]) for name in tops]
                        rows = _rows(sets, tops, files[at])
                        order = permutation(rows, stream(seed, "rows", path, at)) if shuffle else range(rows)
                        for row in order:
                            yield tuple(np.asarray(data[row], np.float32) for data in sets)
                except (OSError, RuntimeError) as error:
                    raise DataError(f"{files[at]} cannot be read as HDF5: {first_line(error)}") from None

    return Source("HDF5", path, samples)


def _files(path: Path, folders: Sequence[Path]) -> list[Path]:
    try:
        names = path.read_bytes().decode("utf-8", "surrogateescape").split()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None
    if not names:
        raise DataError(f"{path} lists no HDF5 files; Caffe aborts")
    if names[0].startswith("\udc89HDF"):
        raise DataError(f"{path} is itself an HDF5 file; the source is a text file that lists such files")
    found = []
    for name in names:
        file = find(name, [*folders, path.parent])
        if file is None:
            raise DataError(f"{path} lists {name}, which is not there; Caffe aborts")
        if file.is_dir():
            raise DataError(f"{path} lists {name}, which is a folder; Caffe aborts")
        found.append(file)
    return found


def _dataset(file: Any, name: str, path: Path) -> Any:
    import h5py

    data = file.get(name)
    if not isinstance(data, h5py.Dataset):
        raise DataError(f"{path} has no dataset '{name}'; Caffe aborts")
    if data.dtype.kind not in "fiu" or not data.ndim:
        raise DataError(f"{path}: dataset '{name}' holds {data.dtype} of shape {data.shape}, no rows of numbers")
    if data.size > INT_MAX:  # Caffe loads a file whole, into a blob
        raise DataError(f"{path}: dataset '{name}' of shape {data.shape} is larger than a blob can be; Caffe aborts")
    return data


def _rows(sets: Sequence[Any], tops: Sequence[str], path: Path) -> int:
    counts = {data.shape[0] for data in sets}
    if len(counts) > 1:
        listed = ", ".join(f"{name} {data.shape[0]}" for name, data in zip(tops, sets, strict=True))
        raise DataError(f"{path}: the datasets have different numbers of rows ({listed}); Caffe aborts")
    rows = int(counts.pop())
    if not rows:
        raise DataError(f"{path} holds no rows")
    return rows
