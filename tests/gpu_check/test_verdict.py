"""Verdicts on whole small nets: where a signal breaks, why, and how grave it is; and nothing where nothing is wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from prototxt_gpu_check.policy import Request, forward
from prototxt_net.finding import Finding


def layer(name: str, type_: str, bottoms: str, top: str, rest: str = "") -> str:
    reads = "".join(f' bottom: "{b}"' for b in bottoms.split())
    writes = "".join(f' top: "{t}"' for t in top.split())
    return f'layer {{ name: "{name}" type: "{type_}"{reads}{writes} {rest} }}\n'


def conv(name: str, bottom: str, top: str, filler: str = 'type: "msra"', rest: str = "kernel_size: 3 pad: 1") -> str:
    written = f"weight_filler {{ {filler} }}" if filler else ""
    return layer(name, "Convolution", bottom, top, f"convolution_param {{ num_output: 8 {rest} {written} }}")


def classifier(bottom: str, filler: str = 'type: "xavier"', loss: bool = True) -> str:
    text = layer(
        "ip", "InnerProduct", bottom, "ip", f"inner_product_param {{ num_output: 5 weight_filler {{ {filler} }} }}"
    )
    return text + (layer("loss", "SoftmaxWithLoss", "ip label", "loss") if loss else "")


def bn(blob: str, rest: str = "", name: str = "bn") -> str:
    return layer(name, "BatchNorm", blob, blob, f"batch_norm_param {{ {rest} }}" if rest else "")


def relu(blob: str, name: str = "relu") -> str:
    return layer(name, "ReLU", blob, blob)


def data(batch: int = 4, side: int = 12) -> str:
    shapes = f"shape {{ dim: {batch} dim: 3 dim: {side} dim: {side} }} shape {{ dim: {batch} }}"
    return layer("data", "Input", "", "data label", f"input_param {{ {shapes} }}")


TAIL = conv("conv2", "c1", "c2") + classifier("c2")


@dataclass
class Case:
    """A net and the findings it must give: code -> (severity, layer, words that the message must contain)."""

    text: str
    findings: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    dialect: str = "bvlc"
    options: dict[str, object] = field(default_factory=dict)


def judged(case: Case) -> list[Finding]:
    return forward(Request(case.text, dialect=case.dialect, device="cpu", **case.options))[1]  # type: ignore[arg-type]


SCALE = layer("scale", "Scale", "c1", "c1", "scale_param { bias_term: true }")
FOUNDING = data() + conv("conv1", "data", "c1") + bn("c1", "use_global_stats: false") + SCALE + relu("c1")
FOUNDING += conv("conv2", "c1", "c2") + classifier("c2")

RESIDUAL = data() + conv("conv1", "data", "c1") + relu("c1", "relu1") + conv("conv2", "c1", "c2") + bn("c2")
RESIDUAL += layer("scale", "Scale", "c2", "c2", "scale_param { filler { value: 0 } bias_term: true }")
RESIDUAL += layer("sum", "Eltwise", "c1 c2", "sum") + relu("sum", "relu2") + classifier("sum")

EMPTY = "use_global_stats: true"
DEEP = "".join(
    conv(f"conv{i}", f"c{i - 1}" if i else "data", f"c{i}") + bn(f"c{i}", EMPTY, f"bn{i}") for i in range(18)
)

CASES = {
    "a healthy net": Case(
        data() + conv("conv1", "data", "c1") + bn("c1") + SCALE + relu("c1") + TAIL
    ),
    "the founding case on NVIDIA 0.15": Case(
        FOUNDING, {"DYN003": ("error", "bn", "`scale_filler` is absent")}, "nvidia-0.15"
    ),
    "the founding case on BVLC": Case(FOUNDING),
    "NVIDIA 0.15 with gamma filled": Case(
        FOUNDING.replace("use_global_stats: false", "scale_filler { value: 1 }"), {}, "nvidia-0.15"
    ),
    "gamma 0 at the end of a residual block": Case(RESIDUAL),
    "gamma 0 in the way, through a filler without value": Case(
        FOUNDING.replace("bias_term: true", "filler { } bias_term: true"),
        {"DYN003": ("error", "scale", "gamma of 'scale' is 0 in every channel")},
    ),
    "a zero filler before a ReLU": Case(
        data() + conv("conv1", "data", "c1", "value: 0") + relu("c1") + conv("conv2", "c1", "c2") + classifier("c2"),
        {"DYN002": ("error", "conv1", "its weight_filler is the constant 0, and the ReLU")},
    ),
    "a zero filler in the middle, without a ReLU": Case(
        data() + conv("conv1", "data", "c1") + conv("conv2", "c1", "c2", "value: 0") + classifier("c2"),
        {"DYN002": ("warning", "conv2", "its weight_filler is the constant 0.")},
    ),
    "a last classifier that starts at 0": Case(
        data() + conv("conv1", "data", "c1") + relu("c1") + classifier("c1", "value: 0"),
        {"DYN022": ("info", "loss", "ln 5")},
    ),
    "no fillers, waiting for weights": Case(
        data() + conv("conv1", "data", "c1", "") + relu("c1") + conv("conv2", "c1", "c2", "") + classifier("c2")
    ),
    "no fillers, taken at their word": Case(
        data() + conv("conv1", "data", "c1", "") + relu("c1") + conv("conv2", "c1", "c2", "") + classifier("c2"),
        {"DYN002": ("warning", "conv1", "no weight_filler")},
        options={"strict_fillers": True},
    ),
    "one value per channel": Case(
        data(1, 4)
        + conv("conv1", "data", "c1", rest="kernel_size: 4")
        + bn("c1")
        + relu("c1")
        + conv("conv2", "c1", "c2")
        + classifier("c2"),
        {"DYN004": ("error", "bn", "one value per channel")},
    ),
    "one value per channel in the batch that was asked for only": Case(
        data(8, 4) + conv("conv1", "data", "c1", rest="kernel_size: 4") + bn("c1") + classifier("c1"),
        {"DYN004": ("info", "bn", "Only with this batch of 1; the file's is 8")},
        options={"batch": 1},
    ),
    "empty statistics, one layer": Case(
        data() + conv("conv1", "data", "c1") + bn("c1", EMPTY) + relu("c1") + TAIL,
        {"DYN012": ("warning", "bn", "'bn' multiplies by 316 (1/sqrt(eps))"), "DYN021|DYN020": ("info", "loss", "")},
    ),
    "empty statistics, eighteen layers": Case(
        data() + DEEP + classifier("c17"),
        {"DYN012": ("error", "bn0", "'bn0' and 17 more BatchNorm layers each multiply by 316")},
    ),
    "empty statistics because the phase is TEST": Case(
        data() + conv("conv1", "data", "c1") + bn("c1") + classifier("c1"),
        {"DYN012": ("info", "bn", "how every fresh net runs"), "DYN021|DYN020": ("", "loss", "")},
        options={"phase": "TEST"},
    ),
    "NaN that pooling and ReLU hide": Case(
        data()
        + layer("log", "Log", "data", "log", "log_param { shift: -1000 }")
        + layer("pool", "Pooling", "log", "pool", "pooling_param { pool: MAX kernel_size: 2 stride: 2 }")
        + relu("pool")
        + conv("conv1", "pool", "c1")
        + classifier("c1"),
        {"DYN001": ("warning", "log", "From 'pool' on it hides")},
    ),
    "dropout of everything": Case(
        data() + conv("conv1", "data", "c1")
        + layer("drop", "Dropout", "c1", "c1", "dropout_param { dropout_ratio: 1 }") + classifier("c1"),
        {"DYN001": ("warning", "drop", "dropout_ratio 1")},
    ),
    "dropout of half is no collapse": Case(
        data() + conv("conv1", "data", "c1") + relu("c1") + layer("drop", "Dropout", "c1", "c1") + classifier("c1")
    ),
    "a dead ReLU": Case(
        data()
        + layer("down", "Power", "data", "down", "power_param { shift: -1000 }")
        + relu("down")
        + conv("conv1", "down", "c1")
        + classifier("c1"),
        {"DYN002": ("warning", "relu", "dead ReLU")},
    ),
    "dead channels": Case(
        data()
        + layer(
            "conv1", "Convolution", "data", "c1",
            'convolution_param { num_output: 8 kernel_size: 3 weight_filler { type: "gaussian" std: 0.1 } '
            'bias_filler { type: "uniform" min: -9 max: 1 } }',
        )
        + relu("c1")
        + classifier("c1"),
        {"DYN006": ("", "relu", "channels of 'relu' are 0 for the whole batch")},
    ),
    "channels without variance before a BatchNorm": Case(
        data()
        + conv("conv1", "data", "c1", 'type: "gaussian" std: 1 sparse: 1', rest="kernel_size: 1")
        + bn("c1") + relu("c1")
        + classifier("c1"),
        {
            "DYN006": ("info", "relu", "that means a variance of 0"),
            "DYN008": ("info", "conv1", "which the sparse filler draws"),
        },
    ),
    "an explosion": Case(
        data()
        + conv("conv1", "data", "c1", 'type: "gaussian" std: 1e7')
        + layer("s", "Sigmoid", "c1", "s")
        + classifier("s"),
        {"DYN010": ("warning", "conv1", "an overflow is near. Its weight_filler is gaussian, std 1e+07.")},
    ),
    "a bias that drowns everything": Case(
        data()
        + conv("conv1", "data", "c1", rest="kernel_size: 3 bias_filler { value: -1e4 }")
        + relu("c1")
        + conv("conv2", "c1", "c2")
        + classifier("c2"),
        {"DYN002": ("warning", "conv1", "The bias of 'conv1' is -1e+04")},
    ),
    "bottoms that cancel each other": Case(
        data()
        + conv("conv1", "data", "c1")
        + layer("sum", "Eltwise", "c1 c1", "sum", "eltwise_param { coeff: 1 coeff: -1 }")
        + classifier("sum"),
        {"DYN002": ("warning", "sum", "Its bottoms cancel each other")},
    ),
    "a scale of 0": Case(
        data() + conv("conv1", "data", "c1") + layer("p", "Power", "c1", "p", "power_param { scale: 0 }")
        + conv("conv2", "p", "c2") + classifier("c2"),
        {"DYN002": ("warning", "p", "Its scale is 0.")},
    ),
    "weights of 0 behind an explosion": Case(
        data() + DEEP[: DEEP.index('layer { name: "conv4"')] + conv("last", "c3", "last", "value: 0")
        + classifier("last"),
        {"DYN012": ("warning", "bn0", ""), "DYN002": ("warning", "last", "the constant 0.")},
    ),
    "an empty last window of MAX": Case(
        data() + conv("conv1", "data", "c1")
        + layer("pool", "Pooling", "c1", "pool", "pooling_param { kernel_size: 2 stride: 3 }") + classifier("pool"),
        {"DYN010": ("warning", "pool", "lies wholly beyond its input"), "DYN020|DYN021|": ("", "loss", "")},
    ),
    "an empty last window of AVE": Case(
        data() + conv("conv1", "data", "c1")
        + layer("pool", "Pooling", "c1", "pool", "pooling_param { pool: AVE kernel_size: 2 stride: 3 }")
        + classifier("pool"),
        {"DYN001": ("warning", "pool", "the average is 0 / 0")},
    ),
    "a window of AVE that ends before it begins": Case(
        data() + conv("conv1", "data", "c1")
        + layer("pool", "Pooling", "c1", "pool", "pooling_param { pool: AVE kernel_size: 1 stride: 1000 }")
        + classifier("pool"),
        {"DYN005": ("warning", "pool", "'pool' is 0 there, whatever the input")},
    ),
    "a ReLU of what another one gave, negated": Case(
        data() + conv("conv1", "data", "c1") + relu("c1", "relu1")
        + layer("minus", "Scale", "c1", "m", "scale_param { filler { value: -1 } }") + relu("m", "relu2")
        + conv("conv2", "m", "c2") + classifier("c2"),
        {"DYN002": ("warning", "relu2", "'minus' makes them of values that are never negative (its gamma is -1)")},
    ),
    "a bias that drowns small data": Case(
        data() + layer("small", "Power", "data", "small", "power_param { scale: 0.01 }")
        + layer("ip1", "InnerProduct", "small", "h", "inner_product_param { num_output: 8 "
        'weight_filler { type: "xavier" } bias_filler { value: -1e5 } }') + relu("h") + classifier("h"),
        {"DYN002": ("warning", "ip1", "The bias of 'ip1' is -1e+05"), "DYN022|": ("info", "loss", "")},
    ),
    "one layer that shouts": Case(
        data() + conv("conv1", "data", "c1", 'type: "gaussian" std: 100') + layer("s", "Sigmoid", "c1", "s")
        + classifier("s"),
        {"DYN011": ("warning", "conv1", "alone changes the scale of its input")},
    ),
    "one sample, one place": Case(
        data(1, 3) + conv("conv1", "data", "c1", rest="kernel_size: 3") + relu("c1", "relu1")
        + conv("conv2", "c1", "c2", rest="kernel_size: 1") + classifier("c2"),
    ),
    "a layer that shouts into a BatchNorm": Case(
        data() + conv("conv1", "data", "c1", 'type: "gaussian" std: 100') + bn("c1") + relu("c1") + classifier("c1")
    ),
    "a layer that whispers": Case(
        data() + conv("conv1", "data", "c1", 'type: "gaussian" std: 1e-4') + relu("c1") + classifier("c1"),
        {"DYN011": ("info", "conv1", "Its weights are very small"), "DYN022|": ("info", "loss", "")},
    ),
    "one silent layer in the middle": Case(
        data() + conv("conv1", "data", "c1") + relu("c1", "relu1")
        + conv("conv2", "c1", "c2", 'type: "gaussian" std: 1e-10') + relu("c2", "relu2") + TAIL.replace("c1", "c2")
        .replace('"c2" top: "c2"', '"c2" top: "c3"').replace('bottom: "c2" top: "ip"', 'bottom: "c3" top: "ip"')
        .replace('"conv2"', '"conv3"'),
        {"DYN013": ("warning", "conv2", "the signal vanishes")},
    ),
    "a variance that eps decides": Case(
        data() + conv("conv1", "data", "c1", 'type: "gaussian" std: 1e-4') + bn("c1") + relu("c1") + classifier("c1"),
        {"DYN014": ("warning", "bn", "the variance is below eps")},
    ),
    "a variance of a few eps": Case(
        data() + conv("conv1", "data", "c1", 'type: "gaussian" std: 2e-3') + bn("c1") + relu("c1") + classifier("c1"),
    ),
    "units that are all alike": Case(
        data() + conv("conv1", "data", "c1", "value: 0.1") + relu("c1") + classifier("c1"),
        {"DYN029": ("warning", "conv1", "its 8 units compute the same"), "DYN008|": ("", "", "")},
    ),
    "alike in front of the loss only": Case(
        data() + conv("conv1", "data", "c1") + relu("c1") + classifier("c1", "value: 0.1"),
        {"DYN022|": ("info", "", "")},
    ),
    "a benchmark that feeds one constant": Case(
        layer("data", "DummyData", "", "data label", "dummy_data_param { shape { dim: 4 dim: 3 dim: 24 dim: 24 } "
        "shape { dim: 4 } data_filler { value: 0.01 } data_filler { } }")
        + conv("conv1", "data", "c1") + bn("c1") + relu("c1")
        + layer("pool", "Pooling", "c1", "p", "pooling_param { pool: AVE kernel_size: 4 stride: 4 }")
        + classifier("p")
    ),
    "a saturated layer": Case(
        data() + layer("loud", "Power", "data", "loud", "power_param { scale: 1000 }")
        + layer("s", "Sigmoid", "loud", "s") + conv("conv1", "s", "c1") + classifier("c1"),
        {"DYN009": ("warning", "s", "is saturated")},
    ),
    "a ReLU that lets hardly anything through": Case(
        data(side=24) + layer("down", "Power", "data", "down", "power_param { shift: -2.4 }") + relu("down")
        + conv("conv1", "down", "c1") + classifier("c1"),
        {"DYN007": ("warning", "relu", "almost no signal passes")},
    ),
    "fillers that draw too much": Case(
        data(8) + conv("conv1", "data", "c1", 'type: "gaussian"') + relu("c1")
        + conv("conv2", "c1", "c2", 'type: "gaussian"') + classifier("c2"),
        {"DYN023": ("info", "loss", "the scores are too large because of 'conv2'")},
    ),
    "sigmoids that hardly differ": Case(
        data()
        + "".join(
            layer(f"s{i}", "Sigmoid", f"c{i - 1}" if i else "data", f"s{i}")
            + conv(f"conv{i}", f"s{i}", f"c{i}", 'type: "xavier"')
            for i in range(8)
        )
        + relu("c7") + classifier("c7"),
    ),
    "weights of 0, and a bias": Case(
        data() + conv("conv1", "data", "c1") + relu("c1")
        + layer("loc", "InnerProduct", "c1", "loc", "inner_product_param { num_output: 6 weight_filler { value: 0 } "
        "bias_filler { value: 0.5 } }") + classifier("loc"),
        {"DYN005": ("warning", "loc", "its weights are all 0, and only its bias is left")},
    ),
    "a last classifier that starts at its bias": Case(
        data() + conv("conv1", "data", "c1") + relu("c1")
        + layer("ip", "InnerProduct", "c1", "ip", "inner_product_param { num_output: 5 weight_filler { value: 0 } "
        "bias_filler { value: 0.5 } }") + layer("prob", "Softmax", "ip", "prob")
        + layer("loss", "SoftmaxWithLoss", "ip label", "loss"),
    ),
    "an exponential": Case(
        data() + conv("conv1", "data", "c1", 'type: "gaussian" std: 18') + layer("e", "Exp", "c1", "e")
        + classifier("e"),
        {"DYN001": ("warning", "e", "It takes the exponential of values of up to")},
    ),
    "scores that are too large": Case(
        data() + conv("conv1", "data", "c1") + relu("c1") + classifier("c1", 'type: "gaussian" std: 2'),
        {"DYN023": ("info", "loss", "the scores are too large"), "DYN021|": ("", "loss", "")},
    ),
    "a vanishing signal": Case(
        data()
        + "".join(
            conv(f"conv{i}", f"c{i - 1}" if i else "data", f"c{i}", 'type: "gaussian" std: 1e-3')
            + relu(f"c{i}", f"relu{i}")
            for i in range(6)
        )
        + classifier("c5"),
        {"DYN013": ("warning", "", "the signal vanishes"), "DYN022|": ("info", "loss", "")},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", [pytest.param(c, id=name) for name, c in CASES.items()])
def test_the_verdict(case: Case) -> None:
    found = judged(case)
    codes = {f.code: f for f in found}
    expected: set[str] = set()
    for key, (severity, where, words) in case.findings.items():
        options = key.split("|")
        mine = next((codes[c] for c in options if c in codes), None)
        expected.update(options)
        if mine is None:
            assert "" in options or key.endswith("|"), f"{key} is missing among {sorted(codes)}"
            continue
        assert severity in ("", mine.severity)
        assert where in ("", mine.layer)
        assert words in mine.message
        assert mine.dialect == case.dialect
        assert not mine.caffe_aborts
    assert set(codes) <= expected, [f"{f.code} {f.layer}: {f.message}" for f in found]


def test_a_finding_points_at_the_field() -> None:
    text = CASES["a zero filler before a ReLU"].text
    (finding,) = judged(Case(text))
    assert text[finding.start :].startswith("weight_filler")
    assert finding.phases == ("TRAIN",)
    assert finding.name == "all-zero-top"


def test_victims_are_counted_and_not_reported() -> None:
    (finding,) = (f for f in judged(CASES["the founding case on NVIDIA 0.15"]) if f.severity == "error")
    assert "4 layers behind it give zeros because of it" in finding.message


def test_fillers_that_are_missing_are_said_once() -> None:
    result, _ = forward(Request(CASES["no fillers, waiting for weights"].text, device="cpu"))
    (note,) = (d for d in result.degraded if d.code == "fillers-substituted")
    assert note.message.startswith("2 layers ('conv1' first) write no weight_filler")


ONE = np.random.default_rng(0).standard_normal((1, 3, 12, 12))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.zeros((4, 3, 12, 12)), "is all 0"),
        (np.full((4, 3, 12, 12), 7), "is one constant"),
        (
            np.tile(np.random.default_rng(0).standard_normal((1, 3, 12, 12)), (4, 1, 1, 1)),
            "is the same in every sample",
        ),
        (np.full((4, 3, 12, 12), np.nan), "is not finite"),
    ],
)
def test_data_that_was_given_is_judged(value: np.ndarray, words: str) -> None:
    found = judged(Case(CASES["a healthy net"].text, options={"inputs": {"data": value.astype(np.float32)}}))
    assert any(f.code == "DYN027" and words in f.message for f in found)


def with_inputs(name: str = "a healthy net", **arrays: np.ndarray) -> list[Finding]:
    given = {name: array.astype(np.float32) for name, array in arrays.items()}
    return judged(Case(CASES[name].text, options={"inputs": given}))


def test_a_label_outside_the_classes_is_one_finding() -> None:
    (finding,) = with_inputs(label=np.array([0, 1, 5, 2]))
    assert finding.code == "DYN025"
    assert "is no class of 0..4" in finding.message or "are no class of 0..4" in finding.message


def test_data_that_are_not_finite_are_one_finding_and_no_layer_is_blamed() -> None:
    (finding,) = with_inputs(data=np.full((4, 3, 12, 12), np.nan))
    assert (finding.code, finding.layer) == ("DYN027", "data")
    spot = np.random.default_rng(0).standard_normal((4, 3, 12, 12))
    spot[0, 0, 0, 0] = np.inf
    assert [f.code for f in with_inputs(data=spot)] == ["DYN027"]


def test_labels_that_are_all_ignored_or_all_the_same() -> None:
    ignoring = CASES["a healthy net"].text.replace('top: "loss" ', 'top: "loss" loss_param { ignore_label: 3 } ')
    shape = {"data": np.random.default_rng(0).standard_normal((20, 3, 12, 12)).astype(np.float32)}
    for labels, text, code, words in [
        (np.full(20, 3), ignoring, "DYN024", "every label is ignore_label"),
        (np.r_[np.full(39, 3), 1][20:], ignoring, None, ""),
        (np.full(20, 2), CASES["a healthy net"].text, "DYN026", "All 20 labels of this batch are the same class"),
    ]:
        given = {**shape, "label": labels.astype(np.float32)}
        found = judged(Case(text, options={"inputs": given}))
        assert {f.code for f in found} <= {code}
        assert code is None or words in found[0].message


@pytest.mark.parametrize(("scale", "code"), [("0.00390625", None), ("1", None), ("100", "DYN027")])
def test_pixels_that_a_transformation_has_made_too_large(scale: str, code: str | None) -> None:
    source = (
        'layer { name: "data" type: "Data" top: "data" top: "label" transform_param { mean_value: 118 '
        f"scale: {scale} crop_size: 12 }} data_param {{ source: 'x' batch_size: 4 }} }}\n"
    )
    text = source + conv("conv1", "data", "c1") + bn("c1") + relu("c1") + classifier("c1")
    found = judged(Case(text))
    assert [f.code for f in found] == ([code] if code else [])
    assert all("pixels are at most 255" in f.message for f in found)


@pytest.mark.parametrize(("mean", "words"), [(118, ""), (0, ""), (5000, "and varies by 0.2")])
def test_pixels_that_a_transformation_has_moved_far_away(mean: int, words: str) -> None:
    source = (
        'layer { name: "data" type: "Data" top: "data" top: "label" transform_param { '
        f"mean_value: {mean} scale: 0.00390625 crop_size: 12 }} data_param {{ source: 'x' batch_size: 4 }} }}\n"
    )
    found = judged(Case(source + conv("conv1", "data", "c1") + bn("c1") + relu("c1") + classifier("c1")))
    assert [(f.code, words in f.message) for f in found] == ([("DYN027", True)] if words else [])


def test_samples_that_all_get_the_same_answer() -> None:
    text = data(8) + layer("q", "Power", "data", "q", "power_param { scale: 1e-5 shift: 1 }") + classifier("q")
    found = judged(Case(text, options={"batch": 8}))
    assert [(f.code, f.severity) for f in found if f.code == "DYN018"] == [("DYN018", "info")]


def test_what_suffers_stands_beside_the_finding() -> None:
    text = CASES["a zero filler before a ReLU"].text
    (finding,) = judged(Case(text))
    assert [text[r.start : r.end] and r.message for r in finding.related] == [
        f"'{name}' gives zeros because of it" for name in ("relu", "conv2", "ip")
    ]


def test_weights_that_do_not_fit_and_weights_of_another_net(shared: Path) -> None:
    path = str(shared / "oracle/golden/dev_lenet_train.caffemodel")
    lenet = (shared / "oracle/golden/dev_lenet_train.prototxt").read_text()
    fitting = judged(Case(lenet, options={"weights": (path,)}))
    assert not [f for f in fitting if f.severity in ("error", "warning")]
    other = judged(Case(lenet.replace("num_output: 500", "num_output: 400"), options={"weights": (path,)}))
    assert [(f.code, f.caffe_aborts) for f in other if f.code == "SHP027"] == [("SHP027", True)] * 2
    renamed = CASES["a healthy net"].text.replace('"conv', '"my_conv').replace('"ip"', '"my_ip"')
    (unnamed,) = (f for f in judged(Case(renamed, options={"weights": (path,)})) if f.code == "INI011")
    assert "nothing was loaded" in unnamed.message
