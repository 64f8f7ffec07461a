"""SSD's layers: default boxes, their loss and their output. Counts follow the priors (1, 2, 4 * boxes)."""

from __future__ import annotations

from prototxt_net.layers.base import Context, LayerType, layer, whole
from prototxt_net.layers.sizes import add
from prototxt_net.message import Bound
from prototxt_net.shape import Dim, Shape, Sym, product, same, text


def _ratios(p: Bound) -> int:
    """How many aspect ratios there are: 1, then each new one, with its reciprocal when flip is on."""
    ratios = [1.0]
    for ratio in p.all("aspect_ratio"):
        if any(abs(ratio - known) < 1e-6 for known in ratios):
            continue
        ratios.append(ratio)
        if p.get("flip"):
            ratios.append(1.0 / ratio if ratio else float("inf"))
    return len(ratios)


def _exclusive(s: Context, message: str, single: str, pair: tuple[str, str]) -> None:
    """One size field, or its two parts, each positive."""
    p = s.param(message)
    parts = [field for field in pair if p.has(field)]
    s.expect(
        not (p.has(single) and parts),
        "SHP024",
        f"{s.name} has {single} and {' and '.join(parts)}; Caffe aborts. Keep one form.",
        f"{message}.{single}",
    )
    if p.has(single):
        written = [single]
    else:
        written = list(pair) if parts else []
    for field in written:
        value = p.get(field) or 0
        s.expect(
            value > 0,
            "SHP024",
            f"{s.name}: {field} {value:g} must be positive; Caffe aborts. Set it.",
            f"{message}.{field}" if p.has(field) else f"{message}.{parts[0]}",
        )


def _check_variance(s: Context, p: Bound) -> None:
    variance = p.all("variance")
    s.expect(
        len(variance) in (0, 1, 4) and all(value > 0 for value in variance),
        "SHP024",
        f"{s.name}: variance must be given once or four times and be positive; Caffe aborts. Correct it.",
        "prior_box_param.variance",
    )


@layer("PriorBox")
class PriorBox(LayerType):
    """Default boxes for each cell of a map."""

    bottoms = (1, None)  # two are meant, but SSD's check of the number never runs (measured)
    backward = False
    in_place = "forward-wrong"
    summary = (
        "Makes SSD's default boxes for each cell of bottom[0]: one for each min_size and aspect ratio, one for each "
        "max_size. The second row holds the variances."
    )
    formula = "boxes for each cell = ratios * min_sizes + max_sizes; y is (1, 2, H * W * boxes * 4)"

    def set_up(self, s: Context) -> None:
        """(1, 2, H * W * boxes * 4)."""
        message = "prior_box_param"
        p = s.param(message)
        if "min_size" not in p.type.fields:
            return
        smallest, largest = p.all("min_size"), p.all("max_size")
        s.require(
            bool(smallest) and all(size > 0 for size in smallest),
            "SHP024",
            f"{s.name} needs at least one min_size, and each must be positive; Caffe aborts. Give it.",
            f"{message}.min_size",
        )
        s.require(
            not largest
            or (len(largest) == len(smallest) and all(a > b for a, b in zip(largest, smallest, strict=True))),
            "SHP024",
            f"{s.name}: each max_size must exceed its min_size, one for one ({len(smallest)} min_size, {len(largest)} "
            "max_size); Caffe aborts. Correct them.",
            f"{message}.max_size",
        )
        _check_variance(s, p)
        _exclusive(s, message, "img_size", ("img_h", "img_w"))
        _exclusive(s, message, "step", ("step_h", "step_w"))
        boxes = _ratios(p) * len(smallest) + len(largest)
        maps = s.bottom()
        if maps is not None and len(maps) == 4:
            s.top((1, 2, product((*maps[2:], boxes, 4))))


@layer("PriorBoxClustered")
class PriorBoxClustered(LayerType):
    """Default boxes with listed sizes."""

    bottoms = (1, None)
    backward = False
    summary = "Makes default boxes of the listed widths and heights for each cell of bottom[0]."

    def set_up(self, s: Context) -> None:
        """(1, 2, H * W * widths * 4)."""
        p = s.param("prior_box_param")
        maps, boxes = s.bottom(), len(p.all("width"))
        if "width" in p.type.fields and boxes and maps is not None and len(maps) == 4:
            s.top((1, 2, product((*maps[2:], boxes, 4))))


def _channels_fit(s: Context, index: int, per_box: int, what: str, code: str = "SHP024") -> None:
    shape, priors = s.bottom(index), s.bottom(2)
    if shape is None or priors is None or len(shape) < 2 or len(priors) < 3:
        return
    size = priors[2]
    wanted: Dim | None = size // 4 * per_box if isinstance(size, int) else None
    have = shape[1]
    s.expect(
        None if wanted is None else same(wanted, have),
        code,
        f"{s.name}: {text(priors)} priors need {wanted} {what} values a sample, bottom[{index}] {text(shape)} has "
        f"{have}; Caffe aborts. The number of classes or of default boxes differs between the layers.",
        f"bottom.{index}",
    )


def _check_heads(s: Context, p: Bound) -> None:
    """Both heads have as many channels as the priors ask for."""
    classes = whole(p, "num_classes", 0)
    shared = p.get("share_location")
    _channels_fit(s, 0, 4 if shared or shared is None else 4 * classes, "location")
    _channels_fit(s, 1, classes, "confidence")


@layer("MultiBoxLoss")
class MultiBoxLoss(LayerType):
    """SSD's loss: boxes and classes."""

    bottoms = (4, 4)
    auto_top = True
    loss = True
    in_place = "forward-wrong"
    summary = (
        "SSD's loss: matches default boxes with the ground truth, then adds the loss of their offsets and that of "
        "their classes, with hard negatives only."
    )
    formula = "loss = (confidence loss + loc_weight * location loss) / normalizer"

    def set_up(self, s: Context) -> None:
        """A scalar."""
        message = "multibox_loss_param"
        p = s.param(message)
        if not p.type.fields:
            s.top(())
            return
        classes = whole(p, "num_classes", 0)
        s.require(
            p.has("num_classes") and classes >= 1,
            "SHP005",
            f"{s.name} has no num_classes (background included); Caffe aborts. Set it.",
            f"{message}.num_classes",
        )
        background = whole(p, "background_label_id", 0)
        s.expect(
            p.get("conf_loss_type") != "SOFTMAX" or background < classes,
            "SHP024",
            f"{s.name}: background_label_id {background} is not less than num_classes {classes}; Caffe aborts. "
            "Correct one of them.",
            f"{message}.background_label_id",
        )
        self._check_mining(s, p)
        a, b = s.bottom(0), s.bottom(1)
        if a and b:
            s.require(
                same(a[0], b[0]),
                "SHP022",
                f"{s.name}: location {s.shown(0)} and confidence {s.shown(1)} differ in their number of samples; Caffe "
                "aborts. Take both from one batch.",
                "bottom.1",
            )
        _check_heads(s, p)
        s.top(())

    def _check_mining(self, s: Context, p: Bound) -> None:
        """Mining works on shared locations only; the deprecated do_neg_mining must not contradict mining_type."""
        mining = p.get("mining_type")
        if mining is None:
            return
        on = mining != "NONE"
        s.expect(
            not p.has("do_neg_mining") or bool(p.get("do_neg_mining")) == on,
            "SHP024",
            f"{s.name}: do_neg_mining contradicts mining_type {mining}; Caffe aborts. Delete do_neg_mining.",
            "multibox_loss_param.do_neg_mining",
        )
        s.expect(
            not on or bool(p.get("share_location")),
            "SHP024",
            f"{s.name}: mining_type {mining} needs share_location: true; Caffe aborts. Share the locations, or use "
            "NONE.",
            "multibox_loss_param.share_location",
        )


@layer("DetectionOutput")
class DetectionOutput(LayerType):
    """Boxes after decoding and non-maximum suppression."""

    bottoms = (3, 4)
    backward = False
    in_place = "forward-wrong"
    summary = (
        "Decodes SSD's boxes, keeps the best ones of each class (non-maximum suppression). Rows: image, class, score, "
        "xmin, ymin, xmax, ymax."
    )
    formula = "y is (1, 1, boxes kept, 7)"

    def set_up(self, s: Context) -> None:
        """(1, 1, 1, 7) at set-up; the number of boxes changes with the image."""
        message = "detection_output_param"
        p = s.param(message)
        if not p.type.fields:
            return
        s.require(
            p.has("num_classes"),
            "SHP005",
            f"{s.name} has no num_classes (background included); Caffe aborts. Set it.",
            f"{message}.num_classes",
        )
        nms = p.sub("nms_param")
        threshold, eta = nms.get("nms_threshold"), nms.get("eta")
        s.expect(
            threshold is None or threshold >= 0,
            "SHP024",
            f"{s.name}: nms_threshold {threshold} must not be negative; Caffe aborts. Correct it.",
            f"{message}.nms_param.nms_threshold",
        )
        s.expect(
            eta is None or 0 < eta <= 1,
            "SHP024",
            f"{s.name}: eta {eta} must lie in (0, 1]; Caffe aborts. Correct it.",
            f"{message}.nms_param.eta",
        )
        a, b = s.bottom(0), s.bottom(1)
        if a and b:
            s.require(
                same(a[0], b[0]),
                "SHP022",
                f"{s.name}: location {s.shown(0)} and confidence {s.shown(1)} differ in their number of samples; Caffe "
                "aborts. Take both from one batch.",
                "bottom.1",
            )
        _check_heads(s, p)
        s.top((1, 1, 1, 7))


@layer("DetectionEvaluate")
class DetectionEvaluate(LayerType):
    """Compares detections with the ground truth."""

    bottoms = (2, None)  # the check of the number never runs
    backward = False
    in_place = "forward-wrong"
    summary = (
        "Compares detections with the ground truth; the rows are true and false positives for the solver's average "
        "precision."
    )

    def set_up(self, s: Context) -> None:
        """(1, 1, rows, 5)."""
        message = "detection_evaluate_param"
        p = s.param(message)
        if not p.type.fields:
            return
        s.require(
            p.has("num_classes"),
            "SHP005",
            f"{s.name} has no num_classes (background included); Caffe aborts. Set it.",
            f"{message}.num_classes",
        )
        found, truth = s.bottom(0), s.bottom(1)
        for index, (shape, width) in enumerate(((found, 7), (truth, 8))):
            s.expect(
                None if shape is None else _is_table(shape, width),
                "SHP024",
                f"{s.name}: {s.shown(index)} must be (1, 1, rows, {width}); Caffe aborts. Reshape it.",
                f"bottom.{index}",
            )
        # one row for each class but the background, then one for each detection; at set-up all of them count
        rows = found[2] if found is not None and len(found) == 4 else Sym(f"{s.layer.name}.detections")
        s.top((1, 1, add(whole(p, "num_classes", 0) - 1, rows), 5))


def _is_table(shape: Shape, width: int) -> bool | None:
    if len(shape) != 4:
        return False
    verdicts = same(shape[0], 1), same(shape[1], 1), same(shape[3], width)
    return False if False in verdicts else None if None in verdicts else True
