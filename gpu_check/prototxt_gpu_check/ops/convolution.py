"""Convolution and Deconvolution: columns and one GEMM a layer (one strided batch of GEMMs with groups).

With channel-first storage the GEMM W (M, C*kernel) @ columns (C*kernel, N*out) writes the next blob, and a 1x1 kernel
with stride 1 and no padding multiplies the blob itself. Any number of spatial axes works; two have kernels.
"""

from __future__ import annotations

import itertools
from typing import Any

from prototxt_gpu_check.backend import Array, Backend
from prototxt_gpu_check.layout import blob, count, new, rows, storage, zeros

Sizes = tuple[int, ...]


def convolution(
    b: Backend,
    x: Array,
    weight: Array,
    bias: Array | None,
    *,
    kernel: Sizes,
    stride: Sizes,
    pad: Sizes,
    dilation: Sizes,
    group: int,
    out: Sizes,
) -> Array:
    """Cross-correlation with zero padding: x (N, C, in...), weight (M, C/group, kernel...), bias (M) -> (N, M, out...).

    `out` is Caffe's size (its division truncates toward zero), so a window may reach beyond the padding: zeros.
    """
    n, channels, m = x.shape[0], x.shape[1], weight.shape[0]
    y = new(b, (n, m, *out))
    if not y.size:
        return y
    yr = storage(y).reshape(m, -1)
    if b.kernels is not None and group == channels and weight.shape[1] == 1 and len(kernel) == 2 and group > 1:
        args = (channels, m // channels, n, *x.shape[2:], *kernel, *out, *stride, *pad, *dilation)
        b.launch("dwconv", y.size, rows(b, x), weight, yr, *args)
    elif _is_pointwise(kernel, stride, pad):
        _grouped(b, weight.reshape(m, -1), rows(b, x), yr, group)
    else:
        w2 = weight.reshape(m, -1)
        step = max(1, min(n, b.column_cap // max(1, 4 * channels * count(kernel) * count(out))))
        xs = storage_of(b, x)
        for first in range(0, n, step):
            part = xs[:, first : first + step]
            col = columns(b, part, kernel, stride, pad, dilation, out)
            if step >= n:
                _grouped(b, w2, col, yr, group)
            else:
                piece = b.empty((m, col.shape[1]))
                _grouped(b, w2, col, piece, group)
                b.copy_into(storage(y)[:, first : first + step].reshape(m, -1), piece)
    if bias is not None:
        add_bias(b, yr, bias)
    return y


def deconvolution(
    b: Backend,
    x: Array,
    weight: Array,
    bias: Array | None,
    *,
    kernel: Sizes,
    stride: Sizes,
    pad: Sizes,
    dilation: Sizes,
    group: int,
    out: Sizes,
) -> Array:
    """The transpose of convolution: x (N, C, in...), weight (C, M/group, kernel...), bias (M) -> (N, M, out...)."""
    n, channels = x.shape[0], x.shape[1]
    m = weight.shape[1] * group
    w3 = weight.reshape(group, channels // group, -1)
    xr = rows(b, x).reshape(group, channels // group, -1)
    if group == 1:
        col = b.matmul(w3[0].T, xr[0])
    else:
        col = b.matmul(w3.transpose(0, 2, 1), xr).reshape(-1, xr.shape[2])
    y = new(b, (n, m, *out))
    scatter(b, col, storage(y), kernel, stride, pad, dilation, tuple(x.shape[2:]))
    if bias is not None:
        add_bias(b, storage(y).reshape(m, -1), bias)
    return y


def storage_of(b: Backend, x: Array) -> Array:
    """(C, N, spatial...) contiguous."""
    return b.contiguous(x.swapaxes(0, 1))


def _is_pointwise(kernel: Sizes, stride: Sizes, pad: Sizes) -> bool:
    return all(k == 1 for k in kernel) and all(s == 1 for s in stride) and not any(pad)


def _grouped(b: Backend, weight: Array, col: Array, out: Array, group: int) -> None:
    if group == 1:
        b.matmul(weight, col, out)
        return
    m, k = weight.shape[0] // group, col.shape[0] // group
    b.matmul(weight.reshape(group, m, k), col.reshape(group, k, -1), out.reshape(group, m, -1))


def add_bias(b: Backend, yr: Array, bias: Array) -> None:
    """Yr (C, L) += bias (C), in place."""
    if b.kernels is None:
        yr += bias.reshape(-1, 1)
    else:
        b.launch("affine", yr.size, yr, None, None, bias, yr, yr.size, yr.shape[1])


def _at(leading: int, inner: tuple[Any, ...]) -> Any:
    return (slice(None),) * leading + inner


def columns(b: Backend, xs: Array, kernel: Sizes, stride: Sizes, pad: Sizes, dilation: Sizes, out: Sizes) -> Array:
    """im2col: xs (C, N, in...), a slice along N allowed -> (C*kernel, N*out), rows in the order (c, kernel...)."""
    channels, n = xs.shape[:2]
    col = b.empty((channels, *kernel, n, *out))
    flat = col.reshape(channels * count(kernel), n * count(out))
    if not col.size:
        return flat
    if b.kernels is not None and len(kernel) == 2:
        args = (channels, n, *xs.shape[2:], *kernel, *out, *stride, *pad, *dilation)
        # A slice of the images keeps the channel stride of the whole blob, so the kernel takes it as an argument.
        base = xs if xs.flags.c_contiguous else b.contiguous(xs)
        b.launch("im2col", col.size, base, flat, *args, base.strides[0] // 4)
        return flat
    padded = _padded(b, xs, kernel, stride, pad, dilation, out)
    for at in itertools.product(*(range(k) for k in kernel)):
        window = tuple(
            slice(a * d, a * d + s * (o - 1) + 1, s) for a, d, s, o in zip(at, dilation, stride, out, strict=True)
        )
        col[_at(1, at)] = padded[_at(2, window)]
    return flat


def _padded(b: Backend, xs: Array, kernel: Sizes, stride: Sizes, pad: Sizes, dilation: Sizes, out: Sizes) -> Array:
    sizes = xs.shape[2:]
    after = [
        max(0, (o - 1) * s + (k - 1) * d + 1 - i - p)
        for o, s, k, d, i, p in zip(out, stride, kernel, dilation, sizes, pad, strict=True)
    ]
    if not any(pad) and not any(after):
        return xs
    padded = b.xp.zeros((*xs.shape[:2], *(p + i + a for p, i, a in zip(pad, sizes, after, strict=True))), "float32")
    padded[_at(2, tuple(slice(p, p + i) for p, i in zip(pad, sizes, strict=True)))] = xs
    return padded  # type: ignore[no-any-return]


def scatter(
    b: Backend, col: Array, ys: Array, kernel: Sizes, stride: Sizes, pad: Sizes, dilation: Sizes, inner: Sizes
) -> None:
    """col2im: columns (C*kernel, N*inner) summed into ys (C, N, out...), which is overwritten."""
    channels, n = ys.shape[:2]
    sizes = ys.shape[2:]
    if b.kernels is not None and len(kernel) == 2:
        args = (channels, n, *sizes, *kernel, *inner, *stride, *pad, *dilation)
        b.launch("col2im", ys.size, b.contiguous(col), ys, *args)
        return
    full = [
        max(p + o, (i - 1) * s + (k - 1) * d + 1)
        for p, o, i, s, k, d in zip(pad, sizes, inner, stride, kernel, dilation, strict=True)
    ]
    padded = b.xp.zeros((channels, n, *full), "float32")
    col = col.reshape(channels, *kernel, n, *inner)
    for at in itertools.product(*(range(k) for k in kernel)):
        window = tuple(
            slice(a * d, a * d + s * (i - 1) + 1, s) for a, d, s, i in zip(at, dilation, stride, inner, strict=True)
        )
        padded[_at(2, window)] += col[_at(1, at)]
    ys[...] = padded[_at(2, tuple(slice(p, p + o) for p, o in zip(pad, sizes, strict=True)))]


def im2col(b: Backend, x: Array, *, kernel: Sizes, stride: Sizes, pad: Sizes, dilation: Sizes, out: Sizes) -> Array:
    """The Im2col layer: (N, C, in...) -> (N, C*kernel, out...)."""
    col = columns(b, storage_of(b, x), kernel, stride, pad, dilation, out)
    return blob(col, (x.shape[0], col.shape[0], *out))


def convolution_grad(
    b: Backend,
    x: Array,
    weight: Array,
    dy: Array,
    *,
    kernel: Sizes,
    stride: Sizes,
    pad: Sizes,
    dilation: Sizes,
    group: int,
    bottom: bool,
    learn: bool,
) -> tuple[Array | None, Array | None]:
    """Gradients of `convolution` by x (if `bottom`) and by weight (if `learn`), in slices of images as forward."""
    n, channels, m = x.shape[0], x.shape[1], weight.shape[0]
    out = tuple(dy.shape[2:])
    pointwise = _is_pointwise(kernel, stride, pad)
    dx = zeros(b, tuple(x.shape)) if bottom else None
    dw = b.full((m, weight.size // max(1, m)), 0.0) if learn else None
    step = n if pointwise else max(1, min(n, b.column_cap // max(1, 4 * channels * count(kernel) * count(out))))
    for first in range(0, n if dy.size else 0, max(1, step)):
        part = slice(first, first + step)
        dyr = b.contiguous(dy.swapaxes(0, 1)[:, part]).reshape(m, -1)
        if dw is not None:
            piece = b.contiguous(x.swapaxes(0, 1)[:, part])
            wide = piece.reshape(channels, -1) if pointwise else columns(b, piece, kernel, stride, pad, dilation, out)
            dw += _outer(b, dyr, wide, group)
        if dx is not None:
            back = _through(b, weight.reshape(m, -1), dyr, group)
            target = dx.swapaxes(0, 1)[:, part]
            if pointwise:
                b.copy_into(target, back.reshape(target.shape))
            else:
                ys = b.empty(tuple(target.shape))
                scatter(b, back, ys, kernel, stride, pad, dilation, out)
                b.copy_into(target, ys)
    return dx, None if dw is None else dw.reshape(weight.shape)


def deconvolution_grad(
    b: Backend,
    x: Array,
    weight: Array,
    dy: Array,
    *,
    kernel: Sizes,
    stride: Sizes,
    pad: Sizes,
    dilation: Sizes,
    group: int,
    bottom: bool,
    learn: bool,
) -> tuple[Array | None, Array | None]:
    """Gradients of `deconvolution`: by x the convolution of dy with the same weights, by weight x times columns."""
    channels = x.shape[1]
    inner = tuple(x.shape[2:])
    col = columns(b, storage_of(b, dy), kernel, stride, pad, dilation, inner)
    w2 = weight.reshape(channels, -1)
    dx = dw = None
    if bottom:
        dx = new(b, tuple(x.shape))
        _grouped(b, w2, col, storage(dx).reshape(channels, -1), group)
    if learn:
        dw = _outer(b, rows(b, x), col, group).reshape(weight.shape)
    return dx, dw


def _outer(b: Backend, a: Array, col: Array, group: int) -> Array:
    """(M, L) and (K, L) -> a @ col.T within each group: (M, K/group)."""
    if group == 1:
        return b.matmul(a, col.T)
    a3, c3 = a.reshape(group, a.shape[0] // group, -1), col.reshape(group, col.shape[0] // group, -1)
    return b.matmul(a3, c3.transpose(0, 2, 1)).reshape(a.shape[0], -1)


def _through(b: Backend, weight: Array, dyr: Array, group: int) -> Array:
    """weight.T @ dy within each group: (M, K/group) and (M, L) -> (K, L)."""
    if group == 1:
        return b.matmul(weight.T, dyr)
    w3 = weight.reshape(group, weight.shape[0] // group, -1)
    return b.matmul(w3.transpose(0, 2, 1), dyr.reshape(group, dyr.shape[0] // group, -1)).reshape(-1, dyr.shape[1])


def im2col_grad(
    b: Backend, dy: Array, *, bottom: Sizes, kernel: Sizes, stride: Sizes, pad: Sizes, dilation: Sizes
) -> Array:
    """Gradient of `im2col`: every column entry added back to where it was read from."""
    dx = new(b, bottom)
    scatter(b, rows(b, dy), storage(dx), kernel, stride, pad, dilation, tuple(dy.shape[2:]))
    return dx
