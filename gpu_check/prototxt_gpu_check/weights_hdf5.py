"""Weights in HDF5 (.caffemodel.h5): in the group `data` a group for each layer, with datasets "0", "1", ..."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from prototxt_gpu_check.data.base import first_line
from prototxt_gpu_check.layout import count
from prototxt_gpu_check.weights import Blob, Floats, Ints, StoredLayer, WeightsError

_NUMBERS = frozenset(map(str, range(1000)))
"""Names of the blobs of a layer."""


@dataclass(slots=True, frozen=True)
class Hdf5Blob:
    """A dataset; it is read when it is asked for."""

    path: str
    dataset: str
    shape: Ints
    legacy: bool = False

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return count(self.shape)

    def array(self) -> Floats:
        """The numbers as float32."""
        import h5py

        try:
            with h5py.File(self.path, "r") as file:
                return np.asarray(file[self.dataset][()], np.float32)
        except (OSError, RuntimeError, KeyError, ValueError) as error:
            message = f"{self.path}: the blob {self.dataset} cannot be read: {first_line(error)}."
            raise WeightsError(message) from None


def read_hdf5(path: str | Path) -> dict[str, StoredLayer]:
    """The layers of a file, their blobs unread. Raises WeightsError."""
    try:
        import h5py
    except ImportError:
        raise WeightsError(
            f'{path} is an HDF5 file: reading it needs the extra `data` (pip install "prototxt-lsp[data]").'
        ) from None
    try:
        with h5py.File(path, "r") as file:
            data = file.get("data")
            if not isinstance(data, h5py.Group):
                raise WeightsError(f"{path} is an HDF5 file without the group `data`: it holds no weights.")
            groups = _groups(data, h5py.Group)
            return {name: StoredLayer(name, "", _blobs(path, group), hdf5=True) for name, group in groups}
    except (OSError, RuntimeError, KeyError) as error:
        raise WeightsError(f"{path} cannot be read as HDF5: {first_line(error)}.") from None


def _groups(group: Any, kind: type, prefix: str = "") -> list[tuple[str, Any]]:
    """Groups that hold datasets, or nothing: a layer name with a slash in it nests."""
    found = []
    for name, item in group.items():
        if not isinstance(item, kind):
            continue
        inner = _groups(item, kind, f"{prefix}{name}/")
        found += inner
        if not inner or any(not isinstance(value, kind) for value in item.values()):  # type: ignore[attr-defined]
            found.append((prefix + name, item))
    return found


def _blobs(path: str | Path, group: Any) -> list[Blob | None]:
    import h5py

    names = [name for name in group if name in _NUMBERS and isinstance(group[name], h5py.Dataset)]
    blobs: list[Blob | None] = [None] * (max(map(int, names), default=-1) + 1)
    for name in names:
        if group[name].shape is None or group[name].dtype.kind not in "fiu":
            raise WeightsError(f"{path}: the blob {group.name}/{name} holds no numbers.")
        blobs[int(name)] = Hdf5Blob(str(path), f"{group.name}/{name}", tuple(map(int, group[name].shape)))
    return blobs
