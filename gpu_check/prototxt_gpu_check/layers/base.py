"""One step of a forward pass: what a layer's runner is given and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from prototxt_gpu_check.backend import Array, Backend
from prototxt_net.layers import Context
from prototxt_net.message import Bound
from prototxt_net.net import Node

Ints: TypeAlias = tuple[int, ...]


@dataclass(slots=True)
class Step:
    """A layer about to run.

    tops: the shapes of its tops, all known. params: parameter blobs in Caffe's
    order, plain C order. dropout: draw Dropout masks (False: Dropout passes its input on, so that its zeros are not
    taken for a collapse). seed: of this layer. The runner may put new parameter values into `updates` (running
    statistics) and what a verdict needs to know into `facts`.
    """

    backend: Backend
    node: Node
    bottoms: Sequence[Array]
    params: Sequence[Array]
    tops: tuple[Ints, ...]
    phase: str
    dialect: str
    seed: int = 0
    dropout: bool = False
    updates: dict[int, Array] = field(default_factory=dict)
    facts: dict[str, object] = field(default_factory=dict)

    @property
    def context(self) -> Context:
        """A set-up context for this layer, for the net floor's readers of a layer's fields."""
        shapes = tuple(tuple(x.shape) for x in self.bottoms)
        return Context(self.node.layer.definition, shapes, self.dialect)

    def param(self, name: str) -> Bound:
        """The layer's message of that name."""
        return self.node.param(name)

    def role(self, role: str) -> Array | None:
        """The parameter blob of that role, None when the layer has none."""
        index = self.role_index(role)
        return None if index is None else self.params[index]

    def role_index(self, role: str) -> int | None:
        """The index of the parameter blob of that role."""
        for i, blob in enumerate(self.node.setup.params):
            if blob.role == role:
                return i
        return None

    def canonical(self, axis: int, bottom: int = 0) -> int:
        """A possibly negative axis of a bottom as an index from the front."""
        return axis + self.bottoms[bottom].ndim if axis < 0 else axis


Runner: TypeAlias = Callable[[Step], Sequence[Array]]
_RUNNERS: dict[str, Runner] = {}


def runs(*types: str) -> Callable[[Runner], Runner]:
    """Register a function as the forward pass of these layer types."""

    def register(function: Runner) -> Runner:
        for type_ in types:
            _RUNNERS[type_] = function
        return function

    return register


def runner(type_: str) -> Runner | None:
    """The forward pass of a layer type; None where nobody has written it (then the layer is not checked)."""
    return _RUNNERS.get(type_)
