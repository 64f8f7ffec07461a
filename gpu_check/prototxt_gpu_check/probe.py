"""Is there a GPU that can be used? Asked in the worker process only, step by step, each with its own hint.

`cupy.is_available()` counts devices and remembers the answer: with a driver but without the CUDA libraries it says yes
and everything later fails. So each thing that a pass needs is tried, in the order in which it would fail.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

MIN_CAPABILITY = 75
"""CUDA 13 has dropped everything before Turing (compute capability 7.5)."""

_LIBRARIES = 'Install the CUDA libraries with CuPy: pip install "cupy-cuda13x[ctk]"'


@dataclass(slots=True)
class Probe:
    """What was found. index is None when no GPU can be used; `why` then says what to do about it in one line."""

    index: int | None = None
    name: str = ""
    why: str = ""
    steps: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """For the worker's hello and for `doctor`."""
        return {"usable": self.index is not None, "device": self.name, "hint": self.why, "steps": self.steps}


def probe(index: int = 0) -> Probe:
    """Try everything that a pass on CUDA device `index` needs. Never raises."""
    found = Probe()
    steps: tuple[tuple[str, Callable[[int], str], str], ...] = (
        ("import cupy", _import, 'Install CuPy for the GPU path: pip install "cupy-cuda13x[ctk]"'),
        (
            "CUDA driver and device",
            _device,
            "Install the NVIDIA driver; for a driver before 580 use cupy-cuda12x[ctk].",
        ),
        ("compute capability", _capability, "GPUs older than Turing need cupy-cuda12x[ctk] instead of cupy-cuda13x."),
        ("NVRTC", _nvrtc, _LIBRARIES),
        ("cuBLAS", _cublas, _LIBRARIES),
        ("smoke test", _smoke, "The GPU computes wrongly or not at all: see the message, and try another device."),
    )
    for name, step, hint in steps:
        start = time.perf_counter()
        try:
            detail = step(index)
        except Exception as error:
            # Whatever a driver, a loader or an unwritable cache folder raises means the same here: no GPU.
            message = str(error).strip().splitlines()
            text = f"{type(error).__name__}: {message[0] if message else ''}".rstrip(": ")
            found.steps.append({"step": name, "ok": False, "detail": text, "hint": hint})
            found.why = f"{name} failed ({text}). {hint}"
            return found
        found.steps.append({"step": name, "ok": True, "detail": detail, "ms": (time.perf_counter() - start) * 1e3})
        if step is _device:
            found.name = detail
    found.index = index
    return found


def _import(index: int) -> str:
    import cupy

    return f"CuPy {cupy.__version__}"


def _device(index: int) -> str:
    from cupy.cuda import runtime

    count = runtime.getDeviceCount()
    if index >= count:
        raise RuntimeError(f"there is no device {index}: {count} found")
    name = runtime.getDeviceProperties(index)["name"]
    return name.decode() if isinstance(name, bytes) else str(name)


def _capability(index: int) -> str:
    import cupy

    capability = str(cupy.cuda.Device(index).compute_capability)
    if int(capability) < MIN_CAPABILITY and cupy.cuda.runtime.runtimeGetVersion() >= 13000:
        raise RuntimeError(f"compute capability {capability} is older than {MIN_CAPABILITY}")
    return capability


def _nvrtc(index: int) -> str:
    from cupy.cuda import nvrtc

    return ".".join(map(str, nvrtc.getVersion()))


def _cublas(index: int) -> str:
    from cupy_backends.cuda.libs import cublas

    return f"handle {'ok' if cublas.create else 'missing'}"


def _smoke(index: int) -> str:
    from prototxt_gpu_check.backend import CupyBackend
    from prototxt_gpu_check.fill import NORMAL_STD, normal, raw
    from prototxt_gpu_check.stats import Recorder

    b = CupyBackend(index)
    values = raw(4096, 7, 1, 1 / NORMAL_STD, 0.0)
    filled = normal(b, (64, 64), 7, 0.0, 1.0)
    if not np.array_equal(b.to_host(filled).reshape(-1), values):
        raise RuntimeError("the generator's numbers differ from the CPU's")
    square = values.reshape(64, 64)
    if not np.allclose(b.to_host(b.matmul(filled, filled)), square @ square, rtol=1e-4, atol=1e-3):
        raise RuntimeError("a matrix product differs from the CPU's")
    recorder = Recorder(b)
    recorder.record(filled)
    (stats,) = recorder.finish()
    if not np.isclose(stats.mean_abs or 0.0, float(np.abs(values).mean()), rtol=1e-4):
        raise RuntimeError("the statistics differ from the CPU's")
    return "generator, matrix product and statistics agree with the CPU"
