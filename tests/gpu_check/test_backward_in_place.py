"""Layers in place: the gradient is right where Caffe's is, and wrong where Caffe's is (oracle/in-place.json)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prototxt_gpu_check import plan
from prototxt_gpu_check.backend import Backend
from prototxt_gpu_check.run import Options, Pass
from prototxt_gpu_check.sources import Inputs
from prototxt_grammar.parse import parse
from prototxt_net.phases import State
from prototxt_net.read import read

ORACLE = Path(__file__).resolve().parents[2].parent / "shared" / "oracle" / "in-place.json"

SQUARE = "convolution_param { num_output: 4 kernel_size: 3 pad: 1 weight_filler { type: 'msra' } }"
LAYERS = {
    "BNLL": ("BNLL", ""),
    "BatchNorm": ("BatchNorm", ""),
    "Bias": ("Bias", "bias_param { filler { type: 'uniform' } }"),
    "Clip": ("Clip", "clip_param { min: -0.5 max: 0.5 }"),
    "Convolution": ("Convolution", SQUARE),
    "Deconvolution": ("Deconvolution", SQUARE),
    "Dropout": ("Dropout", ""),
    "ELU": ("ELU", ""),
    "Exp": ("Exp", ""),
    "Log": ("Log", "log_param { shift: 20 }"),
    "LRN (within)": ("LRN", "lrn_param { norm_region: WITHIN_CHANNEL local_size: 3 alpha: 1 }"),
    "MVN": ("MVN", ""),
    "PReLU": ("PReLU", ""),
    "Power": ("Power", "power_param { power: 2 scale: 0.5 shift: 1 }"),
    "ReLU": ("ReLU", ""),
    "ReLU leaky": ("ReLU", "relu_param { negative_slope: 0.1 }"),
    "Scale": ("Scale", "scale_param { bias_term: true filler { type: 'uniform' min: 1 max: 2 } }"),
    "Sigmoid": ("Sigmoid", ""),
    "Softmax": ("Softmax", ""),
    "Swish": ("Swish", ""),
    "TanH": ("TanH", ""),
    "Tile": ("Tile", "tile_param { tiles: 1 }"),
    "Concat (1 bottom)": ("Concat", ""),
    "Slice (1 top)": ("Slice", ""),
    "Im2col": ("Im2col", "convolution_param { kernel_size: 1 }"),
    "Eltwise PROD, top = bottom[0]": ("Eltwise", "eltwise_param { operation: PROD }"),
    "Scale 2 bottoms, top = bottom[0]": ("Scale", "scale_param { axis: 0 }"),
    "Crop, top = bottom[0]": ("Crop", ""),
}
OTHERS = {"Eltwise PROD, top = bottom[0]", "Scale 2 bottoms, top = bottom[0]", "Crop, top = bottom[0]"}
"""Layers with a second bottom."""


def records() -> list[Any]:
    """What was measured where the forward pass is right in place."""
    if not ORACLE.exists():
        return [pytest.param(None, marks=pytest.mark.skip("../shared is not here"))]
    found = [r for r in json.loads(ORACLE.read_text()) if (r["forward"] or {}).get("result") == "same"]
    return [pytest.param(r, id=r["layer"]) for r in found]


def gradients(name: str, top: str) -> tuple[np.ndarray, list[np.ndarray]]:
    """The gradient below the layer that writes to `top`, and those of its parameter blobs."""
    type_, fields = LAYERS[name]
    second = 'bottom: "other"' if name in OTHERS else ""
    text = f"""
      layer {{ name: "in" type: "Input" top: "data" top: "other" top: "target"
        input_param {{ shape {{ dim: 2 dim: 3 dim: 5 dim: 5 }} shape {{ dim: 2 dim: 4 dim: 5 dim: 5 }}
                       shape {{ dim: 2 dim: 3 }} }} }}
      layer {{ name: "conv" type: "Convolution" bottom: "data" top: "c" convolution_param {{ num_output: 4
        kernel_size: 3 pad: 1 weight_filler {{ type: "msra" }} bias_filler {{ type: "uniform" min: -1 }} }} }}
      layer {{ name: "l" type: "{type_}" bottom: "c" {second} top: "{top}" {fields} }}
      layer {{ name: "ip" type: "InnerProduct" bottom: "{top}" top: "ip"
        inner_product_param {{ num_output: 3 weight_filler {{ type: "xavier" }} }} }}
      layer {{ name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "target" top: "loss" }}"""
    file = read(parse(text), "bvlc")
    planned = plan.make(file, State("TRAIN"), Inputs(), None, None)
    run = Pass(planned, Backend(), Inputs(), Options(backward=True, keep_diffs=True))
    result = run.run()
    assert result.status == "ok", [x.reason for x in result.layers]
    assert run.backprop is not None
    layer = next(node for node in run.net.nodes if node.name == "l")
    diffs = run.backprop
    return diffs.bottom_diffs[layer, 0], [diffs.param_diffs[layer, i] for i in range(len(layer.setup.params))]


def verdict(ours: np.ndarray, reference: np.ndarray) -> str:
    return "same" if np.abs(ours - reference).max() <= 1e-5 * max(1.0, np.abs(reference).max()) else "wrong"


@pytest.mark.parametrize("record", records())
def test_in_place_is_as_right_or_wrong_as_in_caffe(record: dict[str, Any]) -> None:
    (below, own), (reference, own_reference) = gradients(record["layer"], "c"), gradients(record["layer"], "y")
    assert verdict(below, reference) == record["bottom_gradient"]["result"]
    if record["param_gradient"] is not None:
        assert [verdict(*pair) for pair in zip(own, own_reference, strict=True)] == record["param_gradient"]
