"""A net as Caffe builds it for one phase: filtered layers, connected by blob versions, with shapes.

A *version* of a blob is one write of it: (producing layer, top index). A layer that works in place makes a new version
on the same storage. `connect()` (graph.py) makes the nodes, `set_up()` (setup.py) fills shapes and parameter blobs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple, TypeAlias

from prototxt_net import marks
from prototxt_net.file import Layer, NetFile
from prototxt_net.finding import Problem
from prototxt_net.message import Bound
from prototxt_net.shape import Dim, Shape

Phase: TypeAlias = Literal["TRAIN", "TEST"]


@dataclass(slots=True, eq=False)
class Blob:
    """One version of a blob. shape is None until set-up, and where the text cannot tell the number of axes.

    previous: the version that an in-place layer overwrote (same storage), else None.
    readers: (node, bottom index) in file order.
    """

    name: str
    producer: Node
    top_index: int
    previous: Blob | None
    readers: list[tuple[Node, int]] = field(default_factory=list)
    shape: Shape | None = None

    def storage(self) -> Blob:
        """The first version on the same storage (follows in-place writes back)."""
        blob = self
        while blob.previous is not None:
            blob = blob.previous
        return blob


class ParamBlob(NamedTuple):
    """A parameter blob of a layer.

    role: "weight", "bias", "gamma", "beta", "mean", "variance", "factor", "slope", "spare"...
    filler: the path of its filler message in the layer ("convolution_param.weight_filler"), "" when it has none.
    default: the constant it starts at when no filler is written (Caffe's default filler is constant 0).
    statistic: a running statistic, never learnable (gradient 0 always). lr_mult, decay_mult: what this Caffe puts in
    force whatever the file says; None where the file's `param` block (or 1) holds.
    """

    role: str
    shape: Shape | None
    filler: str = ""
    default: float = 0.0
    statistic: bool = False
    lr_mult: float | None = None
    decay_mult: float | None = None


class SetUp(NamedTuple):
    """What a layer's entry tells about it, given the shapes of its bottoms. Problem offsets are relative.

    macs: multiply-accumulate operations of one forward, None when a size is unknown.
    """

    tops: tuple[Shape | None, ...]
    params: tuple[ParamBlob, ...] = ()
    macs: Dim | None = 0
    problems: tuple[Problem, ...] = ()


NO_SETUP = SetUp(())


@dataclass(slots=True, eq=False)
class Node:
    """A layer in the net of one phase.

    bottoms: None where the blob does not exist. in_place[i]: top i overwrites bottom i. setup: shapes and parameters.
    """

    layer: Layer
    position: int
    bottoms: tuple[Blob | None, ...] = ()
    tops: tuple[Blob, ...] = ()
    in_place: tuple[bool, ...] = ()
    setup: SetUp = NO_SETUP

    @property
    def name(self) -> str:
        """The layer's name."""
        return self.layer.definition.name

    @property
    def type(self) -> str:
        """The layer's V2 type name."""
        return self.layer.definition.type

    def param(self, name: str) -> Bound:
        """The layer's message of that name, empty when absent."""
        return self.layer.definition.bound.sub(name)

    def lr_mult(self, index: int) -> float:
        """lr_mult in force for parameter blob `index`: forced by this Caffe, else as written, else 1."""
        forced = self.setup.params[index].lr_mult if index < len(self.setup.params) else None
        if forced is not None:
            return forced
        spec = self.layer.definition.bound.entry("param", index)
        return 1.0 if spec is None else float(spec.value.get("lr_mult"))

    def decay_mult(self, index: int) -> float:
        """decay_mult in force for parameter blob `index`: forced by this Caffe, else as written, else 1."""
        forced = self.setup.params[index].decay_mult if index < len(self.setup.params) else None
        if forced is not None:
            return forced
        spec = self.layer.definition.bound.entry("param", index)
        return 1.0 if spec is None else float(spec.value.get("decay_mult"))

    def learnable(self) -> list[int]:
        """Indices of the parameter blobs that a solver may change (statistics excluded)."""
        return [i for i, blob in enumerate(self.setup.params) if not blob.statistic]


@dataclass(eq=False)
class PhaseNet:
    """The net of one phase.

    problems: from connecting it (offsets into the whole text); set-up problems stand at the nodes.
    given: shapes told from outside (`--shape`), by blob name. facts: what has been found out about the nodes; the nets
    of two phases that share their nodes share it, so the key of a fact that depends on the phase names the phase.
    """

    file: NetFile
    phase: Phase
    level: int
    stages: frozenset[str]
    nodes: list[Node]
    problems: list[Problem]
    given: dict[str, Shape]
    facts: dict[Any, Any] = field(default_factory=dict)

    @property
    def dialect(self) -> str:
        """The dialect whose Caffe is meant."""
        return self.file.schema.dialect

    @cached_property
    def by_type(self) -> dict[str, list[Node]]:
        """Nodes by layer type."""
        table: dict[str, list[Node]] = {}
        for node in self.nodes:
            table.setdefault(node.layer.definition.type, []).append(node)
        return table

    def of_type(self, *types: str) -> Iterator[Node]:
        """Nodes of the given types, in file order within each type."""
        for type_ in types:
            yield from self.by_type.get(type_, ())

    def marked(self, mark: marks.Mark) -> list[Node]:
        """Nodes whose layer bears a mark, in file order."""
        table: dict[marks.Mark, list[Node]] | None = self.facts.get("marked")
        if table is None:
            table = self.facts["marked"] = marks.table((node.layer.definition, node) for node in self.nodes)
        return table.get(mark, [])

    @cached_property
    def by_name(self) -> dict[str, Node]:
        """The first node of each layer name (that is where Caffe loads weights into)."""
        return {node.layer.definition.name: node for node in reversed(self.nodes)}

    @cached_property
    def outputs(self) -> list[Blob]:
        """Versions that nobody reads, by name: the net's outputs."""
        last = [blob for node in self.nodes for blob in node.tops if not blob.readers]
        return sorted(last, key=lambda blob: blob.name)
