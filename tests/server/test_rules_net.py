"""NET: the traps of the catalogue. What must not be reported matters as much as what must."""

from __future__ import annotations

import pytest

from prototxt_server.analysis import Settings, Source
from prototxt_server.engine import analyze
from prototxt_server.rules.bn.nets import bn, conv, data, image, ip, layer, loss, relu, scale

TRAIN_ONLY = "include { phase: TRAIN }"
TEST_ONLY = "include { phase: TEST }"


def found(text: str, dialect: str = "bvlc", phase: str = "auto", path: str = "") -> list[tuple[str, str]]:
    analysis = analyze(Source(text, path), Settings(dialect=dialect, phase=phase, select=("NET",)))
    return [(finding.code, finding.severity) for finding in analysis.findings]


def codes(text: str, **settings: str) -> list[str]:
    return [code for code, _ in found(text, **settings)]


RESIDUAL = (
    image()
    + conv("a", "data")
    + bn("bn", "a")
    + scale("scale", "a")
    + relu("relu", "a")
    + conv("b", "a")
    + layer("Eltwise", "sum", "a b", "sum")
    + relu("relu2", "sum")
)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(RESIDUAL, id="a residual block, in place throughout"),
        pytest.param(
            data() + ip("fc", "data") + relu("r", "fc") + layer("Dropout", "d", "fc", "fc") + loss("fc"),
            id="dropout after relu in place",
        ),
        pytest.param(data() + ip("fc", "data") + scale("s", "fc") + relu("r", "fc") + loss("fc"), id="scale in place"),
        pytest.param(
            data() + ip("fc", "data") + layer("TanH", "t", "fc", "fc") + relu("r", "fc") + loss("fc"),
            id="relu keeps what tanh needs",
        ),
        pytest.param(
            image() + layer("Power", "p", "data", "data", "power_param { power: 0 }"), id="a constant in place"
        ),
        pytest.param(image() + layer("Concat", "c", "data", "data"), id="concat of one in place"),
        pytest.param(
            image()
            + layer("Reshape", "r", "data", "x", "reshape_param { shape { dim: 0 dim: -1 } }")
            + relu("relu", "x"),
            id="reshape and relu on one path",
        ),
        pytest.param(data(TRAIN_ONLY) + data(TEST_ONLY) + ip("fc", "data") + loss("fc"), id="twins of two phases"),
        pytest.param(
            data() + ip("fc", "data") + loss("fc") + layer("Accuracy", "acc", "fc label", "acc"),
            id="results are meant to be printed",
        ),
        pytest.param(image() + conv("a", "data") + conv("b", "data"), id="a deploy net may have any outputs"),
        pytest.param(data() + ip("fc", "data") + layer("SoftmaxWithLoss", "loss", "fc label", ""), id="automatic top"),
        pytest.param(data() + ip("fc", "data", "phase: TEST") + loss("fc"), id="phase on a layer that may have one"),
        pytest.param(image() + layer("ReLU", "x", "data", "y", "include {}"), id="an empty rule holds always"),
        pytest.param(
            data() + layer("MyObjective", "fork", "data label", "fork") + ip("fc", "data"), id="unknown types"
        ),
    ],
)
def test_what_is_right(text: str) -> None:
    assert codes(text) == []


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param(
            image() + conv("a", "data") + layer("Pooling", "p", "a", "a", "pooling_param { kernel_size: 2 }"),
            ("NET006", "error"),
            id="pooling in place",
        ),
        pytest.param(image() + layer("Eltwise", "s", "data data", "data"), ("NET004", "error"), id="a blob read twice"),
        pytest.param(
            image() + conv("a", "data") + conv("b", "data") + layer("Eltwise", "s", "a b", "a"),
            ("NET006", "error"),
            id="a sum into its first input",
        ),
        pytest.param(
            data() + ip("fc", "data") + layer("Power", "p", "fc", "fc", "power_param { power: 2 }") + loss("fc"),
            ("NET006", "warning"),
            id="a square in place, trained",
        ),
        pytest.param(
            data() + ip("fc", "data") + layer("Power", "p", "fc", "fc", "power_param { scale: 2 }") + loss("fc"),
            ("NET006", "warning"),
            id="Power, also with power 1: its factor overwrites the gradient",
        ),
        pytest.param(
            image() + layer("Power", "p", "data", "data", "power_param { power: 2 }"),
            ("NET006", "hint"),
            id="a square in place, deployed",
        ),
        pytest.param(
            data() + ip("fc", "data") + layer("TanH", "t", "fc", "fc") + layer("Dropout", "d", "fc", "fc") + loss("fc"),
            ("NET007", "warning"),
            id="dropout scales what tanh needs",
        ),
        pytest.param(
            data() + ip("fc", "data") + relu("r", "fc") + bn("bn", "fc") + loss("fc"),
            ("NET007", "warning"),
            id="batch norm changes signs that relu needs",
        ),
        pytest.param(
            image() + layer("Split", "s", "data", "x y") + relu("r", "x") + layer("TanH", "t", "y", "t"),
            ("NET008", "error"),
            id="through an explicit split",
        ),
        pytest.param(
            image() + layer("TanH", "t", "data", "t") + layer("Flatten", "f", "data", "f") + relu("r", "f"),
            ("NET008", "hint"),
            id="the reader came first",
        ),
        pytest.param(
            data()
            + ip("fc", "data")
            + layer("Accuracy", "acc", "fc label", "acc")
            + layer("Accuracy", "acc", "fc label", "acc5")
            + loss("fc"),
            ("NET010", "hint"),
            id="no weights",
        ),
        pytest.param(image() + conv("c", "data") + layer("ReLU", "r", "d", "r"), ("NET002", "error"), id="a typo"),
        pytest.param(
            data() + ip("fc", "data") + loss("fc", "phase: TEST"), ("NET011", "warning"), id="phase on a loss"
        ),
        pytest.param(
            data() + ip("fc", "data") + ip("dead", "data") + loss("fc"), ("NET015", "warning"), id="dead branch"
        ),
        pytest.param(
            image() + layer("ReLU", "r", "data", "r", "param { lr_mult: 1 }"), ("NET012", "error"), id="params"
        ),
    ],
)
def test_what_is_wrong(text: str, wanted: tuple[str, str]) -> None:
    assert wanted in found(text)


def test_an_error_of_both_phases_is_reported_once() -> None:
    assert codes(image() + relu("r", "nothing")) == ["NET002"]


def test_a_label_in_a_deploy_net() -> None:
    label = layer("Input", "label", "", "label", "input_param { shape { dim: 2 } }")
    text = image() + label + ip("fc", "data") + loss("fc")
    assert codes(text, path="deploy.prototxt") == ["NET022"]
    assert codes(text, path="train.prototxt") == []
    dummy = layer("DummyData", "label", "", "label", "dummy_data_param { shape { dim: 2 } }")
    assert codes(image() + dummy + ip("fc", "data") + loss("fc"), path="deploy.prototxt") == []


def test_shared_sums_are_a_matter_of_one_dialect() -> None:
    text = image() + conv("a", "data") + conv("b", "data") + layer("Eltwise", "s", "a b", "s") + conv("c", "a")
    assert codes(text, dialect="nvidia-0.17") == ["NET019"]
    assert codes("eltwise_mem_sharing: false\n" + text, dialect="nvidia-0.17") == []
    assert codes(text, dialect="nvidia-0.16") == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        pytest.param('top: "conv"', 'tops: "conv"', id="a misspelt field"),
        pytest.param('top: "conv"', 'top "conv', id="an open string"),
        pytest.param('top: "conv"', "", id="nothing there"),
    ],
)
def test_a_reader_is_not_blamed_for_text_that_could_not_be_read(right: str, wrong: str) -> None:
    text = image() + conv("conv", "data").replace(right, wrong) + relu("r", "conv")
    assert codes(text) == (["NET002"] if not wrong else [])


def test_a_negative_slope_in_place_is_said_once() -> None:
    text = data() + ip("fc", "data") + layer("ReLU", "r", "fc", "fc", "relu_param { negative_slope: -1 }") + loss("fc")
    assert codes(text) == ["NET009"]
