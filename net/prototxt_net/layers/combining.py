"""Layers that join, split, select or swallow blobs."""

from __future__ import annotations

from prototxt_net.file import LayerDef
from prototxt_net.layers.base import Context, InPlace, LayerType, layer, whole
from prototxt_net.layers.sizes import add, at_most, divisible, quotient, subtract
from prototxt_net.shape import Dim, Shape, same, same_shape, text


@layer("Eltwise")
class Eltwise(LayerType):
    """Sum, product or maximum, element by element."""

    bottoms = (2, None)
    summary = (
        "Adds (SUM, with optional coeff), multiplies (PROD) or takes the maximum (MAX) of its bottoms, element by "
        "element. Shapes must be equal."
    )
    formula = "SUM: y = sum of coeff[i] * x[i]; PROD: y = product of x[i]; MAX: y = max of x[i]"

    def in_place_verdict(self, layer: LayerDef) -> InPlace:
        """SUM and MAX overwrite their first bottom before they read it (measured)."""
        return "gradient-wrong" if layer.bound.sub("eltwise_param").get("operation") == "PROD" else "forward-wrong"

    def backward_reads_top(self, layer: LayerDef) -> bool:
        """PROD divides its output by each input when stable_prod_grad is off."""
        p = layer.bound.sub("eltwise_param")
        return p.get("operation") == "PROD" and not p.get("stable_prod_grad")

    def set_up(self, s: Context) -> None:
        """The shape that all bottoms share."""
        p = s.param("eltwise_param")
        coeffs, operation = len(p.all("coeff")), p.get("operation")
        n = len(s.layer.bottoms)
        s.expect(
            coeffs in (0, n),
            "SHP014",
            f"{s.name}: {coeffs} coeff for {n} bottoms; Caffe aborts. Give none, or one for each bottom.",
            "eltwise_param.coeff",
        )
        if coeffs in (0, n):
            s.expect(
                not (coeffs and operation == "PROD"),
                "SHP014",
                f"{s.name}: coeff does not apply to PROD; Caffe aborts. Delete coeff.",
                "eltwise_param.coeff",
            )
            s.expect(
                not (coeffs and operation == "MAX"),
                "SHP014",
                f"{s.name}: coeff does not apply to MAX; Caffe ignores it. Delete coeff.",
                "eltwise_param.coeff",
                aborts=False,
                severity="warning",
            )
        first = s.bottom()
        doing = {"SUM": "adds", "PROD": "multiplies"}.get(str(operation), "compares")
        for index, other in enumerate(s.bottoms[1:], 1):
            s.require(
                same_shape(first, other),
                "SHP013",
                f"{s.name} {doing} {text(first)} and {text(other)}; Caffe aborts because it does not broadcast. Make "
                "the shapes equal.",
                f"bottom.{index}",
                data={"bottom": index, "differ": (0, index, None)},
            )
        s.top(first if first is not None else next((b for b in s.bottoms if b is not None), None))


@layer("Concat")
class Concat(LayerType):
    """Puts blobs one behind the other."""

    bottoms = (1, None)
    summary = (
        "Puts its bottoms one behind the other along an axis (channels by default); all other sizes must be equal."
    )
    formula = "y = [x0, x1, ...] along axis"

    def in_place_verdict(self, layer: LayerDef) -> InPlace:
        """A single bottom shares its memory with the top; more are overwritten (measured)."""
        return "safe" if len(layer.bottoms) == 1 else "forward-wrong"

    def set_up(self, s: Context) -> None:
        """The first bottom's shape with the sizes along the axis added up."""
        first = s.bottom()
        if s.param("concat_param").get("per_fla_fuse"):
            s.top(None)  # Intel's Concat with the Permute and Flatten of SSD inside
            return
        axis = _joined_axis(s, "concat_param", "concat_dim", first, "SHP012")
        if first is None or axis is None:
            s.top(None)
            return
        total: Dim | None = first[axis]
        for index, other in enumerate(s.bottoms[1:], 1):
            if other is None:
                total = None
                continue
            s.require(
                _fits(first, other, axis),
                "SHP012",
                f"{s.name}: inputs {text(first)} and {text(other)} differ outside axis {axis}; Caffe aborts. Make all "
                "other sizes equal.",
                f"bottom.{index}",
                data={"bottom": index, "axis": axis, "differ": (0, index, axis)},
            )
            total = None if total is None else add(total, other[axis])
        s.top(None if total is None else (*first[:axis], total, *first[axis + 1 :]))


def _fits(first: Shape, other: Shape, axis: int) -> bool | None:
    if len(first) != len(other):
        return False
    verdicts = [same(a, b) for i, (a, b) in enumerate(zip(first, other, strict=True)) if i != axis]
    return False if False in verdicts else None if None in verdicts else True


def _joined_axis(s: Context, message: str, old: str, shape: Shape | None, code: str) -> int | None:
    """The axis of Concat or Slice; the deprecated field counts from the front only."""
    p = s.param(message)
    s.require(
        not (p.has("axis") and p.has(old)),
        code,
        f"{s.name} has axis and {old}; Caffe aborts. Delete {old}, which is the old name.",
        f"{message}.{old}",
    )
    field = old if p.has(old) else "axis"
    return s.axis(whole(p, field, 1), shape, at=f"{message}.{field}")


@layer("Slice")
class Slice(LayerType):
    """Cuts a blob along an axis."""

    tops = (1, None)
    summary = "Cuts its bottom along an axis (channels by default): at the slice_points, or into equal parts."
    formula = "[y0, y1, ...] = x along axis"

    def in_place_verdict(self, layer: LayerDef) -> InPlace:
        """A single top shares its memory with the bottom; with more Caffe aborts."""
        return "safe" if len(layer.tops) == 1 else "refused"

    def set_up(self, s: Context) -> None:
        """One top for each part."""
        shape = s.bottom()
        axis = _joined_axis(s, "slice_param", "slice_dim", shape, "SHP015")
        points = [int(point) for point in s.param("slice_param").all("slice_point")]
        tops = len(s.layer.tops)
        size: Dim | None = None if shape is None or axis is None else shape[axis]
        at = "slice_param.slice_point"
        if points:
            s.require(
                len(points) == tops - 1,
                "SHP015",
                f"{s.name}: {len(points)} slice_point for {tops} tops; Caffe aborts. Give one less than there are "
                "tops.",
                at,
            )
            s.require(
                at_most(tops, size),
                "SHP015",
                f"{s.name}: {tops} tops for a size of {size} on axis {axis}; Caffe aborts. Delete the surplus tops.",
                at,
            )
            s.require(
                all(a < b for a, b in zip([0, *points], points, strict=False)),
                "SHP015",
                f"{s.name}: slice_points {text(tuple(points)).replace('x', ', ')} must be positive and increase; Caffe "
                "aborts. Order them.",
                at,
            )
            s.require(
                at_most(points[-1], size),
                "SHP015",
                f"{s.name}: slice_point {points[-1]} lies beyond axis {axis} of size {size}; Caffe aborts. Points must "
                "lie inside the axis.",
                at,
                data={"sizes": ((0, axis),)},
            )
            s.expect(
                size != points[-1],
                "SHP015",
                f"{s.name}: slice_point {points[-1]} is the whole size of axis {axis}, so the last top is empty. "
                "Delete that top, or lower the point.",
                at,
                aborts=False,
                severity="warning",
            )
        if shape is None or axis is None or size is None:
            return
        if points:
            ends = [*points, size]
            sizes: list[Dim] = [subtract(end, start) for start, end in zip([0, *points], ends, strict=True)]
        else:
            s.require(
                divisible(size, tops),
                "SHP015",
                f"{s.name}: {tops} tops cannot share axis {axis} of size {size} evenly; Caffe aborts. Give "
                "slice_points, or another number of tops.",
                "top",
                data={"sizes": ((0, axis),)},
            )
            sizes = [quotient((size,), (tops,)) or 0] * tops
        for part in sizes:
            s.top((*shape[:axis], part, *shape[axis + 1 :]))


@layer("Split")
class Split(LayerType):
    """Several names for one blob."""

    tops = (1, None)
    in_place = "refused"
    summary = (
        "Gives its bottom to several readers and adds up their gradients. Caffe inserts it by itself where a blob is "
        "read twice."
    )
    formula = "y0 = y1 = ... = x"

    def set_up(self, s: Context) -> None:
        """Every top has the bottom's shape."""
        for _ in s.layer.tops:
            s.top(s.bottom())


@layer("Silence")
class Silence(LayerType):
    """Reads blobs and does nothing."""

    bottoms = (1, None)
    tops = (0, 0)
    in_place = "safe"
    summary = "Reads blobs and does nothing, so that they are not printed as outputs of the net."

    def set_up(self, s: Context) -> None:
        """No tops."""


@layer("Filter")
class Filter(LayerType):
    """Keeps the samples that a selector marks."""

    bottoms = (2, None)
    tops = (1, None)
    in_place = "forward-wrong"
    summary = (
        "Passes on the samples whose selector (the last bottom) is not 0. The number of samples changes from batch to "
        "batch."
    )
    formula = "y = x[selector != 0]"

    def top_count(self, layer: LayerDef) -> tuple[int, int | None]:
        """One top for each bottom but the selector."""
        wanted = max(1, len(layer.bottoms) - 1)
        return wanted, wanted

    def set_up(self, s: Context) -> None:
        """At set-up every sample counts as selected."""
        selector = s.bottoms[-1] if s.bottoms else None
        if selector is not None:
            s.expect(
                all(not isinstance(dim, int) or dim == 1 for dim in selector[1:]),
                "SHP024",
                f"{s.name}: the selector {text(selector)} must have one value for each sample; Caffe aborts. "
                "Reshape it.",
                f"bottom.{len(s.bottoms) - 1}",
            )
        for index, shape in enumerate(s.bottoms[:-1]):
            s.expect(
                () not in (shape, selector),
                "SHP024",
                f"{s.name}: a scalar has no samples to select; Caffe aborts because of {s.shown(index)} and the "
                f"selector {text(selector)}. Give both a first axis.",
                f"bottom.{index}",
            )
            if selector and shape:
                s.expect(
                    same(selector[0], shape[0]),
                    "SHP024",
                    f"{s.name}: the selector has {selector[0]} values and {s.shown(index)} {shape[0]} samples; Caffe "
                    "aborts. Give one value for each sample.",
                    f"bottom.{index}",
                )
            s.top(shape)


@layer("BatchReindex")
class BatchReindex(LayerType):
    """Picks samples by index."""

    bottoms = (2, 2)
    in_place = "forward-wrong"
    summary = "Picks samples of bottom[0] in the order of the indices in bottom[1]; an index may occur several times."
    formula = "y[i] = x[index[i]]"

    def set_up(self, s: Context) -> None:
        """(number of indices, ...)."""
        shape, index = s.bottom(0), s.bottom(1)
        s.require(
            None if index is None else len(index) == 1,
            "SHP024",
            f"{s.name}: the indices must be a blob of 1 axis, not {s.shown(1)}; Caffe aborts. Reshape it.",
            "bottom.1",
        )
        s.top(None if not shape or index is None else (index[0], *shape[1:]))


@layer("BatchReduction")
class BatchReduction(LayerType):
    """yjxiong's reduction over segments."""

    bottoms = (0, None)
    summary = "Reduces one axis, which holds the segments of a clip, by their sum, mean or best values."

    def set_up(self, s: Context) -> None:
        """Without the axis for a single level."""
        s.top(None)


@layer("Maximum", dialects=("rtpose",))
class Maximum(LayerType):
    """The place of each channel's maximum."""

    bottoms = (0, None)
    tops = (0, None)
    summary = "Gives position and value of each channel's maximum."

    def set_up(self, s: Context) -> None:
        """(N, C, 1, 3)."""
        shape = s.bottom()
        s.top(None if shape is None or len(shape) < 2 else (*shape[:2], 1, 3))
