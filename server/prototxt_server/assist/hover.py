"""Hover texts: which kind of thing stands there, and the one text about it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from prototxt_server.analysis import Analysis
from prototxt_server.assist import describe, locate, parameters
from prototxt_server.assist.batch import Batch
from prototxt_server.assist.blobs import use_at
from prototxt_server.assist.fillers import FILLERS
from prototxt_server.rules import base as rules

IGNORE_COMMENT = re.compile(r"#[^\n\r]*?\blsp:[ \t]*ignore(?:-file)?[ \t]*\[([^\]\n\r]*)")
_CODE = re.compile(r"[A-Z]{2,4}\d{3}")


@dataclass(slots=True, frozen=True)
class Hover:
    """Markdown about the text from start to end."""

    markdown: str
    start: int
    end: int


def hover(analysis: Analysis, offset: int, batch: Batch | None = None) -> Hover | None:
    """What to show for an offset; None where there is nothing to say. batch: what was measured on this very text."""
    in_comment = _rule(analysis.source.text, offset)
    if in_comment is not None:
        return in_comment
    spot = locate.locate(analysis, offset)
    step = spot.last
    if step is None or spot.part == "inside":
        return None
    name_span = spot.base + step.field.start, spot.base + step.field.name_end
    if spot.part == "name":
        is_layer = len(spot.steps) == 1 and step.field.name in ("layer", "layers")
        if is_layer and spot.layer is not None:
            return Hover(describe.layer(analysis, spot.layer, batch), *name_span)
        return Hover(_field(analysis, spot, step), *name_span)
    if spot.value is None:
        return None
    span = spot.base + spot.value.start, spot.base + spot.value.end
    use = use_at(analysis, spot)
    if use is not None:
        return Hover(describe.blob(use, batch), *span)
    if spot.layer is not None and len(spot.steps) == 2 and step.field.name in ("name", "type"):
        return Hover(describe.layer(analysis, spot.layer, batch), *span)
    word = locate.text_of(spot.value)
    if step.message == "FillerParameter" and step.field.name == "type" and word in FILLERS:
        return Hover(f"**{word}** filler\n\n{FILLERS[word]}", *span)
    if step.type is not None and step.type.kind == "enum":
        text = describe.enum_value(analysis.file.schema, step.type.type_name, word)
        if text is not None:
            return Hover(text, *span)
    return Hover(_field(analysis, spot, step), *span)


def _field(analysis: Analysis, spot: locate.Spot, step: locate.Step) -> str:
    """A field; inside of a `param` block, which blob that block is about goes first."""
    about = parameters.of_spot(analysis, spot)
    text = describe.field(analysis.file.schema.dialect, step)
    return f"{about}\n\n{text}" if about else text


def _rule(text: str, offset: int) -> Hover | None:
    """The documentation of a rule whose code stands in an ignore comment."""
    start = max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) + 1
    comment = IGNORE_COMMENT.search(text, start, offset + 200)
    if comment is None or not comment.start(1) <= offset <= comment.end(1):
        return None
    for code in _CODE.finditer(text, comment.start(1), comment.end(1)):
        if code.start() <= offset <= code.end():
            rule = rules.find(code.group())
            if rule is not None:
                return Hover(describe.rule(rule), code.start(), code.end())
    return None
