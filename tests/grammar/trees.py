"""Trees as plain data, to compare and to read in a failure."""

from __future__ import annotations

from prototxt_grammar import Chunk, Field, ListValue, Message, Scalar, Tree


def data(node: object) -> object:
    """Every attribute of a node and what is below it; not recursive over `Chunk.cache`."""
    if isinstance(node, Tree):
        return [(start, data(chunk)) for start, chunk in zip(node.starts, node.chunks, strict=True)]
    if isinstance(node, Chunk):
        return node.text, [data(item) for item in node.fields], node.problems
    if isinstance(node, Field):
        return "field", node.name, node.start, node.name_end, node.colon, data(node.value), node.end, node.sep
    if isinstance(node, Message):
        return "message", [data(item) for item in node.fields], node.start, node.end, node.open, node.closed
    if isinstance(node, ListValue):
        return "list", [data(item) for item in node.items], node.start, node.end, node.closed
    if isinstance(node, Scalar):
        return "scalar", node.kind, node.text, node.start, node.end
    return node


def plain(node: object) -> object:
    """A node as (name, value) pairs, dictionaries being unable to repeat a key: no positions."""
    if isinstance(node, Tree):
        return [plain(item) for _, item in node.fields()]
    if isinstance(node, Field):
        return node.name, plain(node.value)
    if isinstance(node, Message):
        return [plain(item) for item in node.fields]
    if isinstance(node, ListValue):
        return tuple(plain(item) for item in node.items)
    return node.text if isinstance(node, Scalar) else None
