"""Layers that resize maps: Reorg, the Upsample layers, Interp, ImResize. All belong to forks."""

from __future__ import annotations

from prototxt_net.layers.base import Context, LayerType, layer, whole
from prototxt_net.layers.sizes import equal_counts
from prototxt_net.shape import Dim, Sym, product, text


@layer("Reorg")
class Reorg(LayerType):
    """Darknet's space-to-channels."""

    in_place = "refused"
    summary = "Moves each stride x stride block of positions into the channels, or back with reverse."
    formula = "(N, C, H, W) -> (N, C * s * s, H / s, W / s)"

    def set_up(self, s: Context) -> None:
        """The shape by direction."""
        p = s.param("reorg_param")
        shape, stride = s.bottom(), p.get("stride")
        if shape is None or len(shape) != 4 or not stride:
            return
        n, c, h, w = shape
        if p.get("reverse"):
            s.top((n, _over(c, stride * stride), product((h, stride)), product((w, stride))))
        else:
            s.top((n, product((c, stride * stride)), _over(h, stride), _over(w, stride)))


def _over(size: Dim, by: int) -> Dim:
    """Integer division."""
    return size // by if isinstance(size, int) else Sym(f"floor({size.name}/{by})")


@layer("Upsample", dialects=("segnet", "segnet-cudnn5"))
class UpsampleSegnet(LayerType):
    """SegNet's unpooling."""

    bottoms = (2, 2)
    summary = "Unpooling: puts each value where the mask (the second top of a MAX pooling) says, zeros elsewhere."
    formula = "y[mask[i]] = x[i]"

    def set_up(self, s: Context) -> None:
        """(N, C, upsample_h, upsample_w), or the input times scale, less pad_out."""
        p = s.param("upsample_param")
        shape, mask = s.bottom(0), s.bottom(1)
        if shape is None or len(shape) != 4:
            return
        at = "upsample_param"
        if p.has("upsample_h") and p.has("upsample_w"):
            high, wide = whole(p, "upsample_h", 0), whole(p, "upsample_w", 0)
            s.require(
                high > 1 and wide > 1,
                "SHP024",
                f"{s.name}: upsample_h {high} and upsample_w {wide} must be more than 1; Caffe aborts. Correct it.",
                f"{at}.upsample_h",
            )
            s.top((*shape[:2], high, wide))
            return
        pair = p.has("scale_h"), p.has("scale_w")
        s.require(
            not (p.has("scale") and any(pair)) and pair[0] == pair[1],
            "SHP024",
            f"{s.name}: give `scale`, or both `scale_h` and `scale_w`; Caffe aborts.",
            f"{at}.scale_h" if pair[0] else f"{at}.scale_w",
        )
        scale = (whole(p, "scale_h", 0), whole(p, "scale_w", 0)) if all(pair) else (whole(p, "scale", 2),) * 2
        s.require(
            min(scale) > 1,
            "SHP024",
            f"{s.name}: the scale {text(scale)} must be more than 1; Caffe aborts. Correct it.",
            f"{at}.scale",
        )
        cut = bool(p.get("pad_out_h")), bool(p.get("pad_out_w"))
        s.require(
            all(scale[i] == 2 or not cut[i] for i in (0, 1)),
            "SHP024",
            f"{s.name}: pad_out works with scale 2 only; Caffe aborts. Delete it, or use scale 2.",
            f"{at}.pad_out_h" if cut[0] else f"{at}.pad_out_w",
        )
        if mask is not None and len(mask) == 4:
            s.expect(
                equal_counts(shape, mask) is not False,
                "SHP013",
                f"{s.name}: {text(shape)} and its mask {text(mask)} must have one shape; Caffe aborts. Take "
                "the mask of the pooling that made this size.",
                "bottom.1",
            )
        sizes = [product((shape[2 + i], scale[i])) for i in (0, 1)]
        out: list[Dim] = [size - int(c) if isinstance(size, int) else size for size, c in zip(sizes, cut, strict=True)]
        s.top((*shape[:2], *out))


@layer("Upsample", dialects=("mobilenet-yolo",))
class UpsampleNearest(LayerType):
    """Enlarges by repeating pixels."""

    summary = "Enlarges the map by repeating each value scale x scale times."
    formula = "y[h, w] = x[h / scale, w / scale]"

    def set_up(self, s: Context) -> None:
        """The last two sizes times scale."""
        shape, scale = s.bottom(), whole(s.param("upsample_param"), "scale", 1)
        if shape is not None and len(shape) >= 2:
            s.top((*shape[:-2], product((shape[-2], scale)), product((shape[-1], scale))))


@layer("Interp")
class Interp(LayerType):
    """Bilinear resizing with aligned corners."""

    summary = "Resizes the map bilinearly with aligned corners: by shrink_factor, zoom_factor, or to height x width."
    formula = "out = (in - 1) / shrink + 1, then out + (out - 1) * (zoom - 1), or height, width"

    def set_up(self, s: Context) -> None:
        """(N, C, out, out)."""
        p = s.param("interp_param")
        if not p.type.fields or p.has("use_blob_size"):
            return
        begin, end = whole(p, "pad_beg", 0), whole(p, "pad_end", 0)
        s.require(
            begin <= 0 and end <= 0,
            "SHP024",
            f"{s.name}: pad_beg {begin} and pad_end {end} can only crop (0 or less); Caffe aborts. Correct it.",
            "interp_param.pad_beg" if begin > 0 else "interp_param.pad_end",
        )
        shrink, zoom = p.has("shrink_factor"), p.has("zoom_factor")
        sized = p.has("height") and p.has("width")
        s.require(
            shrink or zoom or sized,
            "SHP024",
            f"{s.name} has no shrink_factor, zoom_factor, or height and width; Caffe aborts. Give one of them.",
            "interp_param",
        )
        factors = whole(p, "shrink_factor", 0), whole(p, "zoom_factor", 0)
        for written, factor, field in zip((shrink, zoom), factors, ("shrink_factor", "zoom_factor"), strict=True):
            s.require(
                not written or factor >= 1,
                "SHP024",
                f"{s.name}: {field} {factor} must be 1 or more; Caffe aborts. Correct it.",
                f"interp_param.{field}",
            )
        shape = s.bottom()
        if shape is None or len(shape) != 4:
            return
        if sized and shrink == zoom:
            s.require(
                whole(p, "height", 0) > 0 and whole(p, "width", 0) > 0,
                "SHP024",
                f"{s.name}: height and width must be positive; Caffe aborts. Correct it.",
                "interp_param.height",
            )
            s.top((*shape[:2], whole(p, "height", 0), whole(p, "width", 0)))
            return
        out: list[Dim] = []
        for size in shape[2:]:
            if not isinstance(size, int):
                out.append(Sym(f"interp({size.name},{begin + end},{factors[0]},{factors[1]})"))
                continue
            value = size + begin + end
            if shrink:
                value = (value - 1) // factors[0] + 1
            if zoom:
                value += (value - 1) * (factors[1] - 1)
            out.append(value)
        s.top((*shape[:2], *out))


@layer("ImResize")
class ImResize(LayerType):
    """OpenPose's bicubic resizing."""

    backward = False
    summary = "Resizes each channel bicubically, by `factor` or to target_spatial_height x target_spatial_width."

    def set_up(self, s: Context) -> None:
        """(1, C, H, W)."""
        p = s.param("imresize_param")
        shape = s.bottom()
        if not p.type.fields or shape is None or len(shape) != 4:
            return
        factor = p.get("factor") or 0
        high, wide = p.get("target_spatial_height"), p.get("target_spatial_width")
        if not factor:
            s.top((1, shape[1], int(high), int(wide)) if high and wide else None)
        elif all(isinstance(size, int) for size in shape[2:]):
            s.top((1, shape[1], *(int(size * factor) for size in shape[2:] if isinstance(size, int))))
