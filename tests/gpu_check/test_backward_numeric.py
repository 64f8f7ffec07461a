"""Gradients against central differences: the layer types and settings that no golden net runs backward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from prototxt_gpu_check import plan
from prototxt_gpu_check.backend import Backend
from prototxt_gpu_check.run import Options, Pass
from prototxt_gpu_check.sources import Inputs
from prototxt_grammar.parse import parse
from prototxt_net.net import Node
from prototxt_net.phases import State
from prototxt_net.read import read

STEP = 1e-2
RNG = np.random.default_rng(3)
LABELS = np.asarray([0, 2, 1, 2], np.float32)


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def apart(*shape: int) -> np.ndarray:
    """Distinct values at least three steps apart, so that no maximum changes."""
    return (RNG.permutation(int(np.prod(shape))) * 3 * STEP).reshape(shape).astype(np.float32) - 1


@dataclass
class Case:
    """A layer between given blobs and a loss. still: inputs without a gradient. tops: which the loss adds up."""

    layer: str
    inputs: dict[str, np.ndarray]
    dialect: str = "bvlc"
    still: tuple[str, ...] = ()
    tops: tuple[str, ...] = ("y",)

    def text(self) -> str:
        sources = "".join(
            f'layer {{ name: "{name}" type: "Input" top: "{name}" input_param {{ shape {{ '
            + " ".join(f"dim: {n}" for n in array.shape)
            + " } } }\n"
            for name, array in self.inputs.items()
        )
        losses = "".join(
            f'layer {{ name: "sum_{top}" type: "Reduction" bottom: "{top}" top: "sum_{top}" loss_weight: 0.5 '
            "reduction_param { operation: SUMSQ } }\n"
            for top in self.tops
        )
        return f"force_backward: true\n{sources}{self.layer}{losses}"


RECURRENT = "recurrent_param { num_output: 3 weight_filler { type: 'uniform' min: -0.5 max: 0.5 } }"
ROIS = np.asarray([[0, 0, 0, 5, 5], [1, 2, 1, 4, 5], [0, 3, 3, 3, 3]], np.float32)
CONT = np.asarray([[0, 1], [1, 0], [1, 1], [1, 1]], np.float32)


def one(type_: str, rest: str = "", bottoms: str = "x", top: str = "y") -> str:
    reads = " ".join(f'bottom: "{b}"' for b in bottoms.split())
    writes = " ".join(f'top: "{t}"' for t in top.split())
    return f'layer {{ name: "l" type: "{type_}" {reads} {writes} {rest} }}\n'


def loss(type_: str, rest: str = "", bottoms: str = "x label") -> str:
    return one(type_, f"loss_weight: 1.5 {rest}", bottoms, "loss")


FILL = "weight_filler { type: 'gaussian' std: 0.5 } bias_filler { type: 'uniform' min: -1 max: 1 }"
CONV = f"convolution_param {{ num_output: 4 kernel_size: 3 stride: 2 pad: 1 group: 4 {FILL} }}"
DEPTH = f"convolution_param {{ num_output: 4 kernel_size: 3 pad: 2 dilation: 2 {FILL} }}"
NARROW = f"convolution_param {{ num_output: 6 kernel_size: 3 stride: 2 group: 2 {FILL} }}"

CASES = {
    "ReLU6": Case(one("ReLU6"), {"x": normal(2, 3, 4) * 4}, "mobilenet-yolo"),
    "Axpy": Case(
        one("Axpy", "", "a x z"),
        {"a": normal(2, 3, 1, 1), "x": normal(2, 3, 4, 4), "z": normal(2, 3, 4, 4)},
        "happynear-windows",
    ),
    "ShuffleChannel": Case(
        one("ShuffleChannel", "shuffle_channel_param { group: 2 }"), {"x": normal(2, 6, 2, 2)}, "synopsys"
    ),
    "DepthwiseConvolution": Case(one("DepthwiseConvolution", CONV), {"x": normal(2, 4, 5, 5)}, "mobilenet-yolo"),
    "ConvolutionDepthwise": Case(one("ConvolutionDepthwise", DEPTH), {"x": normal(2, 4, 5, 5)}, "synopsys"),
    "Convolution, axis 2": Case(
        one("Convolution", f"convolution_param {{ axis: 2 num_output: 3 kernel_size: 2 {FILL} }}"),
        {"x": normal(2, 2, 3, 5)},
    ),
    "Deconvolution, groups": Case(one("Deconvolution", NARROW), {"x": normal(2, 4, 3, 3)}),
    "InnerProduct, transposed, axis 2": Case(
        one("InnerProduct", f"inner_product_param {{ num_output: 3 axis: 2 transpose: true {FILL} }}"),
        {"x": normal(2, 2, 5)},
    ),
    "Upsample of YOLO": Case(
        one("Upsample", "upsample_param { scale: 2 }"), {"x": normal(1, 2, 3, 3)}, "mobilenet-yolo"
    ),
    "Reorg": Case(one("Reorg", "reorg_param { stride: 2 }"), {"x": normal(1, 4, 4, 4)}, "intel"),
    "Reorg, reverse": Case(one("Reorg", "reorg_param { stride: 2 reverse: true }"), {"x": normal(1, 8, 2, 2)}, "intel"),
    "GRN": Case(one("GRN"), {"x": normal(2, 3, 2, 2)}, "openvino-toolbox"),
    "ROIPooling": Case(
        one("ROIPooling", "roi_pooling_param { pooled_h: 2 pooled_w: 2 spatial_scale: 1 }", "x rois"),
        {"x": apart(2, 2, 6, 6), "rois": ROIS},
        "faster-rcnn",
        ("rois",),
    ),
    "PSROIPooling": Case(
        one("PSROIPooling", "psroi_pooling_param { output_dim: 2 group_size: 2 spatial_scale: 1 }", "x rois"),
        {"x": normal(2, 8, 6, 6), "rois": ROIS},
        "rfcn",
        ("rois",),
    ),
    "LSTM, static input": Case(
        one("LSTM", RECURRENT, "x cont s"), {"x": normal(4, 2, 3), "cont": CONT, "s": normal(2, 2)}, still=("cont",)
    ),
    "RNN, static input": Case(
        one("RNN", RECURRENT, "x cont s"), {"x": normal(4, 2, 3), "cont": CONT, "s": normal(2, 2)}, still=("cont",)
    ),
    "Pooling MAX, overlapping": Case(
        one("Pooling", "pooling_param { pool: MAX kernel_size: 3 stride: 2 pad: 1 }"), {"x": apart(1, 2, 7, 7)}
    ),
    "Pooling AVE, padded": Case(
        one("Pooling", "pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 }"), {"x": normal(1, 2, 6, 6)}
    ),
    "LRN within": Case(
        one("LRN", "lrn_param { norm_region: WITHIN_CHANNEL local_size: 3 alpha: 2 }"), {"x": normal(1, 2, 4, 4)}
    ),
    "Softmax, axis 2": Case(one("Softmax", "softmax_param { axis: 2 }"), {"x": normal(2, 2, 4)}),
    "Eltwise SUM, coefficients": Case(
        one("Eltwise", "eltwise_param { operation: SUM coeff: 2 coeff: -0.5 }", "x z"),
        {"x": normal(2, 3), "z": normal(2, 3)},
    ),
    "Eltwise PROD of three": Case(
        one("Eltwise", "eltwise_param { operation: PROD }", "x z w"),
        {"x": normal(2, 3), "z": normal(2, 3), "w": normal(2, 3)},
    ),
    "Scale, inner axes": Case(
        one("Scale", "scale_param { axis: 1 num_axes: 2 bias_term: true filler { type: 'uniform' min: 1 max: 2 } }"),
        {"x": normal(2, 3, 2, 4)},
    ),
    "BatchNorm of NVIDIA 0.17": Case(
        one("BatchNorm", "batch_norm_param { scale_bias: true }"), {"x": normal(4, 3, 2, 2)}, "nvidia-0.17"
    ),
    "SmoothL1Loss of Faster R-CNN": Case(
        loss("SmoothL1Loss", "smooth_l1_loss_param { sigma: 2 }", "x z i o"),
        {"x": normal(2, 5), "z": normal(2, 5), "i": np.ones((2, 5), np.float32), "o": normal(2, 5)},
        "faster-rcnn",
        ("i", "o"),
        (),
    ),
    "SmoothL1LossOHEM": Case(
        loss("SmoothL1LossOHEM", "", "x z"), {"x": normal(2, 5, 1, 1), "z": normal(2, 5, 1, 1)}, "intel", (), ()
    ),
    "L1Loss": Case(loss("L1Loss", "", "x z"), {"x": normal(2, 5), "z": normal(2, 5)}, "nvidia-0.17", (), ()),
    "CenterLoss": Case(
        loss("CenterLoss", "center_loss_param { num_output: 3 center_filler { type: 'xavier' } }"),
        {"x": normal(4, 5), "label": LABELS},
        "caffe-face",
        ("label", "l/0"),
        (),
    ),
    "SoftmaxWithLoss of SegNet": Case(
        loss(
            "SoftmaxWithLoss",
            "loss_param { weight_by_label_freqs: true class_weighting: 0.5 class_weighting: 2 class_weighting: 1 }",
        ),
        {"x": normal(4, 3), "label": LABELS},
        "segnet",
        ("label",),
        (),
    ),
} | {
    f"{type_}, {mode}": Case(
        loss(type_, f"loss_param {{ normalization: {mode} ignore_label: 2 }}"),
        {
            "x": normal(4, 3, 2) if type_ != "SigmoidCrossEntropyLoss" else normal(4, 2),
            "label": np.repeat(LABELS[:, None], 2, axis=1),
        },
        still=("label",),
        tops=(),
    )
    for type_ in ("SoftmaxWithLoss", "SigmoidCrossEntropyLoss")
    for mode in ("FULL", "VALID", "BATCH_SIZE", "NONE")
}


class Nudged:
    """A parameter store that moves one element of one blob."""

    def __init__(self, store: Any, layer: str, index: int, element: int, by: float) -> None:
        self._store, self._at, self._by = store, (layer, index, element), by

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def make(self, node: Node) -> Any:
        arrays, origins = self._store.make(node)
        layer, index, element = self._at
        if node.name == layer:
            arrays[index] = arrays[index].copy()
            arrays[index].reshape(-1)[element] += self._by
        return arrays, origins


def passed(case: Case, inputs: dict[str, np.ndarray], nudge: tuple[str, int, int, float] | None = None) -> Pass:
    file = read(parse(case.text()), case.dialect)
    given = Inputs(arrays=inputs)
    planned = plan.make(file, State("TRAIN"), given, None, None)
    backward = nudge is None and inputs is case.inputs
    run = Pass(planned, Backend(), given, Options(backward=backward, keep_diffs=backward))
    if nudge is not None:
        run._store = Nudged(run._store, *nudge)  # type: ignore[assignment]
    result = run.run()
    assert [x.reason for x in result.layers if not x.checked] == []
    assert result.backward is None or [(x.name, x.reason) for x in result.backward.layers if x.reason] == []
    assert result.loss is not None
    run.arrays["loss"] = result.loss  # type: ignore[index,assignment]
    return run


def loss_of(case: Case, inputs: dict[str, np.ndarray], nudge: tuple[str, int, int, float] | None = None) -> float:
    return float(passed(case, inputs, nudge).arrays["loss"])  # type: ignore[index]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_gradients_are_the_slopes_of_the_loss(case: Case) -> None:
    run = passed(case, case.inputs)
    assert run.backprop is not None
    layer = next(node for node in run.net.nodes if node.name == "l")
    checked = 0
    for i, blob in enumerate(layer.bottoms):
        assert blob is not None
        if blob.name not in case.still:
            ours = run.backprop.bottom_diffs[layer, i].reshape(-1)
            checked += 1
            for element in some(ours.size):
                slope = bottom_slope(case, blob.name, element)
                assert ours[element] == pytest.approx(slope, rel=2e-2, abs=tolerance(ours))
    for index, blob in enumerate(layer.setup.params):
        if not blob.statistic and blob.role not in ("mean", "variance", "factor") and f"l/{index}" not in case.still:
            ours = run.backprop.param_diffs[layer, index].reshape(-1)
            checked += 1
            for element in some(ours.size):
                up, down = (loss_of(case, case.inputs, ("l", index, element, by)) for by in (STEP, -STEP))
                slope = (up - down) / (2 * STEP)
                assert ours[element] == pytest.approx(slope, rel=2e-2, abs=tolerance(ours))
    assert checked


def tolerance(gradient: np.ndarray) -> float:
    """float32 sums in a difference of two losses."""
    return 2e-3 * max(1.0, float(np.abs(gradient).max()))


def some(size: int) -> list[int]:
    """A few elements, the first and the last among them."""
    return sorted({0, size // 3, size // 2, size - 1})


def bottom_slope(case: Case, name: str, element: int) -> float:
    values = []
    for by in (STEP, -STEP):
        moved = {key: array.copy() for key, array in case.inputs.items()}
        moved[name].reshape(-1)[element] += by
        values.append(loss_of(case, moved))
    return (values[0] - values[1]) / (2 * STEP)
