"""The five questions of the reference data, each net as it was posted: a user who brings it gets the reason.

What each must hear is the table "Seeds and the rules they exercise" of the rule catalogue; where the source that was
posted is itself wrong, what is true is asserted.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from prototxt_server.analysis import Analysis

Cut = Callable[[int, str, str], str]
Check = Callable[..., Analysis]

IMAGES = """\
layer {
  name: "images"
  type: "DummyData"
  top: "%s"
  top: "label"
  dummy_data_param {
    shape { dim: 8 dim: 3 dim: 32 dim: 32 }
    shape { dim: 8 }
    data_filler { type: "gaussian" std: 1 }
    data_filler { type: "constant" value: 1 }
  }
}
"""
HEAD = """
layer {
  name: "fc"
  type: "InnerProduct"
  bottom: "%s"
  top: "fc"
  inner_product_param { num_output: 10 weight_filler { type: "xavier" } }
}
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
"""


def codes(analysis: Analysis, *severities: str) -> set[str]:
    return {f.code for f in analysis.findings if not severities or f.severity in severities}


def aborts(analysis: Analysis) -> list[str]:
    return [f"{f.code} {f.message}" for f in analysis.findings if f.caffe_aborts]


# -- 000: "every layer from batchnorm on gives 0" ----------------------------------------------------------------------
@pytest.fixture(scope="module")
def zeros(seed: Cut) -> str:
    """The four layers around the first BatchNorm, with data above and a loss below them."""
    posted = seed(0, "layer {", 'layer {\nname: "conv16"')
    return IMAGES % "conv0" + posted + HEAD % "conv1"


def test_gamma_is_zero_in_the_caffe_of_the_log(zeros: str, check: Check) -> None:
    found = check(zeros, "nvidia-0.15")
    assert codes(found) >= {"BN031", "BN032", "BN033", "BN028", "BN030"}
    assert codes(found, "error") == {"BN031", "BN032"}
    assert aborts(found) == []  # the net loads: that is what made it hard to find
    gamma = next(f for f in found.findings if f.code == "BN031")
    assert gamma.fix is not None
    assert any("scale_filler" in edit.content for edit in gamma.fix.edits)


@pytest.mark.parametrize("dialect", ["bvlc", "ssd"])
def test_the_same_text_is_right_for_bvlc_but_for_the_flag(zeros: str, check: Check, dialect: str) -> None:
    found = check(zeros, dialect)
    assert codes(found, "error", "warning") == {"BN011"}


def test_who_does_not_know_the_caffe_is_told_how_to_find_out(zeros: str, check: Check) -> None:
    """The text is BVLC's as well as NVIDIA's; the five param blobs of the posted log decide."""
    notes = [note.message for f in check(zeros).findings if f.code == "BN011" for note in f.related]
    assert len(notes) == 1
    assert "five param blobs" in notes[0]
    assert "--dialect nvidia-0.15" in notes[0]


def test_nvidia_016_ignores_the_flag(zeros: str, check: Check) -> None:
    """There gamma is Scale's, and the phase decides as it should: nothing is wrong with the net."""
    found = check(zeros, "nvidia-0.16")
    assert codes(found, "error", "warning") == set()
    assert codes(found, "hint") == {"BN030", "BN055"}


# -- 001: "I froze everything and the loss still moves" ----------------------------------------------------------------
@pytest.fixture(scope="module")
def frozen(seed: Cut) -> str:
    """The posted net on lines of its own, without the comments that swallow the rest of the pasted line."""
    posted = seed(1, 'layer { name: "data"', "\n")
    posted = posted.replace("#pair_size: 3 ", "")
    posted = re.sub(r"#+-+(?: [A-Z]+ ?-+)?", "", posted)
    return posted.replace("} layer {", "}\nlayer {")


def test_as_pasted_the_comment_hides_the_rest_of_the_line(seed: Cut, check: Check) -> None:
    found = check(seed(1, 'layer { name: "data"', "\n"))
    assert codes(found, "error") == {"SYN002", "SCH001"}


def test_fields_that_no_caffe_has(frozen: str, check: Check) -> None:
    found = check(frozen)
    unknown = [f.message.split("`")[3] for f in found.findings if f.code == "SCH001"]
    assert unknown == ["color", "contrast", "brightness"]


@pytest.mark.parametrize("dialect", ["bvlc", "ssd", "intel"])
def test_a_frozen_batchnorm_drifts(frozen: str, check: Check, dialect: str) -> None:
    text = frozen.replace("color: true contrast: true brightness: true", "")
    found = check(text, dialect)
    assert codes(found) >= {"FRZ001", "BN026", "FRZ002", "FRZ003", "FRZ013", "FRZ014"}
    assert codes(found, "error") == set()
    drifting = next(f for f in found.findings if f.code == "FRZ001")
    assert drifting.layer == "res2_1a_1_bn"
    assert drifting.fix is not None
    assert any("use_global_stats: true" in edit.content for edit in drifting.fix.edits)


def test_the_answer_that_was_given_stops_it(frozen: str, seed: Cut, check: Check) -> None:
    answer = seed(1, 'layer { name: "res2_1a_1_bn" type: "BatchNorm" bottom: "conv1" top', "").replace(
        "}}layer", "}}\nlayer"
    )
    bn, scale = (line.rstrip() for line in answer.splitlines())
    scale = scale.replace('bottom: "res2_1a_1_bn" ', 'bottom: "res2_1a_1_bn" propagate_down: false ')
    lines = frozen.replace("color: true contrast: true brightness: true", "").splitlines()
    text = "\n".join(
        bn if '"res2_1a_1_bn" type: "BatchNorm"' in line else scale if '"res2_1a_1_scale"' in line else line
        for line in lines
    )
    assert codes(check(text, "bvlc")).isdisjoint({"FRZ001", "BN026", "FRZ002", "FRZ003"})


def test_the_solver_as_pasted_and_with_spaces(seed: Cut, check: Check) -> None:
    pasted = seed(1, "test_iter: 100", "\n")
    found = check(pasted, filename="solver.prototxt")
    assert "SYN005" in codes(found, "error")
    assert "FRZ009" in codes(found, "warning")
    spaced = 'net: "net.prototxt"\n' + re.sub(
        r'(?<=[\d"U])(?=(?:[a-z]+_[a-z]+|power|type|display|momentum|snapshot):)', "\n", pasted
    )
    assert codes(check(spaced, filename="solver.prototxt")) == {"FRZ009", "SOL010"}


# -- 002: "what to write for BatchNorm and Scale" ----------------------------------------------------------------------
@pytest.fixture(scope="module")
def articles(seed: Cut) -> list[str]:
    """The article's three nets, for training, for testing and for both, with a space where a number meets a name."""
    text = seed(2, 'layer {bottom: "data"', "备注")
    nets = [part for part in re.split(r"(?=layer \{bottom: \"data\")", text) if part]
    nets = [part[: part.rindex("}") + 1] for part in nets]
    spaced = [re.sub(r"(?<=\d)(?=[a-z])", " ", net) for net in nets]
    return [IMAGES % "data" + net + HEAD % "conv1_1" for net in spaced]


def test_the_articles_nets_as_pasted(seed: Cut, check: Check) -> None:
    text = seed(2, 'layer {bottom: "data"', "\n\n具体测试")
    assert "SYN005" in codes(check(text), "error")


def test_three_blocks_of_zeros_are_right_and_needless(articles: list[str], check: Check) -> None:
    """The article says that they must be written; BVLC Caffe masks the statistics by itself."""
    training, _, both = articles
    assert codes(check(both)) == {"BN055"}
    assert codes(check(training), "error", "warning") == {"BN011"}
    without = re.sub(r"(?<=\"BatchNorm\")(param \{[^}]*\}\s*){3}", " ", both)
    assert without != both
    assert codes(check(without)) == {"BN055"}


def test_the_test_net_is_no_training_net(articles: list[str], check: Check) -> None:
    """Trained with it, every layer multiplies by 316; its convolution's bias is then the only shift, so no BN055."""
    found = codes(check(articles[1]))
    assert "BN010" in found
    assert "BN055" not in found


def test_the_articles_advice_broken_one_by_one(articles: list[str], check: Check) -> None:
    both = articles[2]
    two = both.replace("param {lr_mult: 0 decay_mult: 0}", "", 1)
    omitted = both.replace("param {lr_mult: 0 decay_mult: 0}", "", 2).replace("param {lr_mult: 0 ", "param {")
    learning = both.replace("param {lr_mult: 0 ", "param {lr_mult: 1 ", 1)
    unshifted = both.replace("bias_term: true", "bias_term: false").replace("param {lr_mult: 0.1 decay_mult: 0}", "", 1)
    unscaled = re.sub(r'layer \{bottom: "conv1_1"top: "conv1_1"name: "scale.*?\}\n\}', "", both, flags=re.S)
    assert "BN001" not in codes(check(two))
    assert "BN001" in codes(check(omitted), "error")
    assert "BN002" in codes(check(learning), "hint")
    assert "BN021" in codes(check(unshifted), "warning")
    assert "BN020" in codes(check(unscaled), "warning")


def test_the_test_flag_is_the_default_there(articles: list[str], check: Check) -> None:
    deploy = articles[1].replace('type: "DummyData"', 'type: "DummyData" include { phase: TEST }')
    assert "BN012" in codes(check(deploy, select=("BN012",)), "hint")


# -- 003: "what do the lines of debug_info mean" -----------------------------------------------------------------------
# A log without a net. `lsp forward --format debug-info` prints the same lines: see tests/gpu_check.


# -- 004: "87.3365 after adding BatchNorm" -----------------------------------------------------------------------------
def test_the_comment_that_is_none(seed: Cut, check: Check) -> None:
    posted = seed(4, "transform_param {", "\n1\n")
    text = (
        'layer {\n  name: "data"\n  type: "ImageData"\n  top: "data"\n  top: "label"\n'
        '  image_data_param { source: "list.txt" batch_size: 8 }\n' + posted + "\n}\n"
    )
    found = check(text)
    assert codes(found, "error") == {"SYN004"}
    mended = text.replace("//", "# ")
    assert codes(check(mended)) >= {"DAT011"}
