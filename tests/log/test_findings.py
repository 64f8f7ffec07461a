"""What goes wrong is found where it begins: in generated logs, the real ones of the oracle, and the pasted ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.log.conftest import Judge
from tests.log.logs import (
    NVIDIA_015,
    bottom_diff,
    loss,
    norms,
    param,
    param_diff,
    prefix,
    test_pass,
    text,
    top,
)
from tests.net.test_oracle import records

Found = list[tuple[str, str, str | None]]


def found(report: Any) -> Found:
    return [(verdict.code, verdict.severity, verdict.layer) for verdict in report.verdicts]


def chain(*values: tuple[str, object], lines: tuple[int, ...] = NVIDIA_015) -> list[str]:
    """A forward pass of data, conv1, relu1, conv2, relu2, fc with the tops given by layer; others are sound."""
    given = dict(values)
    out = [top("data", "data", given.get("data", 0.8), lines), top("data", "label", 4.2, lines)]
    for name, blob in (("conv1", "conv1"), ("relu1", "conv1"), ("conv2", "conv2"), ("relu2", "conv2"), ("fc", "fc")):
        out.append(top(name, blob, given.get(name, 0.5), lines))
        if not name.startswith("relu"):
            out += [
                param(name, 0, given.get(f"{name}.w", 0.2), lines),
                param(name, 1, given.get(f"{name}.b", 0), lines),
            ]
    return [*out, top("loss", "loss", given.get("loss", 2.3), lines)]


def test_a_sound_log_has_no_findings(judged: Judge) -> None:
    report = judged(text(*(part for i in range(5) for part in (chain(), norms(6, 0.5), loss(i, 2.3 - i / 10)))))
    assert found(report) == []


def test_the_zero_is_reported_where_it_begins(judged: Judge) -> None:
    dead = [("conv2", 0), ("conv2.w", 0), ("relu2", 0), ("fc", 0.1)]
    assert found(judged(text(chain(*dead)))) == [("DYN002", "error", "conv2")]


def test_labels_losses_and_accuracies_may_be_0(judged: Judge) -> None:
    log = text(
        top("data", "data", 1),
        top("data", "label", 0),
        top("fc", "fc", 1),
        top("acc", "acc", 0),
        top("loss", "loss", 0),
    )
    assert found(judged(log)) == []


def test_a_relu_that_dies_in_training_is_a_matter_of_the_update(judged: Judge) -> None:
    log = text(
        chain(),
        norms(6, 1),
        loss(0, 2.3, 5),
        chain(("conv1.w", 40), ("relu2", 0), ("fc", 0.1)),
        norms(99, 1),
        loss(1, 9, 5),
    )
    (verdict,) = judged(log).verdicts
    assert (verdict.code, verdict.severity, verdict.layer) == ("DYN002", "warning", "relu2")
    assert "a dead ReLU" in verdict.message
    assert "mean |w| of 'conv1' went from 0.2 to 40" in verdict.message
    assert "rate 5 is likely too large" in verdict.message


@pytest.mark.parametrize(("number", "word"), [("nan", "NaN"), ("-nan", "NaN"), ("inf", "Inf")])
def test_the_first_value_that_is_no_number(judged: Judge, number: str, word: str) -> None:
    (verdict,) = judged(text(chain(("conv2", number), ("relu2", number), ("fc", "nan"), ("loss", "nan")))).verdicts
    assert (verdict.code, verdict.severity, verdict.layer) == ("DYN001", "error", "conv2")
    assert verdict.message.startswith(f"{word} first appears in 'conv2'")
    assert "3 layers after it only carry it on" in verdict.message


def test_weights_that_the_update_broke(judged: Judge) -> None:
    bad = chain(*((name, "nan") for name in ("conv1", "conv1.w", "relu1", "conv2", "conv2.w", "relu2", "fc", "loss")))
    report = judged(text(chain(), norms(6, 9e12), loss(0, 2.3, 10), bad, loss(1, "nan", 10)))
    assert found(report)[-2:] == [("DYN001", "error", "conv1"), ("DYN024", "warning", None)]
    assert "The weights of 'conv1' are not finite themselves" in report.verdicts[-2].message
    assert "L2 norm was 9e+12" in report.verdicts[-2].message


def test_a_norm_of_nvidia_015_without_gamma(judged: Judge) -> None:
    norm = [top("bn1", "conv1", 0, NVIDIA_015), *(param("bn1", i, 0, NVIDIA_015) for i in range(5))]
    head, rest = chain()[:5], [top("relu1", "conv1", 0, NVIDIA_015), top("fc", "fc", 0, NVIDIA_015)]
    report = judged(text(head, norm, rest))
    assert report.writer.dialect == "nvidia-0.15"
    (verdict,) = report.verdicts
    assert (verdict.code, verdict.severity, verdict.layer) == ("DYN003", "error", "bn1")
    assert "0 gamma, 1 beta, 2 mean, 3 variance, 4 unused" in verdict.message


def norms_316(layers: int) -> list[str]:
    out = [top("data", "data", 0.8), top("conv1", "conv1", 1), param("conv1", 0, 0.2)]
    size = 1.0
    for i in range(1, layers + 1):
        size *= 316.2
        out += [top(f"bn{i}", f"bn{i}", f"{size:.6g}"), *(param(f"bn{i}", index, 0) for index in range(3))]
    return [*out, top("loss", "loss", 87.3365)]


def test_empty_statistics_in_training(judged: Judge) -> None:
    report = judged(text(norms_316(2), norms(5, 4), loss(0, 87.3365), norms_316(2), norms(5, 4), loss(1, 87.3365)))
    assert found(report) == [("DYN012", "warning", "bn1"), ("DYN020", "warning", None)]
    assert "each multiply by 316.2" in report.verdicts[0].message


def test_empty_statistics_in_the_first_test_are_no_fault(judged: Judge) -> None:
    first, *rest = test_pass(0, loss=87.3365)
    report = judged(text(first, norms_316(2), rest, chain(), norms(6, 1), loss(0, 2.3)))
    assert {severity for _, severity, _ in found(report)} == {"info"}
    assert [code for code, _, _ in found(report)] == ["DYN012", "DYN020", "BN018"]


def test_the_pass_before_keeps_its_own_iteration(judged: Judge) -> None:
    report = judged(
        text(*(p for i in range(4) for p in (chain(), loss(20 * i, 2.3))), chain(("relu2", 0)), loss(80, 2.3))
    )
    assert [(kept.iteration, sorted(kept.reasons)) for kept in report.log.passes] == [
        (0, ["first"]),
        (20, ["first"]),
        (60, ["before"]),
        (80, ["zero"]),
    ]


def test_growth_names_the_layer_and_what_changed(judged: Judge) -> None:
    log = text(
        chain(), norms(6, 1), loss(0, 2.3, 5), chain(("conv2", 9e4), ("conv2.w", 50)), norms(9, 1), loss(1, 9, 5)
    )
    (verdict,) = judged(log).verdicts
    assert (verdict.code, verdict.layer) == ("DYN010", "conv2")
    assert "training did this" in verdict.message


def test_vanishing(judged: Judge) -> None:
    small = [("conv2", 1e-8), ("relu2", 5e-9), ("fc", 1e-9)]
    assert found(judged(text(chain(*small)))) == [("DYN013", "warning", "conv2")]


def backward(**sizes: object) -> list[str]:
    out = [bottom_diff("loss", "fc", 0.1)]
    for layer, blob in (("fc", "conv2"), ("relu2", "conv2"), ("conv2", "conv1"), ("relu1", "conv1"), ("conv1", "")):
        size = sizes.get(layer, 0.01)
        if blob:
            out.append(bottom_diff(layer, blob, size))
        if not layer.startswith("relu"):
            out += [param_diff(layer, 0, size), param_diff(layer, 1, size)]
    return out


def test_gradients_of_0(judged: Judge) -> None:
    dead = backward(relu2=0, conv2=0, relu1=0, conv1=0)
    (verdict,) = judged(text(chain(), dead, norms(6, 0.1), loss(0, 2.3))).verdicts
    assert (verdict.code, verdict.severity, verdict.layer) == ("DYN028", "warning", "conv2")
    assert "'conv2' and 1 layer below it get a gradient of exactly 0" in verdict.message
    assert "ends at 'relu2'" in verdict.message


def test_a_classifier_that_starts_at_0_is_no_fault(judged: Judge) -> None:
    starts = [*chain(("fc", 0), ("fc.w", 0)), *backward(relu2=0, conv2=0, relu1=0, conv1=0), norms(6, 0.1)]
    starts = [
        line.replace("Layer fc, bottom blob conv2 diff: 0.01", "Layer fc, bottom blob conv2 diff: 0") for line in starts
    ]
    report = judged(text(starts, loss(0, 2.3), chain(), backward(), norms(6, 0.1), loss(1, 2.2)))
    assert found(report) == [("DYN002", "info", "fc"), ("DYN028", "info", "conv2")]
    assert "the first update ends it" in report.verdicts[1].message


def test_gradients_of_0_that_stay_are_an_error(judged: Judge) -> None:
    one = [*chain(), *backward(conv1=0), norms(6, 0.1)]
    assert found(judged(text(one, loss(0, 2.3), one, loss(1, 2.3)))) == [("DYN028", "error", "conv1")]


def test_statistics_and_frozen_layers_have_gradients_of_0(judged: Judge) -> None:
    norm = [top("bn1", "bn1", 0.8), param("bn1", 0, 0.2), param("bn1", 1, 0.9), param("bn1", 2, 1)]
    zero = [param_diff("bn1", i, 0) for i in range(3)]
    said = f"{prefix('net.cpp:202')}conv1 does not need backward computation."
    log = text(said, chain()[:7], norm, chain()[7:], backward(conv1=0)[:-2], zero, norms(6, 0.1), loss(0, 2.3))
    assert found(judged(log)) == []


def test_gradients_that_explode(judged: Judge) -> None:
    (verdict,) = judged(text(chain(), backward(fc=4079.0), norms(6.1, 4085), loss(0, 2.3))).verdicts
    assert (verdict.code, verdict.layer) == ("DYN031", "fc")
    assert "669.7 times the weights" in verdict.message


@pytest.mark.parametrize(("rate", "codes"), [(1e-10, []), (0.01, ["DYN031"])])
def test_a_large_gradient_is_judged_by_the_rate(judged: Judge, rate: float, codes: list[str]) -> None:
    report = judged(text(chain(), backward(fc=4079.0), norms(6.1, 9e5), loss(0, 2.3, rate)))
    assert [code for code, _, _ in found(report)] == codes
    if codes:
        assert "at learning rate 0.01 an update is 1475 times as large as the weights" in report.verdicts[0].message


def test_the_first_gradient_that_is_no_number(judged: Judge) -> None:
    (verdict,) = judged(text(chain(), backward(relu2="nan", conv2=0, conv1=0), norms(6, 1), loss(0, 2.3))).verdicts
    assert (verdict.code, verdict.severity, verdict.layer) == ("DYN031", "error", "relu2")
    assert "the gradient that 'relu2' makes for its input 'conv2'" in verdict.message
    assert "although all outputs are finite" in verdict.message


def test_gradients_alone_prove_nothing_about_outputs(judged: Judge) -> None:
    lines = [bottom_diff("loss", "fc", "nan"), bottom_diff("fc", "conv2", "nan"), param_diff("fc", 0, "nan")]
    (verdict,) = judged(text(lines)).verdicts
    assert (verdict.code, verdict.severity, verdict.layer) == ("DYN031", "warning", "loss")
    assert "outputs are finite" not in verdict.message


def test_gradients_that_vanish(judged: Judge) -> None:
    (verdict,) = judged(text(chain(), backward(conv2=1e-6, conv1=1e-9), norms(6, 0.1), loss(0, 2.3))).verdicts
    assert (verdict.code, verdict.layer) == ("DYN030", "conv1")


@pytest.mark.parametrize(
    ("values", "code"),
    [
        pytest.param([87.3365] * 4, "DYN020", id="the floor"),
        pytest.param([2.3, 2.4, 87.3365, 87.3365], "DYN020", id="the floor after a sound start"),
        pytest.param([46.0517] * 3, "DYN020", id="MultinomialLogisticLoss"),
        pytest.param([9.7041] * 4, "DYN020", id="half precision"),
        pytest.param([2.3, 4.5, 60, "nan"], "DYN024", id="nan after a rise"),
        pytest.param(["nan", "nan"], "DYN024", id="nan from the start"),
    ],
)
def test_losses(judged: Judge, values: list[object], code: str) -> None:
    report = judged(text(*(loss(20 * i, value) for i, value in enumerate(values))))
    assert [verdict.code for verdict in report.verdicts] == [code]


@pytest.mark.parametrize("values", [[9.7041, 9.5, 9.2], [2.3026, 2.29, 2.2], [300.0, 120.0, 87.1], [0.01, 0.0]])
def test_losses_that_are_none_of_these(judged: Judge, values: list[float]) -> None:
    assert found(judged(text(*(loss(20 * i, value) for i, value in enumerate(values))))) == []


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([2.3, 4.5, 60, 5e3, 9e7], "rose from 2.3 to 9e+07 by iteration 80"),
        ([0.01, 3.0, 2e4], "rose from 0.01 to 2e+04"),
        ([0.0] * 12, "is 0 in all 12 reports"),
    ],
)
def test_losses_that_teach_nothing(judged: Judge, values: list[float], said: str) -> None:
    (verdict,) = judged(text(*(loss(20 * i, value) for i, value in enumerate(values)))).verdicts
    assert (verdict.code, verdict.severity) == ("DYN024", "warning")
    assert said in verdict.message


@pytest.mark.parametrize("values", [[2.3, 900.0, 1.2, 0.8], [2.3, 0.1, 0.0, 0.0], [5e5, 4e5, 6e5], [0.0, 0.0]])
def test_losses_that_only_look_odd(judged: Judge, values: list[float]) -> None:
    assert found(judged(text(*(loss(20 * i, value) for i, value in enumerate(values))))) == []


def test_an_accuracy_of_one_in_k_tells_k(judged: Judge) -> None:
    log = text(
        *(part for i in range(12) for part in (test_pass(20 * i, accuracy=0.001 + i / 1e5, loss=6.907 + i / 999),))
    )
    assert found(judged(log)) == [("DYN022", "warning", None)]
    learning = text(*(test_pass(20 * i, accuracy=0.001 + i / 50, loss=6.907 - i / 9) for i in range(12)))
    assert found(judged(learning)) == []


def test_a_rise_is_told(judged: Judge) -> None:
    (verdict,) = judged(text(*(loss(20 * i, value, 0.5) for i, value in enumerate([2.3, 4.5, 60, "nan"])))).verdicts
    assert "NaN from iteration 60 on" in verdict.message
    assert "It had risen to 60 by iteration 40" in verdict.message


NET = """layer { name: "data" type: "Input" top: "data" top: "label"
  input_param { shape { dim: 8 dim: 3 dim: 8 dim: 8 } shape { dim: 8 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 9 weight_filler { type: "constant" } } }
layer { name: "relu" type: "ReLU" bottom: "ip" top: "ip" }
layer { name: "fc" type: "InnerProduct" bottom: "ip" top: "fc" inner_product_param { num_output: 10 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
"""


def test_chance_level_needs_the_number_of_classes(judged: Judge) -> None:
    log = text(*(loss(20 * i, 2.3026) for i in range(12)))
    assert found(judged(log)) == []
    report = judged(log, NET)
    assert found(report) == [("DYN022", "warning", "loss")]
    assert [(f.code, f.layer) for f in report.findings] == [("DYN022", "loss"), ("INI002", "ip")]
    assert any(note.message.startswith("cause: INI002") for note in report.findings[0].related)


def test_ln_k_at_the_start_is_healthy(judged: Judge) -> None:
    log = text(*(loss(20 * i, 2.3026 - i / 20) for i in range(12)))
    assert found(judged(log, NET)) == []


def test_an_accuracy_that_does_not_move(judged: Judge) -> None:
    log = text(*(test_pass(100 * i, accuracy=0.1, loss=2.3 + i / 9) for i in range(6)))
    assert found(judged(log)) == [("DYN022", "warning", None)]


def test_a_loss_that_moves_although_the_rate_is_0(judged: Judge) -> None:
    net = 'layer {\n  name: "bn1"\n  type: "BatchNorm"\n  bottom: "a"\n  top: "b"\n}\n'
    log = text(net, *(part for i in range(3) for part in (test_pass(10 * i, loss=1 + i / 9), loss(10 * i, 0.7, 0.0))))
    (verdict,) = judged(log).verdicts
    assert (verdict.code, verdict.layer) == ("DYN017", "bn1")
    assert "'loss' moves between 1.11111 and 1.22222 after iteration 0" in verdict.message


def test_names_tell_batch_norm_where_nothing_else_does(judged: Judge) -> None:
    named = f"{prefix('net.cpp:202')}stage1_bn does not need backward computation."
    log = text(named, *(part for i in range(3) for part in (test_pass(10 * i, loss=80.5 - i), loss(10 * i, 0.7, 0.0))))
    assert found(judged(log)) == [("DYN017", "warning", "stage1_bn"), ("DYN021", "info", None), ("BN018", "info", None)]
    fixed = (
        'layer { name: "stage1_bn" type: "BatchNorm" bottom: "a" top: "b" batch_norm_param { use_global_stats: true } }'
    )
    assert "DYN017" not in [code for code, _, _ in found(judged(f"{fixed}\n{log}"))]


def test_a_bad_first_test_that_passes_is_information(judged: Judge) -> None:
    log = text(*(test_pass(10 * i, loss=value) for i, value in enumerate([85.9, 4.9, 4.8])))
    assert found(judged(log)) == [("DYN021", "info", None)]


def test_debug_info_without_display(judged: Judge) -> None:
    solver = (
        f"{prefix('solver.cpp:45')}Initializing solver from parameters:\nbase_lr: 0.01\ndisplay: 0\ndebug_info: true\n"
    )
    (verdict,) = judged(text(solver, test_pass(0, accuracy=0.1))).verdicts
    assert (verdict.code, verdict.place.row) == ("SOL009", 3)


def test_an_abort(judged: Judge) -> None:
    log = text(
        f"{prefix('net.cpp:86')}Creating Layer conv2",
        "F0804 10:22:42.07  8318 blob.hpp:122] Check failed: axis_index < num_axes() (2 vs. 2) axis 2 out of range",
        "*** Check failure stack trace: ***",
    )
    (verdict,) = judged(log).verdicts
    assert (verdict.code, verdict.severity, verdict.layer) == ("LOG001", "error", "conv2")
    assert "axis 2 out of range" in verdict.message


@pytest.mark.parametrize(
    ("lines", "name", "dialect"),
    [
        ((593, 605), "BVLC Caffe rc4 or after 1.0", "bvlc"),
        ((591, 603), "BVLC Caffe rc5 or 1.0", "bvlc-1.0"),
        ((638, 650), "NVIDIA Caffe 0.15.2 to 0.15.14", "nvidia-0.15"),
        ((663, 675), "BVLC Caffe rc3", ""),
        ((608, 620), "SSD's Caffe", "ssd"),
        ((987, 999), "NVIDIA Caffe 0.17.3 or later", "nvidia-0.17"),
        ((924, 935), "NVIDIA Caffe 0.16.3 or 0.16.4", "nvidia-0.16"),
        ((593, 999), "", ""),
        ((1, 2), "", ""),
    ],
)
def test_who_wrote_it(judged: Judge, lines: tuple[int, int], name: str, dialect: str) -> None:
    who = judged(text(top("a", "a", 1, lines), param("a", 0, 1, lines))).writer
    assert (who.name, who.dialect) == (name, dialect)


def test_lines_of_the_solver_tell_it_too(judged: Judge) -> None:
    assert judged(text(loss(0, 2.3), test_pass(0, loss=1.5))).writer.name == "BVLC Caffe after 1.0"
    assert judged(text(loss(0, 2.3)[0])).writer.name == ""  # one line may be a coincidence
    both = text(loss(0, 2.3), test_pass(0, loss=1.5), top("a", "a", 1, NVIDIA_015))
    assert judged(both).writer.name == ""  # none prints both


def test_a_fork_that_prints_the_lines_of_its_ancestor_is_not_refused(judged: Judge) -> None:
    net = """layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
layer { name: "norm" type: "Normalize" bottom: "data" top: "norm" norm_param { across_spatial: false } }
"""
    log = text(top("data", "data", 1, (591, 603)), top("norm", "norm", 1, (591, 603)))
    assert judged(log, net).known.analysis.file.dialect == "ssd"


# -- the real ones -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bn_ok", []),
        ("collapse_constant0", [("DYN002", "error", "conv2"), ("DYN028", "error", "conv3")]),
        ("diverge_high_lr", [("DYN010", "warning", "fc"), ("DYN002", "warning", "relu2"), ("DYN028", "error", "conv2"),
                             ("DYN020", "warning", "loss")]),
        ("explode_87", [("DYN012", "warning", "bn1"), ("DYN020", "warning", "loss")]),
        ("explode_nan", [("DYN012", "error", "bn1"), ("DYN024", "warning", "loss")]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("net", ["given", "as the log prints it"])
def test_real_logs(judged: Judge, shared: Path, name: str, expected: Found, net: str) -> None:
    folder = shared / "oracle" / "logs"
    given = (folder / f"{name}.prototxt").read_text() if net == "given" else None
    report = judged((folder / f"{name}.log").read_text(), given)
    assert report.writer.dialect == "bvlc"
    assert found(report) == expected


def test_the_cause_is_named_with_its_fix(judged: Judge, shared: Path) -> None:
    folder = shared / "oracle" / "logs"
    report = judged(
        (folder / "collapse_constant0.log").read_text(), (folder / "collapse_constant0.prototxt").read_text()
    )
    cause = next(finding for finding in report.findings if finding.code == "INI002")
    assert cause.layer == "conv2"
    assert cause.fix is not None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("000_1914097de0621c0c", [("DYN003", "error", "bnorm1")]),
        ("001_470a31cfd358bfac", [("DYN017", "warning", "res2_1a_1_bn"), ("DYN024", "warning", "tea_soft_loss"),
                                  ("DYN021", "info", "tea_soft_loss"), ("BN018", "info", None)]),
        ("003_f86741a522a4bdd3", [("DYN031", "warning", "fc1")]),
    ],
)  # fmt: skip
def test_pasted_logs(judged: Judge, shared: Path, name: str, expected: Found) -> None:
    text = (shared / "seeds" / f"{name}.txt").read_text()
    assert found(judged(text)) == expected
    assert found(judged(text.replace("\n", "\r\n"))) == expected


@pytest.mark.parametrize(
    ("name", "causes"),
    [
        ("000_1914097de0621c0c", {("BN031", "bnorm1", 32)}),
        ("001_470a31cfd358bfac", {("FRZ001", "res2_1a_1_bn", 9), ("FRZ013", "tea_soft_loss", 9)}),
    ],
)
def test_the_net_that_was_pasted_with_the_log_names_the_cause(
    judged: Judge, shared: Path, name: str, causes: set[tuple[str, str, int]]
) -> None:
    text = (shared / "seeds" / f"{name}.txt").read_text()
    (file,) = judged(text).files
    notes = [note for f in file.findings for note in f.related if note.message.startswith("cause: ")]
    assert {
        (note.message.split()[1], note.message.split("'")[1], file.location(note.start)["row"]) for note in notes
    } == causes


def test_a_layer_that_was_pasted_twice_is_one(judged: Judge, shared: Path) -> None:
    """The question of seed 001 shows the BatchNorm as it was, its answer as it should be."""
    report = judged((shared / "seeds" / "001_470a31cfd358bfac.txt").read_text())
    assert "will change: 'res2_1a_1_bn' normalises" in report.verdicts[0].message


def test_a_pasted_net_keeps_its_places(judged: Judge) -> None:
    paste = (
        'my net: layer { name: "d" type: "Input" top: "d" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }\n'
        "日本 then #lr: 3\n"
        'layer { name: "conv1" type: "Convolution" bottom: "d" top: "conv1"\n'
        '  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "constant" } } }\n'
        'layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" } layer { name: "loss" type: "SoftmaxWithLoss"'
        ' bottom: "conv1" bottom: "label" }\n'
        'and the log: layer { name: "never closed"\n'
    )
    log = text(top("d", "d", 1), top("conv1", "conv1", 0), param("conv1", 0, 0), top("relu1", "conv1", 0))
    (file,) = judged(paste + log).files
    (found,) = file.findings
    cause = found.related[-1]
    assert (found.code, found.layer, cause.message[:13]) == ("DYN002", "conv1", "cause: INI002")
    assert file.location(cause.start) == {"row": 4, "column": paste.splitlines()[3].index("weight_filler") + 1}


@pytest.mark.parametrize("name", ["002_dfe71310f03b42de", "004_fa84f0d483ae91af"])
def test_prose_is_no_log(judged: Judge, shared: Path, name: str) -> None:
    assert found(judged((shared / "seeds" / f"{name}.txt").read_text())) == []


def printed(record: dict[str, Any]) -> str:
    """The lines of one batch of a real net, as its log has them."""
    info, test = record["debug_info"], record["phase"] == "TEST"
    lines = [f"{prefix('net.cpp:593' if 'top blob' in line else 'net.cpp:605')}{line}" for line in info["forward"]]
    lines += [f"{prefix('net.cpp:621')}{line}" for line in info.get("backward") or ()]
    return text(*(["Iteration 0, Testing net (#0)"] if test else []), lines, *([] if test else loss(0, 2.3)))


@pytest.mark.slow
def test_what_caffe_prints_for_real_nets(judged: Judge, shared: Path) -> None:
    """With fresh weights nothing is an error but weights that nothing fills, and statistics where nothing is stored."""
    runs = 0
    for record in records(shared / "oracle" / "forward.jsonl.gz"):
        if not record["ok"] or not record.get("debug_info"):
            continue
        runs += 1
        for verdict in judged(printed(record)).verdicts:
            named = verdict.kept is not None and verdict.layer is not None
            weights = next(iter(verdict.kept.layers[verdict.layer].params.values()), None) if named else None
            unfilled = verdict.code == "DYN002" and weights is not None and weights.number == 0
            empty = verdict.code == "DYN012" and record["kind"] == "deploy"
            assert verdict.severity != "error" or unfilled or empty, (record["file"], verdict.message)
    assert runs > 200
