"""Inlay hints: the shape of each top, behind the place where it is written, and what the last batch put into it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from prototxt_net.net import Node, PhaseNet
from prototxt_net.shape import text as shape_text
from prototxt_server.analysis import Analysis
from prototxt_server.assist import blobs
from prototxt_server.assist.batch import Batch, long
from prototxt_server.assist.batch import short as mean
from prototxt_server.assist.describe import by_phase
from prototxt_server.assist.numbers import grouped, short


@dataclass(slots=True, frozen=True)
class Hint:
    """Text to show behind an offset, and more of it on demand (Markdown)."""

    offset: int
    label: str
    tooltip: str


def shape_hints(analysis: Analysis, start: int, end: int, batch: Batch | None = None) -> Iterator[Hint]:
    """The shapes of the tops whose text lies between start and end, in file order; nothing where none is known.

    batch: what was measured on this very text; it is shown behind the shape.
    """
    nodes: dict[int, list[tuple[PhaseNet, Node]]] = {}
    for net in analysis.nets:
        for node in net.nodes:
            nodes.setdefault(id(node.layer), []).append((net, node))
    for layer in analysis.file.layers:
        first, last = layer.span()
        if last < start or first > end:
            continue
        found = nodes.get(id(layer), ())
        for index in range(len(layer.tops)):
            entry = layer.bound.entry("top", index)
            tops = [(net, node) for net, node in found if index < len(node.tops)]
            if entry is None or not tops:
                continue
            where = layer.base + entry.end
            if not start <= where <= end:
                continue
            shapes = [shape_text(node.tops[index].shape) for _, node in tops]
            measured = [top for net, node in tops if batch and (top := batch.top(net, node, index)) is not None]
            if all(shape == "?" for shape in shapes) and not measured:
                continue
            label = ", ".join(
                f"{phases} {text}" if phases else text for phases, text in by_phase([net for net, _ in tops], shapes)
            )
            tooltip = [_cost(tops[0][1])]
            if batch and measured:
                label += f" \u00b7 {mean(measured[0])}"
                tooltip.append(f"Last batch ({batch.where}): {long(measured[0])}")
            yield Hint(where, label, "\n\n".join(filter(None, tooltip)))


def _cost(node: Node) -> str:
    facts = []
    count = blobs.parameters(node)
    if node.setup.params and count is not None:
        facts.append(f"{grouped(count)} parameters")
    if node.setup.macs and isinstance(node.setup.macs, int):
        facts.append(f"{short(node.setup.macs)} multiply-adds")
    return ", ".join(facts)
