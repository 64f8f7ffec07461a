"""FRZ: what freezes, what does not, and the traps of the catalogue."""

from __future__ import annotations

import pytest

from prototxt_server.analysis import Settings, Source
from prototxt_server.engine import analyze
from prototxt_server.rules.bn.nets import STAT, bn, conv, data, ip, layer, loss, relu, scale, trained

LOCKED = "param { lr_mult: 0 decay_mult: 0 }"
NO_DECAY = "param { decay_mult: 0 }"
DOWN = "propagate_down: false"
TRUE = "batch_norm_param { use_global_stats: true }"


def found(text: str, dialect: str = "bvlc") -> list[str]:
    analysis = analyze(Source(text), Settings(dialect=dialect, select=("FRZ",)))
    return sorted({finding.code for finding in analysis.findings})


def _cut(net: str) -> str:
    return net.replace('  type: "ReLU"\n', f'  type: "ReLU"\n  {DOWN}\n', 1)


CASES = {
    "a net that trains": (trained(), []),
    "a teacher frozen by every means but the statistics": (
        trained(STAT, STAT, DOWN, conv_lines=(LOCKED, DOWN), scale_lines=(LOCKED, DOWN)),
        ["FRZ001", "FRZ002", "FRZ006"],
    ),
    "a frozen part done right": (
        trained(STAT, STAT, STAT, TRUE, conv_lines=(LOCKED,), scale_lines=(LOCKED, LOCKED)),
        [],
    ),
    "a frozen part without its three blocks": (
        trained(TRUE, conv_lines=(LOCKED,), scale_lines=(LOCKED, LOCKED)),
        ["FRZ007"],
    ),
    "a BatchNorm on data only": (data() + bn("b", "data") + ip("fc", "data") + loss("fc"), []),
    "propagate_down below which all is frozen": (
        data() + conv("c", "data", LOCKED) + ip("fc", "c", DOWN) + loss("fc"),
        ["FRZ006"],
    ),
    "propagate_down that keeps back-propagation out of a BatchNorm": (
        data() + conv("c", "data", LOCKED) + bn("b", "c", TRUE) + ip("fc", "c", DOWN) + loss("fc"),
        [],
    ),
    "a cut that another path goes round": (
        data() + conv("c", "data") + ip("a", "c", DOWN) + ip("b", "c") + layer("Eltwise", "s", "a b", "s") + loss("s"),
        [],
    ),
    "a cut above layers that do not decay": (
        _cut(data() + conv("c", "data", NO_DECAY) + relu("r", "c") + ip("fc", "c") + loss("fc")),
        [],
    ),
    "a bias without decay beside frozen layers is a convention, not freezing": (
        data()
        + conv("a", "data", LOCKED)
        + conv("b", "a", "param { lr_mult: 1 }", NO_DECAY, bias=True)
        + conv("c", "b", LOCKED)
        + ip("fc", "c")
        + loss("fc"),
        [],
    ),
    "Dropout in front of the layer that trains": (
        data() + conv("c", "data", LOCKED) + layer("Dropout", "d", "c", "c") + ip("fc", "c") + loss("fc"),
        [],
    ),
    "all but nothing frozen": (data() + ip("fc", "data", LOCKED, LOCKED) + loss("fc"), ["FRZ014"]),
    "a frozen net for testing only": (
        data("include { phase: TEST }") + ip("fc", "data", LOCKED, LOCKED) + loss("fc"),
        [],
    ),
    "a label that gets no gradient": (
        data() + ip("fc", "data") + loss("fc", "propagate_down: 1", "propagate_down: 0"),
        [],
    ),
    "both bottoms of a Euclidean loss may get one": (
        data()
        + ip("a", "data")
        + ip("b", "data")
        + layer("EuclideanLoss", "l", "a b", "l", "propagate_down: true", "propagate_down: true"),
        [],
    ),
    "one of two losses weighs nothing, the layer has both": (
        data() + ip("fc", "data") + loss("fc") + layer("HingeLoss", "h", "fc label", "h", "loss_weight: 0"),
        ["FRZ013"],
    ),
}


@pytest.mark.parametrize("name", CASES, ids=str)
def test_findings(name: str) -> None:
    text, codes = CASES[name]
    assert found(text) == codes


def test_a_layer_that_nobody_has_described_may_train() -> None:
    text = data() + ip("fc", "data", LOCKED, LOCKED) + layer("MyOwn", "m", "fc", "m") + loss("m")
    assert found(text) == []


def test_scale_behind_a_frozen_batch_norm_trains() -> None:
    text = trained(TRUE, conv_lines=(LOCKED,)) + scale("extra", "fc", top="extra")
    assert "FRZ001" not in found(text)
