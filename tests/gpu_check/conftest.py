"""Helpers of this folder are importable by name; fixtures for the golden nets and the emulated device."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import emu

from prototxt_gpu_check.backend import Backend
from prototxt_gpu_check.kernels import source


@pytest.fixture(scope="session")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Backend:
    """The path that launches kernels, with kernels.cu compiled by g++ and NumPy arrays as device memory."""
    if not emu.available():
        pytest.skip("g++ is not here: the kernels cannot run on this CPU")
    return emu.EmulatedBackend(emu.Emulator(source(), tmp_path_factory.mktemp("emu")))


@pytest.fixture(params=["numpy", "kernels"])
def backend(request: pytest.FixtureRequest) -> Backend:
    """Both ways of computing everything: array expressions, and kernels."""
    return Backend() if request.param == "numpy" else request.getfixturevalue("emulated")
