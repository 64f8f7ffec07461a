"""Which dialects, or which messages, have a given name: for "no such field here, but …" and for telling forks apart.

Answered from the overlays, without building the schemas of all dialects.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cache, lru_cache

from . import overlay
from ._generated import bvlc
from .overlay import DIALECTS


@lru_cache(maxsize=4096)
def dialects_with_field(message: str, field: str) -> tuple[str, ...]:
    """The dialects whose `message` has `field`, in order of preference."""
    trunk = field in _trunk_fields().get(message, ())
    found = ["bvlc"] if trunk else []
    for dialect in DIALECTS[1:]:
        removed = overlay.read(dialect)["remove"]
        kept = trunk and message not in removed["messages"] and field not in removed["fields"].get(message, ())
        if kept or field in _added_fields(dialect).get(message, ()):
            found.append(dialect)
    return tuple(found)


def messages_with_field(dialect: str, field: str) -> tuple[str, ...]:
    """The messages of a dialect that have a field of this name, in schema order. Raises KeyError as `schema` does."""
    return _messages_by_field(dialect).get(field, ())


def dialects_with_layer_type(layer_type: str) -> tuple[str, ...]:
    """The dialects that register a layer type, as far as their registries are known, in order of preference."""
    trunk = layer_type in bvlc.LAYER_TYPES
    found = ["bvlc"] if trunk else []
    for dialect in DIALECTS[1:]:
        types = overlay.read(dialect)["layer_types"]
        if (trunk and layer_type not in types["removed"]) or layer_type in types["added"]:
            found.append(dialect)
    return tuple(found)


def dialects_with_enum_value(enum: str, value: str) -> tuple[str, ...]:
    """The dialects whose `enum` (dotted: "PoolingParameter.PoolMethod") has the value of that name, by preference."""
    trunk = value in bvlc.ENUMS.get(enum, {})
    found = ["bvlc"] if trunk else []
    for dialect in DIALECTS[1:]:
        change = overlay.read(dialect)
        own = change["enums"].get(enum)
        if value in own if own is not None else trunk and enum not in change["remove"]["enums"]:
            found.append(dialect)
    return tuple(found)


@cache
def _trunk_fields() -> dict[str, frozenset[str]]:
    return {message: frozenset(declared[0] for declared in fields) for message, fields in bvlc.MESSAGES.items()}


@cache
def _added_fields(dialect: str) -> dict[str, frozenset[str]]:
    """The names in a fork's declarations; each is the third word of its text."""
    messages = overlay.read(dialect)["messages"]
    return {message: frozenset(text.split(" ", 3)[2] for text in fields) for message, fields in messages.items()}


@cache
def _messages_by_field(dialect: str) -> dict[str, tuple[str, ...]]:
    from .load import schema  # which offers this module's functions

    found: dict[str, list[str]] = defaultdict(list)
    for message in schema(dialect).messages.values():
        for field in message.fields:
            found[field].append(message.name)
    return {field: tuple(messages) for field, messages in found.items()}
