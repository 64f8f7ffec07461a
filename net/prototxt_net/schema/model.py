"""What a schema is made of. Instances are built once per dialect by `load.schema(dialect)` and never change.

The documentation is not in here: it is read only when a hover asks (`load.field_doc`, `message_doc`, `enum_value_doc`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, frozen=True, eq=False)
class EnumType:
    """An enum: `values` maps each name to its number, in the order of the schema."""

    name: str
    values: dict[str, int]


@dataclass(slots=True, frozen=True, eq=False)
class FieldType:
    """One field of a message.

    kind: "double" | "float" | "int32" | "int64" | "uint32" | "uint64" | "bool" | "string" | "bytes" | "enum" |
    "message". type_name: the enum's or message's name without package ("" for scalars).
    default: the Python value in force when the field is absent (0, 0.0, "", b"", False, the enum's first NAME; None for
    messages and repeated fields). has_default: the schema states it.
    """

    name: str
    number: int
    kind: str
    type_name: str
    repeated: bool
    required: bool
    default: object
    has_default: bool
    deprecated: bool
    packed: bool


@dataclass(slots=True, frozen=True, eq=False)
class MessageType:
    """A message: its fields by name, in schema order."""

    name: str
    fields: dict[str, FieldType]


@dataclass(slots=True, frozen=True, eq=False)
class Schema:
    """All messages and enums of one dialect.

    `layer_types` are the layer types its Caffe registers (the `type` strings of `layer`). Where `layer_types_known` is
    False nobody has listed that fork's registry: the set is then BVLC's with the fork's known own types, good for
    completion, and a type outside it proves nothing.
    """

    dialect: str
    messages: dict[str, MessageType]
    enums: dict[str, EnumType]
    layer_types: frozenset[str]
    layer_types_known: bool = True

    def message(self, name: str) -> MessageType:
        """The message of that name. Raises KeyError when this dialect has none."""
        return self.messages[name]
