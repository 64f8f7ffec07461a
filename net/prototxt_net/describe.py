"""What a net consists of: layers, blob shapes, parameter shapes, counts and multiply-accumulates.

The dictionary is the JSON of the command line contract for one net and one phase; sizes that no text can tell are None.
"""

from __future__ import annotations

from typing import Any

from prototxt_grammar.line_index import LineIndex
from prototxt_net.graph import explicit_loss_weight
from prototxt_net.net import Blob, Node, ParamBlob, PhaseNet
from prototxt_net.shape import Dim, Shape, product, text
from prototxt_net.words import visible


def describe(net: PhaseNet, filename: str = "") -> dict[str, Any]:
    """One net in one phase; `findings` is left empty for the caller. Never raises."""
    index = LineIndex(net.file.tree.text)
    return {
        "filename": filename,
        "name": net.file.root.get("name") or "",
        "dialect": net.dialect,
        "phase": net.phase,
        "layers": [_layer(node, index) for node in net.nodes],
        "inputs": inputs(net),
        "outputs": outputs(net),
        "num_parameters": num_parameters(net),
        "findings": [],
    }


def _layer(node: Node, index: LineIndex) -> dict[str, Any]:
    return {
        "name": node.name,
        "type": node.type,
        "bottoms": list(node.layer.bottoms),
        "tops": [_top(node, i, blob) for i, blob in enumerate(node.tops)],
        "params": [_param(node, i, blob) for i, blob in enumerate(node.setup.params)],
        "macs": _number(node.setup.macs),
        "row": index.position(node.layer.span()[0])[0] + 1,
    }


def _top(node: Node, i: int, blob: Blob) -> dict[str, Any]:
    row: dict[str, Any] = {"name": blob.name, "shape": _sizes(blob.shape)}
    if node.in_place[i]:
        row["in_place"] = True
    return row


def _param(node: Node, i: int, blob: ParamBlob) -> dict[str, Any]:
    row: dict[str, Any] = {
        "shape": _sizes(blob.shape),
        "lr_mult": node.lr_mult(i),
        "decay_mult": node.decay_mult(i),
    }
    name = param_name(node, i)
    if name:
        row["name"] = name
    return row


def param_name(node: Node, i: int) -> str:
    """The name by which parameter blob `i` is shared, "" without one."""
    spec = node.layer.bound.entry("param", i)
    return "" if spec is None else str(spec.value.get("name") or "")


def _sizes(shape: Shape | None) -> list[int | None] | None:
    return None if shape is None else [_number(dim) for dim in shape]


def _number(dim: Dim | None) -> int | None:
    return dim if isinstance(dim, int) else None


def inputs(net: PhaseNet) -> list[str]:
    """The net's inputs: the tops of its Input layers."""
    return [blob.name for node in net.of_type("Input") for blob in node.tops]


def outputs(net: PhaseNet) -> list[str]:
    """The net's outputs as Caffe lists them: by name, the tops that nobody reads.

    A top that has an explicit loss_weight and a reader is split; the half that carries the weight is an output too.
    """
    names = [blob.name for blob in net.outputs]
    for node in net.nodes:
        for i, blob in enumerate(node.tops):
            if blob.readers and explicit_loss_weight(node, i):
                names.append(f"{blob.name}_{node.name}_{i}_split_0")
    return sorted(names)


def num_parameters(net: PhaseNet) -> int | None:
    """Learnable values and statistics, shared blobs counted once; None when a shape is unknown."""
    total = 0
    seen: set[str] = set()
    for node in net.nodes:
        for i, blob in enumerate(node.setup.params):
            name = param_name(node, i)
            if name and name in seen:
                continue
            seen.add(name)
            count = None if blob.shape is None else product(blob.shape)
            if not isinstance(count, int):
                return None
            total += count
    return total


def describe_text(net: PhaseNet, filename: str = "") -> str:
    """The same as a table for reading."""
    rows = [("row", "layer", "type", "top", "shape", "parameters", "MACs")]
    index = LineIndex(net.file.tree.text)
    total: int | None = 0
    for node in net.nodes:
        macs = node.setup.macs
        total = total + macs if isinstance(macs, int) and total is not None else None
        params = " ".join(text(blob.shape) for blob in node.setup.params)
        first = (str(index.position(node.layer.span()[0])[0] + 1), node.name, node.type)
        tops = [(blob.name + (" *" if node.in_place[i] else ""), text(blob.shape)) for i, blob in enumerate(node.tops)]
        rows.append((*first, *(tops[0] if tops else ("", "")), params, _grouped(macs) if macs != 0 else ""))
        rows.extend(("", "", "", *top, "", "") for top in tops[1:])
    cells = [[visible(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    lines.insert(1, "  ".join("-" * width for width in widths))
    name = net.file.root.get("name") or "a net without a name"
    head = visible(f"{filename}: {name}" if filename else str(name))
    tail = [
        visible(f"inputs: {', '.join(inputs(net)) or 'none'}"),
        visible(f"outputs: {', '.join(outputs(net)) or 'none'}"),
        f"parameters: {_grouped(num_parameters(net))}   multiply-accumulates: {_grouped(total)}",
    ]
    if any(any(node.in_place) for node in net.nodes):
        tail.append("* works in place")
    if any((sizes := _sizes(blob.shape)) is None or None in sizes for node in net.nodes for blob in node.tops):
        tail.append("? no text tells this size; give it with --shape BLOB=N,C,H,W")
    return "\n".join([f"{head} ({net.dialect}, {net.phase})", "", *lines, "", *tail])


def _grouped(number: Dim | None) -> str:
    return f"{number:,}" if isinstance(number, int) else "?"
