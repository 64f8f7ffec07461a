"""BatchNorm and BN: one layer name, six layers. Blobs, their order and their start differ from dialect to dialect.

Sources: table A1 of the batch-norm facts. Measured: BVLC, SSD, NVIDIA 0.15, SegNet, PSPNet, yjxiong; the others were
read in source.
"""

from __future__ import annotations

from prototxt_net.file import LayerDef
from prototxt_net.layers.base import Context, InPlace, LayerType, layer
from prototxt_net.layers.fillers import filled
from prototxt_net.shape import Dim, Shape, text

P = "batch_norm_param"


def _channels(shape: Shape | None) -> Dim | None:
    """shape(1); 1 for a blob of one axis; None when unknown."""
    if shape is None or not shape:
        return None
    return shape[1] if len(shape) > 1 else 1


def _vector(channels: Dim | None) -> Shape | None:
    return None if channels is None else (channels,)


def _needs_two_axes(s: Context) -> None:
    shape = s.bottom()
    s.require(
        None if shape is None else len(shape) >= 2,
        "BN037",
        f'{s.name} needs at least 2 axes (N, C), its bottom has the shape {text(shape)}; Caffe aborts with "axis 1 '
        'out of range". '
        "Reshape it to (N, 1).",
        "bottom",
        data={"rank": 0},
    )


@layer("BatchNorm")
class BatchNormB0(LayerType):
    """As in BVLC before September 2016, and where nothing better is known: the lr_mult of statistics is not masked."""

    in_place = "safe"
    summary = (
        "Normalises each channel to mean 0 and variance 1: with the statistics of the batch in TRAIN, with the running "
        "averages in TEST (use_global_stats overrides). It has no scale and shift; a Scale layer usually follows."
    )
    formula = "y = (x - mean) / sqrt(variance + eps)"

    def set_up(self, s: Context) -> None:
        """Blobs mean (C), variance (C), factor (1): the stored sums are divided by the factor."""
        _needs_two_axes(s)
        shape = s.bottom()
        s.expect(
            shape is None or 0 not in shape or s.dialect != "bvlc",
            "SHP007",
            f"{s.name}: its bottom {text(shape)} has no element to take the mean of; Caffe divides by their number and "
            "the process dies. Correct the size that is 0.",
            "bottom",
            data={"sizes": tuple((0, axis) for axis, size in enumerate(shape or ()) if size == 0)},
        )
        self.statistics(s)
        s.top(shape)

    def statistics(self, s: Context) -> None:
        """Declare mean, variance and factor."""
        channels = _vector(_channels(s.bottom()))
        for role, shape in (("mean", channels), ("variance", channels), ("factor", (1,))):
            s.blob(role, shape, statistic=True)


@layer("BatchNorm", dialects=("bvlc", "bvlc-1.0", "ssd"))
class BatchNorm(BatchNormB0):
    """BVLC since October 2016, and SSD: lr_mult of the statistics must be 0; exactly three `param` are rewritten."""

    def statistics(self, s: Context) -> None:
        """BN001: a written lr_mult other than 0 aborts, unless three blocks make the reader rewrite them."""
        specs = s.layer.bound.entries.get("param", [])
        rewritten = len(specs) == 3 and s.layer.version == 2 and s.layer.upgraded
        if not rewritten:
            for index, spec in enumerate(specs[:3]):
                lr_mult = spec.value.get("lr_mult")
                said = f"says lr_mult {lr_mult:g}" if spec.value.has("lr_mult") else "has no lr_mult, which means 1"
                s.require(
                    lr_mult == 0,
                    "BN001",
                    f"{s.name}: param block {index} {said}; Caffe aborts because mean and variance are statistics, not "
                    "weights. Delete the param blocks of this layer, or write lr_mult: 0 in each.",
                    f"param.{index}.lr_mult",
                )
        channels = _vector(_channels(s.bottom()))
        decay = 0.0 if rewritten and s.dialect != "ssd" else 1.0 if rewritten else None
        for role, shape in (("mean", channels), ("variance", channels), ("factor", (1,))):
            s.blob(role, shape, statistic=True, lr_mult=0.0, decay_mult=decay)


@layer("BatchNorm", dialects=("intel",))
class BatchNormIntel(BatchNormB0):
    """Intel: as BVLC, with gamma and beta of its own where use_weight_bias asks for them.

    Without being asked the MKL engines take them too, but they are the blobs of the Scale layer that is fused in; here
    they are counted there.
    """

    def statistics(self, s: Context) -> None:
        """Three blobs, or five."""
        p = s.param(P)
        super().statistics(s)
        if (p.has("use_weight_bias") and p.get("use_weight_bias")) or len(s.layer.bound.all("param")) > 3:
            channels = _vector(_channels(s.bottom()))
            filled(s, "gamma", channels, f"{P}.filler", 1.0)
            filled(s, "beta", channels, f"{P}.bias_filler")


@layer("BatchNorm", dialects=("nvidia-0.15", "nvidia-0.14"))
class BatchNormNvidia15(LayerType):
    """NVIDIA 0.14 and 0.15: five blobs, gamma first, and its default filler is the constant 0."""

    in_place = "safe"
    summary = (
        "Normalises each channel, then multiplies by gamma and adds beta, which are its own blobs 0 and 1. Without "
        "scale_filler { value: 1 } gamma starts at 0 and the output is 0."
    )
    formula = "y = gamma * (x - mean) / sqrt(variance + eps) + beta"

    def in_place_verdict(self, layer: LayerDef) -> InPlace:
        """CuDNN's backward reads the bottom that was overwritten; the CAFFE engine keeps a copy (measured)."""
        return "safe" if layer.bound.sub(P).get("engine") == "CAFFE" else "gradient-wrong"

    def set_up(self, s: Context) -> None:
        """Blobs gamma, beta, mean, variance (C) each, spare (1); 0.14 has the spare one third. Nothing is masked."""
        channels = _channels(s.bottom())
        shape = _vector(channels)
        if channels is not None and s.param(P).get("engine") == "CUDNN":
            shape = (1, channels, 1, 1)
        filled(s, "gamma", shape, f"{P}.scale_filler")
        filled(s, "beta", shape, f"{P}.bias_filler")
        rest = [("mean", shape), ("variance", shape), ("spare", (1,))]
        if s.dialect == "nvidia-0.14":
            rest = [rest[2], *rest[:2]]
        for role, blob in rest:
            s.blob(role, blob, statistic=True)
        s.top(s.bottom())


@layer("BatchNorm", dialects=("nvidia-0.16", "nvidia-0.17", "jacinto-0.17"))
class BatchNormNvidia16(LayerType):
    """NVIDIA 0.16 and 0.17: statistics first, gamma and beta on demand; multipliers are overwritten."""

    in_place = "safe"
    summary = (
        "Normalises each channel; with scale_bias: true it also multiplies by gamma and adds beta. The phase alone "
        "decides which statistics are used; use_global_stats is read and ignored."
    )
    formula = "y = (x - mean) / sqrt(variance + max(eps, 1e-5)) [* gamma + beta]"

    def set_up(self, s: Context) -> None:
        """Blobs mean, variance (C), correction (1), and gamma, beta (C) when the affine part is on."""
        p = s.param(P)
        shape = s.bottom()
        s.require(
            None if shape is None else len(shape) >= 4,
            "BN036",
            f"{s.name} reads axes 2 and 3, its bottom {text(shape)} has only {len(shape or ())}; Caffe aborts. Reshape "
            "the bottom to (N, C, 1, 1).",
            "bottom",
        )
        channels = _vector(_channels(shape))
        for role, blob, start in (("mean", channels, 0.0), ("variance", channels, 0.0), ("factor", (1,), 1.0)):
            s.blob(role, blob, "", start, True, 0.0, 0.0)
        if p.get("scale_bias") or p.has("scale_filler") or p.has("bias_filler"):
            s.blob("gamma", channels, f"{P}.scale_filler", 1.0, False, 1.0, 1.0)
            s.blob("beta", channels, f"{P}.bias_filler", 0.0, False, 1.0, 1.0)
        s.top(shape)


def at_most_four_axes(s: Context) -> None:
    """Blob::num(), channels(), height() and width() refuse a blob of more axes. Raises Refused."""
    shape = s.bottom()
    s.require(
        None if shape is None else len(shape) <= 4,
        "SHP024",
        f"{s.name} takes blobs of at most 4 axes, its bottom is {text(shape)}; Caffe aborts. Reshape it.",
        "bottom",
    )


@layer("BN", dialects=("segnet", "segnet-cudnn5"))
class BnSegnet(LayerType):
    """SegNet's BN: no running statistics; the mode, not the phase, decides."""

    tops = (1, 3)
    summary = (
        "SegNet's batch normalisation with gamma (blob 0) and beta (blob 1). LEARN, the default, uses the batch in "
        "every phase; INFERENCE takes the blobs as a ready factor and offset."
    )
    formula = "LEARN: y = scale * (x - mean) / sqrt(variance + 1e-9) + shift; INFERENCE: y = scale * x + shift"

    def in_place_verdict(self, layer: LayerDef) -> InPlace:
        """INFERENCE reads the overwritten input for the gradient of its scale (measured)."""
        return "weight-gradient-wrong" if layer.bound.sub("bn_param").get("bn_mode") == "INFERENCE" else "safe"

    def set_up(self, s: Context) -> None:
        """Blobs (1, C, 1, 1); tops (N, C, H, W) and, in LEARN mode, the batch's mean and variance (1, C, 1, 1)."""
        at_most_four_axes(s)
        shape = s.bottom()
        inference = s.param("bn_param").get("bn_mode") == "INFERENCE"
        s.require(
            not (inference and len(s.layer.tops) > 1),
            "SHP002",
            f"{s.name}: mean and variance tops exist in LEARN mode only; Caffe aborts. Drop the extra tops.",
            "top.1",
        )
        channels = _channels(shape)
        vector = None if channels is None else (1, channels, 1, 1)
        filled(s, "gamma", vector, "bn_param.scale_filler")
        filled(s, "beta", vector, "bn_param.shift_filler")
        s.top(None if shape is None else (*shape, *([1] * (4 - len(shape)))))
        s.top(vector)
        s.top(vector)


@layer("BN", dialects=("pspnet", "yjxiong-tsn", "happynear-windows"))
class BnPspnet(LayerType):
    """The BN of PSPNet, yjxiong and happynear: slope, bias and plain running averages."""

    summary = (
        "Batch normalisation with slope (gamma), bias (beta) and running mean and variance as its own blobs. Without "
        "slope_filler { value: 1 } the output is 0. `frozen` uses the stored statistics in TRAIN as well."
    )
    formula = "y = slope * (x - mean) / sqrt(variance + eps) + bias"

    def in_place_verdict(self, layer: LayerDef) -> InPlace:
        """CuDNN's backward needs the bottom that was overwritten; the CAFFE engine keeps a copy (measured)."""
        return "safe" if layer.bound.sub("bn_param").get("engine") in ("CAFFE", None) else "unknown"

    def set_up(self, s: Context) -> None:
        """Four blobs, (1, C, 1, 1) in PSPNet and (1, C) in yjxiong; the statistics' multipliers are set to 0."""
        at_most_four_axes(s)
        shape = s.bottom()
        channels = _channels(shape)
        vector: Shape | None = None
        if channels is not None and s.dialect != "happynear-windows":
            vector = (1, channels, 1, 1) if s.dialect == "pspnet" else (1, channels)
        frozen = bool(s.param("bn_param").get("frozen"))
        if frozen:
            s.blob("gamma", vector, "bn_param.slope_filler", 0.0, False, 0.0, 0.0)
            s.blob("beta", vector, "bn_param.bias_filler", 0.0, False, 0.0, 0.0)
        else:
            filled(s, "gamma", vector, "bn_param.slope_filler")
            filled(s, "beta", vector, "bn_param.bias_filler")
        s.blob("mean", vector, "", 0.0, True, 0.0, 0.0)
        s.blob("variance", vector, "", 1.0 if frozen else 0.0, True, 0.0, 0.0)
        s.top(shape)
