"""A forward pass as a table for people."""

from __future__ import annotations

from typing import Any

from prototxt_net.words import visible

_HEAD = ("layer", "type", "top", "shape", "mean |x|", "max |x|", "zero", "dead channels")
_BACK = ("mean |dx|", "mean |dw|")
NUMBERS = 4
"""Columns from here on are set to the right."""


def table(data: dict[str, Any]) -> str:
    """The documented JSON object as a table of plain text."""
    head, rows = cells(data)
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    lines = [_line(head, widths), _line(tuple("-" * width for width in widths), widths)]
    lines += [_line(row, widths) for row in rows]
    return "\n".join([*lines, *norms(data)])


def cells(data: dict[str, Any]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Head and rows: one row for each top, with gradients where there was a backward pass; NUMBERS from there on."""
    head: tuple[str, ...] = _HEAD
    rows: list[tuple[str, ...]] = [_row(layer, top) for layer in data["layers"] for top in layer["tops"] or [None]]
    if "backward" in data:
        head = (*_HEAD, *_BACK)
        extra = [_gradients(layer, i == 0) for layer in data["layers"] for i in range(len(layer["tops"] or [None]))]
        rows = [(*row, *more) for row, more in zip(rows, extra, strict=True)]
    return head, [tuple(map(visible, row)) for row in rows]


def _gradients(layer: dict[str, Any], first: bool) -> tuple[str, str]:
    """The gradients of the bottoms and of the parameter blobs, in the layer's first row."""
    if not first:
        return "", ""
    bottoms = " ".join(_diff(d) for d in layer["bottom_diffs"])
    params = " ".join(_diff(d) for d in layer["param_diffs"])
    return ("not computed" if "backward_reason" in layer else bottoms), params


def _diff(diff: dict[str, Any]) -> str:
    return "not finite" if diff.get("nonfinite") else _number(diff["mean_abs"])


def norms(data: dict[str, Any]) -> list[str]:
    """Behind the table: the norms of all parameters, where there was a backward pass."""
    if "backward" not in data:
        return []
    l1, l2 = data["backward"]["l1"], data["backward"]["l2"]
    return [
        "",
        f"all parameters (values, gradients): L1 {_number(l1['data'])}, {_number(l1['diff'])}; "
        f"L2 {_number(l2['data'])}, {_number(l2['diff'])}",
    ]


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    cells = [
        cell.rjust(w) if i >= NUMBERS else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()


def _row(layer: dict[str, Any], top: dict[str, Any] | None) -> tuple[str, ...]:
    if top is None:
        why = layer.get("reason", "") if not layer["checked"] else ""
        return layer["name"], layer["type"], "", why or "-", "", "", "", ""
    dead = f"{top['zero_channels']}/{top['channels']}" if top["zero_channels"] else ""
    mean, largest = _number(top["mean_abs"]), _number(top["max_abs"])
    if top["nonfinite"]:
        largest = f"{top['nonfinite']} not finite"
    shape = "x".join(map(str, top["shape"])) or "scalar"
    return layer["name"], layer["type"], top["name"], shape, mean, largest, f"{top['zero_frac']:.0%}", dead


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def heading(path: str, data: dict[str, Any]) -> str:
    """What ran, where, and what was not as the net says."""
    loss = data["loss"]
    shown = f", loss {loss:.6g}" if loss is not None else ", loss not finite" if data.get("loss_nonfinite") else ""
    batch = f", batch {data['batch_used']}" if data["batch_used"] is not None else ""
    total = data["timing_ms"].get("total", 0.0)
    first = f"{path}: {data['phase']} on {data['device']}{batch}{shown} ({total:.0f} ms, {data['status']})"
    read = [
        f"  '{x['name']}' reads the {x['source']['kind']} {x['source']['path']}"
        for x in data["layers"]
        if "source" in x
    ]
    return "\n".join(map(visible, [first, *read, *(f"  note: {item['message']}" for item in data["degraded"])]))
