"""BN: the same text under every family, and the traps of the catalogue."""

from __future__ import annotations

import pytest

from prototxt_server.analysis import Settings, Source
from prototxt_server.engine import analyze
from prototxt_server.fixing import fix_text
from prototxt_server.rules.bn.nets import STAT, bn, conv, data, image, ip, layer, loss, relu, scale, trained

TRUE = "batch_norm_param { use_global_stats: true }"
FALSE = "batch_norm_param { use_global_stats: false }"
LOCKED = "param { lr_mult: 0 decay_mult: 0 }"
FREE = "param { lr_mult: 1 decay_mult: 0 }"
TRAIN_ONLY, TEST_ONLY = "include { phase: TRAIN }", "include { phase: TEST }"


def found(text: str, dialect: str = "bvlc", phase: str = "auto") -> dict[str, str]:
    """Codes of the BN group (and FRZ001) with their severities, among the rules that are on by default."""
    findings = analyze(Source(text), Settings(dialect=dialect, phase=phase)).findings
    return {f.code: f.severity for f in findings if f.code.startswith("BN") or f.code == "FRZ001"}


# One text, eight verdicts: half of the group flips between dialects.
FAMILIES = {
    "the founding chain: in place, flag false, Scale behind": (
        trained(FALSE),
        {
            "bvlc": {"BN011": "warning"},
            "ssd": {"BN011": "warning"},
            "py-faster-rcnn": {"BN011": "warning", "BN004": "warning"},
            "nvidia-0.15": {
                "BN030": "hint", "BN031": "error", "BN032": "error", "BN033": "warning", "BN028": "hint",
            },
            "nvidia-0.17": {"BN030": "hint"},
            "intel": {"BN011": "warning"},
        },
    ),
    "three blocks of lr_mult 0": (
        trained(STAT, STAT, STAT),
        {
            "bvlc": {},
            "ssd": {},
            "py-faster-rcnn": {},
            "nvidia-0.15": {"BN031": "error", "BN032": "error", "BN034": "warning", "BN028": "hint"},
            "nvidia-0.17": {},
            "intel": {},
        },
    ),
    "one block with lr_mult 1": (
        trained("param { lr_mult: 1 }"),
        {
            "bvlc": {"BN001": "error"},
            "ssd": {"BN001": "error"},
            "py-faster-rcnn": {"BN004": "warning"},
            "nvidia-0.17": {},
            "intel": {"BN001": "error"},
        },
    ),
    "three blocks of lr_mult 1": (
        trained(*["param { lr_mult: 1 }"] * 3),
        {"bvlc": {"BN002": "hint"}, "ssd": {"BN002": "hint"}, "intel": {"BN001": "error"}, "nvidia-0.17": {}},
    ),
    "four blocks of lr_mult 0": (
        trained(STAT, STAT, STAT, STAT),
        {"bvlc": {"BN005": "error"}, "ssd": {"BN005": "error"}, "nvidia-0.17": {"BN005": "error"}},
    ),
    "no Scale": (
        data() + conv("conv1", "data") + bn("bn1", "conv1") + relu("relu1", "conv1") + ip("fc", "conv1") + loss("fc"),
        {
            "bvlc": {"BN020": "warning"},
            "ssd": {"BN020": "warning"},
            "nvidia-0.15": {"BN031": "error", "BN032": "error", "BN033": "warning"},
            "nvidia-0.17": {"BN020": "warning"},
            "intel": {},
        },
    ),
    "behind an InnerProduct": (
        data() + ip("fc1", "data") + bn("bn1", "fc1", top="bn1") + scale("s", "bn1") + ip("fc", "bn1") + loss("fc"),
        {"bvlc": {"BN055": "hint"}, "nvidia-0.17": {"BN036": "error", "BN055": "hint"}},
    ),
    "a frozen part without the flag": (
        trained(conv_lines=(LOCKED,), scale_lines=(LOCKED, LOCKED)),
        {"bvlc": {"FRZ001": "warning"}, "ssd": {"FRZ001": "warning"}, "nvidia-0.17": {"FRZ001": "warning"}},
    ),
    "a frozen part with the flag": (
        trained(TRUE, conv_lines=(LOCKED,), scale_lines=(LOCKED, LOCKED)),
        {"bvlc": {}, "ssd": {}, "nvidia-0.17": {"BN030": "warning"}},
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "dialect", "codes"),
    [
        pytest.param(text, dialect, codes, id=f"{name}: {dialect}")
        for name, (text, verdicts) in FAMILIES.items()
        for dialect, codes in verdicts.items()
    ],
)
def test_one_text_by_dialect(text: str, dialect: str, codes: dict[str, str]) -> None:
    assert found(text, dialect) == codes


def _head(blob: str) -> str:
    return ip("fc", blob) + loss("fc")


CHAIN = data() + conv("conv1", "data") + bn("bn1", "conv1")

SILENT = {
    "detection fine-tuning: frozen Scale, trainable convolution, stored statistics": trained(
        TRUE, scale_lines=(LOCKED, LOCKED)
    ),
    "stored statistics in a layer that believes to be in TEST": trained(TRUE, "phase: TEST"),
    "stored statistics in a deploy net": image() + CHAIN.replace(data(), "") + scale("s", "conv1") + relu("r", "conv1"),
    "a twin for each phase under one name, other fields equal": (
        data()
        + conv("conv1", "data")
        + bn("bn1", "conv1", TRAIN_ONLY, "batch_norm_param { use_global_stats: false eps: 0.001 }")
        + bn("bn1", "conv1", TEST_ONLY, "batch_norm_param { use_global_stats: true eps: 0.002 }")
        + scale("s", "conv1")
        + _head("conv1")
    ),
    "a BatchNorm in front of convolutions only": data() + bn("bn0", "data") + conv("conv1", "data") + _head("conv1"),
    "data normalised by a BatchNorm": data() + bn("bn0", "data") + relu("r", "data") + _head("data"),
    "a Bias behind the Scale": CHAIN
    + layer("Scale", "s", "conv1", "conv1")
    + layer("Bias", "b", "conv1", "conv1")
    + _head("conv1"),
    "a Scale without bias in front of a convolution that has one": CHAIN
    + layer("Scale", "s", "conv1", "conv1")
    + conv("conv2", "conv1", bias=True)
    + _head("conv2"),
    "a Scale with two bottoms along axis 0, as in squeeze-and-excitation": (
        data()
        + conv("a", "data")
        + conv("b", "data")
        + layer("Scale", "s", "a b", "s", "scale_param { axis: 0 }")
        + _head("s")
    ),
    "a Scale that starts at 1 with noise": CHAIN
    + scale("s", "conv1", param='bias_term: true filler { type: "gaussian" mean: 1 std: 0.02 }')
    + _head("conv1"),
    "eps of another framework": CHAIN.replace('"BatchNorm"', '"BatchNorm"\n  batch_norm_param { eps: 2e-5 }')
    + scale("s", "conv1")
    + _head("conv1"),
    "a bias that two layers read": (
        data()
        + conv("conv1", "data", bias=True)
        + bn("bn1", "conv1", top="bn1")
        + scale("s", "bn1")
        + layer("Eltwise", "sum", "bn1 conv1", "sum")
        + _head("sum")
    ),
}


MASKED = [STAT] * 5
FROZEN_NVIDIA = trained(
    *MASKED, "batch_norm_param { scale_filler { value: 1 } }", conv_lines=(LOCKED,), scale_lines=(LOCKED, LOCKED)
)


def test_where_no_backward_runs_the_overwritten_input_does_no_harm() -> None:
    """An error would be false: nothing in front of the layer trains, and none of its own blobs does."""
    assert "BN032" not in found(FROZEN_NVIDIA, "nvidia-0.15")
    assert found(FROZEN_NVIDIA.replace(LOCKED, "", 1), "nvidia-0.15")["BN032"] == "error"


@pytest.mark.parametrize("name", SILENT, ids=str)
def test_what_is_right_stays_silent(name: str) -> None:
    assert found(SILENT[name]) == {}


def test_an_unread_blob_after_zero_gamma_is_no_error() -> None:
    text = image() + conv("conv1", "data") + bn("bn1", "conv1")
    assert found(text, "nvidia-0.15")["BN031"] == "hint"  # a deploy net: weights will be loaded


@pytest.mark.parametrize(
    ("behind", "severity"),
    [
        (relu("r", "conv1") + _head("conv1"), "error"),
        (scale("s", "conv1") + relu("r", "conv1") + _head("conv1"), "error"),
        (
            layer("Pooling", "p", "conv1", "p", "pooling_param { global_pooling: true }") + relu("r", "p") + _head("p"),
            "error",
        ),
        (_head("conv1"), "warning"),
        (layer("Sigmoid", "g", "conv1", "g") + _head("g"), "warning"),
        (layer("Eltwise", "sum", "data conv1", "sum") + _head("sum"), "hint"),
    ],
)
def test_zero_gamma_is_an_error_only_where_a_relu_blocks_it(behind: str, severity: str) -> None:
    text = data() + conv("conv1", "data") + bn("bn1", "conv1", "batch_norm_param { engine: CAFFE }") + behind
    assert found(text, "nvidia-0.15")["BN031"] == severity


@pytest.mark.parametrize(("batch", "severity"), [(1, "error"), (2, "warning"), (7, "warning"), (8, "hint"), (32, None)])
def test_values_per_channel(batch: int, severity: str | None) -> None:
    fed = f"dummy_data_param {{ shape {{ dim: {batch} dim: 3 }} shape {{ dim: {batch} }} }}"
    text = (
        layer("DummyData", "data", "", "data label", fed)
        + ip("a", "data")
        + bn("bn1", "a")
        + scale("s", "a")
        + _head("a")
    )
    assert found(text).get("BN017") == severity
    if batch == 1:  # a net that the program feeds may get more images than the file says
        fed = "input_param { shape { dim: 1 dim: 3 } shape { dim: 1 } }"
        given = layer("Input", "data", "", "data label", fed)
        assert found(given + text.partition("}\n}\n")[2])["BN017"] == "warning"


def test_stored_statistics_need_no_batch() -> None:
    fed = "dummy_data_param { shape { dim: 1 dim: 3 } shape { dim: 1 } }"
    text = layer("DummyData", "data", "", "data label", fed) + ip("a", "data") + bn("bn1", "a", TRUE) + _head("a")
    assert "BN017" not in found(text)


def test_the_whole_cure_of_the_founding_chain() -> None:
    """Every fix together gives the layer that NVIDIA's own models have."""
    cured = fix_text(
        Source(trained("batch_norm_param { engine: CUDNN }")), Settings(dialect="nvidia-0.15"), unsafe=True
    )
    start = cured.index('  name: "bn1"')
    assert cured[start:].splitlines()[:10] == [
        '  name: "bn1"',
        '  type: "BatchNorm"',
        '  bottom: "conv1"',
        '  top: "bn1"',
        f"  {FREE}",
        f"  {FREE}",
        f"  {STAT}",
        f"  {STAT}",
        f"  {STAT}",
        '  batch_norm_param { engine: CUDNN scale_filler { type: "constant" value: 1 } }',
    ]
    assert "scale1" not in cured
    assert found(cured, "nvidia-0.15") == {}


def test_a_half_typed_scale_has_no_top_yet() -> None:
    text = data() + bn("bn1", "data", top="bn1") + 'layer { name: "s" type: "Scale" bottom: "bn1" }\n'
    assert "BN028" in found(text, "nvidia-0.15")


def _advice(text: str, dialect: str, code: str) -> tuple[str, str]:
    """The last sentence of a rule's message, and what its fix says."""
    findings = analyze(Source(text), Settings(dialect=dialect)).findings
    finding = next(f for f in findings if f.code == code)
    return finding.message.rpartition(". ")[2], finding.fix.message if finding.fix else ""


BY_PHASE = "Write `phase: TEST` in the layer and lr_mult: 0 for each of its blobs."
TRAINED_FIRST = (
    data() + conv("conv0", "data") + relu("r0", "conv0") + conv("conv1", "conv0", LOCKED) + bn("bn1", "conv1")
    + scale("scale1", "conv1", LOCKED, LOCKED) + relu("r1", "conv1") + _head("conv1")
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "code", "advice", "cure"),
    [
        (trained(TRUE), "BN030", "Delete the line.", ""),
        (
            trained(TRUE, conv_lines=(LOCKED,), scale_lines=(LOCKED, LOCKED)),
            "BN030", BY_PHASE, "Freeze it by `phase: TEST`",
        ),
        (
            trained(conv_lines=(LOCKED,), scale_lines=(LOCKED, LOCKED)),
            "FRZ001", BY_PHASE, "Freeze it by `phase: TEST`",
        ),
        (
            TRAINED_FIRST,
            "FRZ001", "It cannot be frozen while layers in front of it train: freeze those too.", "",
        ),
        (
            data() + conv("conv1", "data", LOCKED) + bn("bn1", "conv1", "batch_norm_param { scale_bias: true }")
            + relu("r", "conv1") + _head("conv1"),
            "FRZ001",
            "Its own gamma and beta train in any case: make BatchNorm and Scale two layers, and write `phase: TEST` "
            "and lr_mult: 0 in the BatchNorm.",
            "",
        ),
    ],
)  # fmt: skip
def test_what_freezes_where_the_phase_alone_decides(text: str, code: str, advice: str, cure: str) -> None:
    """A layer that believes to be in TEST has no right backward, so that is advised only where none runs."""
    assert _advice(text, "nvidia-0.17", code) == (advice, cure)


@pytest.mark.parametrize(
    ("filler", "said"),
    [("{ }", "a filler without a value"), ('{ type: "constant" value: 0 }', "this filler")],
)
def test_a_filler_is_called_what_it_is(filler: str, said: str) -> None:
    text = CHAIN + scale("s", "conv1", param=f"bias_term: true filler {filler}") + relu("r", "conv1") + _head("conv1")
    messages = [f.message for f in analyze(Source(text), Settings(dialect="bvlc")).findings if f.code == "BN022"]
    assert [message.startswith(f"'s': {said} starts gamma at 0") for message in messages] == [True]


BETA = {
    "bvlc": (scale("bn1", "conv1", param="filler { } bias_term: true %s"), "bias_filler { value: 0.1 }", "BN022"),
    "nvidia-0.15": (bn("bn1", "conv1", "batch_norm_param { engine: CAFFE %s }"), "bias_filler { value: 0.1 }", "BN031"),
    "nvidia-0.17": (
        bn("bn1", "conv1", "batch_norm_param { scale_filler { } %s }"),
        "bias_filler { value: 1 }",
        "BN031",
    ),
    "segnet": (bn("bn1", "conv1", "bn_param { %s }", type_="BN"), "shift_filler { value: 0.001 }", "BN031"),
    "pspnet": (bn("bn1", "conv1", "bn_param { %s }", type_="BN"), 'bias_filler { type: "uniform" }', "BN031"),
}


@pytest.mark.parametrize("dialect", BETA)
def test_a_beta_that_is_not_zero_keeps_gamma_alive(dialect: str) -> None:
    """The ReLU passes beta, so gamma gets a gradient: an error would be false."""
    layer_, filler, code = BETA[dialect]
    for written, severity in (("", "error"), (filler, "warning")):
        text = data() + conv("conv1", "data") + layer_ % written + relu("r", "conv1") + _head("conv1")
        assert found(text, dialect)[code] == severity
