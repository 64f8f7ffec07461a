"""Kernel, stride, pad and dilation of the convolution family, read and checked as Caffe does."""

from __future__ import annotations

from typing import NamedTuple

from prototxt_net.layers.base import Context, Refused, whole
from prototxt_net.message import Bound
from prototxt_net.shape import Dim, Shape, conv_out, text

P = "convolution_param"


class Window(NamedTuple):
    """One number for each spatial axis."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    pad: tuple[int, ...]
    dilation: tuple[int, ...]

    def extent(self, axis: int) -> int:
        """How many positions the dilated kernel spans on a spatial axis."""
        return self.dilation[axis] * (self.kernel[axis] - 1) + 1


def read_window(s: Context, spatial: int) -> Window:
    """The window over `spatial` axes. Raises Refused where Caffe's set-up aborts because of it."""
    p = s.param(P)
    kernel = _sizes(s, p, "kernel_size", ("kernel_h", "kernel_w"), None, spatial, "SHP003")
    for size in kernel:
        s.require(
            size > 0,
            "SHP003",
            f"{s.name}: kernel sizes are {text(kernel)}; Caffe aborts, each must be positive. Give `kernel_size`, or "
            "both `kernel_h` and `kernel_w`.",
            f"{P}.kernel_size" if p.has("kernel_size") else f"{P}.{'kernel_h' if p.has('kernel_h') else 'kernel_w'}",
        )
    stride = _sizes(s, p, "stride", ("stride_h", "stride_w"), 1, spatial, "SHP004")
    pair = p.has("stride_h") or p.has("stride_w")
    if 0 in stride:
        half = pair and not (p.has("stride_h") and p.has("stride_w"))
        later = pair and s.layer.type == "Deconvolution"  # divides by the stride only when it runs
        message = f"{s.name}: "
        if half:
            message += (
                "only one of stride_h and stride_w is written, the other is then 0 and the process dies with a "
                "division by zero. Write both, or `stride`."
            )
        else:
            message += f"stride is 0; Caffe {'dies with a division by zero' if pair else 'aborts'}. Use 1 or more."
        at = f"{P}.stride" if not pair else f"{P}.{'stride_h' if p.has('stride_h') else 'stride_w'}"
        s.expect(False, "SHP004", message, at, aborts=not later)
        if not later:
            raise Refused
    pad = _sizes(s, p, "pad", ("pad_h", "pad_w"), 0, spatial, "SHP004")
    dilation = _sizes(s, p, "dilation", None, 1, spatial, "SHP004")
    if any(size > 1 for size in dilation) and p.get("engine") == "CUDNN":
        s.expect(
            s.dialect not in ("bvlc", "ssd", "intel", "nvidia-0.15"),
            "SHP009",
            f"{s.name}: cuDNN convolution refuses dilation {max(dilation)} here and Caffe aborts. Remove `engine: "
            "CUDNN`.",
            f"{P}.engine",
        )
    return Window(kernel, stride, pad, dilation)


def _sizes(
    s: Context, p: Bound, field: str, pair: tuple[str, str] | None, default: int | None, spatial: int, code: str
) -> tuple[int, ...]:
    """A repeated size field, given once for all spatial axes, once for each, or as `_h` and `_w` of two."""
    if pair is not None and (p.has(pair[0]) or p.has(pair[1])):
        written = pair[0] if p.has(pair[0]) else pair[1]
        s.require(
            spatial == 2,
            code,
            f"{s.name}: {pair[0]} and {pair[1]} are for exactly 2 spatial axes, the input has {spatial}; Caffe aborts. "
            f"Use `{field}`.",
            f"{P}.{written}",
        )
        s.require(
            not p.has(field),
            code,
            f"{s.name} has {field} and {written}; Caffe aborts because it takes one form only. Keep one.",
            f"{P}.{field}",
        )
        return whole(p, pair[0], 0), whole(p, pair[1], 0)
    values = tuple(int(value) for value in p.all(field))
    good = len(values) in (1, spatial) or (not values and default is not None)
    if not values and default is None:
        other = f", or `{pair[0]}` and `{pair[1]}`" if pair else ""
        message = f"{s.name} has no {field}; Caffe aborts. Give `{field}`{other}."
    else:
        message = (
            f"{s.name}: {field} is given {len(values)} times for {spatial} spatial axes; Caffe aborts. Give it once, "
            "or once for each axis."
        )
    missing: dict[str, object] = {} if values else {"missing": (field, *(pair or ()))}
    s.require(good, code, message, f"{P}.{field}", data=missing)
    if not values:
        return (default or 0,) * spatial
    return values * spatial if len(values) == 1 else values


def slide(s: Context, sizes: Shape, window: Window, *, bias: bool) -> tuple[Dim, ...]:
    """Output sizes of a window sliding over the spatial axes. Raises Refused when one is negative, or 0 with a bias."""
    out = tuple(
        conv_out(size, window.kernel[i], window.pad[i], window.stride[i], window.dilation[i])
        for i, size in enumerate(sizes)
    )
    check_output(s, sizes, window, out, bias=bias)
    return out


def check_output(s: Context, sizes: Shape, window: Window, out: Shape, *, bias: bool) -> None:
    """SHP007 for the spatial sizes that a layer of the convolution family computes."""
    facts = (
        f"{s.name}: input {text(sizes)} with kernel {text(window.kernel)}, pad {text(window.pad)}, stride "
        f"{text(window.stride)}"
        + (f", dilation {text(window.dilation)}" if max(window.dilation, default=1) > 1 else "")
        + f" gives {text(out)}; "
    )
    advice = "Reduce the kernel or the stride, or enlarge the input."
    shrunk: dict[str, object] = {"shrunk": tuple(range(2, 2 + len(sizes)))}
    s.require(
        all(not isinstance(size, int) or size >= 0 for size in out),
        "SHP007",
        facts + "Caffe aborts because a size cannot be negative. " + advice,
        f"{P}.kernel_size",
        data=shrunk,
    )
    if 0 in out:
        if bias:
            empty = facts + "Caffe aborts because the blob is empty. " + advice
            s.require(False, "SHP007", empty, f"{P}.kernel_size", data=shrunk)
        s.expect(
            0 in sizes,
            "SHP007",
            facts + "the blob is empty and nothing is computed. " + advice,
            f"{P}.kernel_size",
            aborts=False,
            severity="warning",
            data=shrunk,
        )


def warn_outside(s: Context, sizes: Shape, window: Window, out: Shape) -> None:
    """SHP007 as a warning: C++ division made 1 of a negative size, so the only window lies outside the input."""
    for i, size in enumerate(sizes):
        if not isinstance(size, int) or not size:
            continue
        padded = size + 2 * window.pad[i]
        if out[i] == 1 and window.extent(i) > padded:
            s.expect(
                False,
                "SHP007",
                f"{s.name}: the kernel spans {window.extent(i)} positions, the padded input has {padded}; Caffe "
                "divides toward zero and makes one output that reads beyond the input. Reduce the kernel, or enlarge "
                "the input.",
                f"{P}.kernel_size",
                aborts=False,
                severity="warning",
                data={"shrunk": (2 + i,)},
            )
            return
