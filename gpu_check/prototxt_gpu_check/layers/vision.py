"""Convolution, Deconvolution, Im2col, Pooling, SPP, LRN, InnerProduct, Embed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from prototxt_gpu_check.backend import Array, Backend
from prototxt_gpu_check.layers.base import Step, runs
from prototxt_gpu_check.layout import blob, count, reshape, rows
from prototxt_gpu_check.ops import convolution as conv
from prototxt_gpu_check.ops.arrange import concat
from prototxt_gpu_check.ops.innerproduct import embed, innerproduct
from prototxt_gpu_check.ops.lrn import lrn_across, lrn_within
from prototxt_gpu_check.ops.pooling import Pair, ave_pooling, max_pooling
from prototxt_net.layers.windows import read_window
from prototxt_net.message import Bound


@runs("Convolution", "Deconvolution", "DepthwiseConvolution", "ConvolutionDepthwise")
def convolution(s: Step) -> Sequence[Array]:
    """Every bottom with the same weights; the axes before `axis` count as samples."""
    p = s.param("convolution_param")
    axis = s.canonical(int(p.get("axis") or 1) if p.get("axis") is not None else 1)
    run = conv.deconvolution if s.node.type == "Deconvolution" else conv.convolution
    bias = s.params[1] if len(s.params) > 1 else None
    tops = []
    for x, shape in zip(s.bottoms, s.tops, strict=True):
        spatial = x.ndim - axis - 1
        w = read_window(s.context, spatial)
        group = int(p.get("group"))
        if s.node.type == "ConvolutionDepthwise":  # ignores `group`
            group = x.shape[axis]
        flat = x if axis == 1 else reshape(s.backend, x, (count(x.shape[:axis]), *x.shape[axis:]))
        y = run(
            s.backend,
            flat,
            s.params[0],
            bias,
            kernel=w.kernel,
            stride=w.stride,
            pad=w.pad,
            dilation=w.dilation,
            group=group,
            out=shape[axis + 1 :],
        )
        tops.append(y if axis == 1 else reshape(s.backend, y, shape))
    return tops


@runs("Im2col")
def im2col(s: Step) -> Sequence[Array]:
    """Patches unfolded into channels."""
    w = read_window(s.context, s.bottoms[0].ndim - 2)
    return [
        conv.im2col(
            s.backend,
            s.bottoms[0],
            kernel=w.kernel,
            stride=w.stride,
            pad=w.pad,
            dilation=w.dilation,
            out=s.tops[0][2:],
        )
    ]


@dataclass(slots=True, frozen=True)
class Window:
    """A pooling window."""

    kernel: Pair
    stride: Pair
    pad: Pair


def pool_window(p: Bound, sizes: Pair) -> Window:
    """The window that a PoolingParameter describes over a map of these sizes."""
    if p.get("global_pooling"):
        return Window(sizes, (1, 1), (0, 0))
    side = int(p.get("kernel_size") or 0)
    kernel = (side, side) if p.has("kernel_size") else (int(p.get("kernel_h") or 0), int(p.get("kernel_w") or 0))
    return Window(kernel, _pair(p, "stride", 1), _pair(p, "pad", 0))


@runs("Pooling")
def pooling(s: Step) -> Sequence[Array]:
    """MAX (with the argmax as second top) and AVE. STOCHASTIC has no CPU forward in Caffe and is not run here."""
    p, x = s.param("pooling_param"), s.bottoms[0]
    w = pool_window(p, (x.shape[2], x.shape[3]))
    out = (s.tops[0][2], s.tops[0][3])
    match p.get("pool"):
        case "MAX":
            y, index = max_pooling(
                s.backend, x, kernel=w.kernel, stride=w.stride, pad=w.pad, out=out, with_index=len(s.tops) > 1
            )
            return [y] if index is None else [y, index]
        case "AVE":
            return [ave_pooling(s.backend, x, kernel=w.kernel, stride=w.stride, pad=w.pad, out=out)]
        case other:
            raise NotImplementedError(f"{other} pooling has no forward pass here")


def _pair(p: Bound, field: str, default: int) -> tuple[int, int]:
    if p.has(f"{field}_h") or p.has(f"{field}_w"):
        return int(p.get(f"{field}_h") or 0), int(p.get(f"{field}_w") or 0)
    value = int(p.get(field)) if p.has(field) else default
    return value, value


def spp_windows(sizes: Pair, height: int) -> list[tuple[Window, Pair]]:
    """Level l's window and output size: 2^l bins a side (spp_layer.cpp)."""
    levels: list[tuple[Window, Pair]] = []
    for level in range(height):
        bins = 2**level
        kernel = (math.ceil(sizes[0] / bins), math.ceil(sizes[1] / bins))
        pad = ((kernel[0] * bins - sizes[0] + 1) // 2, (kernel[1] * bins - sizes[1] + 1) // 2)
        out = [_pooled(d, k, q, any(pad)) for d, k, q in zip(sizes, kernel, pad, strict=True)]
        levels.append((Window(kernel, kernel, pad), (out[0], out[1])))
    return levels


@runs("SPP")
def spp(s: Step) -> Sequence[Array]:
    """Spatial pyramid pooling: every level flattened, and joined."""
    p, x = s.param("spp_param"), s.bottoms[0]
    pool = _max if p.get("pool") == "MAX" else ave_pooling
    pooled = [
        pool(s.backend, x, kernel=w.kernel, stride=w.stride, pad=w.pad, out=out)
        for w, out in spp_windows((x.shape[2], x.shape[3]), int(p.get("pyramid_height")))
    ]
    if len(pooled) == 1:
        return pooled
    flat = [reshape(s.backend, y, (x.shape[0], count(tuple(y.shape[1:])))) for y in pooled]
    return [concat(s.backend, flat, axis=1)]


def _max(b: Backend, x: Array, *, kernel: Pair, stride: Pair, pad: Pair, out: Pair) -> Array:
    return max_pooling(b, x, kernel=kernel, stride=stride, pad=pad, out=out)[0]


def _pooled(size: int, kernel: int, pad: int, padded: bool) -> int:
    out = math.ceil((size + 2 * pad - kernel) / kernel) + 1
    return out - 1 if padded and (out - 1) * kernel >= size + pad else out


@runs("LRN")
def lrn(s: Step) -> Sequence[Array]:
    """Across channels, or within one."""
    p = s.param("lrn_param")
    size, alpha, beta = int(p.get("local_size")), float(p.get("alpha")), float(p.get("beta"))
    if p.get("norm_region") == "WITHIN_CHANNEL":
        return [lrn_within(s.backend, s.bottoms[0], size=size, alpha=alpha, beta=beta)]
    k = p.get("k")
    k = 1.0 if k is None else float(k)
    return [lrn_across(s.backend, s.bottoms[0], size=size, alpha=alpha, beta=beta, k=k)]


@runs("InnerProduct")
def inner_product(s: Step) -> Sequence[Array]:
    """A matrix product over the axes from `axis` on."""
    p = s.param("inner_product_param")
    bias = s.params[1] if len(s.params) > 1 else None
    axis = s.canonical(int(p.get("axis")) if p.get("axis") is not None else 1)
    y = innerproduct(s.backend, s.bottoms[0], s.params[0], bias, axis=axis, transpose=bool(p.get("transpose")))
    return [y if tuple(y.shape) == s.tops[0] else reshape(s.backend, y, s.tops[0])]


@runs("Embed")
def embedding(s: Step) -> Sequence[Array]:
    """Rows of a table."""
    y = embed(s.backend, s.bottoms[0], s.params[0], s.params[1] if len(s.params) > 1 else None)
    return [blob(rows(s.backend, y), tuple(y.shape))]
