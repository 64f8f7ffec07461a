"""A message after binding: values with their types, and the places where they stand.

Offsets are relative to the chunk of the text that the message stands in (see `Layer.base`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from prototxt_grammar.tree import Field, Message, Scalar
from prototxt_net.schema.model import FieldType, MessageType, Schema


@dataclass(slots=True, eq=False)
class Entry:
    """One occurrence of a field: its Python value and the grammar nodes it came from.

    value: int, float, bool, str, bytes, an enum's NAME (str), or a `Bound` message. A value that could not be read
    (wrong type, half-typed) is the field's default, and `ok` is False.
    A field written as a list `[a, b]` gives one entry per item, all with the same `node`.
    """

    type: FieldType
    value: Any
    node: Field
    value_node: Scalar | Message | None
    ok: bool = True

    @property
    def start(self) -> int:
        """Offset of the value (of the name where there is none)."""
        return self.node.start if self.value_node is None else self.value_node.start

    @property
    def end(self) -> int:
        """Offset behind the value."""
        return self.node.end if self.value_node is None else self.value_node.end


class Bound:
    """A message of a known type. Reading an absent field gives its default, as protobuf does."""

    __slots__ = ("_schema", "entries", "node", "type")

    def __init__(
        self, type_: MessageType, schema: Schema, entries: dict[str, list[Entry]], node: Message | None
    ) -> None:
        self.type = type_
        self.entries = entries
        self.node = node
        self._schema = schema

    @property
    def dialect(self) -> str:
        """The dialect whose schema the message was read with."""
        return self._schema.dialect

    def has(self, name: str) -> bool:
        """Whether the field is written in the text."""
        return name in self.entries

    def get(self, name: str) -> Any:
        """The value in force of a non-repeated field: the written one, else the default.

        An absent message field gives an empty `Bound`; a field that this dialect does not have gives None, so that
        code shared by dialects may ask for a fork's field.
        """
        entries = self.entries.get(name)
        if entries:
            return entries[-1].value
        field = self.type.fields.get(name)
        if field is None:
            return None
        if field.kind == "message" and not field.repeated:
            return _absent(self._schema, field.type_name)
        return field.default

    def sub(self, name: str) -> Bound:
        """The message field `name`, empty when absent or unknown to this dialect."""
        entries = self.entries.get(name)
        if entries:
            value = entries[-1].value
            return value if isinstance(value, Bound) else _absent(self._schema, "")
        field = self.type.fields.get(name)
        if field is None or field.kind != "message" or field.repeated:
            return _absent(self._schema, "")
        return _absent(self._schema, field.type_name)

    def all(self, name: str) -> list[Any]:
        """All values of a repeated field, in file order."""
        return [entry.value for entry in self.entries.get(name, ())]

    def entry(self, name: str, index: int = 0) -> Entry | None:
        """The index-th occurrence of a field, or None."""
        entries = self.entries.get(name)
        if entries is None or index >= len(entries):
            return None
        return entries[index]

    def find(self, path: str) -> Entry | None:
        """The entry at a dotted path (`"batch_norm_param.eps"`, `"param.1.lr_mult"`), or None."""
        message: Bound = self
        parts = path.split(".")
        entry: Entry | None = None
        i = 0
        while i < len(parts):
            index = 0
            if i + 1 < len(parts) and parts[i + 1].isdigit():
                index = int(parts[i + 1])
            entry = message.entry(parts[i], index)
            if entry is None:
                return None
            i += 2 if i + 1 < len(parts) and parts[i + 1].isdigit() else 1
            if i < len(parts):
                if not isinstance(entry.value, Bound):
                    return None
                message = entry.value
        return entry

    def walk(self) -> Iterator[Entry]:
        """All entries in it and below it, in file order of each field."""
        for entries in self.entries.values():
            for entry in entries:
                yield entry
                if isinstance(entry.value, Bound):
                    yield from entry.value.walk()


@cache
def _absent(schema: Schema, type_name: str) -> Bound:
    """A message of that type with no field written; "": a message without fields. Nobody writes into a Bound."""
    return Bound(schema.messages[type_name] if type_name else _EMPTY, schema, {}, None)


_EMPTY = MessageType("", {})
