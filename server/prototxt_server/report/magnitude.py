"""Mean |x| as a colour: blue where a signal vanishes, red where it explodes, pale near 1; on a log scale."""

from __future__ import annotations

import math
from collections.abc import Iterable

STEPS = 8
"""Shades on each side of the pale one."""

MIN_DECADES, MAX_DECADES = 2, 6

_Rgb = tuple[float, float, float]
_LIGHT = {
    "vanish": ((238, 241, 242), (166, 206, 227), (59, 130, 189), (8, 64, 129)),
    "explode": ((238, 241, 242), (253, 205, 148), (239, 101, 72), (153, 0, 13)),
}
_DARK = {
    "vanish": ((52, 58, 66), (38, 84, 124), (66, 146, 208), (178, 223, 255)),
    "explode": ((52, 58, 66), (124, 66, 38), (226, 104, 52), (255, 196, 150)),
}


def decades(values: Iterable[float | None]) -> int:
    """How many powers of ten the scale reaches to each side, for these values of mean |x|."""
    logs = [abs(math.log10(v)) for v in values if v]
    return min(MAX_DECADES, max(MIN_DECADES, math.ceil(max(logs, default=0.0))))


def step(value: float, reach: int) -> int:
    """The shade of a mean |x| above 0: -STEPS (10^-reach or less) to STEPS (10^reach or more)."""
    part = math.log10(value) / reach if value > 0 else -1.0
    return max(-STEPS, min(STEPS, round(part * STEPS)))


def css_class(mean_abs: float | None, nonfinite: int) -> str:
    """The class of what has no shade: not finite, zero, unknown; "" for a number that has one."""
    if nonfinite:
        return "bad"
    if mean_abs is None:
        return "unknown"
    return "zero" if mean_abs == 0 else ""


def shade_class(number: int) -> str:
    """The CSS class of a shade."""
    return f"s{number + STEPS}"


def style(dark: bool) -> str:
    """Custom properties of all shades: `--s0` ... for the fill, `--t0` ... for text on it."""
    table = _DARK if dark else _LIGHT
    out = []
    for number in range(-STEPS, STEPS + 1):
        rgb = _mix(table["vanish" if number < 0 else "explode"], abs(number) / STEPS)
        ink = "#10151a" if _luminance(rgb) > 0.3 else "#f6f8fa"
        out.append(f"--{shade_class(number)}:#{''.join(f'{round(c):02x}' for c in rgb)};--t{number + STEPS}:{ink}")
    return ";".join(out)


def rules() -> str:
    """The rules that give shapes and text their shade."""
    return "".join(
        f".s{i}>.fill,.s{i}.dot,.s{i}.key{{fill:var(--s{i});background:var(--s{i})}}.s{i}>text{{fill:var(--t{i})}}"
        for i in range(2 * STEPS + 1)
    )


def _mix(stops: tuple[_Rgb, ...], part: float) -> _Rgb:
    spot = part * (len(stops) - 1)
    index = min(int(spot), len(stops) - 2)
    low, high, share = stops[index], stops[index + 1], spot - index
    return (
        low[0] + (high[0] - low[0]) * share,
        low[1] + (high[1] - low[1]) * share,
        low[2] + (high[2] - low[2]) * share,
    )


def _luminance(rgb: _Rgb) -> float:
    """Relative luminance (WCAG 2)."""
    red, green, blue = (c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in rgb)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
