"""Statistics: both ways of taking them agree with the plain definitions, whatever the values."""

from __future__ import annotations

import numpy as np
import pytest

from prototxt_gpu_check.backend import Backend
from prototxt_gpu_check.layout import stored
from prototxt_gpu_check.stats import CHUNK, Recorder, Stats

RNG = np.random.default_rng(3)


def awkward(shape: tuple[int, ...]) -> np.ndarray:
    x = RNG.standard_normal(shape).astype(np.float32) * 3 + 1
    x[:, 1] = 0
    x[:, 2] = 7.5
    x[0, 3].flat[0] = np.nan
    x[0, 3].flat[-1] = -np.inf
    x[-1, 4].flat[0] = 1e-40  # a denormal counts as zero
    x[0, 0].flat[0] = np.inf  # the value that the sums are taken about, were it finite
    return x


ARRAYS = [
    pytest.param(awkward((2, 5, 7, 9)), id="4 axes"),
    pytest.param(awkward((3, 6, 160, 150)), id="several chunks"),
    pytest.param(awkward((4, 300)), id="fully connected"),
    pytest.param(RNG.standard_normal((40000, 3)).astype(np.float32), id="long rows of 2 axes"),
    pytest.param(RNG.standard_normal(9).astype(np.float32), id="1 axis"),
    pytest.param(np.float32(-2.5).reshape(()), id="scalar"),
    pytest.param(np.zeros((2, 0, 3, 3), np.float32), id="no channels"),
    pytest.param(np.zeros((0, 4), np.float32), id="no samples"),
    pytest.param(np.full((4, 8, 5, 5), 0.1, np.float32), id="constant"),
    pytest.param(np.maximum(RNG.standard_normal((2, 6, 30, 30)), 0).astype(np.float32), id="behind a ReLU"),
    pytest.param(RNG.uniform(-1e-20, 1e-20, (2, 6, 9, 9)).astype(np.float32), id="squares below float32"),
    pytest.param(RNG.uniform(1e3, 1e3 + 1, (2, 6, 9, 9)).astype(np.float32), id="spread far below the mean"),
]
NUMPY_ONLY = [
    pytest.param(RNG.uniform(-1e30, 1e30, (2, 6, 9, 9)).astype(np.float32), id="squares beyond float32"),
    pytest.param(
        np.concatenate([np.full((1, 3, 300, 300), np.nan), RNG.standard_normal((1, 3, 300, 300))]).astype(np.float32),
        id="whole chunks of NaN",
    ),
]


def taken(backend: Backend, x: np.ndarray) -> Stats:
    recorder = Recorder(backend)
    recorder.record(stored(backend, x))
    return recorder.finish()[0]


@pytest.mark.parametrize("x", ARRAYS)
def test_they_are_what_they_are_called(x: np.ndarray, backend: Backend) -> None:
    agree(taken(backend, x), x)


@pytest.mark.parametrize("x", NUMPY_ONLY)
def test_float64_takes_over_where_float32_would_overflow(x: np.ndarray) -> None:
    agree(taken(Backend(), x), x)


def agree(s: Stats, x: np.ndarray) -> None:
    wide = x.astype(np.float64)
    finite = wide[np.isfinite(wide)]
    assert s.shape == x.shape
    assert s.count == x.size
    assert s.channels == (x.shape[1] if x.ndim > 1 else 1)
    assert int(s.nans.sum()) == np.isnan(wide).sum()
    assert int(s.infs.sum()) == np.isinf(wide).sum()
    zeros = np.abs(x) < np.finfo(np.float32).tiny
    assert s.zero_frac == pytest.approx(zeros.mean() if x.size else 0)
    assert s.all_zero == (x.size > 0 and bool(zeros.all()))
    if x.ndim > 1 and x.size:
        assert s.zero_channels == zeros.swapaxes(0, 1).reshape(x.shape[1], -1).all(axis=1).sum()
    if not finite.size:
        assert s.mean_abs is s.maximum is s.mean is s.std is s.rms is None
        return
    assert s.mean_abs == pytest.approx(np.abs(finite).mean(), rel=1e-5)
    assert s.maximum == pytest.approx(np.abs(finite).max())
    assert s.mean == pytest.approx(finite.mean(), rel=1e-4, abs=1e-5)
    assert s.std == pytest.approx(finite.std(), rel=1e-4, abs=min(1e-6, np.abs(finite).max() * 1e-6))
    assert s.rms == pytest.approx(np.sqrt((finite**2).mean()), rel=1e-4)


def test_a_constant_channel_has_no_spread_at_all(backend: Backend) -> None:
    x = np.full((8, 3, 31, 33), 0.1, np.float32)
    x[:, 2] = RNG.standard_normal((8, 31, 33))
    assert taken(backend, x).constant_channels.tolist() == [True, True, False]


def test_denormals_alone_are_a_silent_channel(backend: Backend) -> None:
    x = np.full((1, 2, 40, 40), 1e-39, np.float32)
    x[0, 1, 3, 3] = 1e-3
    assert taken(backend, x).silent.tolist() == [True, False]


def test_debug_info_shows_what_is_not_finite() -> None:
    assert np.isnan(taken(Backend(), np.array([[np.nan, np.inf]], np.float32)).debug_value)
    assert taken(Backend(), np.array([[1, np.inf]], np.float32)).debug_value == np.inf
    assert taken(Backend(), np.array([[1, -3]], np.float32)).debug_value == 2


def test_debug_info_overflows_where_caffes_float32_sums_do(backend: Backend) -> None:
    s = taken(backend, np.full((1, 4), 1e38, np.float32))
    assert s.debug_value == s.sum_squares == np.inf
    assert taken(Backend(), np.full((1, 4), 1e38, np.float32)).mean_abs == pytest.approx(1e38)


def test_numbers_come_back_in_the_order_of_recording(emulated: Backend) -> None:
    recorder = Recorder(emulated)
    shapes = [(1, 2, 3, 3), (2, 5), (1, 1, 1, CHUNK + 3), ()]
    for i, shape in enumerate(shapes):
        recorder.record(stored(emulated, np.full(shape, i + 1, np.float32)))
    found = recorder.finish()
    assert [s.shape for s in found] == shapes
    assert [s.maximum for s in found] == [1, 2, 3, 4]


def test_overflowing_sums_do_not_raise(backend: Backend) -> None:
    s = taken(backend, np.full((2, 3, 8, 8), 3e38, np.float32))
    assert s.nonfinite == 0
    assert s.maximum == pytest.approx(3e38)
