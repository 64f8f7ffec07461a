"""What is used by its name in several places, a blob or a parameter blob that layers share: where, and renaming it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from prototxt_grammar.tree import Scalar
from prototxt_grammar.values import string_text
from prototxt_net.message import Bound, Entry
from prototxt_server.analysis import Analysis
from prototxt_server.assist.locate import Spot, locate

BLOB, PARAMETER = "blob", "parameter blob"


class CannotRename(ValueError):
    """The message says why."""


@dataclass(slots=True, frozen=True)
class Named:
    """A name that stands from start to end (quotes included). kind: "blob" or "parameter blob"."""

    kind: str
    name: str
    start: int
    end: int


def at(analysis: Analysis, offset: int) -> Named | None:
    """What can be renamed at an offset."""
    spot = locate(analysis, offset)
    if spot.value is None or not _names_something(spot):
        return None
    start = spot.base + spot.value.start
    return next((named for named in everywhere(analysis) if named.start == start), None)


def _names_something(spot: Spot) -> bool:
    return spot.last is not None and spot.last.field.name in ("bottom", "top", "input", "name", "param")


def places(analysis: Analysis, offset: int) -> list[Named]:
    """All places of what stands at an offset, in the nets of all phases: two that are chosen by phase stand for each
    other, and what reads one reads the other.
    """
    here = at(analysis, offset)
    return (
        [] if here is None else [one for one in everywhere(analysis) if (one.kind, one.name) == (here.kind, here.name)]
    )


def renamed(analysis: Analysis, offset: int, new: str) -> list[tuple[int, int, str]]:
    """The replacements (start, end, text) that give what stands at an offset a new name.

    Raises CannotRename when nothing there has a name, and when the net has another of the new name: the two would
    become one.
    """
    found = places(analysis, offset)
    if not found:
        raise CannotRename("only blobs and shared parameter blobs can be renamed")
    if new == found[0].name:
        return []
    if any(layer.definition.version == 0 for layer in analysis.file.layers):
        raise CannotRename("a V0 net can be renamed in only after `lsp upgrade`: padding layers become part of others")
    kind = found[0].kind
    if not new or any(ord(character) < ord(" ") for character in new):
        raise CannotRename(f"a {kind} needs a name of visible characters")
    if any(one.kind == kind and one.name == new for one in everywhere(analysis)):
        raise CannotRename(f"{new!r} already is a {kind} of this net")
    escaped = new.replace("\\", "\\\\").replace('"', '\\"')
    return [(one.start, one.end, f'"{escaped}"') for one in found]


def everywhere(analysis: Analysis) -> Iterator[Named]:
    """All names of blobs and of shared parameter blobs, each place once."""
    seen: set[int] = set()
    for named in _written(analysis):
        if named.start not in seen:
            seen.add(named.start)
            yield named


def _written(analysis: Analysis) -> Iterator[Named]:
    file = analysis.file
    for entry in file.root.entries.get("input", ()):
        yield from _named(BLOB, entry, file.base_of(entry))
    for layer in file.layers:
        for role in ("bottom", "top"):
            for entry in layer.bound.entries.get(role, ()):
                yield from _named(BLOB, entry, layer.base)
        for entry in layer.bound.entries.get("param", ()):
            if isinstance(entry.value, Bound):
                for name in entry.value.entries.get("name", ()):
                    yield from _named(PARAMETER, name, layer.base)


def _named(kind: str, entry: Entry, base: int) -> Iterator[Named]:
    node = entry.value_node
    if not entry.ok or not isinstance(node, Scalar) or not isinstance(entry.value, str) or not entry.value:
        return
    if node.kind == "string" and string_text(node) == entry.value:
        yield Named(kind, entry.value, base + node.start, base + node.end)
