"""Runs kernels.cu on a CPU: g++ compiles the very same text behind a shim (fibers stand in for __syncthreads).

It launches as prototxt_gpu_check.kernels.Module says, so everything above it runs unchanged. No races, alignment
or launch limits are checked.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from prototxt_gpu_check.backend import Backend
from prototxt_gpu_check.kernels import signatures

SHIM = r"""
#include <cmath>
#include <cstring>
#include <ucontext.h>
#include <vector>
#include <algorithm>
using std::min; using std::max;
struct dim3_ { unsigned x = 1, y = 1, z = 1; };
static dim3_ threadIdx, blockIdx, blockDim, gridDim;
#define __global__
#define __device__
#define __forceinline__ inline
#define __restrict__ __restrict
#define __shared__ static
struct alignas(16) float4 { float x, y, z, w; };
static inline unsigned __float_as_uint(float f) { unsigned u; memcpy(&u, &f, 4); return u; }
static inline float __uint_as_float(unsigned u) { float f; memcpy(&f, &u, 4); return f; }
static inline float __fmul_rn(float a, float b) { volatile float r = a * b; return r; }
static inline float __fadd_rn(float a, float b) { volatile float r = a + b; return r; }
static ucontext_t scheduler_;
static std::vector<ucontext_t> fibers_;
static std::vector<char> done_, stacks_;
static int current_;
static void (*body_)(void);
static void __syncthreads() { swapcontext(&fibers_[current_], &scheduler_); }
static void entry_() { body_(); done_[current_] = 1; swapcontext(&fibers_[current_], &scheduler_); }
static void run_(dim3_ g, dim3_ b, bool sync) {
  gridDim = g; blockDim = b;
  int threads = b.x;
  const size_t stack = 65536;
  if (sync) { fibers_.resize(threads); done_.resize(threads); stacks_.resize(stack * threads); }
  for (unsigned by = 0; by < g.y; by++) for (unsigned bx = 0; bx < g.x; bx++) {
    blockIdx.x = bx; blockIdx.y = by;
    if (!sync) { for (int t = 0; t < threads; t++) { threadIdx.x = t; body_(); } continue; }
    for (int t = 0; t < threads; t++) {
      done_[t] = 0; getcontext(&fibers_[t]);
      fibers_[t].uc_stack.ss_sp = &stacks_[stack * t]; fibers_[t].uc_stack.ss_size = stack;
      fibers_[t].uc_link = &scheduler_; makecontext(&fibers_[t], entry_, 0);
    }
    for (bool any = true; any;) {
      any = false;
      for (int t = 0; t < threads; t++) if (!done_[t]) {
        current_ = t; threadIdx.x = t; swapcontext(&scheduler_, &fibers_[t]);
        if (!done_[t]) any = true;
      }
    }
  }
}
"""

_C = {"float*": "float*", "int": "int", "long long": "long long", "float": "float", "u64": "u64"}
_CTYPES: dict[str, Any] = {
    "int": ctypes.c_int,
    "long long": ctypes.c_longlong,
    "float": ctypes.c_float,
    "u64": ctypes.c_ulonglong,
}


def available() -> bool:
    """Whether g++ is installed."""
    return shutil.which("g++") is not None


class Emulator:
    """kernels.cu as a shared library; calling it launches a kernel."""

    def __init__(self, cu: str, folder: Path) -> None:
        self.launches: list[str] = []
        (folder / "kernels.cpp").write_text(SHIM + cu + "\n".join(_wrapper(cu, name) for name in signatures()))
        command = ["g++", "-O1", "-std=c++17", "-ffp-contract=off", "-fPIC", "-shared", "-w", "-o", "kernels.so"]
        subprocess.run([*command, "kernels.cpp"], cwd=folder, check=True)
        self._library = ctypes.CDLL(str(folder / "kernels.so"))

    def __call__(self, name: str, grid: tuple[int, ...], block: tuple[int, ...], args: Sequence[Any]) -> None:
        """Run every thread of the launch, one after another."""
        self.launches.append(name)
        x, y = (*grid, 1)[:2]
        sizes = [ctypes.c_uint(int(n)) for n in (x, y, block[0])]
        values = [_argument(p.kind, a) for p, a in zip(signatures()[name], args, strict=True)]
        getattr(self._library, f"emu_{name}")(*sizes, *values)


class EmulatedBackend(Backend):
    """NumPy arrays as device memory, poisoned so that an element that no kernel writes shows, and launched kernels."""

    name = "emulated"

    def __init__(self, module: Emulator) -> None:
        super().__init__(np, module)

    def empty(self, shape: tuple[int, ...]) -> Any:
        """Filled with NaN."""
        return np.full(shape, np.nan, np.float32)


def _wrapper(cu: str, name: str) -> str:
    parameters = signatures()[name]
    body = cu[cu.index(f"void {name}(") :]
    end = body.find('extern "C" __global__')
    sync = "true" if "__syncthreads" in (body if end < 0 else body[:end]) else "false"
    fields = "".join(f"{_C[p.kind]} {p.name};" for p in parameters)
    declared = ",".join(f"{_C[p.kind]} {p.name}" for p in parameters)
    names = ",".join(p.name for p in parameters)
    passed = ",".join(f"a.{p.name}" for p in parameters)
    return (
        f"namespace {{ struct A_{name} {{{fields}}}; A_{name} a_{name}; void b_{name}() {{ auto& a = a_{name}; "
        f"{name}({passed}); }} }}\n"
        f'extern "C" void emu_{name}(unsigned gx, unsigned gy, unsigned bx, {declared}) '
        f"{{ a_{name} = {{{names}}}; body_ = b_{name}; run_({{gx, gy, 1}}, {{bx, 1, 1}}, {sync}); }}"
    )


def _argument(kind: str, value: Any) -> Any:
    if kind == "float*":
        return ctypes.c_void_p(0 if value is None else value.ctypes.data)
    return _CTYPES[kind](float(value) if kind == "float" else int(value))
