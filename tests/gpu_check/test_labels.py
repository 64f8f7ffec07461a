"""Values that name a class, a sample, a region or a place: what names nothing is said, and is no error of ours."""

from __future__ import annotations

import numpy as np
import pytest

from prototxt_gpu_check.policy import Request, forward
from prototxt_gpu_check.result import ForwardResult
from prototxt_net.finding import Finding

SCORES = np.random.default_rng(0).standard_normal((4, 5)).astype(np.float32)
IP = """layer { name: "ip" type: "InnerProduct" bottom: "x" top: "s" inner_product_param { num_output: 5
  weight_filler { type: "msra" } } }
"""
LOSSES = {
    "SoftmaxWithLoss": IP + 'layer { name: "l" type: "SoftmaxWithLoss" bottom: "s" bottom: "y" top: "l" }',
    "HingeLoss": IP + 'layer { name: "l" type: "HingeLoss" bottom: "s" bottom: "y" top: "l" }',
    "HingeLoss, L2": IP
    + 'layer { name: "l" type: "HingeLoss" bottom: "s" bottom: "y" top: "l" hinge_loss_param { norm: L2 } }',
    "MultinomialLogisticLoss": IP
    + 'layer { name: "p" type: "Softmax" bottom: "s" top: "p" }'
    + 'layer { name: "l" type: "MultinomialLogisticLoss" bottom: "p" bottom: "y" top: "l" }',
    "InfogainLoss": IP + 'layer { name: "l" type: "InfogainLoss" bottom: "s" bottom: "y" bottom: "h" top: "l" }',
}
OUTSIDE = {"one too many": 5, "1 to K": 5.0, "negative": -1, "huge": 1e30, "not a number": np.nan, "infinite": -np.inf}


def run(text: str, labels: list[float]) -> tuple[ForwardResult, list[Finding]]:
    """Forward and backward with these labels."""
    arrays = {"x": SCORES, "y": np.array(labels, np.float32), "h": np.eye(5, dtype=np.float32).reshape(1, 1, 5, 5)}
    inputs = {name: array for name, array in arrays.items() if f'bottom: "{name}"' in text}
    head = "".join(
        f'layer {{ name: "{name}" type: "Input" top: "{name}" '
        f"input_param {{ shape {{ {' '.join(f'dim: {n}' for n in array.shape)} }} }} }}\n"
        for name, array in inputs.items()
    )
    return forward(Request(head + text, "bvlc", "TRAIN", device="cpu", inputs=inputs, backward=True))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("bad", OUTSIDE.values(), ids=OUTSIDE.keys())
def test_a_label_without_a_class_is_an_error_of_the_labels(loss: str, bad: float) -> None:
    result, findings = run(LOSSES[loss], [0, bad, 4, 2])
    assert result.status == "ok"
    assert ("DYN025", "error", "l") in [(f.code, f.severity, f.layer) for f in findings]
    message = next(f.message for f in findings if f.code == "DYN025")
    assert message.startswith(f"1 labels are no class of 0..4 (such as {np.float32(bad):g})")


@pytest.mark.parametrize("loss", LOSSES)
def test_labels_are_truncated_as_caffe_does(loss: str) -> None:
    whole, _ = run(LOSSES[loss], [0, 1, 4, 0])
    broken, findings = run(LOSSES[loss], [0.9, 1.5, 4.99, -0.5])
    assert whole.loss == broken.loss
    assert "DYN025" not in [f.code for f in findings]


def test_an_ignored_label_need_not_be_a_class() -> None:
    text = LOSSES["InfogainLoss"].replace('top: "l" }', 'top: "l" loss_param { ignore_label: 255 } }')
    result, findings = run(text, [0, 255, 4, 255])
    assert result.loss is not None
    assert "DYN025" not in [f.code for f in findings]


@pytest.mark.parametrize("bad", [-1, 4, 1e30])
def test_an_index_of_no_sample_is_where_caffe_aborts(bad: float) -> None:
    result, _ = run('layer { name: "r" type: "BatchReindex" bottom: "x" bottom: "y" top: "r" }', [0, 1, bad, 2])
    reason = result.layers[-1].reason
    assert "picks none of its 4 samples; Caffe aborts" in reason
    assert result.status == "partial"


ROIS = """layer { name: "r" type: "ROIPooling" bottom: "x" bottom: "rois" top: "r"
  roi_pooling_param { pooled_h: 2 pooled_w: 2 spatial_scale: 0.5 } }"""
PSROIS = """layer { name: "r" type: "PSROIPooling" bottom: "x" bottom: "rois" top: "r"
  psroi_pooling_param { spatial_scale: 0.5 output_dim: 2 group_size: 2 } }"""
UPSAMPLE = (
    """layer { name: "r" type: "Upsample" bottom: "small" bottom: "mask" top: "r" upsample_param { scale: 2 } }"""
)
NO_IMAGE = "Caffe refuses a region of image %d: there are 2"
MAPS = np.random.default_rng(0).standard_normal((2, 8, 6, 8)).astype(np.float32)
SMALL = MAPS[:, :, :3, :4]


@pytest.mark.parametrize(
    ("text", "dialect", "arrays", "reason"),
    [
        (ROIS, "faster-rcnn", {"x": MAPS, "rois": [[0, 1, 1, 9, 9]]}, ""),
        (ROIS, "faster-rcnn", {"x": MAPS, "rois": [[2, 1, 1, 9, 9]]}, NO_IMAGE % 2),
        (
            ROIS,
            "faster-rcnn",
            {"x": MAPS, "rois": [[-1, 1, 1, 9, 9]]},
            "Caffe refuses a region of image -1: there are 2",
        ),
        (ROIS, "faster-rcnn", {"x": MAPS, "rois": [[0, np.nan, 1, 9, 9]]}, "a region of it is not finite"),
        (PSROIS, "rfcn", {"x": MAPS, "rois": [[0, 1, 1, np.inf, 9]]}, "a region of it is not finite"),
        (UPSAMPLE, "segnet", {"small": SMALL, "mask": np.zeros_like(SMALL)}, ""),
        (
            UPSAMPLE,
            "segnet",
            {"small": SMALL, "mask": np.full_like(SMALL, 48)},
            "its mask names place 48 of maps with 48; Caffe aborts",
        ),
    ],
)
def test_regions_and_places_that_are_not_there(
    text: str, dialect: str, arrays: dict[str, np.ndarray], reason: str
) -> None:
    inputs = {name: np.asarray(array, np.float32) for name, array in arrays.items()}
    head = "".join(
        f'layer {{ name: "{name}" type: "Input" top: "{name}" '
        f"input_param {{ shape {{ {' '.join(f'dim: {n}' for n in array.shape)} }} }} }}\n"
        for name, array in inputs.items()
    )
    result, _ = forward(Request(head + text, dialect, "TEST", device="cpu", inputs=inputs))
    assert result.layers[-1].reason == reason


BEHIND_FILTER = """layer { name: "f" type: "Filter" bottom: "x" bottom: "y" top: "kept" }
layer { name: "ip" type: "InnerProduct" bottom: "kept" top: "ip" inner_product_param { num_output: 3
  weight_filler { type: "msra" } } }
layer { name: "relu" type: "ReLU" bottom: "ip" top: "ip" }
layer { name: "flat" type: "Reshape" bottom: "ip" top: "flat" reshape_param { shape { dim: 0 dim: -1 } } }
layer { name: "l" type: "Reduction" bottom: "flat" top: "l" loss_weight: 1 }
"""


@pytest.mark.parametrize(("select", "kept"), [([0, 1, 0, 1], 2), ([0, 0, 1, 0], 1), ([1, 1, 1, 1], 4)])
def test_layers_behind_a_filter_work_on_what_is_left(select: list[float], kept: int) -> None:
    result, _ = run(BEHIND_FILTER, select)
    assert result.status == "ok"
    assert [top.shape for layer in result.layers[2:] for top in layer.tops] == [
        (kept, 5),
        (kept, 3),
        (kept, 3),
        (kept, 3),
        (),
    ]
    assert result.backward is not None
    assert [layer.reason for layer in result.backward.layers] == ["", "", "", ""]


def test_a_filter_that_leaves_nothing_is_where_caffe_aborts_behind_it() -> None:
    result, _ = run(BEHIND_FILTER, [0, 0, 0, 0])
    assert [top.shape for top in result.layers[2].tops] == [(0, 5)]
    assert "holds no sample" in result.layers[3].reason
