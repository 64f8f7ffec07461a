"""Schemas by dialect: BVLC's from the compiled tables, a fork's from those and its overlay.

Messages and fields that a fork shares with BVLC are the same objects in both schemas.
"""

from __future__ import annotations

from functools import cache

from . import overlay
from ._generated import bvlc
from .documentation import enum_value_doc, field_doc, message_doc
from .model import EnumType, FieldType, MessageType, Schema
from .overlay import DIALECTS
from .where import dialects_with_enum_value, dialects_with_field, dialects_with_layer_type, messages_with_field

__all__ = [
    "DIALECTS",
    "dialects_with_enum_value",
    "dialects_with_field",
    "dialects_with_layer_type",
    "enum_value_doc",
    "field_doc",
    "message_doc",
    "messages_with_field",
    "schema",
]


@cache
def schema(dialect: str) -> Schema:
    """The schema of a dialect. Raises KeyError, naming those there are, when it is unknown."""
    if dialect not in DIALECTS:
        raise KeyError(f"no dialect is called {dialect!r}; there are: {', '.join(DIALECTS)}")
    return _bvlc() if dialect == "bvlc" else _fork(dialect)


def _bvlc() -> Schema:
    enums = {name: EnumType(name, values) for name, values in bvlc.ENUMS.items()}
    messages = {
        name: MessageType(name, {declared[0]: FieldType(*declared) for declared in fields})
        for name, fields in bvlc.MESSAGES.items()
    }
    return Schema("bvlc", messages, enums, frozenset(bvlc.LAYER_TYPES))


def _fork(dialect: str) -> Schema:
    base = schema("bvlc")
    change = overlay.read(dialect)
    removed = change["remove"]
    enums = {name: enum for name, enum in base.enums.items() if name not in removed["enums"]}
    enums |= {name: EnumType(name, values) for name, values in change["enums"].items()}
    messages = {name: message for name, message in base.messages.items() if name not in removed["messages"]}
    for name in {**removed["fields"], **change["messages"]}:
        fields = dict(messages[name].fields) if name in messages else {}
        for field in removed["fields"].get(name, ()):
            del fields[field]
        for text in change["messages"].get(name, ()):
            field_type = _field(text, enums)
            fields[field_type.name] = field_type
        messages[name] = MessageType(name, fields)
    types = change["layer_types"]
    layer_types = (base.layer_types - set(types["removed"])) | set(types["added"])
    return Schema(dialect, messages, enums, layer_types, types["known"])


def _field(text: str, enums: dict[str, EnumType]) -> FieldType:
    from . import declaration  # not needed for a BVLC net

    declared = declaration.parse(text, enums)
    name, number, kind, type_name, repeated, required, default, has_default, deprecated, packed = declared
    if kind == "enum" and default is None and not repeated:
        default = next(iter(enums[type_name].values))
    return FieldType(name, number, kind, type_name, repeated, required, default, has_default, deprecated, packed)
