"""Nets that answer for every place: FCN-8s (a class for each pixel) and SSD300 (boxes), both on VGG16."""

from __future__ import annotations

from .plain import vgg_block
from .writer import Net, Word


def fcn8s(n: Net) -> None:
    """Long et al. 2015: VGG16 as convolutions, with the predictions of pool3 and pool4 added on the way up.

    The first layer pads 100 so that the maps stay larger than the image; each Crop cuts them to size again.
    """
    x = n.images(label=(n.batch, 1, n.size, n.size), labelled=n.source == "dummy")
    if n.trained and n.source == "lmdb":
        for phase in ("TRAIN", "TEST"):
            n.layer(
                "Data", "label", [], ["label"], phase,
                transform_param={"crop_size": n.size}, data_param=n.database(f"{phase.lower()}_label_lmdb"),
            )  # fmt: skip
    pools = {}
    for block in range(1, 6):
        x = pools[block] = n.pool(vgg_block(n, x, block, 100 if block == 1 else 1), f"pool{block}", 2, 2)
    x = n.dropout(n.relu(n.conv(x, "fc6", n.wide(4096), 7)), "drop6")
    x = n.dropout(n.relu(n.conv(x, "fc7", n.wide(4096))), "drop7")
    x = n.upsample(n.conv(x, "score_fr", n.classes), "upscore2", 2)
    for block, offset, name, factor in ((4, 5, "upscore_pool4", 2), (3, 9, "upscore8", 8)):
        scores = n.conv(pools[block], f"score_pool{block}", n.classes)
        crop = n.layer(
            "Crop",
            f"score_pool{block}c",
            [scores, x],
            [f"score_pool{block}c"],
            crop_param={"axis": 2, "offset": offset},
        )
        x = n.upsample(n.add(f"fuse_pool{block}", x, crop), name, factor)
    score = n.layer("Crop", "score", [x, "data"], ["score"], crop_param={"axis": 2, "offset": 31})
    if n.trained:
        param = {"ignore_label": 255, "normalization": Word("VALID")}
        n.layer("SoftmaxWithLoss", "loss", [score, "label"], ["loss"], loss_param=param)


FEATURES = (
    ("conv4_3_norm", 4, (30, 60), (2,)),
    ("fc7", 6, (60, 111), (2, 3)),
    ("conv6_2", 6, (111, 162), (2, 3)),
    ("conv7_2", 6, (162, 213), (2, 3)),
    ("conv8_2", 4, (213, 264), (2,)),
    ("conv9_2", 4, (264, 315), (2,)),
)
"""Each map that predicts: boxes at each of its places, smallest and largest box in pixels of 300, aspect ratios."""

DECODE = {"share_location": True, "background_label_id": 0}


def ssd300(n: Net) -> None:
    """Liu et al. 2016, figure 2 (SSD300 on VGG16), in the layers of the SSD fork."""
    if n.trained and n.source == "lmdb":
        for phase in ("TRAIN", "TEST"):
            resize = {"prob": 1, "resize_mode": Word("WARP"), "height": n.size, "width": n.size}
            n.layer(
                "AnnotatedData", "data", [], ["data", "label"], phase,
                transform_param={"mean_value": [104, 117, 123], "resize_param": resize},
                data_param=n.database(f"{phase.lower()}_lmdb"),
                annotated_data_param={"label_map_file": "labelmap.prototxt"},
            )  # fmt: skip
        x = "data"
    else:
        x = n.images(label=(1, 1, n.batch, 8))
    maps = _ssd_maps(n, x)
    found: dict[str, list[str]] = {"loc": [], "conf": [], "priorbox": []}
    for name, boxes, (low, high), ratios in FEATURES:
        bottom = maps[name]
        for kind, values in (("loc", 4), ("conf", n.classes)):
            top = n.conv(bottom, f"{name}_mbox_{kind}", boxes * values, 3, pad=1)
            top = n.layer("Permute", f"{top}_perm", [top], [f"{top}_perm"], permute_param={"order": [0, 2, 3, 1]})
            flat = top.replace("_perm", "_flat")
            found[kind].append(n.layer("Flatten", flat, [top], [flat], flatten_param={"axis": 1}))
        scale = n.size / 300
        prior = f"{name}_mbox_priorbox"
        param = {
            "min_size": low * scale,
            "max_size": high * scale,
            "aspect_ratio": list(ratios),
            "flip": True,
            "clip": False,
            "variance": [0.1, 0.1, 0.2, 0.2],
        }
        found["priorbox"].append(n.layer("PriorBox", prior, [bottom, "data"], [prior], prior_box_param=param))
    loc, conf = n.concat("mbox_loc", found["loc"]), n.concat("mbox_conf", found["conf"])
    prior = n.concat("mbox_priorbox", found["priorbox"], 2)
    phase = ""
    if n.trained:
        n.layer(
            "MultiBoxLoss", "mbox_loss", [loc, conf, prior, "label"], ["mbox_loss"], "TRAIN",
            propagate_down=[True, True, False, False],
            loss_param={"normalization": Word("VALID")},
            multibox_loss_param={
                "loc_loss_type": Word("SMOOTH_L1"), "conf_loss_type": Word("SOFTMAX"), "loc_weight": 1,
                "num_classes": n.classes, **DECODE, "match_type": Word("PER_PREDICTION"), "overlap_threshold": 0.5,
                "use_prior_for_matching": True, "use_difficult_gt": True, "neg_pos_ratio": 3, "neg_overlap": 0.5,
                "code_type": Word("CENTER_SIZE"), "mining_type": Word("MAX_NEGATIVE"),
            },
        )  # fmt: skip
        phase = "TEST"
    _ssd_boxes(n, loc, conf, prior, phase)


def _ssd_maps(n: Net, x: str) -> dict[str, str]:
    """The maps that predict, by name."""
    maps = {}
    for block in range(1, 6):
        x = vgg_block(n, x, block)
        if block == 4:
            maps["conv4_3_norm"] = n.layer(
                "Normalize", "conv4_3_norm", [x], ["conv4_3_norm"],
                norm_param={
                    "across_spatial": False, "scale_filler": {"type": "constant", "value": 20}, "channel_shared": False
                },
            )  # fmt: skip
        x = n.pool(x, f"pool{block}", 2, 2) if block < 5 else n.pool(x, "pool5", 3, 1, 1)
    x = n.relu(n.conv(x, "fc6", n.wide(1024), 3, pad=6, dilation=6))
    x = maps["fc7"] = n.relu(n.conv(x, "fc7", n.wide(1024)))
    for block, inner, stride, pad in ((6, 256, 2, 1), (7, 128, 2, 1), (8, 128, 1, 0), (9, 128, 1, 0)):
        x = n.relu(n.conv(x, f"conv{block}_1", n.wide(inner)))
        x = maps[f"conv{block}_2"] = n.relu(n.conv(x, f"conv{block}_2", n.wide(2 * inner), 3, stride, pad))
    return maps


def _ssd_boxes(n: Net, loc: str, conf: str, prior: str, phase: str) -> None:
    """From scores to boxes, and when it is trained their comparison with the annotations."""
    shape = {"dim": [0, -1, n.classes]}
    x = n.layer("Reshape", "mbox_conf_reshape", [conf], ["mbox_conf_reshape"], phase, reshape_param={"shape": shape})
    x = n.layer("Softmax", "mbox_conf_softmax", [x], ["mbox_conf_softmax"], phase, softmax_param={"axis": 2})
    x = n.layer("Flatten", "mbox_conf_flatten", [x], ["mbox_conf_flatten"], phase, flatten_param={"axis": 1})
    x = n.layer(
        "DetectionOutput", "detection_out", [loc, x, prior], ["detection_out"], phase,
        detection_output_param={
            "num_classes": n.classes, **DECODE, "nms_param": {"nms_threshold": 0.45, "top_k": 400},
            "code_type": Word("CENTER_SIZE"), "keep_top_k": 200, "confidence_threshold": 0.01,
        },
    )  # fmt: skip
    if n.trained:
        n.layer(
            "DetectionEvaluate", "detection_eval", [x, "label"], ["detection_eval"], phase,
            detection_evaluate_param={"num_classes": n.classes, "background_label_id": 0, "overlap_threshold": 0.5},
        )  # fmt: skip
