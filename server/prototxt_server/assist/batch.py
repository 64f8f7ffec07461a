"""What the last batch measured, as hovers and hints show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prototxt_net.net import Node, PhaseNet


@dataclass(slots=True, frozen=True)
class Batch:
    """The numbers of one run over this very text. where: "cpu, batch 4, TRAIN".

    layers: the rows of the contract's JSON, as many layers of the net of that phase as were run.
    """

    phase: str
    where: str
    layers: tuple[Mapping[str, Any], ...]

    def top(self, net: PhaseNet, node: Node, index: int) -> Mapping[str, Any] | None:
        """The statistics of a top; None in another phase, or where there are none."""
        if net.phase != self.phase or node.position >= len(self.layers):
            return None
        layer = self.layers[node.position]
        found: Mapping[str, Any] | None = next(iter(layer["tops"][index : index + 1]), None)
        return found if layer["name"] == node.name else None


def batch_of(data: Mapping[str, Any]) -> Batch:
    """From the JSON object of a run."""
    where = [data["device"]] + ([f"batch {data['batch_used']}"] if data.get("batch_used") else []) + [data["phase"]]
    return Batch(data["phase"], ", ".join(where), tuple(data["layers"]))


def short(top: Mapping[str, Any]) -> str:
    """`mean |x| 0.82`, or how many elements are no numbers: for behind a shape."""
    if top["nonfinite"]:
        return f"{top['nonfinite']:,} not finite"
    return f"mean |x| {number(top['mean_abs'])}"


def long(top: Mapping[str, Any]) -> str:
    """All of it, in a line."""
    parts = [f"mean |x| {number(top['mean_abs'])}", f"max |x| {number(top['max_abs'])}"]
    parts += [f"mean {number(top['mean'])}", f"std {number(top['std'])}", f"zeros {top['zero_frac']:.0%}"]
    if top["zero_channels"]:
        parts.append(f"{top['zero_channels']} of {top['channels']} channels all zero")
    if top["nonfinite"]:
        parts.append(f"**{top['nonfinite']:,} elements not finite**")
    return ", ".join(parts)


def number(value: float | None) -> str:
    """Three digits; a dash where there is none."""
    return "\u2013" if value is None else f"{value:.3g}"
