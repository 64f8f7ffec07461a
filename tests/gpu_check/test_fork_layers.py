"""Which layer types run, and the arithmetic of those of the forks that no golden net shows, against plain loops."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from prototxt_gpu_check import plan
from prototxt_gpu_check.backend import Backend
from prototxt_gpu_check.layers import runner
from prototxt_gpu_check.policy import Request, forward
from prototxt_gpu_check.result import ForwardResult
from prototxt_gpu_check.run import Options, Pass
from prototxt_gpu_check.sources import Inputs
from prototxt_grammar.parse import parse
from prototxt_net.phases import State
from prototxt_net.read import read

SOURCES = frozenset(
    {
        "AnnotatedData", "Data", "DenseImageData", "DummyData", "HDF5Data", "ImageData", "ImageSegData", "Input",
        "MemoryData", "VideoData", "WindowData",
    }
)  # fmt: skip
"""Types without bottoms: their tops are given, read or made up."""

NOT_RUN = {
    "BatchReduction": "its summary of the source does not say how the levels are reduced",
    "CReLU-like composition": "no layer: a pattern of five",
    "Convolution3D": "C3D names it by an enum of its own, CONVOLUTION3D",
    "DetectNetTransformation": "augmentation and rasterising of DIGITS' ground truth",
    "ImResize": "OpenCV's bicubic interpolation of several scales at once",
    "Nms": "runs on GPUs only, in a way that its summary does not settle",
}
"""What is left out, and why: such a layer is reported as not checked."""

RNG = np.random.default_rng(5)


def net(text: str, arrays: dict[str, np.ndarray]) -> str:
    """An Input layer for each array, then the layers of the text."""
    dims = {name: " ".join(f"dim: {n}" for n in array.shape) for name, array in arrays.items()}
    return (
        "".join(
            f'layer {{ name: "{name}" type: "Input" top: "{name}" input_param {{ shape {{ {shape} }} }} }}\n'
            for name, shape in dims.items()
        )
        + text
    )


def run(text: str, dialect: str, **arrays: np.ndarray) -> ForwardResult:
    return forward(Request(net(text, arrays), dialect, "TRAIN", inputs=floats(arrays), device="cpu"))[0]


def tops(text: str, dialect: str, phase: str = "TRAIN", **arrays: np.ndarray) -> list[np.ndarray]:
    """The tops of the last layer of a net that reads the arrays."""
    return last_tops(net(text, arrays), dialect, phase, floats(arrays))


def floats(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def last_tops(text: str, dialect: str, phase: str, arrays: dict[str, np.ndarray]) -> list[np.ndarray]:
    given = Inputs(arrays=arrays)
    state = State("TRAIN" if phase == "TRAIN" else "TEST")
    planned = plan.make(read(parse(text), dialect), state, given, None, None)
    last = planned.net.nodes[-1]
    one = Pass(planned, Backend(), given, Options(strict_fillers=True, keep=frozenset(last.tops)))
    result = one.run()
    assert result.layers[-1].checked, result.layers[-1].reason
    return [np.array(one.arrays[blob]) for blob in last.tops]


def test_every_layer_type_runs_but_the_known_few(shared: Path) -> None:
    entries = json.loads((shared / "facts/layers.json").read_text())["layers"]
    types = {entry["type"] for entry in entries}
    assert len(entries) == 107
    assert {t for t in types - SOURCES if runner(t) is None} == set(NOT_RUN)


@pytest.mark.parametrize("type_", [t for t in sorted(NOT_RUN) if " " not in t])
def test_a_layer_that_is_not_run_is_said_and_the_rest_runs(type_: str) -> None:
    text = f'layer {{ name: "a" type: "{type_}" bottom: "x" top: "y" }}\n'
    text += 'layer { name: "b" type: "ReLU" bottom: "x" top: "z" }\n'
    result = run(text, "bvlc", x=RNG.standard_normal((2, 4, 5, 5)))
    assert [layer.checked for layer in result.layers] == [True, False, True]
    assert result.status == "partial"


def test_position_sensitive_pooling() -> None:
    x = RNG.standard_normal((2, 8, 7, 9))
    rois = np.array([[0, 4, 8, 60, 50], [1, 0, 0, 100, 80], [1, 30, 30, 31, 30]], np.float32)
    text = (
        'layer { name: "p" type: "PSROIPooling" bottom: "x" bottom: "rois" top: "y" '
        "psroi_pooling_param { spatial_scale: 0.0625 output_dim: 2 group_size: 2 } }"
    )
    (y,) = tops(text, "rfcn", x=x, rois=rois)
    for r, (image, *corners) in enumerate(rois):
        x1, y1, x2, y2 = (math.floor(v + 0.5) for v in corners)
        left, top = x1 * 0.0625, y1 * 0.0625
        w = max((x2 + 1) * 0.0625 - left, 0.1) / 2
        h = max((y2 + 1) * 0.0625 - top, 0.1) / 2
        for out in range(2):
            for i in range(2):
                for j in range(2):
                    rows = range(max(0, math.floor(i * h + top)), min(7, math.ceil((i + 1) * h + top)))
                    cols = range(max(0, math.floor(j * w + left)), min(9, math.ceil((j + 1) * w + left)))
                    cells = [x[int(image), (out * 2 + i) * 2 + j, a, b] for a in rows for b in cols]
                    assert y[r, out, i, j] == pytest.approx(np.mean(cells) if cells else 0.0, abs=1e-6)


@pytest.mark.parametrize("reverse", [False, True])
def test_reorg_is_darknets(reverse: bool) -> None:
    n, c, h, w, s = 2, 8, 4, 6, 2
    x = RNG.standard_normal((n, c, h, w)).astype(np.float32)
    text = (
        'layer { name: "r" type: "Reorg" bottom: "x" top: "y" '
        f"reorg_param {{ stride: {s} reverse: {str(reverse).lower()} }} }}"
    )
    (y,) = tops(text, "intel", x=x)
    wanted = np.empty(x.size, np.float32)
    flat, out = x.ravel(), c // (s * s)
    for b, ch, i, j in np.ndindex(x.shape):
        small, k = ch % out, ch // out
        large = ((b * out + small) * h * s + i * s + k // s) * w * s + j * s + k % s
        here = ((b * c + ch) * h + i) * w + j
        if reverse:
            wanted[large] = flat[here]
        else:
            wanted[here] = flat[large]
    assert np.array_equal(y.ravel(), wanted)
    assert y.shape == ((n, c // 4, h * 2, w * 2) if reverse else (n, c * 4, h // 2, w // 2))


def test_grn_divides_by_the_length_over_the_channels() -> None:
    x = RNG.standard_normal((2, 5, 3, 3))
    (y,) = tops('layer { name: "g" type: "GRN" bottom: "x" top: "y" }', "openvino-toolbox", x=x)
    assert y == pytest.approx(x / np.sqrt((x * x).sum(axis=1, keepdims=True) + 1e-7), abs=1e-6)


def test_the_hardest_regions_of_each_image_are_kept() -> None:
    rois = np.array([[0, 0, 0, 1, 1], [0, 0, 0, 2, 2], [0, 0, 0, 3, 3], [1, 0, 0, 1, 1]], np.float32)
    text = (
        'layer { name: "o" type: "BoxAnnotatorOHEM" bottom: "rois" bottom: "loss" bottom: "labels" bottom: "weights" '
        'top: "l" top: "w" box_annotator_ohem_param { roi_per_img: 2 ignore_label: -1 } }'
    )
    labels, weights = tops(
        text,
        "rfcn",
        rois=rois,
        loss=np.array([0.5, 2.0, 1.0, 0.1]).reshape(4, 1, 1, 1),
        labels=np.array([3.0, 1.0, 2.0, 0.0]).reshape(4, 1, 1, 1),
        weights=np.ones((4, 8, 1, 1)),
    )
    assert labels.ravel().tolist() == [-1, 1, 2, 0]
    assert weights[:, 0, 0, 0].tolist() == [0, 1, 1, 1]


def test_smooth_l1_with_a_fixed_normaliser_and_the_loss_of_each_place() -> None:
    a, b = RNG.standard_normal((3, 4, 1, 1)) * 2, RNG.standard_normal((3, 4, 1, 1))
    text = (
        'layer { name: "l" type: "SmoothL1LossOHEM" bottom: "a" bottom: "b" top: "l" top: "each" loss_weight: 1 '
        "loss_weight: 0 loss_param { normalization: PRE_FIXED pre_fixed_normalizer: 128 } }"
    )
    loss, each = tops(text, "intel", a=a, b=b)
    d = np.abs(a.astype(np.float32) - b.astype(np.float32))
    terms = np.where(d < 1, 0.5 * d * d, d - 0.5)
    assert float(loss) == pytest.approx(terms.sum() / 128, rel=1e-5)
    assert each.ravel() == pytest.approx(terms.sum(axis=1).ravel(), rel=1e-5)


def test_center_loss_starts_from_centres_of_its_filler() -> None:
    x, labels = RNG.standard_normal((3, 4)), np.array([0.0, 2.0, 1.0])
    text = (
        'layer { name: "c" type: "CenterLoss" bottom: "x" bottom: "labels" top: "l" '
        "center_loss_param { num_output: 3 center_filler { value: 0.5 } } }"
    )
    (loss,) = tops(text, "happynear-windows", x=x, labels=labels)
    assert float(loss) == pytest.approx(((x - 0.5) ** 2).sum() / 6, rel=1e-5)


def test_softmax_loss_with_the_loss_of_each_place() -> None:
    x, labels = RNG.standard_normal((4, 3)), np.array([0.0, 2.0, -1.0, 1.0])
    text = (
        'layer { name: "l" type: "SoftmaxWithLossOHEM" bottom: "x" bottom: "labels" top: "l" top: "p" top: "each" '
        "loss_weight: 1 loss_weight: 0 loss_weight: 0 loss_param { ignore_label: -1 normalization: PRE_FIXED "
        "pre_fixed_normalizer: 128 } }"
    )
    loss, prob, each = tops(text, "intel", x=x, labels=labels)
    wanted = [-math.log(prob[i, int(k)]) if k >= 0 else 0.0 for i, k in enumerate(labels)]
    assert each == pytest.approx(wanted, rel=1e-5)
    assert float(loss) == pytest.approx(sum(wanted) / 128, rel=1e-5)


def test_maximum_gives_places_and_values() -> None:
    x = np.zeros((1, 2, 3, 4))
    x[0, 0, 2, 1], x[0, 1, 0, 3] = 5, 7
    (y,) = tops('layer { name: "m" type: "Maximum" bottom: "x" top: "y" }', "rtpose", x=x)
    assert y[0, :, 0].tolist() == [[1, 2, 5], [3, 0, 7]]


@pytest.mark.parametrize("type_", ["ScaleFilter", "SpatialDropout"])
def test_random_factors_are_left_out_like_dropouts(type_: str) -> None:
    x = RNG.standard_normal((2, 3, 4, 4)).astype(np.float32)
    dialect = "openvino-toolbox" if type_ == "ScaleFilter" else "intel"
    (y,) = tops(f'layer {{ name: "d" type: "{type_}" bottom: "x" top: "y" }}', dialect, x=x)
    assert np.array_equal(y, x)


def test_listed_priors() -> None:
    text = (
        'layer { name: "p" type: "PriorBoxClustered" bottom: "x" bottom: "image" top: "y" prior_box_param '
        "{ width: 8 width: 20 height: 10 height: 4 variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2 } }"
    )
    (y,) = tops(text, "openvino-toolbox", x=np.zeros((1, 1, 2, 2)), image=np.zeros((1, 3, 40, 80)))
    boxes = y[0, 0].reshape(2, 2, 2, 4)
    assert boxes[1, 0, 1] == pytest.approx([(20 - 10) / 80, (30 - 2) / 40, (20 + 10) / 80, (30 + 2) / 40])
    assert y[0, 1, :4] == pytest.approx([0.1, 0.1, 0.2, 0.2])


def test_faster_rcnns_python_proposals_run() -> None:
    scores = np.zeros((1, 18, 4, 5))
    scores[0, 9:] = RNG.random((9, 4, 5))
    text = (
        'layer { name: "p" type: "Python" bottom: "scores" bottom: "deltas" bottom: "im_info" top: "rois" python_param '
        "{ module: 'rpn.proposal_layer' layer: 'ProposalLayer' param_str: \"'feat_stride': 16\" } }"
    )
    (rois,) = tops(
        text, "py-faster-rcnn", "TEST",
        scores=scores, deltas=np.zeros((1, 36, 4, 5)), im_info=np.array([[64.0, 80.0, 1.0]]),
    )  # fmt: skip
    assert rois.shape[1] == 5
    assert 1 <= len(rois) <= 300
    assert (rois[:, 3] <= 79).all()
    assert (rois[:, 4] <= 63).all()
    # the best anchor comes first, unmoved but for the image's border
    best = np.unravel_index(scores[0, 9:].argmax(), (9, 4, 5))
    ratio = (0.5, 1.0, 2.0)[best[0] // 3]
    side = round(math.sqrt(256 / ratio))
    half = 0.5 * (side * (8, 16, 32)[best[0] % 3] - 1)
    middle = 7.5 + 16 * best[2]
    assert rois[0, 1] == pytest.approx(max(0, middle - half), abs=1)
    assert rois[0, 3] == pytest.approx(min(79, middle + half), abs=1)


def test_other_python_layers_are_not_run() -> None:
    text = 'layer { name: "p" type: "Python" bottom: "x" top: "y" python_param { module: "my" layer: "Mine" } }'
    result = run(text, "bvlc", x=RNG.standard_normal((2, 4)))
    assert not result.layers[-1].checked


def test_ssds_loss_gets_a_ground_truth_that_caffe_would_take() -> None:
    text = """
        layer { name: "x" type: "Input" top: "x" top: "label"
          input_param { shape { dim: 2 dim: 3 dim: 8 dim: 8 } shape { dim: 1 dim: 1 dim: 6 dim: 8 } } }
        layer { name: "loc" type: "Convolution" bottom: "x" top: "loc"
          convolution_param { num_output: 4 kernel_size: 1 weight_filler { type: "xavier" } } }
        layer { name: "conf" type: "Convolution" bottom: "x" top: "conf"
          convolution_param { num_output: 3 kernel_size: 1 weight_filler { type: "xavier" } } }
        layer { name: "locp" type: "Permute" bottom: "loc" top: "locp"
          permute_param { order: 0 order: 2 order: 3 order: 1 } }
        layer { name: "confp" type: "Permute" bottom: "conf" top: "confp"
          permute_param { order: 0 order: 2 order: 3 order: 1 } }
        layer { name: "locf" type: "Flatten" bottom: "locp" top: "locf" }
        layer { name: "conff" type: "Flatten" bottom: "confp" top: "conff" }
        layer { name: "prior" type: "PriorBox" bottom: "x" bottom: "x" top: "prior"
          prior_box_param { min_size: 3 variance: 0.1 } }
        layer { name: "loss" type: "MultiBoxLoss" bottom: "locf" bottom: "conff" bottom: "prior" bottom: "label"
          top: "loss" multibox_loss_param { num_classes: 3 code_type: CENTER_SIZE } }
    """
    result, found = forward(Request(text, "ssd", "TRAIN", device="cpu"))
    assert result.status == "ok"
    facts = result.layers[-1].facts
    assert facts["objects"] == 6
    assert facts["matches"] >= 6
    assert result.loss is not None
    assert 0 < result.loss < 100
    assert found == []


FUSED = {
    "nvidia-0.17": "scale_bias: true eps: 1e-9 scale_filler { value: 2 } bias_filler { value: 3 }",
    "nvidia-0.16": "eps: 1e-9 scale_filler { value: 2 } bias_filler { value: 3 }",
    "nvidia-0.15": "eps: 1e-5 scale_filler { value: 2 } bias_filler { value: 3 }",
    "intel": "use_weight_bias: true eps: 1e-5 filler { value: 2 } bias_filler { value: 3 }",
}


@pytest.mark.parametrize("dialect", FUSED)
def test_fused_batch_norms_scale_and_shift(dialect: str) -> None:
    x = RNG.standard_normal((4, 3, 5, 5)) * [[[[0.01]], [[1]], [[5]]]]
    text = f'layer {{ name: "bn" type: "BatchNorm" bottom: "x" top: "y" batch_norm_param {{ {FUSED[dialect]} }} }}'
    (y,) = tops(text, dialect, x=x)
    mean, var = x.mean(axis=(0, 2, 3), keepdims=True), x.var(axis=(0, 2, 3), keepdims=True)
    # eps 1e-9 is raised to 1e-5 by NVIDIA 0.16 and later
    assert y == pytest.approx(2 * (x - mean) / np.sqrt(var + 1e-5) + 3, abs=1e-4)


@pytest.mark.parametrize("given", ["true", "false"])
def test_nvidia_017_goes_by_the_phase_whatever_use_global_stats_says(given: str) -> None:
    x = RNG.standard_normal((4, 3, 5, 5)) * 7
    text = (
        'layer { name: "bn" type: "BatchNorm" bottom: "x" top: "y" '
        f"batch_norm_param {{ use_global_stats: {given} }} }}"
    )
    (trained,), (tested,) = (tops(text, "nvidia-0.17", phase, x=x) for phase in ("TRAIN", "TEST"))
    assert trained.std() == pytest.approx(1, abs=0.01)
    assert tested == pytest.approx(x / math.sqrt(1e-5), rel=1e-4)


@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
def test_nvidia_15_keeps_the_blobs_of_its_engines_in_other_shapes(phase: str) -> None:
    """CuDNN's are (1, C, 1, 1), the CAFFE engine's (C); the numbers are the same."""
    layer = (
        'layer {{ name: "y" type: "BatchNorm" bottom: "x" top: "y"\n'
        '  batch_norm_param {{ engine: {} scale_filler {{ type: "uniform" min: 1 max: 2 }} }} }}\n'
    )
    x = RNG.normal(size=(4, 3, 5, 5)).astype(np.float32)
    cudnn, caffe = (tops(layer.format(engine), "nvidia-0.15", phase, x=x)[-1] for engine in ("CUDNN", "CAFFE"))
    assert cudnn.shape == x.shape
    np.testing.assert_array_equal(cudnn, caffe)
