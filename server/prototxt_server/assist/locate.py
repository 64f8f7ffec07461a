"""What stands at an offset: the path of fields from the file down to it, and the layer around it.

The path follows the tree, not the bound messages, so that it also leads into fields that this dialect does not know
and into half-typed ones.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from prototxt_grammar.tree import Field, ListValue, Message, Scalar
from prototxt_grammar.values import string_text
from prototxt_net.file import Layer
from prototxt_net.schema.model import FieldType, Schema
from prototxt_server.analysis import Analysis

Part = Literal["name", "value", "inside"]
ROOTS = {"net": "NetParameter", "solver": "SolverParameter", "other": "NetParameter"}


@dataclass(slots=True, frozen=True)
class Step:
    """One field on the way down. message: the type it belongs to ("" when unknown); index: how many of its name
    stand before it in the same message. type: its declaration, None when the dialect has no such field.
    """

    field: Field
    message: str
    index: int
    type: FieldType | None


@dataclass(slots=True, frozen=True)
class Spot:
    """What stands at an offset.

    base: turns positions of `steps` and `value` into offsets in the text. part: the offset is on the last field's name,
    on its value, or inside its message (or, without steps, inside the file) and on none of the fields there.
    siblings: the fields of the message that the offset is inside of, or that the last field belongs to.
    """

    base: int
    steps: tuple[Step, ...]
    part: Part
    value: Scalar | None
    siblings: Sequence[Field]
    layer: Layer | None

    @property
    def path(self) -> tuple[str, ...]:
        """The names of the fields, outermost first."""
        return tuple(step.field.name for step in self.steps)

    @property
    def last(self) -> Step | None:
        """The innermost field."""
        return self.steps[-1] if self.steps else None


def locate(analysis: Analysis, offset: int) -> Spot:
    """What stands at an offset; an offset at the end of a token counts as on it. Any offset is allowed."""
    tree = analysis.tree
    index = max(bisect_right(tree.starts, offset) - 1, 0)
    if not tree.chunks:
        return Spot(0, (), "inside", None, (), None)
    base = tree.starts[index]
    fields: Sequence[Field] = tree.chunks[index].fields
    message = ROOTS[analysis.file.kind]
    steps: list[Step] = []
    part: Part = "inside"
    value: Scalar | None = None
    at = offset - base
    while True:
        found = _field_at(fields, at)
        if found is None:
            break
        declared = declaration(analysis.file.schema, message, found.name)
        before = sum(1 for field in fields if field.name == found.name and field.start < found.start)
        steps.append(Step(found, message, before, declared))
        if at <= found.name_end:
            part = "name"
            break
        inner = _value_at(found, at)
        if isinstance(inner, Message) and inner.start < at and (at < inner.end or not inner.closed):
            fields = inner.fields
            message = declared.type_name if declared is not None and declared.kind == "message" else ""
            continue
        part = "value"
        value = inner if isinstance(inner, Scalar) else None
        break
    layer = layer_at(analysis, base + steps[0].field.start if steps else offset)
    return Spot(base, tuple(steps), part, value, fields, layer)


def _field_at(fields: Sequence[Field], at: int) -> Field | None:
    """The field that an offset is on; behind the last one, the block that was never closed."""
    found = next((field for field in fields if field.start <= at <= field.end), None)
    if found is None and fields and fields[-1].end < at:
        value = fields[-1].value
        if isinstance(value, Message) and not value.closed:
            return fields[-1]
    return found


def declaration(schema: Schema, message: str, name: str) -> FieldType | None:
    """The declaration of a field, None when the dialect has no such message or field."""
    known = schema.messages.get(message)
    return None if known is None else known.fields.get(name)


def layer_at(analysis: Analysis, offset: int) -> Layer | None:
    """The layer whose block contains an offset."""
    for layer in analysis.file.layers:
        start, end = layer.span()
        if start <= offset <= end and layer.definition.node.name in ("layer", "layers"):
            return layer
    return None


def around(analysis: Analysis, offset: int) -> list[tuple[int, int]]:
    """What an offset is inside of, from the innermost out: value, field, body of the message, field, ..., file."""
    spot = locate(analysis, offset)
    found: list[tuple[int, int]] = [(0, len(analysis.source.text))]
    for step in spot.steps:
        field = step.field
        found.append((spot.base + field.start, spot.base + field.end))
        value = _value_at(field, offset - spot.base)
        if isinstance(value, Message) and value.closed:
            found.append((spot.base + value.start + 1, spot.base + value.end - 1))
    last = spot.last
    if last is not None and spot.part == "name":
        found.append((spot.base + last.field.start, spot.base + last.field.name_end))
    elif spot.value is not None:
        found.append((spot.base + spot.value.start, spot.base + spot.value.end))
        if spot.value.kind == "string" and spot.value.end - spot.value.start > 2:
            found.append((spot.base + spot.value.start + 1, spot.base + spot.value.end - 1))
    holding = [(start, end) for start, end in found if start <= offset <= end]
    return [pair for i, pair in enumerate(reversed(holding)) if i == 0 or pair != holding[-i]]


def _value_at(field: Field, at: int) -> Scalar | Message | ListValue | None:
    value = field.value
    if isinstance(value, ListValue):
        return next((item for item in value.items if item.start <= at <= item.end), value)
    return value


def text_of(value: Scalar) -> str:
    """What a scalar says: of a string without its quotes, pieces joined and escapes decoded."""
    return string_text(value) if value.kind == "string" else value.text
