"""What the picture of a net shows of a forward pass: colours by mean |x|, the dead channels, the numbers of a layer."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from prototxt_server.report import magnitude
from prototxt_server.report.picture import Look


def look(reach: int) -> Look:
    """reach: decades of the colour scale."""
    return Look(partial(layer_class, reach=reach), value_of, summary, _dead)


def _dead(layer: Mapping[str, Any]) -> float:
    """The share of channels that are 0 throughout, where not all are: then the whole strip says so."""
    top = layer["tops"][0] if layer["tops"] else None
    if top is None or (not top["nonfinite"] and size(top) == 0):
        return 0.0
    return float(top["zero_channels"] / max(1, top["channels"]))


def layer_class(layer: Mapping[str, Any], reach: int) -> str:
    """The CSS class of a layer's colour: by its first top, or the first one that is not finite."""
    tops = layer["tops"]
    if not layer["checked"] or not tops:
        return "unknown"
    worst = next((top for top in tops if top["nonfinite"]), tops[0])
    mean = size(worst)
    special = magnitude.css_class(mean, worst["nonfinite"])
    return special or magnitude.shade_class(magnitude.step(mean or 0.0, reach))


def size(top: Mapping[str, Any]) -> float | None:
    """Mean |x|; max |x| where the values are finite and their sum is not; None where there is neither."""
    mean = top["mean_abs"]
    if mean is None and not top["nonfinite"]:
        mean = top["max_abs"]
    return None if mean is None else float(mean)


def value_of(layer: Mapping[str, Any]) -> str:
    """What stands at the right of a strip."""
    if not layer["checked"]:
        return "not run"
    if not layer["tops"]:
        return ""
    if any(top["nonfinite"] for top in layer["tops"]):
        return "not finite"
    top = layer["tops"][0]
    return ("max " if top["mean_abs"] is None and top["max_abs"] is not None else "") + number(size(top))


def number(value: float | None) -> str:
    """Three digits."""
    return "\u2013" if value is None else f"{value:.3g}"


def summary(layer: Mapping[str, Any]) -> str:
    """A layer's numbers as lines of text."""
    lines = [f"{layer['name']} ({layer['type']})"]
    if layer.get("reason"):
        lines.append(layer["reason"])
    for top in layer["tops"]:
        shape = "x".join(map(str, top["shape"])) or "scalar"
        lines.append(f"top {top['name']} {shape}: mean |x| {number(top['mean_abs'])}, max {number(top['max_abs'])}")
        more = f"  mean {number(top['mean'])}, std {number(top['std'])}, {top['zero_frac']:.0%} zeros"
        if top["zero_channels"]:
            more += f", {top['zero_channels']} of {top['channels']} channels dead"
        if top["nonfinite"]:
            more += f", {top['nonfinite']} not finite"
        lines.append(more)
    for index, param in enumerate(layer["params"]):
        shape = "x".join(map(str, param["shape"])) or "scalar"
        lines.append(f"param {index} {shape}: mean |w| {number(param['mean_abs'])}")
    for diff in layer.get("bottom_diffs", ()):
        lines.append(f"gradient of {diff['name']}: mean |dx| {number(diff['mean_abs'])}")
    for index, diff in enumerate(layer.get("param_diffs", ())):
        if diff["mean_abs"] is not None:
            lines.append(f"gradient of param {index}: mean |dw| {number(diff['mean_abs'])}")
    return "\n".join(lines)
