"""Blobs and nodes as an editor asks about them: which versions a `bottom` or `top` stands for, in each phase."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from prototxt_net.file import Layer
from prototxt_net.net import Blob, Node, PhaseNet
from prototxt_net.shape import product
from prototxt_server.analysis import Analysis
from prototxt_server.assist.locate import Spot, text_of


@dataclass(slots=True, frozen=True)
class Use:
    """One `bottom` or `top` in the text (role: which of the two); blobs: its version in each phase with the layer."""

    layer: Layer
    role: str
    index: int
    name: str
    start: int
    end: int
    blobs: tuple[tuple[PhaseNet, Blob], ...]


def nodes_of(analysis: Analysis, layer: Layer) -> Iterator[tuple[PhaseNet, Node]]:
    """The layer's node in each phase that has it."""
    for net in analysis.nets:
        for node in net.nodes:
            if node.layer is layer:
                yield net, node
                break


def use_at(analysis: Analysis, spot: Spot) -> Use | None:
    """The blob whose name stands there as a layer's bottom or top."""
    step = spot.last
    if step is None or spot.value is None or spot.part != "value" or spot.layer is None:
        return None
    if step.field.name not in ("bottom", "top") or len(spot.steps) < 2:
        return None
    role, index, layer = step.field.name, step.index, spot.layer
    found: list[tuple[PhaseNet, Blob]] = []
    for net, node in nodes_of(analysis, layer):
        if role == "top":
            blob = node.tops[index] if index < len(node.tops) else None
        else:
            blob = node.bottoms[index] if index < len(node.bottoms) else None
        if blob is not None:
            found.append((net, blob))
    value = spot.value
    start, end = spot.base + value.start, spot.base + value.end
    return Use(layer, role, index, text_of(value), start, end, tuple(found))


def chain(blob: Blob) -> list[Blob]:
    """All versions on the blob's storage that follow each other in place, oldest first."""
    versions = [blob.storage()]
    seen = {id(versions[0])}
    while True:
        newer = next((top for top in _overwriters(versions[-1]) if id(top) not in seen), None)
        if newer is None:
            break
        versions.append(newer)
        seen.add(id(newer))
    if id(blob) not in seen:  # two layers overwrite the same version: show the way to this one
        versions = [blob]
        while versions[0].previous is not None:
            versions.insert(0, versions[0].previous)
    return versions


def _overwriters(blob: Blob) -> Iterator[Blob]:
    for node, _ in blob.readers:
        for top in node.tops:
            if top.previous is blob:
                yield top


def parameters(node: Node) -> int | None:
    """The number of learnable values and statistics of a layer; None when a size is unknown."""
    total = 0
    for blob in node.setup.params:
        count = None if blob.shape is None else product(blob.shape)
        if not isinstance(count, int):
            return None
        total += count
    return total
