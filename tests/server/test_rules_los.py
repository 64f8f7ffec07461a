"""LOS: what stands before a loss, how it is weighted, and the labels that it is given."""

from __future__ import annotations

import pytest

from prototxt_server.analysis import Settings, Source
from prototxt_server.engine import analyze
from prototxt_server.rules.bn.nets import data, image, ip, layer, loss, relu


def found(text: str, phase: str = "TRAIN") -> list[tuple[str, str]]:
    analysis = analyze(Source(text), Settings(dialect="bvlc", phase=phase, select=("LOS",), ignore=("LOS009",)))
    return [(finding.code, finding.severity) for finding in analysis.findings]


FC = data() + ip("fc", "data")
PROB = layer("Softmax", "prob", "fc", "prob")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(FC + loss("fc") + PROB, id="softmax beside the loss"),
        pytest.param(FC + relu("r", "fc") + ip("fc2", "fc") + loss("fc2"), id="relu further up"),
        pytest.param(
            FC + PROB + layer("MultinomialLogisticLoss", "loss", "prob label", "loss"), id="a loss that wants it"
        ),
        pytest.param(FC + loss("fc", "loss_param { ignore_label: -1 }"), id="a label that is no class"),
        pytest.param(FC + loss("fc", "loss_weight: 0.3"), id="a weight on a loss"),
        pytest.param(FC + loss("fc") + layer("Accuracy", "a", "fc label", "a", "loss_weight: 0"), id="weight 0"),
        pytest.param(image() + layer("Softmax", "p", "data", "p", "softmax_param { axis: 1 }"), id="the channels"),
        pytest.param(FC + loss("fc") + layer("Silence", "s", "data", ""), id="silence"),
        pytest.param(
            FC + layer("ReLU", "r", "fc", "fc", "relu_param { negative_slope: 0.1 }") + loss("fc"), id="a leaky relu"
        ),
    ],
)
def test_what_is_right(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param(
            FC + PROB + layer("Reshape", "r", "prob", "q", "reshape_param { shape { dim: 0 dim: -1 } }") + loss("q"),
            ("LOS001", "warning"),
            id="softmax behind a reshape",
        ),
        pytest.param(FC + relu("r", "fc") + loss("fc"), ("LOS003", "warning"), id="relu in place"),
        pytest.param(FC + loss("fc", "loss_param { ignore_label: 0 }"), ("LOS005", "hint"), id="class 0 is skipped"),
        pytest.param(
            FC + loss("fc", "loss_param { normalize: true normalization: FULL }"), ("LOS006", "hint"), id="both"
        ),
        pytest.param(
            FC + layer("Accuracy", "a", "fc label", "a", "loss_weight: 1") + loss("fc"),
            ("LOS008", "error"),
            id="a weight on accuracy",
        ),
        pytest.param(
            data() + layer("ArgMax", "a", "data", "a", "loss_weight: 1"),
            ("LOS008", "warning"),
            id="nothing below it learns",
        ),
        pytest.param(
            image() + layer("Softmax", "p", "data", "p", "softmax_param { axis: -1 }"),
            ("LOS010", "warning"),
            id="the columns",
        ),
        pytest.param(FC + layer("EuclideanLoss", "l", "fc label", "l"), ("LOS011", "info"), id="distances of classes"),
        pytest.param(
            data() + ip("fc", "data") + layer("EuclideanLoss", "l", "fc fc", "l"),
            ("LOS012", "warning"),
            id="labels unread",
        ),
    ],
)
def test_what_is_wrong(text: str, wanted: tuple[str, str]) -> None:
    assert wanted in found(text)
