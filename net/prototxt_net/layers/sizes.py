"""Arithmetic on sizes that may be unknown, for shape rules.

Sums, differences, products and quotients of known sizes are numbers; anything with an unknown part is a `Sym` that
spells the computation, so that equal computations stay equal.
"""

from __future__ import annotations

from prototxt_net.shape import Dim, Shape, Sym, product


def count(shape: Shape | None, start: int = 0, end: int | None = None) -> Dim | None:
    """Blob::count(start, end): the product of the sizes of axes start..end-1; None when the shape is unknown."""
    return None if shape is None else product(shape[start:end])


def add(a: Dim, b: Dim) -> Dim:
    """A + b."""
    if isinstance(a, int) and isinstance(b, int):
        return a + b
    if a == 0:
        return b
    if b == 0:
        return a
    first, second = sorted((_spell(a), _spell(b)))
    return Sym(f"({first}+{second})")


def subtract(a: Dim, b: Dim) -> Dim:
    """A - b."""
    if isinstance(a, int) and isinstance(b, int):
        return a - b
    if b == 0:
        return a
    return 0 if a == b else Sym(f"({_spell(a)}-{_spell(b)})")


def quotient(dims: Shape, by: Shape) -> Dim | None:
    """product(dims) / product(by), cancelling unknown sizes that stand on both sides; None when it is no whole number.

    A division whose outcome no text can tell gives a Sym.
    """
    above, factor = _factors(dims)
    below, divisor = _factors(by)
    for name in list(below):
        if name in above:
            above.remove(name)
            below.remove(name)
    if below:
        return Sym(f"({'*'.join([str(factor), *above])}/{'*'.join([str(divisor), *below])})")
    if divisor == 0:
        return None
    if above and factor % divisor:
        return Sym(f"({'*'.join([str(factor), *above])}/{divisor})")
    if factor % divisor:
        return None
    return product((factor // divisor, *(Sym(name) for name in above)))


def equal_counts(a: Shape | None, b: Shape | None) -> bool | None:
    """Whether two shapes hold equally many elements; None when the text cannot tell."""
    if a is None or b is None:
        return None
    left, x = _factors(a)
    right, y = _factors(b)
    if not left and not right:
        return x == y
    if sorted(left) == sorted(right):
        return True if x == y else None  # an unknown size might be 0
    return None


def divisible(size: Dim, by: int) -> bool | None:
    """Whether `by` divides `size`; None when unknown."""
    return size % by == 0 if isinstance(size, int) else (True if by == 1 else None)


def at_most(a: Dim | None, b: Dim | None) -> bool | None:
    """A <= b; None when unknown."""
    if isinstance(a, int) and isinstance(b, int):
        return a <= b
    return True if a is not None and a == b else None


def _factors(dims: Shape) -> tuple[list[str], int]:
    known = 1
    names: list[str] = []
    for dim in dims:
        if isinstance(dim, int):
            known *= dim
        else:
            names.extend(dim.name.split("*") if "(" not in dim.name else [dim.name])
    for name in [n for n in names if n.isdigit()]:
        known *= int(name)
        names.remove(name)
    return names, known


def _spell(dim: Dim) -> str:
    return str(dim) if isinstance(dim, int) else dim.name
