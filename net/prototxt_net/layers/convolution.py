"""Convolution, Deconvolution, Im2col and the depthwise variants of forks.

Shapes and CHECKs follow BaseConvolutionLayer; sizes use C++ division, which truncates toward zero (measured).
"""

from __future__ import annotations

from prototxt_net.layers.base import Context, LayerType, layer, whole
from prototxt_net.layers.fillers import filled
from prototxt_net.layers.sizes import add, divisible, subtract
from prototxt_net.layers.windows import P, Window, check_output, read_window, slide, warn_outside
from prototxt_net.shape import Dim, Shape, Sym, product, same_shape, text


class _Convolving(LayerType):
    """What Convolution and Deconvolution share: weights, group, several bottoms with one set of weights."""

    bottoms = (1, None)
    tops = (1, None)
    equal = True
    in_place = "weight-gradient-wrong"
    transposed = False

    def set_up(self, s: Context) -> None:
        """Weight (out, in/group, kernel...) for Convolution, (in, out/group, kernel...) for Deconvolution."""
        s.macs(None)  # until the sizes are known
        p = s.param(P)
        shape = s.bottom()
        bias = bool(p.get("bias_term"))
        outputs = whole(p, "num_output", 0)
        axis = s.axis(whole(p, "axis", 1), shape, at=f"{P}.axis")
        if shape is None or axis is None:
            _has_outputs(s, outputs)
            s.blob("weight", None, f"{P}.weight_filler")
            if bias:
                s.blob("bias", (outputs,), f"{P}.bias_filler")
            return
        window = read_window(s, len(shape) - axis - 1)
        channels = shape[axis]
        _has_outputs(s, outputs)
        group = self._group(s, channels, outputs)
        first, second = (
            (channels, share_of(outputs, group)) if self.transposed else (outputs, share_of(channels, group))
        )
        filled(s, "weight", (first, second, *window.kernel), f"{P}.weight_filler")
        if bias:
            filled(s, "bias", (outputs,), f"{P}.bias_filler")
        self._same_bottoms(s)
        spatial = shape[axis + 1 :]
        out = self._sizes(s, spatial, window, bias)
        top: Shape = (*shape[:axis], outputs, *out)
        for _ in s.bottoms:
            s.top(top)
        # every weight is used once for each position that the window takes
        positions = spatial if self.transposed else out
        s.macs(product((len(s.bottoms), *shape[:axis], *positions, first, second, *window.kernel)))

    def _group(self, s: Context, channels: Dim, outputs: int) -> int:
        group = whole(s.param(P), "group", 1)
        s.require(
            group > 0,
            "SHP006",
            f"{s.name}: group is 0; the process dies with a division by zero. Use 1 or more.",
            f"{P}.group",
        )
        fits = divisible(channels, group), divisible(outputs, group)
        s.require(
            False if False in fits else None if None in fits else True,
            "SHP006",
            f"{s.name}: group {group} must divide both the number of channels ({channels}) and num_output ({outputs}); "
            "Caffe aborts. Change group or num_output.",
            f"{P}.group",
            data={"sizes": ((0, 1),)} if fits[0] is False else None,
        )
        return group

    def _same_bottoms(self, s: Context) -> None:
        for index, other in enumerate(s.bottoms[1:], 1):
            s.expect(
                same_shape(s.bottoms[0], other),
                "SHP013",
                f"{s.name}: all its bottoms must have one shape; Caffe aborts because {s.shown(0)} and "
                f"{s.shown(index)} "
                "differ. Use a layer for each.",
                f"bottom.{index}",
                data={"differ": (0, index, None)},
            )

    def _sizes(self, s: Context, spatial: Shape, window: Window, bias: bool) -> Shape:
        raise NotImplementedError


def _has_outputs(s: Context, outputs: int) -> None:
    s.require(
        outputs > 0,
        "SHP005",
        f"{s.name} has no num_output, so it would have no outputs; Caffe aborts. Set it.",
        f"{P}.num_output",
        data={"missing": ("num_output",)},
    )


def share_of(size: Dim, by: int) -> Dim:
    """Size / by for a size that `by` divides."""
    if isinstance(size, int):
        return size // by
    return size if by == 1 else Sym(f"({size.name}/{by})")


@layer("Convolution")
@layer("DepthwiseConvolution")
class Convolution(_Convolving):
    """Cross-correlation with zero padding."""

    summary = (
        "Slides num_output learned kernels over the input and sums the products in each window: the workhorse of an "
        "image net. Sizes round down."
    )
    formula = "y[o,p] = b[o] + sum over c,k of W[o,c,k] * x[c, p*stride - pad + k*dilation]"

    def _sizes(self, s: Context, spatial: Shape, window: Window, bias: bool) -> Shape:
        out = slide(s, spatial, window, bias=bias)
        warn_outside(s, spatial, window, out)
        return out


@layer("Deconvolution")
class Deconvolution(_Convolving):
    """The transpose of Convolution; used to enlarge a map."""

    transposed = True
    summary = (
        "The transpose of a convolution: each input value adds a scaled kernel to the output, which enlarges the map "
        "by the stride. With a bilinear filler and group = num_output it interpolates."
    )
    formula = "out = stride * (in - 1) + dilation * (kernel - 1) + 1 - 2 * pad; y = b + sum of x * W, scattered"

    def _sizes(self, s: Context, spatial: Shape, window: Window, bias: bool) -> Shape:
        out = tuple(
            subtract(add(product((window.stride[i], subtract(size, 1))), window.extent(i)), 2 * window.pad[i])
            for i, size in enumerate(spatial)
        )
        check_output(s, spatial, window, out, bias=bias)
        return out


@layer("Im2col")
class Im2col(LayerType):
    """Unfolds windows into channels."""

    in_place = "gradient-wrong"
    summary = "Unfolds every window of the input into the channel axis; what a convolution does before it multiplies."
    formula = "y[(c,k), p] = x[c, p*stride - pad + k*dilation], 0 outside"

    def set_up(self, s: Context) -> None:
        """(N, C * kernel, out...)."""
        shape = s.bottom()
        axis = s.axis(whole(s.param(P), "axis", 1), shape, at=f"{P}.axis")
        if shape is None or axis is None:
            s.top(None)
            return
        s.require(
            len(shape) - axis - 1 >= 1,
            "SHP008",
            f"{s.name}: no spatial axis follows axis {axis} of {text(shape)}; Caffe aborts. Use a smaller axis.",
            f"{P}.axis",
        )
        window = read_window(s, len(shape) - axis - 1)
        out = slide(s, shape[axis + 1 :], window, bias=False)
        s.top((*shape[:axis], product((shape[axis], *window.kernel)), *out))


@layer("ConvolutionDepthwise")
class ConvolutionDepthwise(LayerType):
    """A fork's depthwise convolution: num_output and group are not read."""

    in_place = "unknown"
    summary = (
        "A convolution with one kernel for each channel; num_output and group are ignored, pad and stride must be "
        "written."
    )
    formula = "y[c,p] = b[c] + sum over k of W[c,k] * x[c, p*stride - pad + k*dilation]"

    def set_up(self, s: Context) -> None:
        """Weight (C, 1, kh, kw). It has no CHECK of its own."""
        p = s.param(P)
        shape = s.bottom()
        if shape is None or len(shape) != 4 or not (p.has("kernel_size") or p.has("kernel_h")):
            s.macs(None)
            return
        pairs = (
            ("kernel_size", "kernel_h", "kernel_w", 0),
            ("stride", "stride_h", "stride_w", 1),
            ("pad", "pad_h", "pad_w", 0),
        )
        read = []
        for field, high, wide, default in pairs:
            if p.has(high) or p.has(wide):
                read.append((whole(p, high, 0), whole(p, wide, 0)))
            else:
                read.append((int((p.all(field) or [default])[0]),) * 2)
        if 0 in read[1]:
            return
        dilation = int((p.all("dilation") or [1])[0])
        window = Window(read[0], read[1], read[2], (dilation, dilation))
        channels = shape[1]
        filled(s, "weight", (channels, 1, *window.kernel), f"{P}.weight_filler")
        if p.get("bias_term"):
            filled(s, "bias", (channels,), f"{P}.bias_filler")
        out = slide(s, shape[2:], window, bias=False)
        s.top((shape[0], channels, *out))
        s.macs(product((shape[0], channels, *out, *window.kernel)))


@layer("Convolution3D")
class Convolution3D(LayerType):
    """C3D's convolution over (N, C, L, H, W)."""

    summary = "A convolution over time and space for clips (N, C, length, height, width)."
    formula = "out = (in + 2 * pad - kernel) / stride + 1 on each of the three axes"

    def set_up(self, s: Context) -> None:
        """Weight (out, C, depth, k, k), bias (1,1,1,1,out)."""
        p = s.param(P)
        outputs = whole(p, "num_output", 0)
        _has_outputs(s, outputs)
        shape = s.bottom()
        size, depth = (p.all("kernel_size") or [0])[0], p.get("kernel_depth")
        if shape is None or len(shape) != 5 or not size or not depth:
            s.macs(None)
            return
        stride = (whole(p, "temporal_stride", 1), *((int((p.all("stride") or [1])[0]),) * 2))
        pad = (whole(p, "temporal_pad", 0), *((int((p.all("pad") or [0])[0]),) * 2))
        window = Window((int(depth), int(size), int(size)), stride, pad, (1, 1, 1))
        filled(s, "weight", (outputs, shape[1], *window.kernel), f"{P}.weight_filler")
        if p.get("bias_term"):
            filled(s, "bias", (1, 1, 1, 1, outputs), f"{P}.bias_filler")
        out = slide(s, shape[2:], window, bias=False)
        s.top((shape[0], outputs, *out))
        s.macs(product((shape[0], outputs, *out, shape[1], *window.kernel)))
