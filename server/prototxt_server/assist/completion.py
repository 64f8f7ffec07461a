"""What may be written at an offset: fields of the message there, enum values, layer types, blobs made above."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from prototxt_net.schema import load
from prototxt_net.schema.model import FieldType
from prototxt_net.shape import text as shape_text
from prototxt_server.analysis import Analysis
from prototxt_server.assist import describe
from prototxt_server.assist.fillers import FILLERS
from prototxt_server.assist.locate import ROOTS, Spot, declaration, locate

_VALUE = re.compile(r"([A-Za-z_]\w*)[ \t]*:[ \t]*(?:(\")([^\"\n\r]*)|([\w.+-]*))\Z")
_WORD = re.compile(r"\w*\Z")

Kind = Literal["field", "message", "enum", "layer-type", "filler", "blob", "word"]


@dataclass(slots=True, frozen=True)
class Item:
    """One proposal. text replaces what stands from start to the offset; `$0` in it is where the cursor goes.

    doc_key: what `document` turns into Markdown when the proposal is looked at.
    """

    label: str
    kind: Kind
    detail: str
    text: str
    start: int
    order: int = 5
    deprecated: bool = False
    doc_key: tuple[str, str, str] = ("", "", "")


def complete(analysis: Analysis, offset: int) -> list[Item]:
    """Proposals for an offset, none inside a comment."""
    text = analysis.source.text
    line_start = max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) + 1
    line = text[line_start:offset]
    if "#" in re.sub(r"\"[^\"]*\"|'[^']*'", "", line):
        return []
    spot = _enclosing(analysis, offset)
    value = _VALUE.search(line)
    if value is not None:
        quoted = value.group(2) is not None
        typed = value.group(3) if quoted else value.group(4)
        message = spot_message(analysis, spot)
        declared = declaration(analysis.file.schema, message, value.group(1))
        if declared is None:
            return []
        return list(_values(analysis, spot, message, declared, offset - len(typed), quoted))
    if line.count('"') % 2:
        return []
    word = _WORD.search(line)
    return list(_fields(analysis, spot, offset - (len(word.group()) if word else 0), offset))


def _enclosing(analysis: Analysis, offset: int) -> Spot:
    """The spot seen as inside the innermost message around the offset."""
    spot = locate(analysis, offset)
    if spot.part == "inside" or not spot.steps:
        return spot
    return Spot(spot.base, spot.steps[:-1], "inside", None, spot.siblings, spot.layer)


def spot_message(analysis: Analysis, spot: Spot) -> str:
    """The message type that the spot is inside of; "" when unknown."""
    if spot.last is None:
        return ROOTS[analysis.file.kind]
    declared = spot.last.type
    return declared.type_name if declared is not None and declared.kind == "message" else ""


def _fields(analysis: Analysis, spot: Spot, start: int, offset: int) -> Iterator[Item]:
    schema = analysis.file.schema
    message = spot_message(analysis, spot)
    known = schema.messages.get(message)
    if known is None:
        return
    here = offset - spot.base
    written = {field.name for field in spot.siblings if not field.start <= here <= field.end}
    own = "" if spot.layer is None else spot.layer.type.lower()
    for name, declared in known.fields.items():
        if name in written and not declared.repeated:
            continue
        fits = bool(own) and name.endswith("_param") and name[: -len("_param")].replace("_", "") == own
        order = 0 if fits else 9 if declared.deprecated else 7 if name.endswith("_param") else 5
        detail = ("repeated " if declared.repeated else "") + (declared.type_name or declared.kind)
        kind: Kind = "message" if declared.kind == "message" else "field"
        yield Item(
            name, kind, detail, _template(declared), start, order, declared.deprecated, (schema.dialect, message, name)
        )


def _template(declared: FieldType) -> str:
    if declared.kind == "message":
        return f"{declared.name} {{\n\t$0\n}}"
    return f'{declared.name}: "$0"' if declared.kind in ("string", "bytes") else f"{declared.name}: $0"


def _values(
    analysis: Analysis, spot: Spot, message: str, declared: FieldType, start: int, quoted: bool
) -> Iterator[Item]:
    schema = analysis.file.schema

    def string(value: str) -> str:
        return value if quoted else f'"{value}"'

    if declared.kind == "bool":
        for word in ("true", "false"):
            yield Item(word, "word", "bool", word, start)
    elif declared.kind == "enum":
        for value in schema.enums[declared.type_name].values:
            yield Item(value, "enum", declared.type_name, value, start)
    elif message == "LayerParameter" and declared.name == "type":
        for type_ in sorted(schema.layer_types):
            yield Item(
                type_, "layer-type", "layer type", string(type_), start, doc_key=("layer", schema.dialect, type_)
            )
    elif message == "FillerParameter" and declared.name == "type":
        for filler, meaning in FILLERS.items():
            yield Item(filler, "filler", meaning.partition(".")[0], string(filler), start)
    elif declared.name in ("bottom", "top") and len(spot.steps) == 1:
        for order, (name, shape) in enumerate(blobs_above(analysis, spot.base + spot.steps[0].field.start)):
            yield Item(name, "blob", shape, string(name), start, order)


def blobs_above(analysis: Analysis, offset: int) -> list[tuple[str, str]]:
    """The names of the blobs that layers before an offset write, the nearest first, with their last shape."""
    found: dict[str, str] = {}
    for net in analysis.nets:
        for node in net.nodes:
            if node.layer.span()[0] >= offset:
                break
            for top in node.tops:
                found.pop(top.name, None)
                found[top.name] = shape_text(top.shape)
    if not analysis.nets:
        for layer in analysis.file.layers:
            if layer.span()[0] < offset:
                found |= dict.fromkeys(layer.tops, "?")
    return list(reversed(found.items()))


def document(key: tuple[str, str, str]) -> str:
    """The Markdown for a proposal's `doc_key`; "" when there is nothing to say."""
    first, second, third = key
    if first == "layer":
        return describe.layer_type(third, second)
    return load.field_doc(first, second, third) if first else ""
