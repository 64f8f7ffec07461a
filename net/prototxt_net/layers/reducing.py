"""Layers that boil axes down: Reduction, ArgMax, Softmax."""

from __future__ import annotations

from prototxt_net.layers.base import Context, LayerType, layer, whole
from prototxt_net.layers.sizes import at_most
from prototxt_net.shape import product, text


@layer("Reduction")
class Reduction(LayerType):
    """Sums all trailing axes."""

    in_place = "forward-wrong"
    summary = (
        "Reduces all axes from `axis` on to one number: sum, sum of absolute values, sum of squares, or mean, times "
        "coeff."
    )
    formula = "y = coeff * sum (or mean) of x over the axes from `axis` on"

    def set_up(self, s: Context) -> None:
        """shape[:axis]; a scalar for axis 0."""
        shape = s.bottom()
        axis = s.axis(whole(s.param("reduction_param"), "axis", 0), shape, at="reduction_param.axis")
        s.top(None if shape is None or axis is None else shape[:axis])


@layer("ArgMax")
class ArgMax(LayerType):
    """The places of the largest values."""

    in_place = "forward-wrong"
    backward = False
    summary = (
        "Gives the indices of the top_k largest values of each sample, or along an axis; with out_max_val the values "
        "too. It has no gradient."
    )
    formula = "y = argmax of x"

    def set_up(self, s: Context) -> None:
        """Along an axis: its size becomes top_k; else (N, 1 or 2, top_k), at least 3 axes."""
        p = s.param("argmax_param")
        shape = s.bottom()
        top_k = whole(p, "top_k", 1)
        s.require(
            top_k >= 1,
            "SHP024",
            f"{s.name}: top_k {top_k} must be at least 1; Caffe aborts. Correct it.",
            "argmax_param.top_k",
        )
        axis = s.axis(whole(p, "axis", 0), shape, at="argmax_param.axis") if p.has("axis") else None
        s.require(
            None if shape is None else bool(shape),
            "SHP024",
            f"{s.name}: a scalar has no axis to look for the largest value on; Caffe aborts. Read another blob.",
            "bottom",
        )
        if shape is None:
            return
        size = shape[axis] if axis is not None else product(shape[1:])
        s.require(
            at_most(top_k, size),
            "SHP024",
            f"{s.name}: top_k {top_k} exceeds the {size} values of {text(shape)} it chooses from; Caffe aborts. Lower "
            "it.",
            "argmax_param.top_k",
        )
        if axis is not None:
            s.top((*shape[:axis], top_k, *shape[axis + 1 :]))
            return
        s.top((shape[0], 2 if p.get("out_max_val") else 1, top_k, *([1] * (len(shape) - 3))))


@layer("Softmax")
class Softmax(LayerType):
    """Probabilities from scores."""

    in_place = "safe"
    reads_top = True
    summary = "Turns scores into probabilities that add up to 1 along an axis (channels by default)."
    formula = "y = exp(x - max) / sum of exp(x - max)"

    def set_up(self, s: Context) -> None:
        """The bottom's shape."""
        softmax_axis(s)
        s.top(s.bottom())


def softmax_axis(s: Context) -> int | None:
    """The axis a softmax normalises over; LOS010 where it does not exist."""
    return s.axis(whole(s.param("softmax_param"), "axis", 1), s.bottom(), "LOS010", "softmax_param.axis")
