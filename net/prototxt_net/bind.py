"""Binding: the tree's fields get the types of a schema, and what does not fit is reported.

Problems come out *raw*: a code, a place and facts. Words (nearest names, which dialects have the field) are added by
`words.explain` for the dialect that is finally chosen only, because choosing a dialect binds the same text to several.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

from prototxt_grammar import values
from prototxt_grammar.tree import Field, ListValue, Message, Scalar
from prototxt_net.finding import Problem
from prototxt_net.message import Bound, Entry
from prototxt_net.schema.model import FieldType, MessageType, Schema

_RANGES = {
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
}


class Binder:
    """Binds fields to one schema and collects raw problems (offsets as in the fields: relative to their chunk)."""

    __slots__ = ("problems", "schema")

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.problems: list[Problem] = []

    def message(self, fields: list[Field], type_: MessageType, node: Message | None) -> Bound:
        """Bind the fields of one message; absent required fields are reported at `node`."""
        entries: dict[str, list[Entry]] = {}
        known = type_.fields
        for field in fields:
            name = field.name
            field_type = known.get(name)
            if field_type is None:
                if field.value is None:
                    continue  # a name that is still being typed; the grammar has said that it has no value
                self._report("SCH001", field.start, field.name_end, message=type_.name, field=name)
                continue
            have = entries.get(name)
            if have is None:
                entries[name] = have = []
            elif not field_type.repeated:
                first = have[0].node
                self._report(
                    "SYN011", field.start, field.name_end,
                    message=type_.name, field=name, first=first, second=field, kind=field_type.kind,
                )  # fmt: skip
            value = field.value
            if value is None or isinstance(value, ListValue):
                self._values(field, field_type, have, type_)
                if not have:  # an empty list is as if it were not written
                    del entries[name]
            else:
                have.append(self._one(field, field_type, value))
        if node is not None:
            for name in _required(type_):
                if name not in entries:
                    self._report("SCH017", node.start, node.start + 1, message=type_.name, field=name)
        return Bound(type_, self.schema, entries, node)

    def _values(self, field: Field, type_: FieldType, into: list[Entry], owner: MessageType) -> None:
        """A list, or a field without a value (half typed: the grammar has said so)."""
        value = field.value
        if not isinstance(value, ListValue):
            into.append(Entry(type_, self._default(type_), field, None, False))
            return
        items: list[Scalar | Message] = value.items
        if not type_.repeated:
            self._report("SYN011", value.start, value.end, message=owner.name, field=field.name, list=True)
            items = items[:1]
        for item in items:
            into.append(self._one(field, type_, item))

    def _one(self, field: Field, type_: FieldType, value: Scalar | Message) -> Entry:
        if isinstance(value, Message):
            if type_.kind != "message":
                code = "SYN009" if field.colon < 0 else "SYN010"
                self._report(code, value.start, value.start + 1, field=field.name, type=type_, found=value.open)
                return Entry(type_, self._default(type_), field, value, False)
            inner = self.schema.messages[type_.type_name]
            return Entry(type_, self.message(value.fields, inner, value), field, value)
        if type_.kind == "message":
            self._report("SYN010", value.start, value.end, field=field.name, type=type_, found=value.text)
            return Entry(type_, self._default(type_), field, value, False)
        read = _READERS[type_.kind](value, type_, self.schema)
        if isinstance(read, _Bad):
            if value.kind != "bad":  # an open string is the grammar's problem already
                self._report(
                    read.code, value.start, value.end,
                    field=field.name, type=type_, found=value.text, kind=value.kind, reason=read.reason,
                )  # fmt: skip
            return Entry(type_, self._default(type_), field, value, False)
        return Entry(type_, read, field, value)

    def _default(self, type_: FieldType) -> Any:
        if type_.kind == "message":
            return Bound(self.schema.messages[type_.type_name], self.schema, {}, None)
        if type_.repeated:
            if type_.kind == "enum":
                return next(iter(self.schema.enums[type_.type_name].values), "")
            return {"string": "", "bytes": "", "bool": False, "float": 0.0, "double": 0.0}.get(type_.kind, 0)
        return type_.default

    def _report(self, code: str, start: int, end: int, **data: object) -> None:
        self.problems.append(Problem(code, "", start, end, True, "error", (), data))


@cache
def _required(type_: MessageType) -> tuple[str, ...]:
    """The names of the required fields of a message."""
    return tuple(name for name, field in type_.fields.items() if field.required)


class _Bad:
    """Why a scalar does not fit its field."""

    __slots__ = ("code", "reason")

    def __init__(self, code: str, reason: str) -> None:
        self.code = code
        self.reason = reason


_NOT_INTEGER = _Bad("SYN010", "integer")
_NOT_IN_RANGE = _Bad("SYN010", "range")
_NOT_FLOAT = _Bad("SYN010", "float")
_NOT_BOOL = _Bad("SYN010", "bool")
_NOT_STRING = _Bad("SYN010", "string")
_NOT_ENUM_WORD = _Bad("SYN010", "enum")
_UNKNOWN_ENUM = _Bad("SCH002", "enum")


def _integer(value: Scalar, type_: FieldType, schema: Schema) -> object:
    if value.kind != "number":
        return _NOT_INTEGER
    number = values.parse_integer(value.text)
    if number is None:
        return _NOT_INTEGER
    low, high = _RANGES[type_.kind]
    if low == 0 and value.text[:1] == "-":
        return _NOT_INTEGER
    return number if low <= number <= high else _NOT_IN_RANGE


def _float(value: Scalar, type_: FieldType, schema: Schema) -> object:
    if value.kind == "string":
        return _NOT_FLOAT
    number = values.parse_float(value.text)
    if number is None:
        return _NOT_FLOAT
    if type_.kind == "float" and math.isfinite(number) and abs(number) > 3.4028235677973366e38:
        return math.copysign(math.inf, number)
    return number


def _bool(value: Scalar, type_: FieldType, schema: Schema) -> object:
    known = values.parse_bool_word(value.text)
    if known is not None and value.kind != "string":
        return known
    if value.kind == "number" and value.text[:1] != "-":
        number = values.parse_integer(value.text)
        if number in (0, 1):
            return number == 1
        return _NOT_IN_RANGE if number is not None else _NOT_BOOL
    return _NOT_BOOL


def _string(value: Scalar, type_: FieldType, schema: Schema) -> object:
    text = value.text
    if value.kind != "string":
        return _NOT_STRING
    if "\\" not in text and text.find(text[0], 1) == len(text) - 1:
        return text[1:-1]
    return values.string_text(value)


def _enum(value: Scalar, type_: FieldType, schema: Schema) -> object:
    known = schema.enums[type_.type_name].values
    if value.kind == "word":
        return value.text if value.text in known else _UNKNOWN_ENUM
    if value.kind == "number":
        number = values.parse_integer(value.text)
        if number is None:
            return _NOT_ENUM_WORD
        for name, at in known.items():
            if at == number:
                return name
        return _UNKNOWN_ENUM
    return _NOT_ENUM_WORD


_READERS = {
    "int32": _integer,
    "int64": _integer,
    "uint32": _integer,
    "uint64": _integer,
    "float": _float,
    "double": _float,
    "bool": _bool,
    "string": _string,
    "bytes": _string,
    "enum": _enum,
}
