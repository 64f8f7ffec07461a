"""kernels.cu from outside: its signatures, what they coerce, and that NVRTC compiles it for every architecture."""

from __future__ import annotations

import ctypes
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from prototxt_gpu_check import kernels
from prototxt_gpu_check.backend import Backend
from prototxt_gpu_check.layout import stored


def test_signatures_are_read_from_the_source() -> None:
    found = kernels.signatures()
    assert [(p.kind, p.name, p.writable) for p in found["fill"]] == [
        ("float*", "y", True),
        ("long long", "n", True),
        ("u64", "seed", True),
        ("int", "kind", True),
        ("float", "scale", True),
        ("float", "shift", True),
    ]
    assert {p.kind for parameters in found.values() for p in parameters} <= set(kernels._COERCE)


def test_a_python_float_becomes_what_the_kernel_reads() -> None:
    x = np.zeros(4, np.float32)
    args = kernels.coerce("lrn_apply", (x, x, x, 4, 0.5, 0.75, 1))
    assert [type(a) for a in args[3:]] == [np.int64, np.float32, np.float32, np.float32]


@pytest.mark.parametrize(
    ("array", "why"),
    [(np.zeros(4), "float64"), (np.zeros((4, 4), np.float32).T, "strides"), (np.zeros(8, np.float32)[::2], "strides")],
)
def test_arrays_that_a_kernel_would_misread_are_refused(array: np.ndarray, why: str) -> None:
    good = np.zeros(4, np.float32)
    with pytest.raises(ValueError, match=why):
        kernels.coerce("lrn_apply", (array, good, good, 4, 0.5, 0.75, 1))


def test_a_wrong_number_of_arguments_is_refused() -> None:
    with pytest.raises(TypeError, match="takes 7 arguments, not 1"):
        kernels.coerce("lrn_apply", (None,))


def test_a_launch_that_32_bit_indices_cannot_cover_is_refused() -> None:
    assert kernels.grid_for(1) == 1
    assert kernels.grid_for(2**32 - 1) == kernels.MAX_GRID
    with pytest.raises(ValueError, match=r"2\^32"):
        kernels.grid_for(2**32)


@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 3, 4), (2, 3, 4, 5)])
def test_strided_copies(shape: tuple[int, ...], emulated: Backend) -> None:
    x = np.random.default_rng(0).standard_normal((*shape[::-1],)).astype(np.float32).T
    out = emulated.empty(shape)
    emulated.copy_into(out, x)
    np.testing.assert_array_equal(out, x)
    np.testing.assert_array_equal(stored(emulated, x), x)


def test_without_kernels_nothing_can_be_launched() -> None:
    with pytest.raises(RuntimeError, match="numpy backend has no kernels"):
        Backend().launch("fill", 1)


ARCHITECTURES = ("75", "80", "86", "89", "90", "100", "120")


def nvrtc() -> ctypes.CDLL:
    """NVRTC from the nvidia-cuda-nvrtc wheel, through its C API; needs neither driver nor CuPy."""
    spec = importlib.util.find_spec("nvidia")
    for root in spec.submodule_search_locations if spec is not None and spec.submodule_search_locations else ():
        for library in Path(root).glob("*/lib/libnvrtc.so.*"):
            for builtins in library.parent.glob("libnvrtc-builtins.so.*"):
                ctypes.CDLL(str(builtins), mode=ctypes.RTLD_GLOBAL)
            return ctypes.CDLL(str(library))
    pytest.skip("NVRTC is not here (pip install nvidia-cuda-nvrtc)")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_nvrtc_compiles_the_kernels(architecture: str) -> None:
    library = nvrtc()
    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    created = library.nvrtcCreateProgram(ctypes.byref(program), kernels.source().encode(), b"kernels.cu", 0, None, None)
    assert created == 0
    options = (ctypes.c_char_p * 3)(f"-arch=sm_{architecture}".encode(), b"-std=c++14", b"-ftz=true")
    failed = library.nvrtcCompileProgram(program, len(options), options)
    library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    library.nvrtcGetProgramLog(program, log)
    library.nvrtcDestroyProgram(ctypes.byref(program))
    assert not failed, log.value.decode()
