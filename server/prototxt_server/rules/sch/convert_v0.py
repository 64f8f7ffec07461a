"""V0 blocks, `layers { layer { ... } bottom top }`, as `layer` blocks in the author's order, comments kept.

What goes where is read from the upgraded layer (`prototxt_net.v0`), whose entries point at the text they came from.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from prototxt_grammar.edits import Edit, field_removal, indent_of, newline_of
from prototxt_grammar.tree import Field, Message
from prototxt_net.file import Layer, NetFile
from prototxt_net.message import Bound, Entry

_COMMENT = re.compile(r"#[^\n]*")


@dataclass(slots=True)
class _Line:
    """What becomes of one field: the block it goes to ("" for the layer itself), its text, and comments around it."""

    block: str
    text: str
    above: list[str] = field(default_factory=list)
    behind: str = ""


def v0_to_v2(file: NetFile) -> tuple[Edit, ...]:
    """The edits that turn every V0 block into a `layer` block; empty when some block cannot be read."""
    text = file.tree.text
    layers = {id(layer.definition.node): layer for layer in file.layers if layer.definition.version == 0}
    edits: list[Edit] = []
    for base, item in file.tree.fields():
        if item.name != "layers":
            continue
        if not isinstance(item.value, Message) or not item.value.closed:
            return ()
        layer = layers.get(id(item))
        if layer is None:  # a padding layer, whose pad the next one takes over
            edits.append(field_removal(text, base + item.start, base + item.end))
            continue
        edits.append(Edit(base + item.start, base + item.end, _block(text, base, item, layer)))
    return tuple(edits)


def _block(text: str, base: int, item: Field, layer: Layer) -> str:
    source = text[base + item.start : base + item.end]
    lines, rest = _lines(text, base, item, layer)
    groups: dict[str, list[_Line]] = {}
    for line in lines:
        groups.setdefault(line.block or f"\0{len(groups)}", []).append(line)
    if "\n" not in source:
        parts = [
            group[0].text if block[0] == "\0" else f"{_name(block)} {{ {' '.join(line.text for line in group)} }}"
            for block, group in groups.items()
        ]
        return f"layer {{ {' '.join(parts)} }}"
    outer = indent_of(text, base + item.start)
    step = "\t" if re.search(r"\n\t", source) else "  "
    out = ["layer {"]
    for block, group in groups.items():
        if block[0] == "\0":
            out += _written(group[0], outer + step)
        elif block.startswith("param ") and not any(line.above or line.behind or "\n" in line.text for line in group):
            out.append(f"{outer}{step}param {{ {' '.join(line.text for line in group)} }}")
        else:
            inner = [row for line in group for row in _written(line, outer + step * 2)]
            out += [f"{outer}{step}{_name(block)} {{", *inner, f"{outer}{step}}}"]
    out += [outer + step + comment for comment in rest]
    return newline_of(text).join([*out, outer + "}"])


def _name(block: str) -> str:
    return block.partition(" ")[0]


def _written(line: _Line, indent: str) -> list[str]:
    """The rows of a field at an indentation; the rows of a block keep their depth among each other."""
    rows = [row.rstrip("\r") for row in line.text.split("\n")]
    depth = min((len(row) - len(row.lstrip()) for row in rows[1:] if row.strip()), default=0)
    rows = [indent + rows[0], *(indent + row[depth:] if row.strip() else "" for row in rows[1:])]
    rows[-1] += f"  {line.behind}" if line.behind else ""
    return [*(indent + comment for comment in line.above), *rows]


def _lines(text: str, base: int, item: Field, layer: Layer) -> tuple[list[_Line], list[str]]:
    """The block's fields in the order of the text, in their new words; and the comments behind the last one."""
    places = _places(layer.definition.bound)
    assert isinstance(item.value, Message)
    fields: list[Field] = []
    for outer in item.value.fields:
        fields += outer.value.fields if isinstance(outer.value, Message) and outer.name == "layer" else [outer]
    lines: list[_Line] = []
    end = base + item.value.start
    above: list[str] = []
    for each in sorted(fields, key=lambda f: f.start):
        behind, more = _comments(text[end : base + each.start])
        if lines and behind:
            lines[-1].behind = " ".join(filter(None, (lines[-1].behind, *behind)))
            above += more
        else:
            above += [*behind, *more]
        end = base + each.end
        for block, name, entry in places.get(id(each), ()):
            lines.append(_Line(block, _field(text, base, each, name, entry), above))
            above = []
    behind, more = _comments(text[end : base + item.end])
    if lines and behind:
        lines[-1].behind = " ".join(filter(None, (lines[-1].behind, *behind)))
        return lines, [*above, *more]
    return lines, [*above, *behind, *more]


def _field(text: str, base: int, node: Field, name: str, entry: Entry) -> str:
    if name == "type":
        return f'type: "{entry.value}"'
    if entry.value_node is None or node.value is None:  # the padding that a bottom brings along
        return f"{name}: {entry.value}"
    written = text[base + entry.value_node.start : base + entry.value_node.end]
    if name == "bottom" and str(entry.value) not in written:  # of a padding layer that went away
        return f'bottom: "{entry.value}"'
    return f"{name} {written}" if isinstance(entry.value, Bound) else f"{name}: {written}"


def _places(bound: Bound) -> dict[int, list[tuple[str, str, Entry]]]:
    """Node of the text -> (block, field, entry) for each thing that it became; `param` blocks are numbered."""
    places: dict[int, list[tuple[str, str, Entry]]] = {}
    for name, entries in bound.entries.items():
        for index, entry in enumerate(entries):
            if isinstance(entry.value, Bound) and entry.value.node is None:
                block = f"param {index}" if name == "param" else name
                for inner, found in entry.value.entries.items():
                    for each in found:
                        places.setdefault(id(each.node), []).append((block, inner, each))
            else:
                places.setdefault(id(entry.node), []).append(("", name, entry))
    return places


def _comments(gap: str) -> tuple[list[str], list[str]]:
    """The comments of the text between two fields: those on the line of the first one, and those below."""
    line, _, below = gap.partition("\n")
    return [c.rstrip() for c in _COMMENT.findall(line)], [c.rstrip() for c in _COMMENT.findall(below)]
