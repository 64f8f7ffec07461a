"""Curves over iterations or layers as SVG: a log scale, zeros on a floor of their own, gaps where a number is none."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from prototxt_server.report.html import element, shown

_LEFT, _RIGHT, _TOP, _BOTTOM = 58.0, 14.0, 14.0, 40.0
_MOST_DECADES = 60
_MARKS = 6
_ACROSS = 8
_NAMED, _NAME = 110.0, 20
"""Pixels below a plot whose horizontal axis has names, and characters of a name."""


@dataclass(slots=True, frozen=True)
class Curve:
    """One curve. points: (x, value), NaN or infinite where the log says so. hue: of its colour, in degrees."""

    name: str
    points: list[tuple[float, float]]
    hue: float
    strong: bool = False


@dataclass(slots=True, frozen=True)
class Frame:
    """From numbers to pixels."""

    width: float
    height: float
    left: float
    right: float
    low: int
    high: int
    bottom: float = _BOTTOM

    def x(self, value: float) -> float:
        """A pixel across."""
        share = (value - self.left) / (self.right - self.left) if self.right > self.left else 0.5
        return _LEFT + share * (self.width - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        """A pixel down; 0 stands on the floor, what is not finite above the top."""
        floor = self.height - self.bottom
        if not math.isfinite(value):
            return _TOP - 6
        if value <= 0:
            return floor
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return floor - 14 - min(1.0, max(0.0, share)) * (floor - 14 - _TOP)


def plot(
    curves: Sequence[Curve],
    label: str,
    across: str,
    width: float = 1200,
    height: float = 320,
    names: Sequence[str] = (),
) -> str:
    """Curves with their axes. across: what the horizontal axis shows; names: of its whole numbers from 1 on."""
    bottom = _NAMED if names else _BOTTOM
    frame = _frame(curves, width, height + bottom - _BOTTOM, bottom)
    parts = [*_grid(frame, across, names), *(_curve(frame, curve) for curve in curves)]
    box = f"0 0 {width:.0f} {frame.height:.0f}"
    return element("svg", "".join(parts), class_="plot", viewBox=box, role="img", aria_label=label)


def spark(points: Sequence[tuple[float, float]], hue: float) -> str:
    """A small curve without axes, for a table."""
    curve = Curve("", list(points), hue)
    inner = _frame([curve], 160 + _LEFT + _RIGHT, 30 + _TOP + _BOTTOM)
    across, down = inner.width - _LEFT - _RIGHT + 6, inner.height - _TOP - _BOTTOM + 14
    box = f"{_LEFT - 3:.0f} {_TOP - 10:.0f} {across:.0f} {down:.0f}"
    return element("svg", _curve(inner, curve), class_="spark", viewBox=box, aria_hidden="true")


def _frame(curves: Sequence[Curve], width: float, height: float, bottom: float = _BOTTOM) -> Frame:
    xs = [x for curve in curves for x, _ in curve.points] or [0.0]
    logs = [math.log10(y) for curve in curves for _, y in curve.points if y > 0 and math.isfinite(y)] or [0.0]
    low, high = math.floor(min(logs)), math.ceil(max(logs))
    if high - low < 1:
        low, high = low - 1, high + 1
    return Frame(width, height, min(xs), max(xs), max(low, high - _MOST_DECADES), high, bottom)


def _grid(frame: Frame, across: str, names: Sequence[str]) -> Iterator[str]:
    step = max(1, round((frame.high - frame.low) / _MARKS))
    edge = frame.width - _RIGHT
    for power in range(frame.low + -frame.low % step, frame.high + 1, step):
        y = frame.y(10.0**power)
        yield element("line", "", class_="grid", x1=f"{_LEFT}", x2=f"{edge}", y1=f"{y:.1f}", y2=f"{y:.1f}")
        label = "1" if power == 0 else "10" if power == 1 else f"1e{power}"
        yield element("text", label, class_="axis", x=f"{_LEFT - 8}", y=f"{y + 4:.1f}", text_anchor="end")
    floor = frame.height - frame.bottom
    yield element("line", "", class_="floor", x1=f"{_LEFT}", x2=f"{edge}", y1=f"{floor}", y2=f"{floor}")
    yield element("text", "0", class_="axis", x=f"{_LEFT - 8}", y=f"{floor + 4}", text_anchor="end")
    for at, name in enumerate(names, 1):
        px, py = f"{frame.x(at) + 4:.1f}", f"{floor + 14:.0f}"
        cut = name if len(name) <= _NAME else f"\u2026{name[1 - _NAME :]}"
        text = element("title", shown(name)) + shown(cut)
        yield element("text", text, class_="axis", x=px, y=py, text_anchor="end", transform=f"rotate(-35 {px} {py})")
    for value in [] if names else _ticks(frame.left, frame.right):
        x = f"{frame.x(value):.1f}"
        yield element("text", f"{value:.9g}", class_="axis", x=x, y=f"{floor + 16}", text_anchor="middle")
    middle = f"{(_LEFT + edge) / 2}"
    yield element("text", shown(across), class_="axis", x=middle, y=f"{frame.height - 6}", text_anchor="middle")


def _ticks(left: float, right: float) -> list[int]:
    """Whole numbers at even, round distances."""
    if right <= left:
        return [round(left)]
    rough = (right - left) / _ACROSS
    power = 10 ** max(0, math.floor(math.log10(rough))) if rough > 0 else 1
    step = next(power * factor for factor in (1, 2, 5, 10, 20) if power * factor >= rough)
    return list(range(math.ceil(left / step) * step, math.floor(right) + 1, step))


def _curve(frame: Frame, curve: Curve) -> str:
    d, pen = [], "M"
    dots = []
    lonely = len(curve.points) <= 12
    for x, value in curve.points:
        px, py = frame.x(x), frame.y(value)
        odd = value <= 0 or not math.isfinite(value)
        if odd or lonely:
            kind = "bad" if not math.isfinite(value) else "zero" if value <= 0 else ""
            dots.append(element("circle", "", class_=f"spot {kind}", cx=f"{px:.1f}", cy=f"{py:.1f}", r="2.6"))
        if odd:
            pen = "M"
            continue
        d.append(f"{pen}{px:.1f} {py:.1f}")
        pen = "L"
    title = element("title", shown(curve.name)) if curve.name else ""
    line = element("path", "", class_="wide", d="".join(d)) + element("path", "", d="".join(d)) if d else ""
    name = "line strong" if curve.strong else "line"
    return element("g", title + line + "".join(dots), class_=name, style=f"--h:{curve.hue:.0f}")
