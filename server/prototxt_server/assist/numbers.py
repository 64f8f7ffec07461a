"""Counts as people read them."""

from __future__ import annotations

_UNITS = ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))


def grouped(count: int) -> str:
    """`25,557,032`."""
    return f"{count:,}"


def short(count: int) -> str:
    """Three digits and a unit: `9.41 k`, `118 M`; below 1000 the number itself."""
    for size, unit in _UNITS:
        if count >= size:
            value = count / size
            digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
            return f"{value:.{digits}f} {unit}"
    return str(count)
