"""Pooling and spatial pyramid pooling."""

from __future__ import annotations

from prototxt_net.file import LayerDef
from prototxt_net.layers.base import Context, InPlace, LayerType, layer, whole
from prototxt_net.layers.sizes import add
from prototxt_net.message import Bound
from prototxt_net.shape import Dim, Shape, pool_out, product, text

P = "pooling_param"
_SIDES = ("pad_type", "pad_l", "pad_r", "pad_t", "pad_b")
_FORMS = "Write either `kernel_size` or both `kernel_h` and `kernel_w`."


def _pair(p: Bound, field: str, default: int) -> tuple[int, int]:
    """The values of `<field>_h` and `<field>_w`, else of `field`, as PoolingLayer reads them."""
    if p.has(f"{field}_h"):
        return whole(p, f"{field}_h", 0), whole(p, f"{field}_w", 0)
    value = p.get(field)
    return (default, default) if value is None else (int(value), int(value))


def _check_kernel(s: Context, p: Bound) -> tuple[int, int] | None:
    """The kernel, None for global pooling. Raises Refused where Caffe aborts."""
    size, high, wide = (p.has(field) for field in ("kernel_size", "kernel_h", "kernel_w"))
    if p.get("global_pooling"):
        s.require(
            not (size or high or wide),
            "SHP010",
            f"{s.name}: global_pooling takes the whole map, so a kernel must not be given; Caffe aborts. Delete the "
            "kernel.",
            f"{P}.{'kernel_size' if size else 'kernel_h' if high else 'kernel_w'}",
        )
        return None
    if not size and not (high and wide):
        problem = "has no kernel" if not (high or wide) else "has only one of kernel_h and kernel_w"
        missing: dict[str, object] = {"missing": ("kernel_size", "kernel_h", "kernel_w")}
        s.require(False, "SHP010", f"{s.name} {problem}; Caffe aborts. {_FORMS}", P, data=missing)
    s.require(
        not (size and high and wide),
        "SHP010",
        f"{s.name} has kernel_size and kernel_h with kernel_w; Caffe aborts. {_FORMS}",
        f"{P}.kernel_size",
    )
    lone = "kernel_h" if high else "kernel_w"
    s.expect(
        not (size and (high or wide)),
        "SHP010",
        f"{s.name} has kernel_size and {lone}; Caffe ignores {lone}. {_FORMS}",
        f"{P}.{lone}",
        aborts=False,
        severity="warning",
    )
    return (whole(p, "kernel_size", 0),) * 2 if size else (whole(p, "kernel_h", 0), whole(p, "kernel_w", 0))


def _check_forms(s: Context, p: Bound) -> None:
    for field in ("pad", "stride"):
        both = p.has(f"{field}_h") and p.has(f"{field}_w") and not p.has(field)
        neither = not p.has(f"{field}_h") and not p.has(f"{field}_w")
        s.require(
            both or neither,
            "SHP010",
            f"{s.name} mixes {field}, {field}_h and {field}_w; Caffe aborts. Write either `{field}` or both "
            f"`{field}_h` and `{field}_w`.",
            f"{P}.{field}_h" if p.has(f"{field}_h") else f"{P}.{field}_w",
        )


@layer("Pooling")
class Pooling(LayerType):
    """Largest or mean value of each window; sizes round up."""

    tops = (1, 2)
    in_place = "forward-wrong"
    summary = (
        "Takes the largest (MAX), the mean (AVE) or a randomly drawn (STOCHASTIC) value of each window. Sizes round "
        "up, so the last window may hang over the edge."
    )
    formula = "out = ceil((in + 2 * pad - kernel) / stride) + 1, one less where the last window starts in the padding"

    def top_count(self, layer: LayerDef) -> tuple[int, int | None]:
        """A second top, the position of each maximum, exists for MAX only."""
        return (1, 2) if layer.bound.sub(P).get("pool") in ("MAX", None) else (1, 1)

    def set_up(self, s: Context) -> None:
        """(N, C, ph, pw)."""
        p = s.param(P)
        kernel = _check_kernel(s, p)
        _check_forms(s, p)
        shape = s.bottom()
        if shape is not None:
            s.require(
                len(shape) == 4,
                "SHP010",
                f"{s.name} pools blobs of 4 axes (N, C, H, W), its bottom is {text(shape)}; Caffe aborts. Reshape it "
                "to 4 axes.",
                "bottom",
                data={"rank": 0},
            )
        pad, stride = _pair(p, "pad", 0), _pair(p, "stride", 1)
        if kernel is None:
            self._set_up_global(s, shape, pad, stride)
            return
        s.require(min(kernel) > 0, "SHP010", f"{s.name}: kernel {text(kernel)} has a size 0; Caffe aborts. {_FORMS}", P)
        self._check_pad(s, p, kernel, pad)
        s.require(
            min(stride) > 0,
            "SHP004",
            f"{s.name}: stride is {text(stride)}; Caffe divides by 0, gets a negative size and aborts. Use 1 or more.",
            f"{P}.stride",
        )
        if shape is None:
            s.top(None)
            return
        if any(p.has(field) for field in _SIDES):
            s.top(None)  # Synopsys' padding of single sides
            return
        out = tuple(pool_out(shape[2 + i], kernel[i], pad[i], stride[i], rounds_down(p), any(pad)) for i in (0, 1))
        self._check_output(s, shape, kernel, pad, stride, out)
        for _ in range(max(1, len(s.layer.tops))):
            s.top((*shape[:2], *out))

    def _set_up_global(self, s: Context, shape: Shape | None, pad: tuple[int, int], stride: tuple[int, int]) -> None:
        s.require(
            pad == (0, 0) and stride == (1, 1),
            "SHP010",
            f"{s.name}: global_pooling needs pad 0 and stride 1, here pad is {text(pad)} and stride {text(stride)}; "
            "Caffe aborts. Delete them.",
            f"{P}.pad" if any(pad) else f"{P}.stride",
        )
        if shape is None:
            s.top(None)
            return
        s.require(
            0 not in shape[2:],
            "SHP010",
            f"{s.name}: global_pooling over an empty map ({text(shape)}); Caffe aborts because the kernel is 0. "
            "Enlarge the "
            "input.",
            P,
        )
        for _ in range(max(1, len(s.layer.tops))):
            s.top((*shape[:2], 1, 1))

    def _check_pad(self, s: Context, p: Bound, kernel: tuple[int, int], pad: tuple[int, int]) -> None:
        if not any(pad):
            return
        at = f"{P}.pad" if p.has("pad") else f"{P}.pad_h"
        s.require(
            p.get("pool") != "STOCHASTIC",
            "SHP010",
            f"{s.name}: only MAX and AVE pooling take padding; Caffe aborts. Delete the pad.",
            at,
        )
        s.require(
            pad[0] < kernel[0] and pad[1] < kernel[1],
            "SHP010",
            f"{s.name}: pad {text(pad)} must be smaller than the kernel {text(kernel)}; Caffe aborts. Lower the pad.",
            at,
        )

    def _check_output(
        self,
        s: Context,
        shape: Shape,
        kernel: tuple[int, int],
        pad: tuple[int, int],
        stride: tuple[int, int],
        out: tuple[Dim, ...],
    ) -> None:
        facts = (
            f"{s.name}: input {text(shape[2:])} with kernel {text(kernel)}, pad {text(pad)}, stride {text(stride)} "
            f"gives {text(out)}; "
        )
        s.require(
            all(not isinstance(size, int) or size >= 0 for size in out),
            "SHP007",
            facts + "Caffe aborts because a size cannot be negative. Reduce the kernel, or enlarge the input.",
            f"{P}.kernel_size",
            data={"shrunk": (2, 3)},
        )
        s.expect(
            0 not in out or 0 in shape,
            "SHP007",
            facts + "the blob is empty and nothing is computed. Reduce the kernel, or enlarge the input.",
            f"{P}.kernel_size",
            data={"shrunk": (2, 3)},
            aborts=False,
            severity="warning",
        )


def rounds_down(pooling: Bound) -> bool:
    """Whether sizes are rounded down: newer BVLC has round_mode; Synopsys reads ceil_mode alone, true by default."""
    ceil_mode = pooling.get("ceil_mode")
    return pooling.get("round_mode") == "FLOOR" if ceil_mode is None else not ceil_mode


@layer("SPP")
class SpatialPyramidPooling(LayerType):
    """Pools to 1x1, 2x2, 4x4 ... bins and joins them: a vector of one length for every image size."""

    in_place = "forward-wrong"
    summary = (
        "Spatial pyramid pooling: pools the map into 1x1, 2x2, 4x4, ... bins and joins them, so that maps of any size "
        "give a vector of one length."
    )
    formula = "level l: kernel = ceil(in / 2^l), stride = kernel, pad = (kernel * 2^l - in + 1) / 2"

    def in_place_verdict(self, layer: LayerDef) -> InPlace:
        """A single level overwrites what it reads; the second of several finds the shape of the top."""
        several = whole(layer.bound.sub("spp_param"), "pyramid_height", 0) > 1
        return "refused" if several else "forward-wrong"

    def set_up(self, s: Context) -> None:
        """(N, C * bins); (N, C, 1, 1) for a single level."""
        shape = s.bottom()
        height = whole(s.param("spp_param"), "pyramid_height", 0)
        s.require(
            height > 0,
            "SHP010",
            f"{s.name} has no pyramid_height, so no level at all; Caffe aborts. Set it to 1 or more.",
            "spp_param.pyramid_height",
            data={"missing": ("pyramid_height",)},
        )
        if shape is None:
            s.top(None)
            return
        s.require(
            len(shape) == 4 and 0 not in shape[2:],
            "SHP010",
            f"{s.name} pools non-empty blobs of 4 axes (N, C, H, W), its bottom is {text(shape)}; Caffe aborts. "
            "Reshape it.",
            "bottom",
        )
        if height == 1:
            s.top((*shape[:2], 1, 1))
            return
        if height >= 16:  # nobody's; 2^height would soon leave the range of Caffe's integers
            s.top(None)
            return
        bins: Dim = 0
        for level in range(height):
            bins = add(bins, self._bins(s, shape[2:], 2**level))
        s.top((shape[0], product((shape[1], bins))))

    def _bins(self, s: Context, sizes: Shape, bins: int) -> Dim:
        if not all(isinstance(size, int) for size in sizes):
            return bins * bins
        out: list[int] = []
        kernel, pad = [], []
        for size in sizes:
            assert isinstance(size, int)
            kernel.append(-(-size // bins))
            pad.append((kernel[-1] * bins - size + 1) // 2)
        s.require(
            not any(pad) or all(p < k for p, k in zip(pad, kernel, strict=True)),
            "SHP010",
            f"{s.name}: {bins} bins do not fit an input of {text(sizes)} (pad {text(tuple(pad))} is not smaller than "
            f"the kernel {text(tuple(kernel))}); Caffe aborts. Lower pyramid_height, or enlarge the input.",
            "spp_param.pyramid_height",
        )
        for size, k, p in zip(sizes, kernel, pad, strict=True):
            pooled = pool_out(size, k, p, k, clip=any(pad))
            assert isinstance(pooled, int)
            out.append(pooled)
        return out[0] * out[1]
