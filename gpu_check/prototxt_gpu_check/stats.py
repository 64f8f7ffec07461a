"""Statistics of one array: per channel and in total, from one pass over the data.

A channel is an index of axis 1 (arrays with fewer axes are one channel). On a device a kernel leaves eight numbers per
(channel, chunk) there until `Recorder.finish`: one copy and one wait a check. NumPy's way is in `rowstats.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from prototxt_gpu_check.backend import Array, Backend
from prototxt_gpu_check.kernels import BLOCK
from prototxt_gpu_check.layout import count, rows
from prototxt_gpu_check.rowstats import CHUNK, row_stats

SHORT_ROW = 64
FLT_MAX = float(np.finfo(np.float32).max)
PARTIAL = 8


@dataclass(slots=True, frozen=True)
class Stats:
    """Statistics of one array. Vectors have one entry a channel; sums run over finite elements, in float64."""

    shape: tuple[int, ...]
    per_channel: int
    peak: float
    """The largest |x| among the finite elements of all channels, 0 where there are none."""
    zeros: int
    """Elements with |x| < FLT_MIN, in all channels."""
    silent: npt.NDArray[np.bool_]
    """Which channels are 0 throughout."""
    sum_abs: npt.NDArray[np.float64]
    nans: npt.NDArray[np.int64]
    infs: npt.NDArray[np.int64]
    total: npt.NDArray[np.float64]
    """Sum of the finite values of each channel."""
    spread: npt.NDArray[np.float64]
    """Sum of squared differences from the channel's mean."""

    @property
    def count(self) -> int:
        """Elements."""
        return count(self.shape)

    @property
    def channels(self) -> int:
        """Channels (size of axis 1)."""
        return len(self.sum_abs)

    @property
    def nonfinite(self) -> int:
        """NaNs and infinities together."""
        return int(self.nans.sum() + self.infs.sum())

    @property
    def zero_frac(self) -> float:
        """Share of elements with |x| < FLT_MIN; 0 for an empty array."""
        return self.zeros / self.count if self.count else 0.0

    @property
    def all_zero(self) -> bool:
        """Every element is 0 (and there is one)."""
        return self.count > 0 and self.zeros == self.count

    @property
    def zero_channels(self) -> int:
        """Channels that are 0 throughout."""
        return int(self.silent.sum())

    @property
    def _finite(self) -> int:
        return self.count - self.nonfinite

    @property
    def mean_abs(self) -> float | None:
        """Mean |x| over the finite elements; None where there are none."""
        return float(self.sum_abs.sum()) / self._finite if self._finite else None

    @property
    def maximum(self) -> float | None:
        """Largest |x| among the finite elements; None where there are none."""
        return self.peak if self._finite else None

    @property
    def mean(self) -> float | None:
        """Mean over the finite elements."""
        with np.errstate(invalid="ignore"):
            return float(self.total.sum()) / self._finite if self._finite else None

    @property
    def std(self) -> float | None:
        """Population standard deviation over the finite elements."""
        n = self._finite
        if not n:
            return None
        finite = self.per_channel - self.nans - self.infs
        with np.errstate(all="ignore"):  # the sums of exploding values may be infinite
            means = np.divide(self.total, finite, out=np.zeros_like(self.total), where=finite > 0)
            between = float((finite * (means - self.total.sum() / n) ** 2).sum())
            variance = (float(self.spread.sum()) + between) / n
        return math.sqrt(variance) if variance >= 0 else math.nan

    @property
    def rms(self) -> float | None:
        """Root of the mean square over the finite elements."""
        mean, std = self.mean, self.std
        return None if mean is None or std is None else math.hypot(mean, std)

    @property
    def sum_squares(self) -> float:
        """Caffe's sumsq_data, a float32: NaN or infinite where an element is, and where the sum does not fit."""
        if self.nonfinite:
            return self.debug_value
        if not self.per_channel:
            return 0.0
        with np.errstate(all="ignore"):
            return float32(float(self.spread.sum() + (self.total * self.total).sum() / self.per_channel))

    @property
    def constant_channels(self) -> npt.NDArray[np.bool_]:
        """Which channels hold one and the same finite value."""
        return np.asarray((self.spread == 0) & (self.nans + self.infs == 0))

    @property
    def debug_value(self) -> float:
        """Caffe's debug_info number: sum|x| / count over all elements, so NaN and infinity show.

        The sum is a float32 in Caffe: beyond 3.4e38 it is infinite, even though the mean would not be.
        """
        if int(self.nans.sum()):
            return math.nan
        if int(self.infs.sum()):
            return math.inf
        return float32(float(self.sum_abs.sum())) / self.count if self.count else math.nan


def float32(value: float) -> float:
    """A number as a float32 would hold it, as far as its size goes."""
    return math.copysign(math.inf, value) if abs(value) > FLT_MAX else value


def from_partials(shape: tuple[int, ...], partials: npt.NDArray[Any], per_channel: int, chunk: int) -> Stats:
    """Add up (channels, chunks, 8) partial results; the last chunk of a row may be short."""
    p = partials.astype(np.float64)
    chunks = p.shape[1]
    lengths = np.full(chunks, chunk, np.float64)
    if chunks:
        lengths[-1] = per_channel - chunk * (chunks - 1)
    finite = lengths - p[..., 3] - p[..., 4]
    shift, s1, s2 = p[..., 5], p[..., 6], p[..., 7]
    n, zeros = finite.sum(axis=1), p[..., 2].sum(axis=1)
    first = s1.sum(axis=1)
    # All chunks of a row share the row's shift, so the sums add up and one correction centres them.
    spread = s2.sum(axis=1) - np.divide(first * first, n, out=np.zeros_like(n), where=n > 0)
    return Stats(
        shape=shape,
        per_channel=per_channel,
        peak=float(p[..., 1].max(initial=0.0)),
        zeros=int(zeros.sum()),
        silent=(zeros == per_channel) & (per_channel > 0),
        sum_abs=p[..., 0].sum(axis=1),
        nans=p[..., 3].sum(axis=1).astype(np.int64),
        infs=p[..., 4].sum(axis=1).astype(np.int64),
        total=(shift * finite).sum(axis=1) + first,
        spread=np.maximum(spread, 0.0),
    )


def from_rows(shape: tuple[int, ...], r: npt.NDArray[np.float32]) -> Stats:
    """The statistics of a blob whose channels are the rows of r (C, L)."""
    s = row_stats(r)
    return Stats(shape, r.shape[1], s.peak, s.zeros, s.silent, s.sum_abs, s.nans, s.infs, s.total, s.spread)


def take(backend: Backend, x: Array) -> Stats:
    """The statistics of one array, at once."""
    recorder = Recorder(backend)
    recorder.record(x)
    return recorder.finish()[0]


@dataclass(slots=True)
class Recorder:
    """Collects statistics; on a device the numbers are fetched once, by `finish`.

    The index that `record` returns is the position in the list that `finish` returns.
    """

    backend: Backend
    _done: list[Stats | None] = field(default_factory=list)
    _pending: list[tuple[int, tuple[int, ...], Array, int, int]] = field(default_factory=list)

    def record(self, x: Array) -> int:
        """Take the statistics of x as it is now."""
        b = self.backend
        shape = tuple(x.shape)
        r = rows(b, x)
        channels, length = r.shape
        if b.kernels is None or not r.size:
            with np.errstate(over="ignore", invalid="ignore"):
                self._done.append(from_rows(shape, b.to_host(r)))
            return len(self._done) - 1
        chunks = -(-length // CHUNK)
        # grid.y is limited to 65535, and a block for a short row would be idle
        if length <= SHORT_ROW or channels > 65535:
            chunks, chunk = 1, length
            out = b.empty((channels, 1, PARTIAL))
            b.launch("stats_short", channels, r, out, channels, length)
        else:
            chunk = CHUNK
            out = b.empty((channels, chunks, PARTIAL))
            b.launch_grid("stats_rows", (chunks, channels), BLOCK, r, out, length, chunks, CHUNK)
        self._done.append(None)
        self._pending.append((len(self._done) - 1, shape, out, length, chunk))
        return len(self._done) - 1

    def finish(self) -> list[Stats]:
        """All statistics so far, in the order of recording."""
        if self._pending:
            b = self.backend
            flat = b.empty((sum(p[2].size for p in self._pending),))
            at = 0
            for _, _, part, _, _ in self._pending:
                b.copy_into(flat[at : at + part.size], part.reshape(part.size))
                at += part.size
            host, at = b.to_host(flat), 0
            for index, shape, part, length, chunk in self._pending:
                mine = host[at : at + part.size].reshape(part.shape)
                at += part.size
                self._done[index] = from_partials(shape, mine, length, chunk)
            self._pending.clear()
        return [s for s in self._done if s is not None]
