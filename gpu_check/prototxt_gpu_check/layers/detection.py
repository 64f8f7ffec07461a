"""SSD's loss, output and evaluation, proposals of Faster R-CNN. All of it runs on the host, as in the originals."""

from __future__ import annotations

import ast
from collections.abc import Sequence

import numpy as np

from prototxt_gpu_check.backend import Array
from prototxt_gpu_check.layers.base import Step, runs
from prototxt_gpu_check.layers.loss import normalizer
from prototxt_gpu_check.layout import stored
from prototxt_gpu_check.ops import boxes as bx
from prototxt_gpu_check.ops import detection as ops
from prototxt_net.message import Bound

FLT_MAX = float(np.finfo(np.float32).max)


def _host(s: Step, index: int) -> ops.Host:
    return np.asarray(s.backend.to_host(s.backend.contiguous(s.bottoms[index])), np.float32)


def _number(p: Bound, field: str, default: float) -> float:
    value = p.get(field)
    return default if value is None else float(value)


def _heads(s: Step, p: Bound) -> tuple[ops.Host, ops.Host, ops.Host]:
    """Offsets (N, boxes, 1 or classes, 4), scores (N, boxes, classes) and priors."""
    prior, classes = _host(s, 2), int(p.get("num_classes"))
    count = prior.shape[2] // 4
    groups = 1 if p.get("share_location") is not False else classes
    samples = s.bottoms[0].shape[0]
    return _host(s, 0).reshape(samples, count, groups, 4), _host(s, 1).reshape(samples, count, classes), prior


@runs("MultiBoxLoss")
def multibox_loss(s: Step) -> Sequence[Array]:
    """(confidence loss + loc_weight * location loss) / normaliser; a term without propagate_down is left out."""
    p = s.param("multibox_loss_param")
    if p.get("bp_inside"):
        raise NotImplementedError("bp_inside of MultiBoxLoss is not run here")
    location, scores, prior = _heads(s, p)
    truth = _host(s, 3).reshape(-1, 8)
    ends = np.flatnonzero(truth[:, 0] == -1)
    truth = truth[: ends[0]] if len(ends) else truth
    if p.get("use_difficult_gt") is False:
        truth = truth[truth[:, 7] == 0]
    background = int(_number(p, "background_label_id", 0))
    if (truth[:, 1] == background).any():
        raise NotImplementedError(f"Caffe refuses a ground truth of the background class {background}")
    nms = p.sub("nms_param")
    limits = (_number(nms, "nms_threshold", 0.3), int(_number(nms, "top_k", -1)))
    how = ops.coding(prior, str(p.get("code_type") or "CORNER"), bool(p.get("encode_variance_in_target")))
    settings = ops.MultiBox(
        classes=scores.shape[2],
        background=background,
        overlap=None if p.get("match_type") == "BIPARTITE" else _number(p, "overlap_threshold", 0.5),
        mining=str(p.get("mining_type") or ("NONE" if p.get("do_neg_mining") is False else "MAX_NEGATIVE")),
        negative_ratio=_number(p, "neg_pos_ratio", 3.0),
        negative_overlap=_number(p, "neg_overlap", 0.5),
        smooth=p.get("loc_loss_type") != "L2",
        softmax=p.get("conf_loss_type") != "LOGISTIC",
        inside_only=bool(p.get("ignore_cross_boundary_bbox")),
        agnostic=bool(p.get("map_object_to_agnostic")),
        use_priors=p.get("use_prior_for_matching") is not False,
        sample_size=int(_number(p, "sample_size", 64)),
        nms=limits if p.has("nms_param") else None,
        nms_on_priors=bool(p.get("use_prior_for_nms")),
    )
    found = ops.multibox(location, scores, truth, how, settings)
    divisor = normalizer(s, location.shape[0], "VALID")(location.shape[0] * location.shape[1], found.matches)
    down = s.node.layer.definition.bound.all("propagate_down") or [True, True]
    total = 0.0
    if down[0]:
        total += _number(p, "loc_weight", 1.0) * found.location / divisor
    if len(down) < 2 or down[1]:
        total += found.confidence / divisor
    s.facts.update(matches=found.matches, objects=len(truth))
    if s.keep:
        s.saved.update(found=found, settings=settings, divisor=divisor)
    with np.errstate(over="ignore"):
        return [s.backend.asarray(np.float32(total))]


@runs("DetectionOutput")
def detection_output(s: Step) -> Sequence[Array]:
    """Rows (image, class, score, xmin, ymin, xmax, ymax) of the detections that remain."""
    p = s.param("detection_output_param")
    location, scores, prior = _heads(s, p)
    nms = p.sub("nms_param")
    keeping = ops.Keeping(
        background=int(_number(p, "background_label_id", 0)),
        confidence=_number(p, "confidence_threshold", -FLT_MAX),
        threshold=_number(nms, "nms_threshold", 0.3),
        top_k=int(_number(nms, "top_k", -1)),
        eta=_number(nms, "eta", 1.0),
        keep=int(_number(p, "keep_top_k", -1)),
    )
    how = ops.coding(prior, str(p.get("code_type") or "CORNER"), bool(p.get("variance_encoded_in_target")))
    table = ops.detections(location, scores, how, keeping)
    return [stored(s.backend, s.backend.asarray(table[None, None]))]


@runs("DetectionEvaluate")
def detection_evaluate(s: Step) -> Sequence[Array]:
    """True and false positives, for the solver's average precision."""
    p = s.param("detection_evaluate_param")
    if p.get("name_size_file"):
        raise NotImplementedError("the sizes of the images come from a file")
    table = ops.evaluation(
        _host(s, 0).reshape(-1, 7),
        _host(s, 1).reshape(-1, 8),
        classes=int(p.get("num_classes")),
        background=int(_number(p, "background_label_id", 0)),
        threshold=_number(p, "overlap_threshold", 0.5),
        difficult=p.get("evaluate_difficult_gt") is not False,
    )
    return [stored(s.backend, s.backend.asarray(table[None, None]))]


@runs("Proposal")
def proposal(s: Step) -> Sequence[Array]:
    """PVANET's C++ proposals: boxes that are too small keep their place with a score of 0 (measured)."""
    p = s.param("proposal_param")
    ratios = [float(v) for v in p.all("ratio")]
    scales = [float(v) for v in p.all("scale")]
    base = bx.anchors(int(_number(p, "base_size", 16)), ratios, scales)
    height, width, scale_h, scale_w = _host(s, 2).reshape(-1)[:4]
    found, scores = _anchored(s, base, int(_number(p, "feat_stride", 16)), float(width), float(height))
    least = _number(p, "min_size", 16)
    sides = found[:, 2:] - found[:, :2] + np.float32(1)
    scores *= (sides >= np.asarray([least * scale_w, least * scale_h], np.float32)).all(axis=1)
    limits = (int(_number(p, "pre_nms_topn", 6000)), int(_number(p, "post_nms_topn", 300)))
    return _proposed(s, found, scores, limits, _number(p, "nms_thresh", 0.7))


def _anchored(s: Step, base: ops.Host, stride: int, width: float, height: float) -> tuple[ops.Host, ops.Host]:
    """Every anchor of every place, moved and clipped, with its object score; places row by row, then anchors."""
    scores, deltas = _host(s, 0), _host(s, 1)
    if scores.shape[0] != 1:
        raise NotImplementedError("Caffe makes proposals for one image only")
    rows, columns = scores.shape[2:]
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32) * np.float32(stride)
    shifted = np.stack([x, y, x, y], axis=-1)[:, :, None, :] + base
    moves = deltas.reshape(-1, 4, rows, columns).transpose(2, 3, 0, 1).reshape(-1, 4)
    score = scores[0, scores.shape[1] // 2 :].transpose(1, 2, 0).reshape(-1)
    if not len(score) == len(moves) == len(shifted.reshape(-1, 4)):
        raise NotImplementedError(f"scores and boxes are not those of {len(base)} anchors")
    return bx.moved(shifted.reshape(-1, 4), moves, width, height), score.copy()


def _proposed(s: Step, found: ops.Host, scores: ops.Host, limits: tuple[int, int], threshold: float) -> Sequence[Array]:
    before, after = limits
    order = bx.best_first(scores)[:before]
    kept = bx.suppress(found, order, threshold, pixels=True, keep=after)
    if not len(kept):
        raise NotImplementedError("no box is large enough, so there are no regions")
    rois = np.concatenate([np.zeros((len(kept), 1), np.float32), found[kept]], axis=1)
    b = s.backend
    return [stored(b, b.asarray(rois)), b.asarray(scores[kept])][: max(1, len(s.tops))]


@runs("Python")
def python(s: Step) -> Sequence[Array]:
    """The one class that everybody copies, py-faster-rcnn's ProposalLayer; no other module is run."""
    p = s.param("python_param")
    if (p.get("module"), p.get("layer")) != ("rpn.proposal_layer", "ProposalLayer"):
        raise NotImplementedError("Python layers are not run here")
    settings = _yaml_line(str(p.get("param_str") or ""))
    base = np.rint(bx.anchors(16, [0.5, 1.0, 2.0], settings.get("scales", [8.0, 16.0, 32.0]))).astype(np.float32)
    height, width, scale = _host(s, 2).reshape(-1)[:3]
    stride = int(settings.get("feat_stride", [16.0])[0])
    found, scores = _anchored(s, base, stride, float(width), float(height))
    sides = found[:, 2:] - found[:, :2] + np.float32(1)
    large = np.flatnonzero((sides >= np.float32(16) * scale).all(axis=1))
    limits = (12000, 2000) if s.phase == "TRAIN" else (6000, 300)
    return _proposed(s, found[large], scores[large], limits, 0.7)


def _yaml_line(text: str) -> dict[str, list[float]]:
    """The numbers of a param_str such as `'feat_stride': 16`, or `'scales': [4, 8]`; what else stands there is left."""
    found: dict[str, list[float]] = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        try:
            number = ast.literal_eval(value.replace("!!python/tuple", "").strip())
        except (ValueError, SyntaxError):
            continue
        numbers = number if isinstance(number, list | tuple) else [number]
        if all(isinstance(n, int | float) for n in numbers):
            found[name.strip(" '\"{}")] = [float(n) for n in numbers]
    return found
