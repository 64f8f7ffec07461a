"""Losses and Accuracy. Every loss top is a scalar; a loss weight of 1 on the first top is implied."""

from __future__ import annotations

from prototxt_net.layers.base import Context, LayerType, layer, whole
from prototxt_net.layers.fillers import filled
from prototxt_net.layers.reducing import softmax_axis
from prototxt_net.layers.sizes import count, equal_counts
from prototxt_net.shape import Dim, Shape, product, same, text


class _Loss(LayerType):
    """Two bottoms with equally many samples, one scalar top."""

    bottoms = (2, 2)
    auto_top = True
    loss = True
    in_place = "forward-wrong"

    def set_up(self, s: Context) -> None:
        """LossLayer::Reshape, then the layer's own CHECKs, then a scalar."""
        same_samples(s, self.code)
        self.check(s)
        s.top(())

    code = "SHP022"

    def check(self, s: Context) -> None:
        """The layer's own CHECKs."""


def same_samples(s: Context, code: str) -> None:
    """LossLayer::Reshape: bottom[0].shape(0) == bottom[1].shape(0)."""
    a, b = s.bottom(0), s.bottom(1)
    if a is None or b is None:
        return
    s.require(
        bool(a) and bool(b),
        code,
        f"{s.name} needs a batch axis, got {text(a)} and {text(b)}; Caffe aborts because a scalar has no axis 0.",
        "bottom.0" if not a else "bottom.1",
    )
    s.require(
        same(a[0], b[0]),
        code,
        f"{s.name}: bottom[0] {text(a)} has {a[0]} samples and bottom[1] {text(b)} has {b[0]}; Caffe aborts because "
        "the first sizes must be equal.",
        "bottom.1",
    )


def labels_fit(s: Context, axis: int | None, code: str) -> None:
    """One label for each position: outer * inner == count of bottom[1]."""
    scores, labels = s.bottom(0), s.bottom(1)
    if scores is None or labels is None or axis is None:
        return
    positions: Shape = (*scores[:axis], *scores[axis + 1 :])
    s.require(
        equal_counts(positions, labels),
        code,
        f"{s.name}: scores {text(scores)} need {product(positions)} labels (one for each position), {text(labels)} "
        f"holds {product(labels)}; Caffe aborts. (N, C, H, W) needs N*H*W labels.",
        "bottom.1",
    )


@layer("SoftmaxWithLoss")
class SoftmaxWithLoss(_Loss):
    """Softmax and the logarithm of the right class in one layer."""

    code = "SHP020"
    summary = (
        "Softmax over the class axis and the mean negative logarithm of the probability of each label; feed it raw "
        "scores. Uniform scores over K classes give ln K; 87.3365 means that a probability has become 0."
    )
    formula = "loss = -sum of log(max(p[label], 1.18e-38)) / normalizer"

    def check(self, s: Context) -> None:
        """The class axis must exist and each position needs a label."""
        labels_fit(s, softmax_axis(s), "SHP020")

    # Two tops are declared, but the outer and the inner layer then want different numbers of loss weights: no such net
    # can be set up (measured on BVLC, SSD, NVIDIA 0.15, SegNet, yjxiong, faster-rcnn).


@layer("SoftmaxWithLoss", dialects=("rfcn",))
@layer("SoftmaxWithLossOHEM")
class SoftmaxWithLossOhem(SoftmaxWithLoss):
    """R-FCN's SoftmaxWithLoss: more tops can be had."""

    tops = (1, 3)
    summary = (
        "SoftmaxWithLoss that also gives the probabilities and the loss of each position, for hard example mining."
    )

    def set_up(self, s: Context) -> None:
        """A scalar, the probabilities, the loss of each position."""
        same_samples(s, self.code)
        self.check(s)
        s.top(())
        s.top(s.bottom(0))
        s.top(s.bottom(1))


@layer("SigmoidCrossEntropyLoss")
class SigmoidCrossEntropyLoss(_Loss):
    """Cross entropy of independent yes/no outputs."""

    summary = (
        "Sigmoid and cross entropy for outputs that are independent yes/no answers; feed it raw scores and targets in "
        "0..1."
    )
    formula = "loss = -sum of (t * log(sigmoid(x)) + (1 - t) * log(1 - sigmoid(x))) / normalizer"

    def check(self, s: Context) -> None:
        """Equal counts."""
        a, b = s.bottom(0), s.bottom(1)
        s.expect(
            equal_counts(a, b),
            "SHP022",
            f"{s.name} needs one target for each score, got {text(a)} and {text(b)}; Caffe aborts.",
            "bottom.1",
        )


@layer("EuclideanLoss")
class EuclideanLoss(_Loss):
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
        f"{s.name} needs equally many values for each sample, got {text(a)} and {text(b)}; Caffe aborts. Make them "
        "equal.",
        "bottom.1",
    )


@layer("L1Loss", dialects=("nvidia-0.15", "nvidia-0.16", "nvidia-0.17", "jacinto-0.17"))
class L1Loss(_Loss):
    """Mean absolute difference."""

    summary = "The absolute difference of its bottoms, summed and divided by the batch size."
    formula = "loss = sum of |a - b| / N"

    def check(self, s: Context) -> None:
        """Equal sizes for each sample."""
        _same_sample_size(s)


@layer("HingeLoss")
class HingeLoss(_Loss):
    """One-versus-all hinge."""

    summary = "One-versus-all hinge loss: each score should be at least 1 on its side of 0. norm L2 squares the excess."
    formula = "loss = sum of max(0, 1 + s * x)^p / N, s = -1 for the labelled class and +1 else"


@layer("MultinomialLogisticLoss")
class MultinomialLogisticLoss(_Loss):
    """The logarithm of given probabilities."""

    summary = (
        "The mean negative logarithm of the probability of each label, for inputs that are probabilities already. "
        "Prefer SoftmaxWithLoss."
    )
    formula = "loss = -sum of log(max(p[label], 1e-20)) / N"

    def check(self, s: Context) -> None:
        """Labels (N, 1, 1, 1)."""
        labels = s.bottom(1)
        _flat_labels(s, labels, 1)


def _flat_labels(s: Context, labels: Shape | None, index: int) -> None:
    if labels is None:
        return
    s.expect(
        len(labels) <= 4 and all(not isinstance(dim, int) or dim == 1 for dim in labels[1:]),
        "SHP022",
        f"{s.name} needs one label for each sample, bottom[{index}] is {text(labels)}; Caffe aborts.",
        f"bottom.{index}",
    )


@layer("InfogainLoss")
class InfogainLoss(_Loss):
    """SoftmaxWithLoss with a matrix of costs."""

    bottoms = (2, 3)
    tops = (1, 2)
    summary = (
        "SoftmaxWithLoss with a matrix H that says how much each class counts for each label (file `source`, or "
        "bottom[2])."
    )
    formula = "loss = -sum over l of H[label, l] * log(max(p[l], 1e-20)) / normalizer"

    def set_up(self, s: Context) -> None:
        """A scalar and the probabilities."""
        p = s.param("infogain_loss_param")
        has_axis = "axis" in p.type.fields  # older releases take probabilities and have no such CHECKs
        if has_axis:
            s.expect(
                not s.param("loss_param").has("normalize"),
                "LOS006",
                f"{s.name}: `normalize` is deprecated and InfogainLoss aborts on it. Write `normalization: VALID` "
                "(true) or `BATCH_SIZE` (false).",
                "loss_param.normalize",
            )
        s.expect(
            len(s.layer.bottoms) > 2 or p.has("source"),
            "SHP022",
            f"{s.name} has neither a third bottom nor a source for its matrix; Caffe aborts. Give one of them.",
            "infogain_loss_param",
        )
        same_samples(s, "SHP022")
        scores = s.bottom(0)
        if has_axis:
            axis = s.axis(whole(p, "axis", 1), scores, at="infogain_loss_param.axis")
            labels_fit(s, axis, "SHP022")
            self._matrix_fits(s, scores, axis)
        s.top(())
        s.top(scores)

    def _matrix_fits(self, s: Context, scores: Shape | None, axis: int | None) -> None:
        matrix = s.bottom(2)
        if scores is None or axis is None or matrix is None:
            return
        classes = scores[axis]
        s.expect(
            equal_counts(matrix, (classes, classes)),
            "SHP022",
            f"{s.name}: {classes} classes need a matrix of {product((classes, classes))} values, bottom[2] is "
            f"{text(matrix)}; Caffe aborts.",
            "bottom.2",
        )


@layer("ContrastiveLoss")
class ContrastiveLoss(_Loss):
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
                f"{s.name} needs two vectors (N, C) of one size, got {text(a)} and {text(b)}; Caffe aborts.",
                "bottom.1",
            )
        _flat_labels(s, labels, 2)


def _channels(shape: Shape) -> Dim:
    return shape[1] if len(shape) > 1 else 1


class _SmoothL1(_Loss):
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
                f"{s.name}: bottoms 0 and {index} are {text(first)} and {text(other)}; Caffe aborts because they must "
                "be equal.",
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
class CenterLoss(_Loss):
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
        _flat_labels(s, s.bottom(1), 1)


@layer("Accuracy")
class Accuracy(LayerType):
    """The share of right answers."""

    bottoms = (2, 2)
    tops = (1, 2)
    backward = False
    in_place = "forward-wrong"
    summary = (
        "The share of positions whose label is among the top_k scores; with a second top, for each class. It has no "
        "gradient."
    )
    formula = "accuracy = correct / counted"

    def set_up(self, s: Context) -> None:
        """A scalar and (classes)."""
        p = s.param("accuracy_param")
        scores, labels = s.bottom(0), s.bottom(1)
        axis = s.axis(whole(p, "axis", 1), scores, at="accuracy_param.axis")
        if scores is not None and labels is not None:
            n = product(labels)
            s.require(
                n != 0,
                "SHP021",
                f"{s.name}: its labels {text(labels)} are empty and Caffe divides by their number: the process dies.",
                "bottom.1",
            )
        labels_fit(s, axis, "SHP021")
        top_k = whole(p, "top_k", 1)
        classes = None if scores is None or axis is None else scores[axis]
        s.expect(
            not isinstance(classes, int) or top_k <= classes,
            "SHP021",
            f"{s.name}: top_k {top_k} exceeds the {classes} classes of {text(scores)}; Caffe aborts. Lower it.",
            "accuracy_param.top_k",
            data={"classes": classes},
        )
        s.top(())
        s.top(None if classes is None else (classes,))
