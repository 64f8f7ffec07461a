"""LRN, MVN and the normalisations of forks."""

from __future__ import annotations

from prototxt_net.file import LayerDef
from prototxt_net.layers.base import Context, InPlace, LayerType, layer, whole
from prototxt_net.layers.batch_norm import at_most_four_axes
from prototxt_net.layers.fillers import filled
from prototxt_net.shape import text


@layer("LRN")
class Lrn(LayerType):
    """Local response normalisation."""

    reads_top = True
    summary = (
        "Local response normalisation: divides each value by a power of the summed squares of its neighbours, across "
        "channels or within its own."
    )
    formula = "y = x / (k + alpha / n * sum of x^2 over n neighbours)^beta"

    def in_place_verdict(self, layer: LayerDef) -> InPlace:
        """Across channels even the output is wrong (measured)."""
        within = layer.bound.sub("lrn_param").get("norm_region") == "WITHIN_CHANNEL"
        return "gradient-wrong" if within else "forward-wrong"

    def set_up(self, s: Context) -> None:
        """The bottom's shape; it must have 4 axes."""
        size = whole(s.param("lrn_param"), "local_size", 5)
        s.expect(
            size % 2 == 1,
            "SHP018",
            f"{s.name}: local_size {size} must be odd; Caffe aborts. Use {size + 1}"
            + (f" or {size - 1}." if size > 1 else "."),
            "lrn_param.local_size",
            data={"size": size},
        )
        shape = s.bottom()
        s.require(
            None if shape is None else len(shape) == 4,
            "SHP018",
            f"{s.name} normalises blobs of 4 axes (N, C, H, W), its bottom is {text(shape)}; Caffe aborts. Reshape it.",
            "bottom",
            data={"rank": 0},
        )
        s.top(shape)


@layer("MVN")
class Mvn(LayerType):
    """Mean-variance normalisation of each sample."""

    in_place = "gradient-wrong"
    reads_top = True
    summary = (
        "Subtracts the mean of each channel of each sample and, unless normalize_variance is false, divides by its "
        "deviation. across_channels takes the whole sample at once."
    )
    formula = "y = (x - mean) / (sqrt(variance) + eps)"

    def set_up(self, s: Context) -> None:
        """(N, C, H, W): fewer axes are filled up with ones."""
        shape = s.bottom()
        at_most_four_axes(s)
        s.top(None if shape is None else (*shape, *([1] * (4 - len(shape)))))


@layer("Normalize")
class Normalize(LayerType):
    """SSD's L2 normalisation with a learned scale."""

    in_place = "gradient-wrong"
    summary = (
        "Divides by the L2 norm over the whole sample or over the channels of each position, then multiplies by a "
        "learned scale."
    )
    formula = "y = scale[c] * x / sqrt(sum of x^2 + eps)"

    def set_up(self, s: Context) -> None:
        """Scale (C), or a scalar when channel_shared. Forks that use another message have another layer."""
        shape = s.bottom()
        s.top(shape)
        p = s.param("norm_param")
        if not p.type.fields:
            return
        s.require(
            None if shape is None else len(shape) >= 2,
            "SHP024",
            f"{s.name} needs at least 2 axes (N, C), its bottom has the shape {text(shape)}; Caffe aborts. Reshape it.",
            "bottom",
        )
        blob = () if p.get("channel_shared") else None if shape is None else (shape[1],)
        filled(s, "scale", blob, "norm_param.scale_filler", 1.0)


@layer("GRN")
class Grn(LayerType):
    """Global response normalisation over channels."""

    in_place = "gradient-wrong"
    summary = "Divides each position by the L2 norm over its channels."
    formula = "y = x / sqrt(sum over c of x[c]^2 + bias)"

    def set_up(self, s: Context) -> None:
        """The bottom's shape."""
        bias = s.param("grn_param").get("bias")
        s.expect(
            bias is None or bias >= 0,
            "SHP024",
            f"{s.name}: bias {bias} must not be negative; Caffe aborts. Correct it.",
            "grn_param.bias",
        )
        s.top(s.bottom())
