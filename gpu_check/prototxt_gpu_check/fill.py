"""Weights and input values: a counter-based generator and Caffe's fillers on top of it.

Element i of a stream depends on (seed, i) alone, so a device and NumPy agree to the last bit, and editing one layer
leaves every other layer's weights as they were. The generator is not Caffe's (Boost's mt19937): distributions agree
with Caffe's definitions, single values do not. A normal value is the sum of four uniform ones (Irwin-Hall), cut at
3.46 standard deviations.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from prototxt_gpu_check.backend import Array, Backend
from prototxt_gpu_check.layout import count

_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)
_PIECE = 1 << 15
_LANES = np.uint64(0x0000FFFF0000FFFF)

UNIFORM, NORMAL = 0, 1
_UNIFORM_STEPS = float(1 << 24)
NORMAL_STD = math.sqrt(4 * (65536.0**2 - 1) / 12)
"""Standard deviation of the raw sum of four 16-bit uniforms."""

ROUNDING = 1e-5
"""Relative difference below which numbers may be one number in float32."""

FILLERS = frozenset({"constant", "uniform", "gaussian", "positive_unitball", "xavier", "msra", "bilinear"})


@dataclass(slots=True, frozen=True)
class Filler:
    """A FillerParameter's values; the defaults are Caffe's."""

    type: str = "constant"
    value: float = 0.0
    min: float = 0.0
    max: float = 1.0
    mean: float = 0.0
    std: float = 1.0
    sparse: int = -1
    variance_norm: str = "FAN_IN"

    @property
    def is_zero(self) -> bool:
        """It fills with zeros, whatever the generator says."""
        match self.type:
            case "constant":
                return self.value == 0
            case "uniform":
                return self.min == 0 == self.max
            case "gaussian":
                return self.mean == 0 == self.std or self.sparse == 0
            case _:
                return False

    @property
    def varies(self) -> bool:
        """What it draws differs by more than float32's rounding, so that no two units can be alike."""
        match self.type:
            case "constant":
                return False
            case "uniform":
                return self.max - self.min > ROUNDING * max(abs(self.min), abs(self.max))
            case "gaussian":
                return self.std > ROUNDING * abs(self.mean) and self.sparse != 0
            case _:
                return True

    def rms(self, shape: tuple[int, ...]) -> float | None:
        """The root mean square of what it draws for a blob of this shape; None where only a look tells."""
        match self.type:
            case "constant":
                return abs(self.value)
            case "uniform":
                return math.sqrt(max(0.0, self.min * self.min + self.min * self.max + self.max * self.max) / 3)
            case "gaussian" if self.sparse < 0:
                return math.hypot(self.mean, self.std)
            case "xavier" | "msra":
                return math.sqrt((1.0 if self.type == "xavier" else 2.0) / max(1.0, fans(shape, self.variance_norm)))
            case _:
                return None


def stream(seed: int, *key: object) -> int:
    """The 64-bit key of one stream of numbers, from the run's seed and what it is for (layer name, index)."""
    text = "\x1f".join(str(k) for k in (seed, *key)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def raw(n: int, seed: int, kind: int, scale: float, shift: float) -> npt.NDArray[np.float32]:
    """NumPy's twin of the kernel `fill`: v*scale + shift with v a 24-bit uniform or a sum of four 16-bit uniforms."""
    out = np.empty(n, np.float32)
    size = min(n, _PIECE)
    count_up = np.arange(size, dtype=np.uint64) * _STEP
    z, w = np.empty(size, np.uint64), np.empty(size, np.uint64)
    for start in range(0, n, _PIECE):
        stop = min(start + _PIECE, n)
        if stop - start < size:
            z, w, count_up = z[: stop - start], w[: stop - start], count_up[: stop - start]
        base = np.uint64((seed + start * int(_STEP)) & 0xFFFFFFFFFFFFFFFF)
        np.add(count_up, base, out=z)
        for shift_by, factor in ((np.uint64(30), _MIX1), (np.uint64(27), _MIX2)):
            np.right_shift(z, shift_by, out=w)
            np.bitwise_xor(z, w, out=z)
            np.multiply(z, factor, out=z)
        np.right_shift(z, np.uint64(31), out=w)
        np.bitwise_xor(z, w, out=z)
        if kind == UNIFORM:
            np.right_shift(z, np.uint64(40), out=z)
            centre = np.int64(1 << 23)
        else:
            # Two 16-bit lanes are added at a time, then the two sums.
            np.right_shift(z, np.uint64(16), out=w)
            np.bitwise_and(w, _LANES, out=w)
            np.bitwise_and(z, _LANES, out=z)
            np.add(z, w, out=z)
            np.right_shift(z, np.uint64(32), out=w)
            np.add(z, w, out=z)
            np.bitwise_and(z, np.uint64(0xFFFFFFFF), out=z)
            centre = np.int64(131070)
        piece = out[start:stop]
        piece[...] = z.view(np.int64) - centre
        piece *= np.float32(scale)
        piece += np.float32(shift)
    return out


def _generate(b: Backend, shape: tuple[int, ...], seed: int, kind: int, scale: float, shift: float) -> Array:
    n = count(shape)
    if b.kernels is None:
        return raw(n, seed, kind, scale, shift).reshape(shape)
    out = b.empty(shape)
    b.launch("fill", n, out, n, seed, kind, scale, shift)
    return out


def uniform(b: Backend, shape: tuple[int, ...], seed: int, low: float, high: float) -> Array:
    """U(low, high) in C order of `shape`."""
    return _generate(b, shape, seed, UNIFORM, (high - low) / _UNIFORM_STEPS, (high + low) / 2)


def normal(b: Backend, shape: tuple[int, ...], seed: int, mean: float, std: float) -> Array:
    """N(mean, std^2), cut at 3.46 std, in C order of `shape`."""
    return _generate(b, shape, seed, NORMAL, std / NORMAL_STD, mean)


def fans(shape: tuple[int, ...], variance_norm: str) -> float:
    """The n of xavier and msra: FAN_IN count/shape[0], FAN_OUT count/shape[1] (count with one axis), or their mean."""
    n = count(shape)
    fan_in = n // shape[0] if shape and shape[0] else n
    fan_out = n // shape[1] if len(shape) > 1 and shape[1] else n
    match variance_norm:
        case "FAN_OUT":
            return float(fan_out)
        case "AVERAGE":
            return (fan_in + fan_out) / 2
        case _:
            return float(fan_in)


def fill(b: Backend, shape: tuple[int, ...], filler: Filler, seed: int) -> Array:
    """A parameter blob filled as Caffe's filler of that type fills it (caffe: filler.hpp), in plain C order.

    Raises ValueError for a type that BVLC Caffe does not know.
    """
    match filler.type:
        case "constant":
            return b.full(shape, filler.value)
        case "uniform":
            return uniform(b, shape, seed, filler.min, filler.max)
        case "gaussian":
            return _gaussian(b, shape, filler, seed)
        case "positive_unitball":
            return _unitball(b, shape, seed)
        case "xavier":
            a = math.sqrt(3.0 / fans(shape, filler.variance_norm))
            return uniform(b, shape, seed, -a, a)
        case "msra":
            return normal(b, shape, seed, 0.0, math.sqrt(2.0 / fans(shape, filler.variance_norm)))
        case "bilinear":
            return b.asarray(bilinear(shape))
        case unknown:
            raise ValueError(f"Unknown filler name: {unknown}")


def _gaussian(b: Backend, shape: tuple[int, ...], filler: Filler, seed: int) -> Array:
    values = normal(b, shape, seed, filler.mean, filler.std)
    if filler.sparse < 0:
        return values
    # Each element survives with probability sparse/shape[0]; drawn on the host, since sparse fillers are rare.
    keep = raw(count(shape), seed ^ 0x5BD1E995, UNIFORM, 1 / _UNIFORM_STEPS, 0.5) < filler.sparse / max(1, shape[0])
    return b.asarray(np.where(keep.reshape(shape), b.to_host(values), np.float32(0)))


def _unitball(b: Backend, shape: tuple[int, ...], seed: int) -> Array:
    values = raw(count(shape), seed, UNIFORM, 1 / _UNIFORM_STEPS, 0.5).reshape(shape[0] if shape else 1, -1)
    return b.asarray((values / values.sum(axis=1, keepdims=True)).reshape(shape))


def bilinear(shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Upsampling weights, the same for every filter: f = ceil(w/2), c = (w - 1) / (2f)."""
    side = shape[-1]
    f = math.ceil(side / 2)
    c = (side - 1) / (2.0 * f)
    line = 1 - np.abs(np.arange(side) / f - c)
    return np.broadcast_to(np.outer(line, line), shape).astype(np.float32)
