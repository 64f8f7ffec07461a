"""Connecting the layers of a phase: blob versions, in-place writes, and what Net::Init refuses about them.

Caffe inserts a Split behind every blob version that is read twice, and only then connects; an in-place layer whose
input has another reader stops being in place there and dies with "produced by multiple sources" (facts measured on
BVLC Caffe). Here no Split is made; the readers of a version are counted instead.
"""

from __future__ import annotations

from collections.abc import Iterable

from prototxt_net.file import Layer, LayerDef, NetFile
from prototxt_net.finding import Problem, Related
from prototxt_net.net import Blob, Node, PhaseNet
from prototxt_net.phases import State, filtered
from prototxt_net.shape import Shape

_SPELLINGS = 50
"""How many unknown names a net may have before nobody looks for near ones: that many are not misspelt."""


def connect(file: NetFile, state: State, given: dict[str, Shape], layers: list[Layer] | None = None) -> PhaseNet:
    """The net of one phase with its blob versions; shapes are not known yet. Never raises.

    layers: those of the state, when the caller has filtered them already.
    """
    layers = filtered(file, state) if layers is None else layers
    net = PhaseNet(file, state.phase, state.level, state.stages, [], [], given)
    for layer in file.conditional:
        entries = layer.definition.bound.entries
        if "include" in entries and "exclude" in entries:
            net.problems.append(_problem(layer, "NET001", "exclude", _both_rules(layer)))
    current: dict[str, Blob] = {}
    unknown = _UnknownBottoms(net, layers, current)
    nodes = net.nodes
    overwriting: list[Node] = []
    for position, layer in enumerate(layers):
        definition = layer.definition
        names, in_place = definition.bottoms, definition.in_place
        bottoms = tuple([current.get(name) for name in names])
        node = Node(layer, position, bottoms, (), in_place)
        nodes.append(node)
        for index, blob in enumerate(bottoms):
            if blob is None:
                if not _unreadable(definition, "bottom", index) and not unknown.may_be_unreadable:
                    net.problems.append(unknown.problem(node, index, names[index]))
            else:
                blob.readers.append((node, index))
        tops = []
        for index, name in enumerate(definition.tops):
            previous = bottoms[index] if in_place[index] else None
            # Beside a bottom of the same place that nobody makes, the repeated top only follows from that name.
            follows = index < len(bottoms) and bottoms[index] is None
            if name in current and not in_place[index] and not follows:
                old = current[name]
                if not definition.unread and not old.producer.layer.definition.unread:
                    net.problems.append(_duplicate_top(node, index, name, old))
            made = current[name] = Blob(name, node, index, previous, [])
            tops.append(made)
            if definition.unread and _unreadable(definition, "top", index):
                unknown.may_be_unreadable = True
        node.tops = tuple(tops)
        if True in in_place:
            overwriting.append(node)
    for node in overwriting:
        _check_in_place(node, net)
    return net


def _unreadable(definition: LayerDef, field: str, index: int) -> bool:
    """Whether the name of a blob is half typed, or no string: what it says is told there, and nothing follows."""
    entry = definition.bound.entry(field, index) if definition.unread else None
    return entry is not None and not entry.ok


def explicit_loss_weight(node: Node, top: int) -> float:
    """The loss_weight written for a top, 0 when none is (an implicit weight makes no Split)."""
    entries = node.layer.definition.bound.entries.get("loss_weight", ())
    return float(entries[top].value) if top < len(entries) else 0.0


def _check_in_place(node: Node, net: PhaseNet) -> None:
    for index, blob in enumerate(node.tops):
        old = blob.previous
        if old is None or not node.in_place[index] or _unreadable(node.layer.definition, "top", index):
            continue
        alone = len(old.readers) == 1
        if alone and "loss_weight" not in old.producer.layer.definition.bound.entries:
            continue
        others = [] if alone else [pair for pair in old.readers if pair != (node, index)]
        if any(other.layer.definition.unread for other, _ in others):
            continue  # that reader may well have been meant to work in place
        weighted = explicit_loss_weight(old.producer, old.top_index) != 0
        if not others and not weighted:
            continue
        start, end = node.layer.at("top", index)
        if others:
            other, at = others[0]
            where = other.layer.at("bottom", at)
            what = f"'{other.name}' reads it too" if other is not node else "it reads that blob twice"
            notes: tuple[Related, ...] = (Related(f"'{other.name}' reads '{old.name}' here", *where),)
        else:
            what = f"'{old.producer.name}' gives it an explicit loss_weight"
            notes = (Related(f"'{old.name}' carries a loss_weight", *old.producer.layer.at("loss_weight")),)
        net.problems.append(
            Problem(
                "NET004",
                f"'{node.name}' overwrites '{old.name}' although {what}; Caffe splits the blob and then aborts with "
                f"\"Top blob '{old.name}' produced by multiple sources.\" Give '{node.name}' its own top.",
                start,
                end,
                related=notes,
                data={"node": node, "top": index},
            )
        )


def _both_rules(layer: Layer) -> str:
    return (
        f"'{layer.name}' has both include and exclude rules; Caffe aborts because it accepts only one kind. Keep one."
    )


def _duplicate_top(node: Node, index: int, name: str, old: Blob) -> Problem:
    start, end = node.layer.at("top", index)
    related = (Related(f"'{name}' is produced here", *old.producer.layer.at("top", old.top_index)),)
    bottoms = node.layer.definition.bottoms
    if name in bottoms and old.producer is not node:
        at = bottoms.index(name)
        return Problem(
            "NET005",
            f"top {index} of '{node.name}' repeats its bottom {at}; working in place needs the same position, so Caffe "
            f"aborts with \"Top blob '{name}' produced by multiple sources.\" Reorder the bottoms or rename the top.",
            start,
            end,
            related=related,
            data={"node": node, "top": index},
        )
    return Problem(
        "NET003",
        f"top '{name}' of '{node.name}' is already produced by '{old.producer.name}'; Caffe aborts with "
        f"\"Top blob '{name}' produced by multiple sources.\" Give it another name.",
        start,
        end,
        related=related,
        data={"node": node, "top": index},
    )


class _UnknownBottoms:
    """Says what is known about bottoms that do not exist. The tables are made for the first one.

    may_be_unreadable: some top above cannot be read, so nobody knows which names there are.
    """

    def __init__(self, net: PhaseNet, layers: list[Layer], current: dict[str, Blob]) -> None:
        self._net = net
        self._layers = layers
        self._current = current
        self.may_be_unreadable = False
        self._below: dict[str, Layer] | None = None
        self._anywhere: dict[str, Layer] = {}
        self._near: dict[str, str] = {}

    def problem(self, node: Node, index: int, name: str) -> Problem:
        """The problem of one bottom."""
        if self._below is None:
            self._below = _first_producers(self._layers)
            self._anywhere = _first_producers(self._net.file.layers)
        start, end = node.layer.at("bottom", index)
        related: tuple[Related, ...] = ()
        data: dict[str, object] = {"node": node, "bottom": index}
        later = self._below.get(name)  # no layer above makes it, so the first that does is below
        elsewhere = self._anywhere.get(name)
        if later is node.layer:  # works in place on what does not exist
            later = None
        if elsewhere is node.layer:
            elsewhere = None
        code = "NET002"
        if later is not None:
            why = f"It is produced below, by '{later.name}': move '{later.name}' above."
            related = (Related(f"'{name}' is produced here", *later.at("top", later.tops.index(name))),)
            data["later"] = later
        elif elsewhere is not None:
            code = "NET020" if elsewhere.bottoms else "NET002"
            why = f"'{elsewhere.name}' produces it, but its include/exclude rules keep it out of this net. Make both "
            why += "layers' rules equal."
            related = (Related(f"'{name}' is produced here", *elsewhere.at("include")),)
            data["producer"] = elsewhere
        else:
            near = self._spelling(name)
            if near:
                why = f"Did you mean '{near}'?"
                data["near"] = near
            else:
                why = "Nothing in this file produces it."
        return Problem(
            code,
            f"'{node.name}' reads '{name}', which no layer above it produces; Caffe aborts with "
            f"\"Unknown bottom blob '{name}'\" before it creates any layer. {why}",
            start,
            end,
            related=related,
            data=data,
        )

    def _spelling(self, name: str) -> str:
        found = self._near.get(name)
        if found is None:
            found = near_blob(name, self._current) if len(self._near) < _SPELLINGS else ""
            self._near[name] = found
        return found


def _first_producers(layers: list[Layer]) -> dict[str, Layer]:
    """The first layer that makes each blob."""
    table: dict[str, Layer] = {}
    for layer in reversed(layers):
        for name in layer.definition.tops:
            table[name] = layer
    return table


def near_blob(name: str, known: Iterable[str]) -> str:
    """The known name that agrees most with `name` at its two ends, the last of equals; "" when none agrees well.

    Slips of the pen are in one place. difflib, which looks everywhere, takes 10 ms for the names of a large net.
    """
    best, most = "", 0.75
    length = len(name)
    for other in known:
        shorter = min(length, len(other))
        whole = length + len(other)
        if 2 * shorter < most * whole:
            continue
        head = 0
        while head < shorter and name[head] == other[head]:
            head += 1
        tail, rest = 1, shorter - head
        while tail <= rest and name[-tail] == other[-tail]:
            tail += 1
        share = 2 * (head + tail - 1) / whole
        if share >= most:
            best, most = other, share
    return best


def _problem(layer: Layer, code: str, path: str, message: str) -> Problem:
    start, end = layer.at(path)
    return Problem(code, message, start, end, data={"layer": layer})
