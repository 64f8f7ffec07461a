"""Statistics by NumPy: rows in pieces that stay in the cache, and BLAS for the sums.

A sum of float32 by BLAS keeps some 16 to 64 partial sums, which is exact enough for CHUNK elements, and takes half the
time of a reduction. What float32 cannot carry (squares of huge or tiny values, NaN and infinity, a spread that drowns
in the mean) is found out and done again in float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

CHUNK = 1 << 16
"""Elements summed in float32 before the sums are added up in float64; below 2^24, so that a float count is exact."""

FLT_MIN = np.float32(np.finfo(np.float32).tiny)
_GROUP = 1 << 18
"""Elements of whole rows that are worked on at a time: they and a scratch array shall stay in the cache."""
_LONG_ROW = 128
_FEW = 64
_HUGE, _TINY = 1e15, 1e-12
"""The square of an element within these bounds, and the sum of CHUNK of them, is a normal float32."""
_DROWNED = 3e-3
"""Share of the mean square below which a spread computed from two sums has lost too many digits."""

Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(slots=True)
class RowStats:
    """See stats.Stats; vectors have one entry a row, sums run over finite elements."""

    sum_abs: Floats
    total: Floats
    spread: Floats
    nans: npt.NDArray[np.int64]
    infs: npt.NDArray[np.int64]
    silent: npt.NDArray[np.bool_]
    peak: float = 0.0
    zeros: int = 0


def row_stats(r: npt.NDArray[np.float32]) -> RowStats:
    """Statistics of rows (C, L), C-contiguous."""
    channels, length = r.shape
    sums = np.zeros((3, channels))
    nans, infs = _none(channels), _none(channels)
    out = RowStats(sums[0], sums[1], sums[2], nans, infs, _no(channels))
    if not r.size:
        return out
    group = min(channels, max(1, _GROUP // length))
    scratch = np.empty(group * min(CHUNK, length), np.float32)
    for c in range(0, channels, group):
        for start in range(0, length, CHUNK):
            piece = r[c : c + group, start : start + CHUNK]
            if not _quick(out, sums[:, c : c + group], piece, scratch):
                if out.nans is nans:  # the shared arrays of zeros
                    out.nans, out.infs = nans.copy(), infs.copy()
                _careful(out, sums[:, c : c + group], slice(c, c + group), piece)
    broken = out.nans is not nans
    finite = (length - out.nans - out.infs).astype(np.float64) if broken else float(length)
    if length > 1:
        _centre(out, r, finite)
    else:
        out.spread[:] = 0
    if out.zeros >= length:
        out.silent = out.sum_abs < FLT_MIN
        for row in np.flatnonzero(~out.silent & (out.sum_abs < length * float(FLT_MIN))):  # denormals alone
            out.silent[row] = not bool((np.abs(r[row]) >= FLT_MIN).any())
        if broken:
            out.silent &= finite == length
    return out


def _quick(out: RowStats, sums: Floats, piece: npt.NDArray[np.float32], scratch: npt.NDArray[np.float32]) -> bool:
    """Add a piece's sums (|x|, x, x squared) and counts; False, and nothing added, where float32 cannot do it."""
    flat = piece.reshape(-1)
    room = scratch[: piece.size]
    # Most blobs are of both signs, and their first elements tell; the others' minimum says that |x| is x.
    low = np.minimum.reduce(flat[:_FEW])
    if low >= 0:
        low = np.minimum.reduce(flat)
    signed = not low >= 0
    magnitude = np.abs(flat, out=room) if signed else flat
    peak = float(np.maximum.reduce(magnitude))
    if not peak < _HUGE:  # NaN too
        return False
    if peak < _TINY:
        if peak:
            return False
        out.zeros += piece.size
        return True
    out.peak = max(out.peak, peak)
    if (np.minimum.reduce(magnitude) if signed else low) < FLT_MIN:
        out.zeros += int(np.count_nonzero(magnitude < FLT_MIN))
    ones = _ones(piece.shape[1])
    total = piece @ ones
    sums[0] += magnitude.reshape(piece.shape) @ ones if signed else total
    sums[1] += total
    if len(ones) >= _LONG_ROW:
        sums[2] += np.vecdot(piece, piece)
    else:
        sums[2] += np.multiply(flat, flat, out=room).reshape(piece.shape) @ ones
    return True


def _careful(out: RowStats, sums: Floats, where: slice, piece: npt.NDArray[np.float32]) -> None:
    """The same in float64, over the finite elements."""
    finite = np.isfinite(piece)
    values = np.where(finite, piece, np.float32(0)).astype(np.float64)
    magnitude = np.abs(values)
    sums += (magnitude.sum(axis=1), values.sum(axis=1), (values * values).sum(axis=1))
    out.nans[where] += np.count_nonzero(np.isnan(piece), axis=1)
    out.infs[where] += np.count_nonzero(np.isinf(piece), axis=1)
    out.zeros += int(np.count_nonzero((magnitude < FLT_MIN) & finite))
    out.peak = max(out.peak, float(magnitude.max()))


def _centre(out: RowStats, r: npt.NDArray[np.float32], finite: Floats | float) -> None:
    """Turn the sums of squares into sums of squared differences from each row's mean."""
    limit = out.spread * _DROWNED
    out.spread -= out.total * out.total / (finite if isinstance(finite, float) else np.maximum(finite, 1))
    suspicious = out.spread <= limit
    if not suspicious.any():
        return
    drowned = np.flatnonzero(suspicious & (out.sum_abs > 0))
    length = r.shape[1]
    group = max(1, CHUNK // max(1, length))
    for at in range(0, len(drowned), group):
        some = drowned[at : at + group]
        n = finite if isinstance(finite, float) else finite[some]
        out.spread[some] = _about_first(r[some], n)


def _about_first(rows: npt.NDArray[np.float32], n: Floats | float) -> Floats:
    """The spread from differences to each row's first finite value, so that a constant row has none at all."""
    first, second = np.zeros(len(rows)), np.zeros(len(rows))
    for start in range(0, rows.shape[1], CHUNK):
        piece = rows[:, start : start + CHUNK]
        finite = np.isfinite(piece)
        shift = rows[np.arange(len(rows)), np.isfinite(rows).argmax(axis=1)]
        d = np.where(finite, piece, shift[:, None]) - shift[:, None].astype(np.float64)
        first += d.sum(axis=1)
        second += np.vecdot(d, d)
    return np.maximum(second - first * first / n, 0.0)


@lru_cache(maxsize=64)
def _ones(length: int) -> npt.NDArray[np.float32]:
    return np.ones(length, np.float32)


@lru_cache(maxsize=64)
def _none(channels: int) -> npt.NDArray[np.int64]:
    return np.zeros(channels, np.int64)


@lru_cache(maxsize=64)
def _no(channels: int) -> npt.NDArray[np.bool_]:
    return np.zeros(channels, np.bool_)
