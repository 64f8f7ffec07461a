"""InnerProduct and Embed."""

from __future__ import annotations

import numpy as np

from prototxt_gpu_check.backend import Array, Backend
from prototxt_gpu_check.layout import blob, count, reshape
from prototxt_gpu_check.ops.convolution import add_bias


def innerproduct(b: Backend, x: Array, weight: Array, bias: Array | None, *, axis: int, transpose: bool) -> Array:
    """X with the axes from `axis` on flattened (M, K); weight (N, K), or (K, N) when transpose -> (axes..., N)."""
    lead = tuple(x.shape[:axis])
    flat = reshape(b, x, (count(lead), count(tuple(x.shape[axis:]))))
    w = weight.T if transpose else weight
    if len(lead) == 1:
        # Channel-first storage of the (M, N) result is its transpose, and the GEMM can write that directly.
        yr = b.matmul(w, flat.T)
        if bias is not None:
            add_bias(b, yr, bias)
        return blob(yr, (lead[0], yr.shape[0]))
    y = b.matmul(flat, w.T)
    if bias is not None:
        y = y + bias
    return y.reshape(*lead, w.shape[0])


def embed(b: Backend, x: Array, weight: Array, bias: Array | None) -> Array:
    """Row int(x) of weight (input_dim, N) for every element -> x.shape + (N,). Indices outside give NaN rows."""
    index = np.asarray(b.to_host(x)).astype(np.int64)
    table = b.to_host(weight)
    inside = (index >= 0) & (index < len(table))
    y = np.where(inside[..., None], table[np.where(inside, index, 0)], np.float32(np.nan))
    if bias is not None:
        y = y + b.to_host(bias)
    return b.asarray(y)
