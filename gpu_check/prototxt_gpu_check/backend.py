"""Where arrays live and what runs them: NumPy, or an array module together with the CUDA kernels.

A blob is a logical array of Caffe's shape (N, C, spatial...). Its storage is channel first: `blob.swapaxes(0, 1)` is
C-contiguous. With that, one plain GEMM of a convolution yields the next blob, BatchNorm, Scale and the statistics work
on contiguous rows, and Concat and Slice along the channels are plain block copies or views. `layout.py` converts.

An operation asks `backend.kernels`: None means that array expressions are the fast way (NumPy); otherwise it launches,
because every distinct CuPy expression would cost a compilation of 70 ms or more in a fresh process.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from prototxt_gpu_check import memory
from prototxt_gpu_check.kernels import BLOCK, Module, RawKernels, coerce, grid_for

Array: TypeAlias = npt.NDArray[Any]
"""A NumPy or CuPy array; both have the attributes that are used here."""

COLUMN_CAP = 256 << 20
"""Bytes of im2col columns at a time; a larger convolution runs in slices of its images."""


class Backend:
    """NumPy on the CPU, and the interface of the other backends."""

    name = "numpy"
    device = "cpu"
    column_cap = COLUMN_CAP

    def __init__(self, xp: Any = np, kernels: Module | None = None) -> None:
        self.xp = xp
        self.kernels = kernels
        self.oom: tuple[type[BaseException], ...] = (MemoryError,)

    def empty(self, shape: tuple[int, ...]) -> Array:
        """An uninitialised C-contiguous float32 array."""
        return self.xp.empty(shape, np.float32)  # type: ignore[no-any-return]

    def full(self, shape: tuple[int, ...], value: float) -> Array:
        """An array of one value, made on the host where the device would have to compile something for it."""
        return self.asarray(np.full(shape, value, np.float32))

    def asarray(self, host: Any) -> Array:
        """A float32 array on the device, C-contiguous."""
        return np.array(host, np.float32, order="C", copy=None)  # ascontiguousarray would give a scalar an axis

    def to_host(self, array: Array) -> npt.NDArray[Any]:
        """The array as NumPy (waits for the device)."""
        return array

    def matmul(self, a: Array, b: Array, out: Array | None = None) -> Array:
        """A @ b in FP32: 2-D, or 3-D with equal leading sizes."""
        return self.xp.matmul(a, b, out=out) if out is not None else self.xp.matmul(a, b)  # type: ignore[no-any-return]

    def launch(self, name: str, items: int, *args: Any) -> None:
        """A grid-stride kernel over `items` elements (0 launches nothing)."""
        if items:
            self.launch_grid(name, (grid_for(items),), BLOCK, *args)

    def launch_grid(self, name: str, grid: tuple[int, ...], block: int, *args: Any) -> None:
        """A kernel with its own grid."""
        if self.kernels is None:
            raise RuntimeError(f"the {self.name} backend has no kernels")
        self.kernels(name, grid, (block,), coerce(name, args))

    def contiguous(self, array: Array) -> Array:
        """The array itself if C-contiguous, else a copy in C order."""
        if array.flags.c_contiguous:
            return array
        if self.kernels is None or array.ndim > 4 or array.dtype != np.float32:
            return self.xp.ascontiguousarray(array)  # type: ignore[no-any-return]
        out = self.empty(array.shape)
        self.copy_into(out, array)
        return out

    def copy_into(self, dst: Array, src: Array) -> None:
        """dst[...] = src for arrays of one shape, any strides."""
        if self.kernels is None or src.ndim > 4 or src.dtype != np.float32:
            dst[...] = src
            return
        if not src.size:
            return
        lead = (1,) * (4 - src.ndim)
        sizes = [np.int32(n) for n in lead + src.shape]
        strides = [np.int64(n // 4) for a in (src, dst) for n in (0,) * len(lead) + a.strides]
        # Not through coerce: strided views are passed as the pointer to their first element.
        self.kernels("copy4", (grid_for(src.size),), (BLOCK,), (src, dst, *sizes, *strides))

    def synchronize(self) -> None:
        """Wait for the device."""

    def free_memory(self) -> int | None:
        """Bytes that can still be allocated; None where nobody knows."""
        return memory.available()

    def release(self) -> None:
        """Give unused cached blocks back."""


class CupyBackend(Backend):
    """CuPy on one CUDA device. Importing it needs CuPy; making one needs a working device (see probe.py)."""

    name = "cupy"

    def __init__(self, index: int = 0, tf32: bool = False) -> None:
        import cupy

        cupy.cuda.Device(index).use()
        super().__init__(cupy, RawKernels())
        self.device = f"cuda:{index}"
        self.oom = (MemoryError, cupy.cuda.memory.OutOfMemoryError)
        # COMPUTE_TYPE_TF32 and COMPUTE_TYPE_DEFAULT (strict FP32, whatever CUPY_TF32 says); the names are private.
        cupy._core.set_compute_type(cupy.float32, 7 if tf32 else 1)
        free = self.free_memory()
        if free is not None:
            self.column_cap = min(COLUMN_CAP, free // 4)

    def asarray(self, host: Any) -> Array:
        """Copy to the device."""
        return self.xp.asarray(np.array(host, np.float32, order="C", copy=None))  # type: ignore[no-any-return]

    def to_host(self, array: Array) -> npt.NDArray[Any]:
        """Copy to the host; waits for everything launched before."""
        return self.contiguous(array).get()  # type: ignore[attr-defined,no-any-return]

    def copy_into(self, dst: Array, src: Array) -> None:
        """A device copy where both are contiguous, else the strided copy kernel."""
        if src.flags.c_contiguous and dst.flags.c_contiguous and src.dtype == dst.dtype:
            dst.data.copy_from_device_async(src.data, src.nbytes)  # type: ignore[attr-defined]
        else:
            super().copy_into(dst, src)

    def synchronize(self) -> None:
        """Wait for the default stream."""
        self.xp.cuda.get_current_stream().synchronize()

    def free_memory(self) -> int | None:
        """Free bytes of the device plus what CuPy's pool holds unused."""
        free, _total = self.xp.cuda.runtime.memGetInfo()
        return int(free) + int(self.xp.get_default_memory_pool().free_bytes())

    def release(self) -> None:
        """Give the pool's unused blocks back to the driver."""
        self.xp.get_default_memory_pool().free_all_blocks()
