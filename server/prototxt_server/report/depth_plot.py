"""Mean |x| from layer to layer, on a log axis, with the gradients where there are any. Zeros stand on the floor."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prototxt_server.report.forward_graph import layer_class, number, size
from prototxt_server.report.html import element, shown

_WIDTH, _HEIGHT = 1200.0, 250.0
_LEFT, _RIGHT, _TOP, _FLOOR = 58.0, 12.0, 16.0, 34.0
_MOST_DECADES = 60


@dataclass(slots=True, frozen=True)
class _Axis:
    """From powers of ten to pixels."""

    low: int
    high: int

    def y(self, value: float) -> float:
        bottom = _HEIGHT - _FLOOR - 14
        part = (math.log10(value) - self.low) / (self.high - self.low)
        return bottom - min(1.0, max(0.0, part)) * (bottom - _TOP)


@dataclass(slots=True, frozen=True)
class Series:
    """One curve. points: (layer index, mean magnitude; None where it is not finite)."""

    name: str
    points: list[tuple[int, float | None]]


def series(layers: Sequence[Mapping[str, Any]]) -> list[Series]:
    """Signals, then gradients with respect to bottoms and to weights, as far as they were computed."""
    found = [
        Series("mean |x|", [(i, _signal(layer)) for i, layer in enumerate(layers) if layer["tops"]]),
        Series("mean |dx|", list(_gradients(layers, "bottom_diffs"))),
        Series("mean |dw|", list(_gradients(layers, "param_diffs"))),
    ]
    return [curve for curve in found if curve.points]


def _signal(layer: Mapping[str, Any]) -> float | None:
    return None if any(top["nonfinite"] for top in layer["tops"]) else size(layer["tops"][0])


def _gradients(layers: Sequence[Mapping[str, Any]], key: str) -> Iterator[tuple[int, float | None]]:
    """The first one of each layer: the gradient of its first bottom, or of its weights."""
    for index, layer in enumerate(layers):
        known = [diff for diff in layer.get(key, ()) if diff["mean_abs"] is not None or diff.get("nonfinite")]
        if known:
            yield index, None if known[0].get("nonfinite") else float(known[0]["mean_abs"])


def plot(layers: Sequence[Mapping[str, Any]], reach: int) -> str:
    """The curves as SVG."""
    curves = series(layers)
    axis = _axis([value for curve in curves for _, value in curve.points if value])
    across = (_WIDTH - _LEFT - _RIGHT) / max(1, len(layers))
    parts = list(_grid(axis))
    for number_, curve in enumerate(curves):
        spots = [(i, _LEFT + (i + 0.5) * across, value) for i, value in curve.points]
        parts.append(_line(axis, spots, f"curve c{number_}"))
        for index, x, value in spots:
            kind = layer_class(layers[index], reach) if number_ == 0 else f"c{number_}"
            y, what = _spot(axis, value)
            title = element("title", shown(f"{layers[index]['name']}: {curve.name} {what or number(value)}"))
            special = {"not finite": "bad", "0": "zero"}.get(what, "")
            radius = "3.2" if number_ == 0 else "2.2"
            circle = element(
                "circle", title, class_=f"dot {special or kind}", cx=f"{x:.1f}", cy=f"{y:.1f}", r=radius,
                data_i=str(index),
            )  # fmt: skip
            parts.append(circle)
    legend = "".join(element("span", shown(curve.name), class_=f"legend c{i}") for i, curve in enumerate(curves))
    svg = element(
        "svg", "".join(parts), id="depth", viewBox=f"0 0 {_WIDTH:.0f} {_HEIGHT:.0f}", role="img",
        aria_label="Mean magnitude from layer to layer",
    )  # fmt: skip
    return svg + element("p", legend, class_="legends")


def _axis(values: Sequence[float]) -> _Axis:
    logs = [math.log10(v) for v in values] or [0.0]
    low, high = math.floor(min(logs)), math.ceil(max(logs))
    if high - low < 2:
        low, high = low - 1, high + 1
    if high - low > _MOST_DECADES:  # the large ones matter
        low = high - _MOST_DECADES
    return _Axis(low, high)


def _spot(axis: _Axis, value: float | None) -> tuple[float, str]:
    if value is None:
        return _TOP - 8, "not finite"
    if value == 0:
        return _HEIGHT - _FLOOR, "0"
    return axis.y(value), ""


def _grid(axis: _Axis) -> Iterator[str]:
    step = max(1, round((axis.high - axis.low) / 6))
    for power in range(axis.low + -axis.low % step, axis.high + 1, step):
        y = axis.y(10.0**power)
        yield element("line", "", class_="grid", x1=f"{_LEFT}", x2=f"{_WIDTH - _RIGHT}", y1=f"{y:.1f}", y2=f"{y:.1f}")
        label = "1" if power == 0 else "10" if power == 1 else f"1e{power}"
        yield element("text", label, class_="axis", x=f"{_LEFT - 8}", y=f"{y + 4:.1f}", text_anchor="end")
    floor = _HEIGHT - _FLOOR
    yield element("line", "", class_="floor", x1=f"{_LEFT}", x2=f"{_WIDTH - _RIGHT}", y1=f"{floor}", y2=f"{floor}")
    yield element("text", "0", class_="axis", x=f"{_LEFT - 8}", y=f"{floor + 4}", text_anchor="end")
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    yield element(
        "text", "layers in file order", class_="axis", x=f"{middle}", y=f"{_HEIGHT - 8}", text_anchor="middle"
    )


def _line(axis: _Axis, spots: Sequence[tuple[int, float, float | None]], class_: str) -> str:
    """A polyline, broken at zeros and at what is not finite."""
    d, pen = [], "M"
    for _, x, value in spots:
        if not value:
            pen = "M"
            continue
        d.append(f"{pen}{x:.1f} {axis.y(value):.1f}")
        pen = "L"
    return element("path", "", class_=class_, d="".join(d) or "M0 0")
