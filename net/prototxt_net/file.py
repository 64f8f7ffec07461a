"""The file as read: its layers where they stand, before any phase is chosen.

`LayerDef` is what one `layer { }` block says; it depends on the text of its chunk alone and is cached there. `Layer`
is a LayerDef at its place in one version of the file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from prototxt_grammar.tree import Field, Message, Tree
from prototxt_net.finding import Problem
from prototxt_net.message import Bound, Entry
from prototxt_net.schema.model import Schema

if TYPE_CHECKING:
    from prototxt_net.marks import Mark
    from prototxt_net.net import SetUp
    from prototxt_net.shape import Shape

FileKind = Literal["net", "solver", "other"]


@dataclass(slots=True, eq=False)
class LayerDef:
    """What one layer block says. bottoms and tops are blob names; V1 and V0 blocks are shown in V2 terms.

    version: 2 (`layer`), 1 (`layers`) or 0 (`layers { layer { } }`); `type` is always the V2 type name
    ("Convolution"). bound: the LayerParameter (an upgraded one for V1/V0, whose entries keep their places in the text).
    cache: for floors above; depends on this text and this dialect alone (and on keys put into it).
    set_ups: what set-up gave for the shapes of the bottoms that it has seen (`setup.py`).
    conditional: whether include or exclude rules decide in which nets the layer is. in_place: for each top, whether
    the bottom of the same place has its name. marks: what `marks.py` remembers here. upgraded: Caffe upgrades the net
    before it builds it, as it does with all but those that stand in a solver. unread: the layer has values that cannot
    be read, or misspelt fields, or its end is missing; what it makes of its bottoms is unknown until that is corrected.
    """

    node: Field
    bound: Bound
    name: str
    type: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    version: int
    cache: dict[Any, Any] = field(default_factory=dict)
    set_ups: dict[tuple[Shape | None, ...], SetUp] = field(default_factory=dict)
    conditional: bool = field(init=False)
    in_place: tuple[bool, ...] = field(init=False)
    marks: tuple[int, tuple[Mark, ...]] | None = None
    upgraded: bool = True
    unread: bool = False

    @property
    def unfinished(self) -> bool:
        """Whether the block is not closed: what it lacks may still come."""
        return isinstance(self.node.value, Message) and not self.node.value.closed

    def __post_init__(self) -> None:
        """Find out what is asked of every layer at every keystroke."""
        entries, bottoms = self.bound.entries, self.bottoms
        self.conditional = "include" in entries or "exclude" in entries
        self.in_place = tuple([i < len(bottoms) and bottoms[i] == top for i, top in enumerate(self.tops)])


@dataclass(slots=True, eq=False)
class Layer:
    """A layer at its place: `base` turns the relative offsets of `definition` into offsets in the whole text."""

    definition: LayerDef
    base: int
    index: int

    @property
    def name(self) -> str:
        """The layer's name ("" when it has none)."""
        return self.definition.name

    @property
    def type(self) -> str:
        """The V2 type name."""
        return self.definition.type

    @property
    def bottoms(self) -> tuple[str, ...]:
        """Blob names read, in order."""
        return self.definition.bottoms

    @property
    def tops(self) -> tuple[str, ...]:
        """Blob names written, in order."""
        return self.definition.tops

    @property
    def bound(self) -> Bound:
        """The LayerParameter."""
        return self.definition.bound

    def param(self, name: str) -> Bound:
        """The message `<name>` of the layer, for example `batch_norm_param`; empty when absent."""
        return self.definition.bound.sub(name)

    def span(self) -> tuple[int, int]:
        """Where the whole block stands in the text."""
        node = self.definition.node
        return self.base + node.start, self.base + node.end

    def at(self, path: str = "", index: int = 0) -> tuple[int, int]:
        """Where to point: the field at a dotted path (name to value), the index-th `bottom`/`top`/`param`.

        Falls back to the longest part of the path that is written, then to the layer's `name`, `type`, or keyword.
        """
        bound = self.definition.bound
        if path:
            head, _, rest = path.partition(".")
            entry = bound.entry(head, index)
            if entry is None and index:
                entry = bound.entry(head, 0)
            if entry is not None:
                deeper = entry.value.find(rest) if rest and isinstance(entry.value, Bound) else None
                if deeper is not None:
                    return self.base + deeper.node.start, self.base + deeper.end
                return self._entry_span(entry)
        for fallback in ("name", "type"):
            entry = bound.entry(fallback)
            if entry is not None:
                return self.base + entry.node.start, self.base + entry.end
        node = self.definition.node
        return self.base + node.start, self.base + node.name_end

    def _entry_span(self, entry: Entry) -> tuple[int, int]:
        if isinstance(entry.value, Bound):  # a block: mark its name, not its whole body
            return self.base + entry.node.start, self.base + entry.node.name_end
        return self.base + entry.node.start, self.base + entry.end


@dataclass(slots=True, eq=False)
class NetFile:
    """One file bound to one dialect's schema.

    kind: what the file is ("other": neither net nor solver, for example a label map). root: the top-level fields that
    are not layers. layers: in file order, all phases. inputs: the Input layer that legacy `input:` fields stand for is
    layers[0] (its `definition.version` is 2 and its node is the first `input` field).
    problems: schema problems with offsets into the whole text.
    """

    tree: Tree
    schema: Schema
    kind: FileKind
    root: Bound
    root_base: dict[int, int]
    layers: list[Layer]
    problems: list[Problem]
    _users: dict[str, list[Layer]] | None = None
    _conditional: list[Layer] | None = None
    _marked: dict[Mark, list[Layer]] | None = None

    @property
    def conditional(self) -> list[Layer]:
        """The layers that include or exclude rules keep out of some nets, in file order. Found once."""
        if self._conditional is None:
            self._conditional = [layer for layer in self.layers if layer.definition.conditional]
        return self._conditional

    def users(self) -> dict[str, list[Layer]]:
        """The layers, in file order and of all phases, that read or write each blob name. Made once."""
        if self._users is None:
            self._users = {}
            for layer in self.layers:
                for name in {*layer.definition.bottoms, *layer.definition.tops}:
                    self._users.setdefault(name, []).append(layer)
        return self._users

    def marked(self, mark: Mark) -> list[Layer]:
        """Layers that bear a mark, of all phases and in file order."""
        if self._marked is None:
            from prototxt_net.marks import table

            self._marked = table((layer.definition, layer) for layer in self.layers)
        return self._marked.get(mark, [])

    @property
    def dialect(self) -> str:
        """The name of the dialect whose schema this file is bound to."""
        return self.schema.dialect

    def base_of(self, entry: Entry) -> int:
        """The offset that turns a top-level entry's positions into positions in the whole text."""
        return self.root_base.get(id(entry.node), 0)

    def at_root(self, name: str, index: int = 0) -> tuple[int, int]:
        """Where the index-th occurrence of a top-level field stands in the text; (0, 0) when it is not written."""
        entry = self.root.entry(name, index)
        if entry is None:
            return 0, 0
        base = self.base_of(entry)
        return base + entry.node.start, base + entry.end
