"""The parameter blobs that a layer starts with: loaded, written in the text, filled, or substituted.

An absent weight_filler is the constant 0 in Caffe: a deploy net, or a net for fine-tuning, then computes nothing but
zeros until weights are loaded. That is no defect of the net, so such weights are drawn as msra draws them, and the
result says so once. A filler that is written is obeyed; one of a fork (Intel's gabor) is replaced, and that is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from prototxt_gpu_check.backend import Array, Backend
from prototxt_gpu_check.fill import FILLERS, Filler, fill, stream
from prototxt_gpu_check.layout import count
from prototxt_gpu_check.sources import read_filler
from prototxt_gpu_check.weights import Loaded, Misfit, Weights
from prototxt_net.message import Bound
from prototxt_net.net import Node, ParamBlob, PhaseNet

Ints = tuple[int, ...]


class Mismatch(Exception):
    """Shared parameters of two layers do not fit together (Caffe aborts on it); the message is part of a sentence."""


@dataclass(slots=True)
class Origin:
    """Where a parameter blob came from: "loaded", "text", "filler", "default", "substituted" or "shared"."""

    kind: str
    filler: Filler | None = None

    @property
    def zero_by_filler(self) -> bool:
        """It is 0 because of what fills it, not because of a file."""
        return self.kind in ("filler", "default") and self.filler is not None and self.filler.is_zero


@dataclass(slots=True)
class Store:
    """Makes parameters layer by layer. Shared ones (`param { name }`) are made by their owner and kept.

    substituted: layers without a weight_filler. unknown: fillers that are not drawn here, with the first such layer.
    """

    backend: Backend
    net: PhaseNet
    weights: Weights | None = None
    seed: int = 0
    strict_fillers: bool = False
    given: Mapping[tuple[str, int], np.ndarray] = field(default_factory=dict)
    substituted: list[str] = field(default_factory=list)
    unknown: dict[str, str] = field(default_factory=dict)
    misfits: list[Misfit] = field(default_factory=list)
    _shared: dict[str, Array] = field(default_factory=dict)

    def make(self, node: Node) -> tuple[list[Array], list[Origin]]:
        """The node's parameter arrays, plain C order, with their origins. Shapes must be known. Raises Mismatch."""
        blobs = node.setup.params
        if not blobs:
            return [], []
        stored, misfit = self._stored(node)
        if misfit is not None and misfit not in self.misfits:
            self.misfits.append(misfit)
        arrays: list[Array] = []
        origins: list[Origin] = []
        for index, blob in enumerate(blobs):
            name = shared_name(node, index)
            if name and name in self._shared:
                shape = known(blob.shape)
                if shape is None or self._shared[name].size != count(shape):
                    raise Mismatch(f"it shares parameter '{name}' with a layer that gives it another size")
                arrays.append(self._shared[name].reshape(shape))
                origins.append(Origin("shared"))
                continue
            loaded = stored[index] if stored is not None else None
            if loaded is not None:
                array, origin = self.backend.asarray(loaded), Origin("loaded")
            else:
                array, origin = self._fresh(node, index, blob)
            if name:
                self._shared[name] = array
            arrays.append(array)
            origins.append(origin)
        return arrays, origins

    def _stored(self, node: Node) -> tuple[Loaded | None, Misfit | None]:
        """What the weights file has for a layer."""
        if self.weights is None:
            return None, None
        blobs = node.setup.params
        shared = {index for index in range(len(blobs)) if shared_name(node, index) in self._shared}
        return self.weights.fit(node.name, [known(p.shape) for p in blobs], self.net.dialect, shared)

    def _fresh(self, node: Node, index: int, blob: ParamBlob) -> tuple[Array, Origin]:
        shape = known(blob.shape)
        assert shape is not None
        written = node.layer.definition.bound.all("blobs")
        if index < len(written) and written[index].all("data"):
            values = np.asarray(written[index].all("data"), np.float32)
            if values.size == int(np.prod(shape)):
                return self.backend.asarray(values.reshape(shape)), Origin("text")
        key = stream(self.seed, "param", node.name, index)
        entry = node.layer.definition.bound.find(blob.filler) if blob.filler else None
        if entry is not None and isinstance(entry.value, Bound):
            filler = read_filler(entry.value)
            if filler.type in FILLERS:
                return fill(self.backend, shape, filler, key), Origin("filler", filler)
            self.unknown.setdefault(filler.type, node.name)
            filler = Filler("msra") if blob.role == "weight" else Filler("constant", value=blob.default)
            return fill(self.backend, shape, filler, key), Origin("substituted", filler)
        if blob.role == "weight" and blob.filler and blob.default == 0 and not self.strict_fillers:
            if node.name not in self.substituted:
                self.substituted.append(node.name)
            filler = Filler("msra")
            return fill(self.backend, shape, filler, key), Origin("substituted", filler)
        filler = Filler("constant", value=blob.default)
        return fill(self.backend, shape, filler, key), Origin("default", filler)


def shared_name(node: Node, index: int) -> str:
    """The name under which parameter `index` is shared, "" when it has none."""
    spec = node.layer.definition.bound.entry("param", index)
    return str(spec.value.get("name") or "") if spec is not None else ""


def known(shape: tuple[object, ...] | None) -> Ints | None:
    """The shape if every size is a number."""
    if shape is None or not all(isinstance(d, int) for d in shape):
        return None
    return tuple(d for d in shape if isinstance(d, int))
