"""The outline of a file (its layers) and what can be folded (blocks and runs of comment lines)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from prototxt_grammar.tree import Field, Message
from prototxt_net.shape import text as shape_text
from prototxt_server.analysis import Analysis

_COMMENTS = re.compile(r"^[ \t]*#[^\n\r]*(?:\r\n|\n|\r)(?:[ \t]*#[^\n\r]*(?:\r\n|\n|\r|\Z))+", re.MULTILINE)


@dataclass(slots=True, frozen=True)
class Symbol:
    """A layer in the outline. The name stands from name_start to name_end; detail: its type and first top's shape."""

    name: str
    detail: str
    start: int
    end: int
    name_start: int
    name_end: int


def symbols(analysis: Analysis) -> Iterator[Symbol]:
    """The layers in file order, those of all phases."""
    shapes: dict[int, str] = {}
    for net in analysis.nets:
        for node in net.nodes:
            if node.tops:
                shapes.setdefault(id(node.layer), shape_text(node.tops[0].shape))
    for layer in analysis.file.layers:
        start, end = layer.span()
        name_start, name_end = layer.at("name")
        if not start <= name_start <= name_end <= end:
            continue
        shape = shapes.get(id(layer), "?")
        detail = layer.type if shape == "?" else f"{layer.type} {shape}"
        yield Symbol(layer.name or "(no name)", detail, start, end, name_start, name_end)


def blocks(analysis: Analysis) -> Iterator[tuple[int, int]]:
    """Where each message stands, from the start of its field to its closing bracket, outer ones first."""
    for base, field in analysis.tree.fields():
        yield from _blocks(field, base)


def _blocks(field: Field, base: int) -> Iterator[tuple[int, int]]:
    value = field.value
    if isinstance(value, Message):
        if value.closed:
            yield base + field.start, base + value.end - 1
        for inner in value.fields:
            yield from _blocks(inner, base)


def comments(analysis: Analysis) -> Iterator[tuple[int, int]]:
    """Runs of two or more comment lines, without the last line end."""
    for run in _COMMENTS.finditer(analysis.source.text):
        yield run.start(), run.start() + len(run.group().rstrip("\r\n"))
