"""Blob shapes with dimensions that the text may not tell.

A dimension is an int or a `Sym`. Arithmetic on a Sym gives a Sym whose name spells the computation, so equal
computations on equal unknowns stay equal: two paths through the same layers can be compared although nobody knows
the size of the image.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias


class Sym(NamedTuple):
    """An unknown non-negative size; two with the same name are the same size."""

    name: str

    def __str__(self) -> str:
        return "?"


Dim: TypeAlias = int | Sym
Shape: TypeAlias = tuple[Dim, ...]

MAX_AXES = 32  # blob.hpp kMaxBlobAxes
INT_MAX = 2147483647


def same(a: Dim, b: Dim) -> bool | None:
    """Whether two dimensions are equal; None when the text cannot tell."""
    if isinstance(a, int) and isinstance(b, int):
        return a == b
    if a == b:
        return True
    return None


def same_shape(a: Shape | None, b: Shape | None) -> bool | None:
    """Whether two shapes are equal; None when unknown (an unknown shape is None)."""
    if a is None or b is None:
        return None
    if len(a) != len(b):
        return False
    verdicts = [same(x, y) for x, y in zip(a, b, strict=True)]
    if any(v is False for v in verdicts):
        return False
    return None if any(v is None for v in verdicts) else True


def product(dims: Iterable[Dim]) -> Dim:
    """The number of elements; a Sym as soon as one factor is unknown and none is 0."""
    known = 1
    unknown: list[str] = []
    for dim in dims:
        if isinstance(dim, int):
            known *= dim
        else:
            unknown.append(dim.name)
    if known == 0 or not unknown:
        return known
    factors = sorted(unknown)
    if known == 1 and len(factors) == 1:
        return Sym(factors[0])
    return Sym("*".join(([] if known == 1 else [str(known)]) + factors))


def conv_out(size: Dim, kernel: int, pad: int, stride: int, dilation: int = 1) -> Dim:
    """Output size of a convolution: C++ division, which truncates toward zero (input 8, kernel 11, stride 4: 1)."""
    extent = dilation * (kernel - 1) + 1
    if isinstance(size, int):
        span = size + 2 * pad - extent
        return int(span / stride) + 1 if span < 0 else span // stride + 1
    if stride == 1 and 2 * pad == extent - 1:
        return size
    return Sym(f"conv({size.name},{extent},{pad},{stride})")


def pool_out(size: Dim, kernel: int, pad: int, stride: int, floor: bool = False, clip: bool | None = None) -> Dim:
    """Output size of a pooling: rounds up (down with `floor`), then drops a last window that starts in the padding.

    clip: whether that last step is done; Caffe does it on both axes as soon as one of them is padded.
    """
    clip = bool(pad) if clip is None else clip
    if isinstance(size, int):
        span = size + 2 * pad - kernel
        # C++ ceil()/floor() of a float quotient
        out = (span // stride if floor else -((-span) // stride)) + 1
        if clip and (out - 1) * stride >= size + pad:
            out -= 1
        return out
    return Sym(f"pool({size.name},{kernel},{pad},{stride},{'f' if floor else 'c'}{int(clip)})")


def text(shape: Shape | None) -> str:
    """`1x3x224x224` for messages and hovers; unknown sizes are `?`, an unknown shape too; a scalar is `scalar`."""
    if shape is None:
        return "?"
    return "x".join(str(dim) for dim in shape) or "scalar"
