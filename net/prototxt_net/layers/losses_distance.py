"""Losses that measure a distance: between outputs and targets, between features, to the centre of a class."""

from __future__ import annotations

from prototxt_net.layers.base import Context, layer, whole
from prototxt_net.layers.fillers import filled
from prototxt_net.layers.losses import Loss, both, flat_labels
from prototxt_net.layers.sizes import count, equal_counts
from prototxt_net.shape import Dim, Shape, same


@layer("EuclideanLoss")
class EuclideanLoss(Loss):
    """Half the mean squared distance."""

    summary = "Half the squared difference of its bottoms, summed and divided by the batch size: for regression."
    formula = "loss = sum of (a - b)^2 / (2 * N)"

    def check(self, s: Context) -> None:
        """Equal sizes for each sample."""
        _same_sample_size(s)


def _same_sample_size(s: Context) -> None:
    a, b = s.bottom(0), s.bottom(1)
    if a is None or b is None:
        return
    s.expect(
        equal_counts(a[1:], b[1:]),
        "SHP022",
        f"{s.name} needs equally many values for each sample; Caffe aborts because {both(s)} differ. Make them equal.",
        "bottom.1",
    )


@layer("L1Loss", dialects=("nvidia-0.15", "nvidia-0.16", "nvidia-0.17", "jacinto-0.17"))
class L1Loss(Loss):
    """Mean absolute difference."""

    summary = "The absolute difference of its bottoms, summed and divided by the batch size."
    formula = "loss = sum of |a - b| / N"

    def check(self, s: Context) -> None:
        """Equal sizes for each sample."""
        _same_sample_size(s)


@layer("ContrastiveLoss")
class ContrastiveLoss(Loss):
    """Pulls similar pairs together, pushes others apart."""

    bottoms = (3, 3)
    summary = (
        "For pairs of feature vectors: pulls those with label 1 together and pushes the others at least `margin` apart."
    )
    formula = "loss = sum of (similar ? d^2 : max(margin - d, 0)^2) / (2 * N)"

    def check(self, s: Context) -> None:
        """Equal channels, nothing spatial, one label a pair."""
        a, b, labels = s.bottom(0), s.bottom(1), s.bottom(2)
        if a is not None and b is not None:
            flat = all(not isinstance(dim, int) or dim == 1 for shape in (a, b) for dim in shape[2:])
            s.expect(
                False if not flat or len(a) > 4 or len(b) > 4 else same(_channels(a), _channels(b)),
                "SHP022",
                f"{s.name} needs two vectors (N, C) of one size; Caffe aborts because of {both(s)}. Make them equal.",
                "bottom.1",
            )
        flat_labels(s, labels, 2)


def _channels(shape: Shape) -> Dim:
    return shape[1] if len(shape) > 1 else 1


class _SmoothL1(Loss):
    summary = "Squared error near 0, absolute error beyond: a regression loss that outliers do not dominate."
    formula = "loss = sum of (|d| < 1 ? 0.5 * d^2 : |d| - 0.5) / N, d = a - b"

    def check(self, s: Context) -> None:
        """Channels, height and width of all bottoms are equal."""
        first = s.bottom(0)
        for index, other in enumerate(s.bottoms[1:], 1):
            if first is None or other is None:
                continue
            s.expect(
                equal_counts(first[1:], other[1:]),
                "SHP022",
                f"{s.name}: {s.shown(0)} and {s.shown(index)} differ; Caffe aborts. Make them equal.",
                f"bottom.{index}",
            )


@layer("SmoothL1Loss", dialects=("ssd", "nvidia-0.17", "mobilenet-yolo", "jacinto-0.17"))
class SmoothL1LossSsd(_SmoothL1):
    """SSD's: two bottoms, although three are declared (measured)."""


@layer("SmoothL1Loss")
class SmoothL1LossRcnn(_SmoothL1):
    """The R-CNN forks': weights as further bottoms, and no implied loss weight."""

    bottoms = (2, 4)
    tops = (1, 2)
    loss = False


@layer("SmoothL1Loss", dialects=("faster-rcnn", "py-faster-rcnn", "pvanet"))
class SmoothL1LossFaster(SmoothL1LossRcnn):
    """With sigma; inner and outer weights come together."""

    tops = (1, 1)

    def check(self, s: Context) -> None:
        """Two bottoms or four (measured on faster-rcnn)."""
        s.require(
            len(s.layer.bottoms) != 3,
            "SHP001",
            f"{s.name} has 3 bottoms; Caffe aborts because inner and outer weights must both be given. Give 2 or 4.",
            "bottom.2",
        )
        super().check(s)


@layer("SmoothL1LossOHEM")
class SmoothL1LossOhem(_SmoothL1):
    """With the loss of each position as a second top; no implied loss weight."""

    bottoms = (2, 3)
    tops = (1, 2)
    loss = False

    def set_up(self, s: Context) -> None:
        """A scalar and (N, 1, H, W)."""
        super().set_up(s)
        first = s.bottom(0)
        s.top(None if first is None or len(first) != 4 else (first[0], 1, *first[2:]))


@layer("CenterLoss")
class CenterLoss(Loss):
    """Pulls features to the centre of their class."""

    summary = "Pulls the features of each class towards a learned centre."
    formula = "loss = sum of |x - center[label]|^2 / (2 * N)"

    def check(self, s: Context) -> None:
        """Centres (num_output, K)."""
        p = s.param("center_loss_param")
        if not p.type.fields:
            return
        first = s.bottom(0)
        axis = s.axis(whole(p, "axis", 1), first, at="center_loss_param.axis")
        features = None if first is None or axis is None else count(first, axis)
        outputs = whole(p, "num_output", 0)
        filled(s, "center", None if features is None else (outputs, features), "center_loss_param.center_filler")
        flat_labels(s, s.bottom(1), 1)
