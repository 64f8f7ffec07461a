"""A net as a graph for other programs: Graphviz, Mermaid, JSON. One node a layer, one edge from a top to a reader."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from prototxt_net.describe import describe
from prototxt_net.layers.base import entry_of
from prototxt_net.net import PhaseNet
from prototxt_net.words import visible

COLOURS = {
    "data": "#dbe7f5", "weights": "#f6d7b8", "norm": "#d9ead3", "element": "#fff2cc", "pool": "#d0e0e3",
    "join": "#e6dcf0", "loss": "#f4cccc", "other": "#eeeeee",
}  # fmt: skip
"""Kind of layer -> colour, in the order of a legend."""

_KINDS = {
    "data": ("data", "data_forks"),
    "weights": ("convolution", "inner_product", "recurrent"),
    "norm": ("batch_norm", "normalization", "scaling"),
    "element": ("activations",),
    "pool": ("pooling", "resizing", "reducing"),
    "join": ("combining", "reshaping"),
    "loss": ("losses", "losses_distance"),
}
"""Kind -> the families of `prototxt_net.layers`, each in a module."""
_KIND_OF = {family: kind for kind, families in _KINDS.items() for family in families}


class Edge(NamedTuple):
    """A blob on its way. start: the index of the layer that writes it, None for a name that nobody writes above."""

    start: int | None
    end: int
    blob: str
    shape: list[int | None] | None


def edges(net: PhaseNet, described: dict[str, Any]) -> Iterator[Edge]:
    """In the order of the readers and their bottoms. described: what `describe` says of the net."""
    index = {id(node): at for at, node in enumerate(net.nodes)}
    for end, node in enumerate(net.nodes):
        for name, blob in zip(node.layer.bottoms, node.bottoms, strict=False):
            if blob is None:
                yield Edge(None, end, name, None)
                continue
            start = index[id(blob.producer)]
            yield Edge(start, end, name, described["layers"][start]["tops"][blob.top_index]["shape"])


def kind(type_: str, dialect: str) -> str:
    """What layers of a type are for, coarsely: a key of COLOURS."""
    entry = entry_of(type_, dialect)
    return "other" if entry is None else _KIND_OF.get(entry.__module__.rpartition(".")[2], "other")


def sizes(shape: list[int | None] | None) -> str:
    """`2x3x?x?`; "?" where the shape is not known."""
    if shape is None:
        return "?"
    return "x".join("?" if dim is None else str(dim) for dim in shape) or "scalar"


def as_json(net: PhaseNet, filename: str) -> dict[str, Any]:
    """Nodes and edges by index, names and shapes; sizes that no text can tell are None."""
    row = describe(net, filename)
    return {
        **{key: row[key] for key in ("filename", "name", "dialect", "phase", "inputs", "outputs")},
        "nodes": [
            {"id": at, "name": layer["name"], "type": layer["type"], "row": layer["row"]}
            for at, layer in enumerate(row["layers"])
        ],
        "edges": [
            {"from": edge.start, "to": edge.end, "blob": edge.blob, "shape": edge.shape} for edge in edges(net, row)
        ],
    }


def as_dot(net: PhaseNet, filename: str) -> str:
    """A digraph in Graphviz' language."""
    row = describe(net, filename)
    lines = [f"digraph {_quoted(row['name'] or filename)} {{"]
    lines += ["  rankdir=TB;", '  node [shape=box, style="rounded,filled", fontname="Helvetica"];']
    for at, layer in enumerate(row["layers"]):
        label = f"{_escaped(layer['name'])}\\n{_escaped(layer['type'])}"
        lines.append(f'  n{at} [label="{label}", fillcolor="{COLOURS[kind(layer["type"], net.dialect)]}"];')
    for at, edge in enumerate(edges(net, row)):
        start = f"n{edge.start}"
        if edge.start is None:
            start = f"missing{at}"
            lines.append(f'  {start} [label="?", shape=plaintext, style=""];')
        lines.append(f'  {start} -> n{edge.end} [label="{_escaped(edge.blob)}\\n{sizes(edge.shape)}"];')
    return "\n".join([*lines, "}"])


def _escaped(text: str) -> str:
    return visible(text).replace("\\", "\\\\").replace('"', '\\"')


def _quoted(text: str) -> str:
    return f'"{_escaped(text)}"'


def as_mermaid(net: PhaseNet, filename: str) -> str:
    """A flowchart in Mermaid's language."""
    row = describe(net, filename)
    kinds = [kind(layer["type"], net.dialect) for layer in row["layers"]]
    lines = ["flowchart TB"]
    for at, layer in enumerate(row["layers"]):
        lines.append(f'  n{at}["{_entities(layer["name"])}<br/>{_entities(layer["type"])}"]:::{kinds[at]}')
    for at, edge in enumerate(edges(net, row)):
        start = f"n{edge.start}"
        if edge.start is None:
            start = f"missing{at}"
            lines.append(f'  {start}["?"]')
        lines.append(f'  {start} -->|"{_entities(edge.blob)} {sizes(edge.shape)}"| n{edge.end}')
    lines += [f"  classDef {name} fill:{colour},color:#222" for name, colour in COLOURS.items() if name in kinds]
    return "\n".join(lines)


def _entities(text: str) -> str:
    """Mermaid writes characters that have a meaning as `#35;`, their number."""
    return re.sub(r"[^\w /.-]", lambda found: f"#{ord(found.group())};", visible(text))
