"""From a blob's name to its writer, and to everything that reads or writes the same storage."""

from __future__ import annotations

from dataclasses import dataclass

from prototxt_net.file import Layer
from prototxt_server.analysis import Analysis
from prototxt_server.assist import names
from prototxt_server.assist.blobs import chain, use_at
from prototxt_server.assist.locate import locate


@dataclass(slots=True, frozen=True, order=True)
class Place:
    """A place in the text; writes: a top stands there, else a bottom."""

    start: int
    end: int
    writes: bool


def definition(analysis: Analysis, offset: int) -> list[Place]:
    """Where the version of the blob under the cursor is written, once for each writer that the phases have; of a shared
    parameter blob, the layer that owns it.
    """
    use = use_at(analysis, locate(analysis, offset))
    if use is None:
        return _shared(analysis, offset)[:1]
    found = {_place(blob.producer.layer, "top", blob.top_index) for _, blob in use.blobs}
    return sorted(place for place in found if place is not None)


def references(analysis: Analysis, offset: int) -> list[Place]:
    """All tops and bottoms, in any phase, that stand for the storage of the blob under the cursor; all places that name
    the shared parameter blob there.
    """
    use = use_at(analysis, locate(analysis, offset))
    if use is None:
        return _shared(analysis, offset)
    found = {_place(use.layer, use.role, use.index)}
    for _, blob in use.blobs:
        for version in chain(blob):
            found.add(_place(version.producer.layer, "top", version.top_index))
            found |= {_place(node.layer, "bottom", index) for node, index in version.readers}
    return sorted(place for place in found if place is not None)


def _shared(analysis: Analysis, offset: int) -> list[Place]:
    """All places that name the parameter blob under the cursor; the first one owns it."""
    found = [one for one in names.places(analysis, offset) if one.kind == names.PARAMETER]
    return [Place(one.start, one.end, writes=i == 0) for i, one in enumerate(found)]


def _place(layer: Layer, role: str, index: int) -> Place | None:
    entry = layer.bound.entry(role, index)
    if entry is None:
        return None
    return Place(layer.base + entry.start, layer.base + entry.end, role == "top")
