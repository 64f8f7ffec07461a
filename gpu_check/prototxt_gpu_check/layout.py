"""Between Caffe's logical shapes and the channel-first storage (see backend.py)."""

from __future__ import annotations

from prototxt_gpu_check.backend import Array, Backend


def count(shape: tuple[int, ...]) -> int:
    """The number of elements; 1 for a scalar's ()."""
    n = 1
    for d in shape:
        n *= d
    return n


def rows(b: Backend, x: Array) -> Array:
    """(C, N*spatial), contiguous: one row a channel. A blob with fewer than two axes is one row."""
    if x.ndim < 2:
        return b.contiguous(x).reshape(1, x.size)
    return b.contiguous(x.swapaxes(0, 1)).reshape(x.shape[1], x.size // x.shape[1] if x.shape[1] else 0)


def blob(r: Array, shape: tuple[int, ...]) -> Array:
    """The logical view of rows that were computed for `shape`."""
    if len(shape) < 2:
        return r.reshape(shape)
    return r.reshape(shape[1], shape[0], *shape[2:]).swapaxes(0, 1)


def new(b: Backend, shape: tuple[int, ...]) -> Array:
    """An uninitialised blob in channel-first storage."""
    if len(shape) < 2:
        return b.empty(shape)
    return b.empty((shape[1], shape[0], *shape[2:])).swapaxes(0, 1)


def zeros(b: Backend, shape: tuple[int, ...]) -> Array:
    """A blob of zeros in channel-first storage."""
    y = new(b, shape)
    y.fill(0)
    return y


def storage(x: Array) -> Array:
    """The contiguous array behind a blob made by `new` or `blob`."""
    return x if x.ndim < 2 else x.swapaxes(0, 1)


def stored(b: Backend, x: Array) -> Array:
    """X with channel-first storage: itself where it has it, else a copy."""
    if x.ndim < 2:
        return b.contiguous(x)
    return b.contiguous(x.swapaxes(0, 1)).swapaxes(0, 1)


def reshape(b: Backend, x: Array, shape: tuple[int, ...]) -> Array:
    """X in C order of its logical axes, cut into `shape`; a view where the strides allow it."""
    if b.kernels is None or x.flags.c_contiguous:
        return x.reshape(shape)
    return b.contiguous(x).reshape(shape)
