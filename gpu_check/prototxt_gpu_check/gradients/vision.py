"""Gradients of Convolution, Deconvolution, Im2col, Pooling, SPP, LRN, InnerProduct, Embed."""

from __future__ import annotations

import numpy as np

from prototxt_gpu_check.backend import Array
from prototxt_gpu_check.layers.base import Gradient, gradient
from prototxt_gpu_check.layers.vision import Window, pool_window, spp_windows
from prototxt_gpu_check.layout import count, reshape, rows
from prototxt_gpu_check.ops import convolution as conv
from prototxt_gpu_check.ops.arrange import slice_
from prototxt_gpu_check.ops.lrn import lrn_across_grad, lrn_within_grad
from prototxt_gpu_check.ops.pooling import ave_pooling_grad, max_pooling, max_pooling_grad
from prototxt_net.layers.windows import read_window


@gradient("Convolution", "Deconvolution", "DepthwiseConvolution", "ConvolutionDepthwise")
def convolution(g: Gradient) -> None:
    """Every bottom adds its share to the weights' gradient."""
    s, b = g.step, g.backend
    p = s.param("convolution_param")
    axis = s.canonical(int(p.get("axis")) if p.get("axis") is not None else 1)
    run = conv.deconvolution_grad if s.node.type == "Deconvolution" else conv.convolution_grad
    for i, (x, dy) in enumerate(zip(s.bottoms, g.diffs, strict=True)):
        w = read_window(s.context, x.ndim - axis - 1)
        group = x.shape[axis] if s.node.type == "ConvolutionDepthwise" else int(p.get("group"))
        flat, gradient_ = (a if axis == 1 else reshape(b, a, (count(a.shape[:axis]), *a.shape[axis:])) for a in (x, dy))
        if len(s.params) > 1 and g.learns[1]:
            _add(g, 1, rows(b, gradient_).sum(axis=1))
        dx, dw = run(
            b,
            flat,
            s.params[0],
            gradient_,
            kernel=w.kernel,
            stride=w.stride,
            pad=w.pad,
            dilation=w.dilation,
            group=group,
            bottom=g.wanted[i],
            learn=g.learns[0],
        )
        if dw is not None:
            _add(g, 0, dw)
        if dx is not None:
            g.bottoms[i] = reshape(b, dx, tuple(x.shape))


def _add(g: Gradient, index: int, share: Array) -> None:
    g.params[index] = share if index not in g.params else g.params[index] + share


@gradient("Im2col")
def im2col(g: Gradient) -> None:
    """Added back; in place Caffe clears the gradient before it reads it."""
    if g.step.in_place:
        return
    w = read_window(g.step.context, g.x.ndim - 2)
    g.bottoms[0] = conv.im2col_grad(
        g.backend, g.dy, bottom=tuple(g.x.shape), kernel=w.kernel, stride=w.stride, pad=w.pad, dilation=w.dilation
    )


@gradient("Pooling")
def pooling(g: Gradient) -> None:
    """MAX: to the place that won. AVE: spread over the window."""
    p, x = g.step.param("pooling_param"), g.x
    g.bottoms[0] = _pooled(g, str(p.get("pool")), pool_window(p, (x.shape[2], x.shape[3])), g.dy)


def _pooled(g: Gradient, kind: str, w: Window, dy: Array) -> Array:
    b, x = g.backend, g.x
    bottom = tuple(x.shape)
    if kind == "AVE":
        return ave_pooling_grad(b, dy, bottom=bottom, kernel=w.kernel, stride=w.stride, pad=w.pad)
    out = (dy.shape[2], dy.shape[3])
    _, index = max_pooling(b, x, kernel=w.kernel, stride=w.stride, pad=w.pad, out=out, with_index=True)
    assert index is not None
    return max_pooling_grad(b, dy, index, bottom=bottom, kernel=w.kernel, stride=w.stride, pad=w.pad)


@gradient("SPP")
def spp(g: Gradient) -> None:
    """The sum over the levels."""
    p, b = g.step.param("spp_param"), g.backend
    n, channels, *sizes = g.x.shape
    levels = spp_windows((sizes[0], sizes[1]), int(p.get("pyramid_height")))
    kind = str(p.get("pool"))
    if len(levels) == 1:
        g.bottoms[0] = _pooled(g, kind, levels[0][0], g.dy)
        return
    total = None
    parts = slice_(b, g.dy, axis=1, sizes=[channels * count(out) for _, out in levels])
    for (window, out), part in zip(levels, parts, strict=True):
        dx = _pooled(g, kind, window, reshape(b, part, (n, channels, *out)))
        total = dx if total is None else total + dx
    assert total is not None
    g.bottoms[0] = total


@gradient("LRN")
def lrn(g: Gradient) -> None:
    """Across channels, or within one."""
    p = g.step.param("lrn_param")
    size, alpha, beta = int(p.get("local_size")), float(p.get("alpha")), float(p.get("beta"))
    if p.get("norm_region") == "WITHIN_CHANNEL":
        g.bottoms[0] = lrn_within_grad(g.backend, g.x, g.dy, size=size, alpha=alpha, beta=beta)
        return
    k = p.get("k")
    g.bottoms[0] = lrn_across_grad(
        g.backend, g.x, g.y, g.dy, size=size, alpha=alpha, beta=beta, k=1.0 if k is None else float(k)
    )


@gradient("InnerProduct")
def inner_product(g: Gradient) -> None:
    """Weights: dy^T x; bias: the column sums of dy; bottom: dy times the weights."""
    s, b, x = g.step, g.backend, g.x
    p = s.param("inner_product_param")
    axis = s.canonical(int(p.get("axis")) if p.get("axis") is not None else 1)
    outer = count(tuple(x.shape[:axis]))
    dy = b.contiguous(reshape(b, g.dy, (outer, -1)))
    flat = b.contiguous(reshape(b, x, (outer, x.size // max(1, outer))))
    turned = bool(p.get("transpose"))
    if g.learns[0]:
        g.params[0] = b.matmul(flat.T, dy) if turned else b.matmul(dy.T, flat)
    if len(s.params) > 1 and g.learns[1]:
        g.params[1] = dy.sum(axis=0)
    if g.wanted[0]:
        weight = s.params[0]
        g.bottoms[0] = reshape(b, b.matmul(dy, weight.T if turned else weight), tuple(x.shape))


@gradient("Embed")
def embedding(g: Gradient) -> None:
    """Each row of the table gets the sum of its readers' gradients; Caffe aborts where the input's is asked for."""
    if g.wanted[0]:
        raise NotImplementedError("Caffe cannot backpropagate to the input of an Embed layer and aborts")
    b, s = g.backend, g.step
    dy = b.to_host(b.contiguous(g.dy)).reshape(-1, g.dy.shape[-1])
    if g.learns[0]:
        table = np.zeros(s.params[0].shape, np.float32)
        np.add.at(table, b.to_host(g.x).astype(np.int64).reshape(-1), dy)
        g.params[0] = b.asarray(table)
    if len(s.params) > 1 and g.learns[1]:
        g.params[1] = b.asarray(dy.sum(axis=0))
