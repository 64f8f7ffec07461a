"""What may be written at an offset: fields of the message there, values of a field, words of our own comments."""

from __future__ import annotations

import re
from collections.abc import Iterator

from prototxt_net.schema import load
from prototxt_net.schema.model import FieldType
from prototxt_server.analysis import Analysis
from prototxt_server.assist import describe
from prototxt_server.assist.completion_comments import in_comment, rule_of
from prototxt_server.assist.completion_values import blobs_above, has_values, values
from prototxt_server.assist.fillers import FILLERS
from prototxt_server.assist.locate import ROOTS, Spot, declaration, locate
from prototxt_server.assist.proposal import Item, Kind, literal

_VALUE = re.compile(
    r"([A-Za-z_]\w*)[ \t]*:[ \t]*"
    r"(?:\[(?:[^\]{\"']|\"[^\"]*\"|'[^']*')*?(?<=[\[,\s]))?"  # a list, up to the item
    r"(?:([\"'])([^\"'\n\r]*)|([\w.+-]*))\Z"
)
_WORD = re.compile(r"\w*\Z")
_STRING = re.compile(r"\"[^\"]*\"|'[^']*'")
_BODIES = {
    "FillerParameter": 'type: "$0"',
    "ParamSpec": "lr_mult: ${1:1} decay_mult: ${2:1}$0",
    "BlobShape": "dim: $0",
    "NetStateRule": "phase: $0",
}
"""Messages that are written on one line, with what is in them nearly always."""


def complete(analysis: Analysis, offset: int, only_values: bool = False) -> list[Item]:
    """Proposals for an offset. only_values: no fields, since nobody asked for any (a colon or a quote was typed)."""
    text = analysis.source.text
    line_start = max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) + 1
    line = text[line_start:offset]
    code = _STRING.sub(lambda string: "s" * len(string[0]), line)
    if "#" in code:
        return list(in_comment(analysis, line[code.index("#") :], offset))
    spot = _enclosing(analysis, offset)
    value = _VALUE.search(line)
    if value is not None:
        quoted = value.group(2) is not None
        typed = value.group(3) if quoted else value.group(4)
        message = spot_message(analysis, spot)
        declared = declaration(analysis.file.schema, message, value.group(1))
        if declared is None:
            return []
        return list(values(analysis, spot, message, declared, offset - len(typed), quoted))
    if only_values or code.count('"') % 2 or code.count("'") % 2:
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
        old = declared.deprecated or (message == "NetParameter" and name in ("layers", "input_dim"))
        order = 0 if fits else 9 if old else 7 if name.endswith("_param") else 5
        if (message, name) == ("NetParameter", "layer"):
            yield _layer(analysis, start, offset)
        detail = ("repeated " if declared.repeated else "") + (declared.type_name or declared.kind)
        kind: Kind = "message" if declared.kind == "message" else "field"
        more = declared.type_name in ("FillerParameter", "NetStateRule") or has_values(message, declared)
        key = (schema.dialect, message, name)
        yield Item(name, kind, detail, _template(declared), start, order, declared.deprecated, more, key)


def _template(declared: FieldType) -> str:
    if declared.kind == "message":
        body = _BODIES.get(declared.type_name)
        return f"{declared.name} {{ {body} }}" if body else f"{declared.name} {{\n\t$0\n}}"
    return f'{declared.name}: "$0"' if declared.kind in ("string", "bytes") else f"{declared.name}: $0"


def _layer(analysis: Analysis, start: int, offset: int) -> Item:
    """A whole layer that reads what the layer above makes."""
    nearest = next(iter(blobs_above(analysis, offset)), ("data", ""))[0]
    lines = ['name: "$1"', 'type: "$2"', f'bottom: "${{3:{literal(nearest)}}}"', 'top: "${4:$1}"$0']
    body = "".join(f"\t{line}\n" for line in lines)
    key = (analysis.file.schema.dialect, "NetParameter", "layer")
    return Item("layer with bottom and top", "snippet", "a new layer", f"layer {{\n{body}}}", start, 4, doc_key=key)


def document(key: tuple[str, str, str]) -> str:
    """The Markdown for a proposal's `doc_key`; "" when there is nothing to say."""
    first, second, third = key
    if first == "layer":
        return describe.layer_type(third, second)
    if first == "filler":
        return FILLERS.get(third, "")
    if first == "rule":
        rule = rule_of(third)
        return "" if rule is None else describe.rule(rule)
    if first == "enum":
        enum, _, value = third.rpartition(".")
        return load.enum_value_doc(second, enum, value)
    return load.field_doc(first, second, third) if first else ""
