"""INI: fillers, and the traps of the catalogue."""

from __future__ import annotations

import pytest

from prototxt_server.analysis import Settings, Source
from prototxt_server.engine import analyze
from prototxt_server.rules.bn.nets import conv, data, image, ip, layer, loss, relu

LOCKED = "param { lr_mult: 0 }"


def found(text: str, dialect: str = "bvlc") -> dict[str, str]:
    analysis = analyze(Source(text), Settings(dialect=dialect))
    return {f.code: f.severity for f in analysis.findings if f.code.startswith("INI")}


def _deep(filler: str, *lines: str, head: str = 'type: "xavier"', middle: str = "") -> str:
    """data, c0 (the layer in question), four filled layers, fc and a loss."""
    text = data() + conv("c0", "data", *lines, filler=filler) + (middle or relu("r0", "c0"))
    for i in range(1, 5):
        text += conv(f"c{i}", f"c{i - 1}") + relu(f"r{i}", f"c{i}")
    return text + ip("fc", "c4", filler=head) + loss("fc")


CASES = {
    "a layer without a filler among filled ones": (_deep(""), {"INI001": "warning"}),
    "frozen: it is loaded": (_deep("", LOCKED), {}),
    "a last layer that starts at 0 learns": (_deep('type: "msra"', head=""), {}),
    "no filler anywhere: written for stored weights": (
        data() + conv("a", "data", filler="") + relu("r", "a") + ip("fc", "a", filler="") + loss("fc"),
        {},
    ),
    "constant 0 into a ReLU": (_deep('type: "constant"'), {"INI002": "error"}),
    "constant 0 into a Sigmoid": (_deep('type: "constant"', middle=layer("Sigmoid", "s", "c0", "c0")), {}),
    "constant 0.1": (_deep('type: "constant" value: 0.1'), {"INI002": "warning"}),
    "a constant kernel that does not train": (_deep("value: 0.1", LOCKED), {}),
    "gaussian without std": (_deep('type: "gaussian"'), {"INI003": "warning"}),
    "uniform without a range": (_deep('type: "uniform"'), {"INI004": "warning"}),
    "random data in DummyData": (
        layer(
            "DummyData",
            "d",
            "",
            "data label",
            'dummy_data_param { shape { dim: 2 dim: 3 } shape { dim: 2 } data_filler { type: "gaussian" } '
            'data_filler { type: "constant" } }',
        )
        + ip("fc", "data")
        + loss("fc"),
        {},
    ),
    "a learnable bilinear upsampling": (
        image(1, 3, 8, 8)
        + layer(
            "Deconvolution",
            "up",
            "data",
            "up",
            'convolution_param { num_output: 3 group: 3 kernel_size: 4 stride: 2 weight_filler { type: "bilinear" } }',
        ),
        {},
    ),
}


@pytest.mark.parametrize("name", CASES, ids=str)
def test_findings(name: str) -> None:
    text, codes = CASES[name]
    assert found(text) == codes


def test_a_shared_weight_is_filled_by_its_owner() -> None:
    text = (
        data()
        + conv("a", "data", 'param { name: "w" }')
        + relu("ra", "a")
        + conv("b", "data", 'param { name: "w" }', filler="")
        + relu("rb", "b")
        + conv("c", "b")
        + layer("Eltwise", "s", "a c", "s")
        + ip("fc", "s")
        + loss("fc")
    )
    assert found(text) == {}


@pytest.mark.parametrize(
    ("filler", "dialect", "codes"),
    [
        ("gabor", "bvlc", {"INI007": "error"}),
        ("gabor", "intel", {}),
        ("xavierstatic", "nvidia-0.17", {}),
        ("identity", "happynear-windows", {}),
    ],
)
def test_forks_have_fillers_of_their_own(filler: str, dialect: str, codes: dict[str, str]) -> None:
    assert found(data() + ip("fc", "data", filler=f'type: "{filler}"') + loss("fc"), dialect) == codes


def test_a_layer_with_a_bias_does_not_start_at_0() -> None:
    text = _deep("").replace("bias_term: false", "bias_filler { value: 1 }", 1)
    messages = [f.message for f in analyze(Source(text), Settings(dialect="bvlc")).findings if f.code == "INI001"]
    assert len(messages) == 1
    assert "it outputs only its bias" in messages[0]
    assert "blocks" not in messages[0]
