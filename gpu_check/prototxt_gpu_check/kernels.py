"""The CUDA kernels from Python's side: signatures, argument types, one compiled module.

A Python float passed to a raw kernel arrives as a double and is silently misread by a `float` parameter, so the
signatures are read out of `kernels.cu` itself and every argument is coerced to what stands there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Protocol

import numpy as np

_HEAD = re.compile(r'extern "C" __global__ void (\w+)\(([^)]*)\)')

BLOCK = 256
"""Threads in a block of every kernel but `moments`; `stats_rows` is written for exactly this many."""

MOMENTS_BLOCK = 512
MAX_GRID = 8192
MAX_ITEMS = 1 << 32
"""The kernels split indices with 32-bit arithmetic: one launch stays below this."""


@dataclass(slots=True, frozen=True)
class Parameter:
    """One kernel parameter; `kind` is "float*", "int", "long long", "float" or "u64"."""

    name: str
    kind: str
    writable: bool


class Module(Protocol):
    """What runs kernels: CuPy's RawModule behind `RawKernels`, or the CPU shim of the tests."""

    def __call__(self, name: str, grid: tuple[int, ...], block: tuple[int, ...], args: Sequence[Any]) -> None:
        """Launch kernel `name`; args are already coerced."""


@cache
def source() -> str:
    """The text of kernels.cu."""
    return (resources.files(__package__) / "kernels.cu").read_text(encoding="utf-8")


@cache
def signatures() -> dict[str, tuple[Parameter, ...]]:
    """Each kernel's parameters in order, read from kernels.cu."""
    return {m[1]: tuple(_parameter(p) for p in m[2].split(",")) for m in _HEAD.finditer(source())}


def _parameter(text: str) -> Parameter:
    words = text.replace("__restrict__", " ").replace("*", " * ").split()
    writable = "const" not in words
    words = [w for w in words if w != "const"]
    kind = " ".join(words[:-1]).replace(" *", "*")
    return Parameter(words[-1], kind, writable)


def _pointer(value: Any) -> Any:
    if value is not None and (value.dtype != np.float32 or not value.flags.c_contiguous):
        raise ValueError(f"a kernel needs C-contiguous float32, not {value.dtype} with strides {value.strides}")
    return value


_COERCE: dict[str, Callable[[Any], Any]] = {
    "float*": _pointer,
    "int": np.int32,
    "long long": np.int64,
    "float": np.float32,
    "u64": np.uint64,
}


def coerce(name: str, args: Sequence[Any]) -> tuple[Any, ...]:
    """The arguments as kernel `name` declares them. Raises TypeError for a wrong count, ValueError for a bad array."""
    parameters = signatures()[name]
    if len(parameters) != len(args):
        raise TypeError(f"kernel {name} takes {len(parameters)} arguments, not {len(args)}")
    return tuple(_COERCE[p.kind](a) for p, a in zip(parameters, args, strict=True))


def grid_for(items: int) -> int:
    """Blocks for a grid-stride loop over `items`. Raises ValueError where 32-bit indices would not suffice."""
    if items >= MAX_ITEMS:
        raise ValueError(f"one launch covers fewer than 2^32 elements, not {items}")
    return max(1, min(MAX_GRID, -(-items // BLOCK)))


class RawKernels:
    """kernels.cu compiled by NVRTC through CuPy: once per machine, from then on read from CuPy's cache."""

    def __init__(self) -> None:
        import cupy

        self._module = cupy.RawModule(code=source(), options=("-std=c++14",))
        self._functions: dict[str, Any] = {}

    def __call__(self, name: str, grid: tuple[int, ...], block: tuple[int, ...], args: Sequence[Any]) -> None:
        """Launch on the current stream; asynchronous."""
        function = self._functions.get(name)
        if function is None:
            function = self._functions[name] = self._module.get_function(name)
        function(grid, block, tuple(args))
