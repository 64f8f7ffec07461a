"""Protobuf message classes of a dialect, to read binary files (`.caffemodel`, `.binaryproto`) and as a test's oracle.

    message_class("bvlc", "NetParameter").FromString(data)

Built from the same schema as everything else, in a descriptor pool of its own, so that dialects do not meet. Only what
reads such files imports this module: it imports protobuf.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # type: ignore[import-untyped]

from .declaration import SCALARS, write_value
from .load import schema
from .model import EnumType, FieldType, MessageType, Schema

PACKAGE = "caffe"

_Field = descriptor_pb2.FieldDescriptorProto
_KIND_NUMBERS = {kind: getattr(_Field, f"TYPE_{kind.upper()}") for kind in (*SCALARS, "enum", "message")}


@cache
def message_class(dialect: str, message: str) -> Any:
    """The protobuf class of a message, by its dotted name. Raises KeyError for an unknown dialect or message."""
    return message_factory.GetMessageClass(_pool(dialect).FindMessageTypeByName(f"{PACKAGE}.{message}"))


@cache
def _pool(dialect: str) -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file_descriptor(schema(dialect)))
    return pool


def file_descriptor(source: Schema) -> descriptor_pb2.FileDescriptorProto:
    """The whole schema as the one file that protoc would make of the dialect's caffe.proto."""
    file = descriptor_pb2.FileDescriptorProto(name=f"{source.dialect}/caffe.proto", package=PACKAGE, syntax="proto2")
    built: dict[str, descriptor_pb2.DescriptorProto] = {}
    for message in sorted(source.messages.values(), key=lambda each: each.name.count(".")):
        owner, _, name = message.name.rpartition(".")
        into = built[owner].nested_type.add() if owner else file.message_type.add()
        built[message.name] = into
        _fill_message(into, name, message)
    for enum in source.enums.values():
        owner, _, name = enum.name.rpartition(".")
        _fill_enum(built[owner].enum_type.add() if owner else file.enum_type.add(), name, enum)
    return file


def _fill_message(into: descriptor_pb2.DescriptorProto, name: str, message: MessageType) -> None:
    into.name = name
    for field in message.fields.values():
        _fill_field(into.field.add(), field)


def _fill_field(into: descriptor_pb2.FieldDescriptorProto, field: FieldType) -> None:
    into.name = field.name
    into.number = field.number
    into.type = _KIND_NUMBERS[field.kind]
    into.label = (
        _Field.LABEL_REPEATED if field.repeated else _Field.LABEL_REQUIRED if field.required else _Field.LABEL_OPTIONAL
    )
    if field.type_name:
        into.type_name = f".{PACKAGE}.{field.type_name}"
    if field.has_default:
        text = write_value(field.kind, field.default)
        into.default_value = text[1:-1] if field.kind in ("string", "bytes") else text
    if field.packed:
        into.options.packed = True
    if field.deprecated:
        into.options.deprecated = True


def _fill_enum(into: descriptor_pb2.EnumDescriptorProto, name: str, enum: EnumType) -> None:
    into.name = name
    if len(set(enum.values.values())) < len(enum.values):
        into.options.allow_alias = True
    for value, number in enum.values.items():
        into.value.add(name=value, number=number)
