"""Protobuf's wire format, as far as weights need it: fields of a message in a buffer, without copying the buffer."""

from __future__ import annotations

from collections.abc import Iterator

VARINT, FIXED64, BYTES, START_GROUP, END_GROUP, FIXED32 = range(6)


class WireError(ValueError):
    """The bytes are no protobuf message; `offset` is where that shows."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(f"{message} at byte {offset}")
        self.offset = offset


class Truncated(WireError):
    """A field reaches beyond the end of the bytes."""


def varint(data: memoryview, at: int, end: int) -> tuple[int, int]:
    """The varint at `at` and the offset behind it. Raises WireError."""
    value = shift = 0
    start = at
    while at < end:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            break
    raise WireError("a number does not end", start)


def signed(value: int) -> int:
    """A varint read as int32 or int64 (two's complement in 64 bits)."""
    return value - (1 << 64) if value >= 1 << 63 else value


def fields(data: memoryview, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """(field number, wire type, where its value starts, where it ends) for each field of the message start..end.

    A varint's span covers its bytes; a length-delimited value's span excludes the length. Groups are skipped.
    Raises WireError for anything that is not a message.
    """
    at = start
    while at < end:
        key, value = varint(data, at, end)
        number, kind = key >> 3, key & 7
        if not number:
            raise WireError("a field has the number 0", at)
        if kind == VARINT:
            _, stop = varint(data, value, end)
        elif kind == FIXED64:
            stop = value + 8
        elif kind == FIXED32:
            stop = value + 4
        elif kind == BYTES:
            length, value = varint(data, value, end)
            stop = value + length
        elif kind == START_GROUP:
            stop = _group_end(data, value, end, number)
        else:
            raise WireError(f"wire type {kind} does not exist here", at)
        if stop > end:
            raise Truncated("a field reaches beyond the end", at)
        yield number, kind, value, stop
        at = stop


def _group_end(data: memoryview, at: int, end: int, number: int) -> int:
    while at < end:
        key, value = varint(data, at, end)
        if key & 7 == END_GROUP:
            if key >> 3 != number:
                raise WireError("a group ends that did not begin", at)
            return value
        inner = fields(data, at, end)
        at = next(inner)[3]
    raise WireError("a group does not end", at)
