"""Losses over scores and labels, and Accuracy. Every loss top is a scalar; a loss weight of 1 on it is implied."""

from __future__ import annotations

from prototxt_net.file import LayerDef
from prototxt_net.layers.base import Context, InPlace, LayerType, layer, whole
from prototxt_net.layers.reducing import softmax_axis
from prototxt_net.layers.sizes import equal_counts
from prototxt_net.shape import Dim, Shape, product, same
from prototxt_net.words import count

_LOOK_AGAIN = frozenset({"SoftmaxWithLoss", "EuclideanLoss", "SigmoidCrossEntropyLoss", "InfogainLoss"})
"""Losses that look at the axes of bottom[0] after the top has got its shape (measured on BVLC; of the others, Hinge,
MultinomialLogistic and Contrastive do not)."""


class Loss(LayerType):
    """Two bottoms with equally many samples, one scalar top."""

    bottoms = (2, 2)
    auto_top = True
    loss = True
    in_place = "forward-wrong"

    def in_place_verdict(self, layer: LayerDef) -> InPlace:
        """A top in the place of the scores makes a scalar of them."""
        return "refused" if layer.type in _LOOK_AGAIN and layer.bound.dialect == "bvlc" else "forward-wrong"

    def set_up(self, s: Context) -> None:
        """LossLayer::Reshape, then the layer's own CHECKs, then a scalar."""
        same_samples(s, self.code)
        self.check(s)
        s.top(())

    code = "SHP022"

    def check(self, s: Context) -> None:
        """The layer's own CHECKs."""


def both(s: Context) -> str:
    """The first two bottoms for a message: `'fc8' (64x10) and 'label' (64)`."""
    return f"{s.shown(0)} and {s.shown(1)}"


def samples(size: Dim) -> str:
    """`1 sample`, `64 samples`."""
    return count(size, "sample") if isinstance(size, int) else f"{size} samples"


def same_samples(s: Context, code: str) -> None:
    """LossLayer::Reshape: bottom[0].shape(0) == bottom[1].shape(0)."""
    a, b = s.bottom(0), s.bottom(1)
    if a is None or b is None:
        return
    s.require(
        bool(a) and bool(b),
        code,
        f"{s.name} reads {s.shown(0)} and {s.shown(1)}; Caffe aborts because a scalar has no batch axis. Read another "
        "blob.",
        "bottom.0" if not a else "bottom.1",
    )
    s.require(
        same(a[0], b[0]),
        code,
        f"{s.name}: {s.shown(0)} holds {samples(a[0])} and {s.shown(1)} {samples(b[0])}; Caffe aborts because the "
        "first sizes must be equal. Take both from one batch.",
        "bottom.1",
        data={"sizes": ((0, 0), (1, 0))},
    )


def labels_fit(s: Context, axis: int | None, code: str) -> None:
    """One label for each position: outer * inner == count of bottom[1]."""
    scores, labels = s.bottom(0), s.bottom(1)
    if scores is None or labels is None or axis is None:
        return
    positions: Shape = (*scores[:axis], *scores[axis + 1 :])
    way = "Give one for each." if len(scores) > 2 else "Take both from one batch."
    s.require(
        equal_counts(positions, labels),
        code,
        f"{s.name}: the scores {s.shown(0)} need {product(positions)} labels, one for each position, and {s.shown(1)} "
        f"holds {product(labels)}; Caffe aborts. {way}",
        "bottom.1",
        data={"sizes": (*[(0, i) for i in range(len(scores)) if i != axis], (1, None))},
    )


@layer("SoftmaxWithLoss")
class SoftmaxWithLoss(Loss):
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
class SigmoidCrossEntropyLoss(Loss):
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
            f"{s.name} needs one target for each score; Caffe aborts because {both(s)} differ. Make them equal.",
            "bottom.1",
            data={"differ": (0, 1, None)},
        )


@layer("HingeLoss")
class HingeLoss(Loss):
    """One-versus-all hinge."""

    summary = "One-versus-all hinge loss: each score should be at least 1 on its side of 0. norm L2 squares the excess."
    formula = "loss = sum of max(0, 1 + s * x)^p / N, s = -1 for the labelled class and +1 else"


@layer("MultinomialLogisticLoss")
class MultinomialLogisticLoss(Loss):
    """The logarithm of given probabilities."""

    summary = (
        "The mean negative logarithm of the probability of each label, for inputs that are probabilities already. "
        "Prefer SoftmaxWithLoss."
    )
    formula = "loss = -sum of log(max(p[label], 1e-20)) / N"

    def check(self, s: Context) -> None:
        """Labels (N, 1, 1, 1)."""
        labels = s.bottom(1)
        flat_labels(s, labels, 1)


def flat_labels(s: Context, labels: Shape | None, index: int) -> None:
    """A label for each sample and nothing spatial: (N), (N, 1, 1, 1)."""
    if labels is None:
        return
    s.expect(
        len(labels) <= 4 and all(not isinstance(dim, int) or dim == 1 for dim in labels[1:]),
        "SHP022",
        f"{s.name} needs one label for each sample, of the shape (N) or (N, 1, 1, 1); Caffe aborts because of "
        f"{s.shown(index)}. Reshape it.",
        f"bottom.{index}",
    )


@layer("InfogainLoss")
class InfogainLoss(Loss):
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
            f"{s.name}: {classes} classes need a matrix of {product((classes, classes))} values, not {s.shown(2)}; "
            "Caffe "
            "aborts. Give a row and a column for each class.",
            "bottom.2",
        )


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
                f"{s.name}: its labels {s.shown(1)} are empty and Caffe divides by their number: the process dies. "
                "Give it labels.",
                "bottom.1",
            )
        labels_fit(s, axis, "SHP021")
        top_k = whole(p, "top_k", 1)
        classes = None if scores is None or axis is None else scores[axis]
        s.expect(
            not isinstance(classes, int) or top_k <= classes,
            "SHP021",
            f"{s.name}: top_k {top_k} exceeds the {classes} classes of {s.shown(0)}; Caffe aborts. Lower it.",
            "accuracy_param.top_k",
            data={"classes": classes},
        )
        s.top(())
        s.top(None if classes is None else (classes,))
