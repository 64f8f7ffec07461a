"""A net as a picture: layers as coloured strips, chains of small layers stacked in one box."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from prototxt_server.report.html import element, shown
from prototxt_server.report.layering import Box, Drawing, arrange

_STRIP = 22
_MARGIN = 26
_LETTER = 6.3
_WIDEST = 250
_NEAR = 4
"""Rows over which the edge of a data layer is drawn; farther readers get a tag with the blob's name."""

_SMALL = frozenset(
    {
        "BatchNorm", "BN", "Scale", "Bias", "ReLU", "ReLU6", "PReLU", "ELU", "Sigmoid", "TanH", "AbsVal", "BNLL",
        "Swish", "Clip", "Dropout", "LRN", "Power", "Normalize", "MVN",
    }
)  # fmt: skip
"""Types that are drawn in the box of the layer before them, where nothing else reads between."""


@dataclass(slots=True)
class Stack:
    """Layers in one box, by index. sources: it has no bottoms."""

    layers: list[int]
    source: bool = False
    width: float = 0.0
    tags_in: list[str] = field(default_factory=list)
    tags_out: list[str] = field(default_factory=list)


class Look(NamedTuple):
    """What a strip shows of a layer. kind: the CSS class of its colour. value: what stands at its right. summary: its
    tooltip, in lines. dead: the share of it that is underlined, 0 to 1.
    """

    kind: Callable[[Mapping[str, Any]], str]
    value: Callable[[Mapping[str, Any]], str]
    summary: Callable[[Mapping[str, Any]], str]
    dead: Callable[[Mapping[str, Any]], float] = lambda layer: 0.0


def picture(layers: Sequence[Mapping[str, Any]], marks: Mapping[int, str], look: Look, label: str) -> str:
    """The net as SVG. layers: with the keys name, type, bottoms, tops. marks: the worst severity found at a layer, by
    index. label: what the picture shows, in words.
    """
    stacks, edges = _stacks(layers)
    kept, tagged = _near(stacks, edges)
    for start, end, blob in tagged:
        if blob not in stacks[start].tags_out:
            stacks[start].tags_out.append(blob)
        if blob not in stacks[end].tags_in:
            stacks[end].tags_in.append(blob)
    for stack in stacks:
        stack.width = _width(layers, stack, look)
    drawing = arrange([(s.width, _STRIP * len(s.layers)) for s in stacks], [(a, b) for a, b, _ in kept])
    width, height = drawing.width + 2 * _MARGIN, drawing.height + 2 * _MARGIN
    parts = [_edge(drawing, edge) for edge in drawing.paths]
    parts += [_stack(layers, stacks[box.key], box, marks, look) for box in drawing.boxes]
    return element(
        "svg",
        "".join(parts),
        id="net",
        viewBox=f"{-_MARGIN} {-_MARGIN} {width:.0f} {height:.0f}",
        width=f"{width:.0f}",
        height=f"{height:.0f}",
        role="img",
        aria_label=label,
    )


# -- which layers stand together, and what is connected ----------------------------------------------------------------


def _stacks(layers: Sequence[Mapping[str, Any]]) -> tuple[list[Stack], list[tuple[int, int, str]]]:
    """The boxes in file order, and (from, to, blob) between them."""
    producer: dict[str, int] = {}
    reads: list[list[tuple[int, str]]] = []
    readers: dict[int, set[int]] = {}
    for index, layer in enumerate(layers):
        found = [(producer[name], name) for name in layer.get("bottoms", ()) if name in producer]
        reads.append(found)
        for before, _ in found:
            readers.setdefault(before, set()).add(index)
        for name in tops_of(layer):
            producer[name] = index
    stacks: list[Stack] = []
    home: dict[int, int] = {}
    edges = []
    for index, layer in enumerate(layers):
        feeding = {start for start, _ in reads[index]}
        only = next(iter(feeding)) if len(feeding) == 1 else None
        in_place = any(name in layer.get("bottoms", ()) for name in tops_of(layer))
        if only is not None and readers[only] == {index} and (in_place or layer["type"] in _SMALL):
            stack = stacks[home[only]]
            if not stack.source and stack.layers[-1] == only:
                stack.layers.append(index)
                home[index] = home[only]
                continue
        home[index] = len(stacks)
        stacks.append(Stack([index], not layer.get("bottoms")))
        edges += [(home[start], home[index], name) for start, name in reads[index]]
    return stacks, edges


def tops_of(layer: Mapping[str, Any]) -> list[str]:
    """The names of a layer's tops, those that were not computed included."""
    return [top["name"] for top in layer["tops"]] or list(layer.get("unknown_tops", ()))


def _near(
    stacks: Sequence[Stack], edges: Sequence[tuple[int, int, str]]
) -> tuple[list[tuple[int, int, str]], list[tuple[int, int, str]]]:
    """The edges to draw, and those of data layers to far readers, which would run along the whole net."""
    row = [0] * len(stacks)
    for start, end, _ in edges:
        if not stacks[start].source:
            row[end] = max(row[end], row[start] + 1)
    first = {start: min(row[end] for a, end, _ in edges if a == start) for start, _, _ in edges}
    near: list[tuple[int, int, str]] = []
    far: list[tuple[int, int, str]] = []
    for edge in edges:
        start, end, _ = edge
        (far if stacks[start].source and row[end] > first[start] + _NEAR else near).append(edge)
    return near, far


# -- SVG ---------------------------------------------------------------------------------------------------------------


def _width(layers: Sequence[Mapping[str, Any]], stack: Stack, look: Look) -> float:
    letters = max(
        len(layers[i]["name"]) + len(layers[i]["type"]) + max(7, len(look.value(layers[i]))) + 5 for i in stack.layers
    )
    return min(_WIDEST, max(120, letters * _LETTER))


def _edge(drawing: Drawing, edge: tuple[int, int]) -> str:
    path = drawing.paths[edge]
    start, end = path[0], path[-1]
    x, y = start.x + _port(start, path[1], start.below), start.y + start.height
    d = [f"M{x:.1f} {y:.1f}"]
    for box in path[1:]:
        last = box is end
        to_x = box.x + (_port(end, path[-2], end.above) if last else 0.0)
        to_y = box.y
        bend = (to_y - y) / 2
        d.append(f"C{x:.1f} {y + bend:.1f} {to_x:.1f} {to_y - bend:.1f} {to_x:.1f} {to_y:.1f}")
        x, y = to_x, to_y
        if not last:
            y += drawing.rows[box.row][1]
            d.append(f"V{y:.1f}")
    return element("path", "", class_="edge", d="".join(d), data_a=str(edge[0]), data_b=str(edge[1]))


def _port(box: Box, other: Box, near: list[Box]) -> float:
    """How far from the middle of a box an edge ends: side by side, in the order of the other ends."""
    order = sorted(near, key=lambda b: b.x)
    middle = (len(order) - 1) / 2
    step = min(14.0, (box.width - 20) / max(1, len(order)))
    return (order.index(other) - middle) * step


def _stack(layers: Sequence[Mapping[str, Any]], stack: Stack, box: Box, marks: Mapping[int, str], look: Look) -> str:
    left = box.x - box.width / 2
    parts = [
        _strip(
            layers[index],
            index,
            (left, box.y + at * _STRIP, box.width),
            look,
            marks.get(index, ""),
            (at == 0, at == len(stack.layers) - 1),
        )
        for at, index in enumerate(stack.layers)
    ]
    frame = element(
        "rect", "", class_="frame", x=f"{left:.1f}", y=f"{box.y:.1f}", width=f"{box.width:.1f}",
        height=f"{box.height:.1f}", rx="5",
    )  # fmt: skip
    if stack.tags_in:
        parts.append(_tag(", ".join(stack.tags_in) + " \u2193", left + box.width - 6, box.y - 7, "end"))
    if stack.tags_out:
        parts.append(_tag("\u2193 " + ", ".join(stack.tags_out), left + 6, box.y + box.height + 14, "start"))
    return element("g", frame + "".join(parts), class_="stack", data_box=str(box.key))


def _tag(text: str, x: float, y: float, anchor: str) -> str:
    return element("text", shown(_short(text, 30)), class_="tag", x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor)


def _strip(
    layer: Mapping[str, Any],
    index: int,
    place: tuple[float, float, float],
    look: Look,
    severity: str,
    ends: tuple[bool, bool],
) -> str:
    """place: left, top, width. ends: whether it is the first and the last of its box, whose corners are round."""
    x, y, width = place
    value = look.value(layer)
    room = int((width - 22) / _LETTER) - len(value)
    name = _short(layer["name"], max(room, 6))
    rest = room - len(name) - 2
    type_ = element("tspan", shown(layer["type"]), class_="type", dx="6") if len(layer["type"]) <= rest else ""
    middle = y + _STRIP / 2 + 4
    parts = [
        element("path", "", class_="fill", d=_outline(x, y, width, *ends)),
        element("text", shown(name) + type_, x=f"{x + 9:.1f}", y=f"{middle:.1f}"),
        element("text", shown(value), class_="value", x=f"{x + width - 8:.1f}", y=f"{middle:.1f}", text_anchor="end"),
    ]
    share = look.dead(layer)
    if share:
        parts.append(
            element(
                "rect", "", class_="dead", x=f"{x + 5:.1f}", y=f"{y + _STRIP - 3:.1f}",
                width=f"{max(2.0, share * (width - 10)):.1f}", height="3",
            )
        )  # fmt: skip
    if severity:
        parts.append(element("circle", "", class_=f"mark {severity}", cx=f"{x:.1f}", cy=f"{y + _STRIP / 2:.1f}", r="6"))
    parts.append(element("title", shown(look.summary(layer))))
    kind, label = f"layer {look.kind(layer)}", f"{layer['name']}, {layer['type']}"
    return element(
        "g",
        "".join(parts),
        class_=kind,
        id=f"L{index}",
        data_i=str(index),
        tabindex="0",
        aria_label=label,
    )


def _outline(x: float, y: float, width: float, first: bool, last: bool) -> str:
    """A strip with round corners at the ends of its box."""
    above, below = 5 * first, 5 * last
    return (
        f"M{x:.1f} {y + above:.1f}q0 {-above} {above} {-above}h{width - 2 * above:.1f}q{above} 0 {above} {above}"
        f"v{_STRIP - above - below}q0 {below} {-below} {below}h{2 * below - width:.1f}q{-below} 0 {-below} {-below}z"
    )


def _short(text: str, room: int) -> str:
    return text if len(text) <= room else text[: max(1, room - 1)] + "\u2026"
