"""One step of a pass: what a layer's runner, and its gradient, are given and what they give back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

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
    statistics) and what a verdict needs to know into `facts`; with `keep` a backward pass follows, and what Caffe's
    layer object remembers for it goes into `saved`.
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
    keep: bool = False
    saved: dict[str, Any] = field(default_factory=dict)

    @property
    def in_place(self) -> bool:
        """The first top overwrites the first bottom."""
        return bool(self.node.in_place) and self.node.in_place[0]

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


@dataclass(slots=True)
class Gradient:
    """A layer whose Backward runs.

    step: the layer as it ran; `step.bottoms` is what lies in the bottoms' memory *now*, which a layer that works in
    place may have overwritten since (Caffe then reads the new values, and so does its gradient here). outputs: what
    lies in its tops' memory now. diffs: the gradients of its tops. wanted: which bottoms' gradients are asked for.
    learns: which parameter blobs'. A gradient that is wanted and not set is 0: memory that Caffe never writes.
    """

    step: Step
    outputs: Sequence[Array]
    diffs: Sequence[Array]
    wanted: tuple[bool, ...]
    learns: tuple[bool, ...]
    bottoms: dict[int, Array] = field(default_factory=dict)
    params: dict[int, Array] = field(default_factory=dict)

    @property
    def backend(self) -> Backend:
        """Where the arrays live."""
        return self.step.backend

    @property
    def dy(self) -> Array:
        """The gradient of the first top."""
        return self.diffs[0]

    @property
    def x(self) -> Array:
        """What lies in the first bottom's memory now."""
        return self.step.bottoms[0]

    @property
    def y(self) -> Array:
        """What lies in the first top's memory now."""
        return self.outputs[0]

    def learns_role(self, role: str) -> int | None:
        """The index of the parameter blob of that role if its gradient is asked for."""
        index = self.step.role_index(role)
        return index if index is not None and self.learns[index] else None


Differ: TypeAlias = Callable[[Gradient], None]
_GRADIENTS: dict[str, Differ] = {}


def gradient(*types: str) -> Callable[[Differ], Differ]:
    """Register a function as the backward pass of these layer types; it fills `bottoms` and `params`."""

    def register(function: Differ) -> Differ:
        for type_ in types:
            _GRADIENTS[type_] = function
        return function

    return register


def gradient_of(type_: str) -> Differ | None:
    """The backward pass of a layer type; None where Caffe has none, or nobody has written it."""
    return _GRADIENTS.get(type_)
