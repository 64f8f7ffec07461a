"""What a file of weights holds, as far as rules ask: blob shapes by layer, and the factor of stored statistics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from prototxt_server.files import PathError


class StoredLayer(NamedTuple):
    """A layer in the file. shapes: of its blobs. factor: of a BatchNorm's statistics, where the file has one."""

    type: str
    shapes: tuple[tuple[int, ...], ...]
    factor: float | None = None


@dataclass(slots=True, frozen=True, eq=False)
class StoredWeights:
    """The layers of a file by name."""

    path: str
    layers: Mapping[str, StoredLayer]


@lru_cache(maxsize=2)
def read_weights(path: str) -> StoredWeights:
    """The weights in a caffemodel. Imports NumPy. Raises PathError for a file that cannot be used."""
    from prototxt_gpu_check import weights

    try:
        found = weights.read(path)
    except weights.WeightsError as error:
        raise PathError(str(error)) from None
    except OSError as error:
        raise PathError(f"{path}: {error.strerror or error}") from None
    layers = {}
    for name, layer in found.layers.items():
        blobs = [blob for blob in layer.blobs if blob is not None]
        factor = None
        if layer.type == "BatchNorm" and len(blobs) in (3, 5) and blobs[2].shape in ((1,), (1, 1, 1, 1)):
            values = blobs[2].array().ravel()
            factor = float(values[0]) if values.size else None
        layers[name] = StoredLayer(layer.type, tuple(tuple(blob.shape) for blob in blobs), factor)
    return StoredWeights(path, layers)
