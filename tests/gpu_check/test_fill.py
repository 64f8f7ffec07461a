"""The generator and Caffe's fillers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from prototxt_gpu_check import fill
from prototxt_gpu_check.backend import Backend
from prototxt_gpu_check.fill import NORMAL, UNIFORM, Filler


def splitmix(seed: int, index: int) -> int:
    """splitmix64 in Python's integers, the definition."""
    mask = (1 << 64) - 1
    z = (seed + index * 0x9E3779B97F4A7C15) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return z ^ (z >> 31)


@pytest.mark.parametrize("index", [0, 1, 255, 40_000, 99_999])
def test_values_follow_from_seed_and_index_alone(index: int) -> None:
    seed = 0x1234567890ABCDEF
    z = splitmix(seed, index)
    uniform = fill.raw(100_000, seed, UNIFORM, 1.0, 0.0)
    normal = fill.raw(100_000, seed, NORMAL, 1.0, 0.0)
    assert uniform[index] == (z >> 40) - (1 << 23)
    assert normal[index] == sum((z >> s) & 0xFFFF for s in (0, 16, 32, 48)) - 131070


@pytest.mark.parametrize("n", [1, 255, 32768, 32769, 100_001])
@pytest.mark.parametrize("kind", [UNIFORM, NORMAL])
def test_kernel_and_numpy_agree_to_the_last_bit(n: int, kind: int, emulated: Backend) -> None:
    out = emulated.empty((n,))
    emulated.launch("fill", n, out, n, 2**63 + 12345, kind, 0.01 / fill.NORMAL_STD, 0.25)
    ours = fill.raw(n, 2**63 + 12345, kind, 0.01 / fill.NORMAL_STD, 0.25)
    np.testing.assert_array_equal(out, ours)


def test_every_parameter_has_its_own_stream() -> None:
    keys = {fill.stream(0, "param", layer, i) for layer in ("conv1", "conv2") for i in range(2)}
    assert len(keys) == 4
    assert fill.stream(0, "param", "conv1", 0) == fill.stream(0, "param", "conv1", 0)
    assert fill.stream(1, "param", "conv1", 0) not in keys


SHAPE = (64, 32, 5, 5)  # fan_in 800, fan_out 1600


@pytest.mark.parametrize(
    ("filler", "low", "high", "mean", "std"),
    [
        pytest.param(Filler("constant", value=0.25), 0.25, 0.25, 0.25, 0.0, id="constant"),
        pytest.param(Filler("uniform", min=-2, max=4), -2, 4, 1.0, 6 / math.sqrt(12), id="uniform"),
        pytest.param(Filler("gaussian", mean=1, std=0.5), -0.8, 2.8, 1.0, 0.5, id="gaussian"),
        pytest.param(Filler("xavier"), -math.sqrt(3 / 800), math.sqrt(3 / 800), 0, math.sqrt(1 / 800), id="xavier"),
        pytest.param(Filler("msra"), -1, 1, 0, math.sqrt(2 / 800), id="msra"),
        pytest.param(Filler("msra", variance_norm="FAN_OUT"), -1, 1, 0, math.sqrt(2 / 1600), id="msra-fan-out"),
        pytest.param(Filler("msra", variance_norm="AVERAGE"), -1, 1, 0, math.sqrt(2 / 1200), id="msra-average"),
    ],
)
def test_fillers_have_caffes_distributions(
    filler: Filler, low: float, high: float, mean: float, std: float, backend: Backend
) -> None:
    values = fill.fill(backend, SHAPE, filler, 5).astype(np.float64)
    assert values.shape == SHAPE
    assert values.min() >= low - 1e-6
    assert values.max() <= high + 1e-6
    assert values.mean() == pytest.approx(mean, abs=max(0.02 * std, 1e-7))
    assert values.std() == pytest.approx(std, rel=0.02, abs=1e-7)


def test_a_fully_connected_layer_has_one_element_behind_each_weight() -> None:
    assert fill.fans((10, 800), "FAN_IN") == 800
    assert fill.fans((10, 800), "FAN_OUT") == 10
    assert fill.fans((7,), "FAN_OUT") == 7


def test_sparse_gaussian_keeps_about_sparse_weights_of_each_unit() -> None:
    values = fill.fill(Backend(), (100, 500), Filler("gaussian", std=1, sparse=10), 1)
    assert np.count_nonzero(values) / values.size == pytest.approx(10 / 100, rel=0.1)


def test_positive_unitball_rows_add_up_to_one(backend: Backend) -> None:
    values = fill.fill(backend, (6, 4, 3, 3), Filler("positive_unitball"), 1).reshape(6, -1)
    assert (values >= 0).all()
    np.testing.assert_allclose(values.sum(axis=1), 1, rtol=1e-5)


def test_bilinear_interpolates() -> None:
    line = fill.bilinear((1, 1, 4, 4))[0, 0, 0] / fill.bilinear((1, 1, 4, 4))[0, 0, 0].max()
    np.testing.assert_allclose(line, [1 / 3, 1, 1, 1 / 3], rtol=1e-6)


def test_an_unknown_filler_is_named() -> None:
    with pytest.raises(ValueError, match="Unknown filler name: he_normal"):
        fill.fill(Backend(), (2, 2), Filler("he_normal"), 0)


@pytest.mark.parametrize(
    ("filler", "zero"),
    [
        (Filler(), True),
        (Filler("constant", value=1), False),
        (Filler("gaussian", std=0), True),
        (Filler("gaussian", std=0, mean=1), False),
        (Filler("uniform", min=0, max=0), True),
        (Filler("xavier"), False),
    ],
)
def test_a_filler_knows_whether_it_fills_with_zeros(filler: Filler, zero: bool) -> None:
    assert filler.is_zero is zero


@pytest.mark.parametrize(
    "filler",
    [
        Filler("constant", value=-0.25),
        Filler("uniform", min=-1, max=3),
        Filler("gaussian", mean=0.5, std=0.2),
        Filler("xavier"),
        Filler("msra", variance_norm="FAN_OUT"),
    ],
    ids=lambda filler: filler.type,
)
def test_the_size_of_what_a_filler_draws_is_known_before_it_draws(filler: Filler) -> None:
    shape = (40, 30, 5, 5)
    drawn = fill.fill(Backend(), shape, filler, 7).astype(np.float64)
    assert filler.rms(shape) == pytest.approx(np.sqrt((drawn**2).mean()), rel=0.01)
