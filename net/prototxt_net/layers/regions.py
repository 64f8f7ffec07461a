"""Layers of the R-CNN forks: pooling of regions, proposals, hard examples."""

from __future__ import annotations

from prototxt_net.layers.base import Context, LayerType, layer, whole
from prototxt_net.shape import Shape, product, same, text


def _positive(s: Context, message: str, *fields: str) -> None:
    p = s.param(message)
    for field in fields:
        value = whole(p, field, 0)
        s.expect(
            value > 0,
            "SHP024",
            f"{s.name}: {field} {value} must be positive; Caffe aborts. Set it.",
            f"{message}.{field}",
        )


@layer("ROIPooling")
class RoiPooling(LayerType):
    """Pools each region into a grid of one size."""

    bottoms = (2, 2)
    in_place = "forward-wrong"
    summary = (
        "Pools each region of interest into a grid of pooled_h x pooled_w maxima. Regions are rows (image, x1, y1, x2, "
        "y2) in image pixels."
    )
    formula = "y[r, c, i, j] = max of x over bin (i, j) of region r"

    def set_up(self, s: Context) -> None:
        """(regions, C, pooled_h, pooled_w)."""
        message = "roi_pooling_param"
        p = s.param(message)
        if not p.type.fields:
            return
        _positive(s, message, "pooled_h", "pooled_w")
        maps, regions = s.bottom(0), s.bottom(1)
        if maps is None or not regions or len(maps) < 2:
            return
        s.top((regions[0], maps[1], whole(p, "pooled_h", 0), whole(p, "pooled_w", 0)))


@layer("PSROIPooling")
class PsRoiPooling(LayerType):
    """Position-sensitive pooling of regions."""

    bottoms = (2, 2)
    in_place = "forward-wrong"
    summary = "Pools each region into group_size x group_size means, each bin from channels of its own (R-FCN)."
    formula = "y[r, o, i, j] = mean of x[(o * g + i) * g + j] over bin (i, j)"

    def set_up(self, s: Context) -> None:
        """(regions, output_dim, group_size, group_size)."""
        message = "psroi_pooling_param"
        p = s.param(message)
        if not p.type.fields:
            return
        _positive(s, message, "output_dim", "group_size")
        outputs, group = whole(p, "output_dim", 0), whole(p, "group_size", 0)
        maps, regions = s.bottom(0), s.bottom(1)
        if maps is not None and len(maps) >= 2:
            s.expect(
                same(maps[1], outputs * group * group),
                "SHP024",
                f"{s.name}: output_dim {outputs} with group_size {group} needs {outputs * group * group} channels, "
                f"{text(maps)} has {maps[1]}; Caffe aborts. Change num_output of the layer that makes them.",
                f"{message}.output_dim",
            )
        if regions:
            s.top((regions[0], outputs, group, group))


@layer("BoxAnnotatorOHEM")
class BoxAnnotatorOhem(LayerType):
    """Keeps the hardest regions."""

    bottoms = (4, 4)
    tops = (2, 2)
    backward = False
    in_place = "forward-wrong"
    summary = "Keeps the labels of the roi_per_img regions with the largest loss and marks the others as ignored."

    def set_up(self, s: Context) -> None:
        """The shapes of the labels and of the box weights."""
        s.top(s.bottom(2))
        s.top(s.bottom(3))


@layer("Proposal")
class Proposal(LayerType):
    """Regions from the scores of anchors."""

    bottoms = (3, 3)
    tops = (1, 2)
    backward = False
    in_place = "forward-wrong"
    summary = "Turns scores and offsets of anchors into at most post_nms_topn regions for one image."

    def set_up(self, s: Context) -> None:
        """(N * post_nms_topn, 5) at set-up; the number of regions changes with the image."""
        p = s.param("proposal_param")
        shape = s.bottom()
        if "post_nms_topn" in p.type.fields and shape:
            regions = product((shape[0], whole(p, "post_nms_topn", 300)))
            s.top((regions, 5))
            s.top((regions,))


@layer("Nms")
class Nms(LayerType):
    """OpenPose's peaks."""

    backward = False
    in_place = "forward-wrong"
    summary = "Finds the peaks of each heat map: up to max_peaks rows of x, y, score behind a row with their number."

    def set_up(self, s: Context) -> None:
        """(N, num_parts, max_peaks + 1, 3)."""
        p = s.param("nms_param")
        shape = s.bottom()
        if "num_parts" in p.type.fields and shape:
            s.top((shape[0], whole(p, "num_parts", 15), whole(p, "max_peaks", 20) + 1, 3))


# The first top's shape at set-up: py-faster-rcnn's proposals, BVLC's example of a loss.
_PYTHON_TOPS: dict[tuple[str, str], Shape] = {
    ("rpn.proposal_layer", "ProposalLayer"): (1, 5),
    ("pyloss", "EuclideanLossLayer"): (1,),
}


@layer("Python")
class Python(LayerType):
    """A layer written in Python."""

    bottoms = (0, None)
    tops = (0, None)
    summary = (
        "Runs a class of a Python module (python_param.module, layer); param_str is handed to it. Its shapes are up to "
        "that class."
    )

    def set_up(self, s: Context) -> None:
        """Unknown shapes, but for two classes that everybody copies."""
        p = s.param("python_param")
        s.expect(
            bool(p.get("module")),
            "SHP024",
            f"{s.name} names no Python module; Caffe ends with an exception of Python. Set python_param.module and "
            "layer.",
            "python_param",
        )
        first = _PYTHON_TOPS.get((str(p.get("module")), str(p.get("layer"))))
        for index in range(len(s.layer.tops)):
            s.top(first if index == 0 else None)


@layer("SegAccuracy")
class SegAccuracy(LayerType):
    """Accuracy of a segmentation."""

    bottoms = (2, 2)
    backward = False
    in_place = "forward-wrong"
    summary = "Pixel accuracy, class accuracy and intersection over union of a segmentation."

    def set_up(self, s: Context) -> None:
        """(1, 1, 1, 3)."""
        scores, labels = s.bottom(0), s.bottom(1)
        if scores is not None and labels is not None and len(scores) == len(labels) == 4:
            verdicts = [same(scores[i], labels[i]) for i in (0, 2, 3)] + [same(labels[1], 1)]
            s.expect(
                False if False in verdicts else None,
                "SHP021",
                f"{s.name} needs labels (N, 1, H, W) for the scores {s.shown(0)}; Caffe aborts because of "
                f"{s.shown(1)}. "
                "Make the sizes equal.",
                "bottom.1",
            )
        s.top((1, 1, 1, 3))
