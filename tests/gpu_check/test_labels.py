"""Labels and indices that name nothing: found and said, whichever layer reads them, and no error of ours."""

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
