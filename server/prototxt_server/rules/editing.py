"""Edits that several rules make: delete, replace, rename, insert a sibling, give an in-place layer its own top.

All offsets are into the whole text. What stands beside the edited field (comments, indentation, the neighbours' style)
stays as it is.
"""

from __future__ import annotations

from prototxt_grammar.edits import (
    Edit,
    field_removal,
    indent_of,
    insert_field,
    line_end,
    line_start,
    newline_of,
    skip_blanks,
)
from prototxt_net.file import Layer, NetFile
from prototxt_net.message import Bound, Entry

_MANY_USERS = 200


def value_edit(layer: Layer, entry: Entry, text: str) -> Edit:
    """Replace the value of a field of a layer."""
    return Edit(layer.base + entry.start, layer.base + entry.end, text)


def string_edit(layer: Layer, entry: Entry, text: str) -> Edit:
    """Replace a string value, keeping its kind of quotes."""
    node = entry.value_node
    quote = getattr(node, "text", '"')[:1]
    quote = quote if quote in ("'", '"') else '"'
    return value_edit(layer, entry, f"{quote}{text}{quote}")


def delete_entry(text: str, base: int, entry: Entry) -> Edit:
    """Delete a whole field (name to value)."""
    return field_removal(text, base + entry.node.start, base + entry.node.end)


def insert_after(text: str, base: int, entry: Entry, field: str) -> Edit:
    """Insert a field behind another one of the same message: on a line of its own, or on the same line in a one-line
    message. `field` may have several lines, without their indentation. A separator and a comment that stand behind the
    other field stay with it.
    """
    start, end = base + entry.node.start, base + entry.node.end
    behind = skip_blanks(text, end)
    if text[behind : behind + 1] in (",", ";"):
        end = behind + 1
        behind = skip_blanks(text, end)
    if text[line_start(text, start) : start].strip():
        return Edit(end, end, " " + " ".join(part.strip() for part in field.splitlines()))
    if text[behind : behind + 1] == "#":
        end = line_end(text, behind)
    pad = newline_of(text) + indent_of(text, start)
    return Edit(end, end, pad + field.replace("\n", pad))


def insert_into(text: str, base: int, message: Bound, field: str) -> Edit | None:
    """Insert a field as the last one of a message that is written; None when it is not, or not closed."""
    node = message.node
    if node is None or not node.closed:
        return None
    return insert_field(text, base + node.start, base + node.end, field)


def fresh_blob_name(file: NetFile, wanted: str) -> str:
    """`wanted`, or `wanted_1`, ... : a name that no blob of the file has."""
    taken = file.users()
    name, count = wanted, 0
    while name in taken or not name:
        count += 1
        name = f"{wanted or 'blob'}_{count}"
    return name


def own_top(file: NetFile, layer: Layer, top: int) -> tuple[Edit, ...]:
    """Give top `top` of a layer a new name and follow it through all later readers and in-place layers.

    Empty when that cannot be done by renaming alone: the layer is not in every phase, the name is produced again, or it
    has so many users that nobody could look over the edit.
    """
    if layer.bound.has("include") or layer.bound.has("exclude"):
        return ()
    old = layer.tops[top]
    users = file.users()[old]
    if len(users) > _MANY_USERS:
        return ()
    new = fresh_blob_name(file, layer.name or old)
    edits = _rename(layer, "top", top, new)
    for later in users:
        if later.index <= layer.index:
            continue
        for index, name in enumerate(later.bottoms):
            if name == old:
                edits += _rename(later, "bottom", index, new)
        for index, name in enumerate(later.tops):
            if name != old:
                continue
            if index >= len(later.bottoms) or later.bottoms[index] != old:
                return ()
            edits += _rename(later, "top", index, new)
    return tuple(edits)


def _rename(layer: Layer, field: str, index: int, new: str) -> list[Edit]:
    entry = layer.bound.entry(field, index)
    return [] if entry is None else [string_edit(layer, entry, new)]
