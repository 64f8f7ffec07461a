"""SCH: names that a dialect does not have, older ways of writing, and the conversions that the fixes make."""

from __future__ import annotations

import pytest

from prototxt_grammar import apply_edits
from prototxt_net.finding import Finding
from prototxt_server.analysis import Settings, Source
from prototxt_server.engine import analyze
from prototxt_server.rules.bn.nets import bn, conv, data, image, layer, relu

V1 = """\
# a net of 2014
name: "old"  # kept
input: "data"
input_dim: 1
input_dim: 3
input_dim: 8
input_dim: 8
layers {
  name: "conv"  # the only weights
  type: CONVOLUTION
  bottom: "data"
  top: "conv"
  blobs_lr: 1
  blobs_lr: 2
  weight_decay: 1
  convolution_param { num_output: 4 kernel_size: 3 }
}
layers { bottom: "conv" top: "conv" name: "relu" type: RELU }
"""


def findings(text: str, dialect: str = "bvlc") -> list[Finding]:
    return analyze(Source(text), Settings(dialect=dialect, select=("SCH",))).findings


def codes(text: str, dialect: str = "bvlc") -> list[str]:
    return [finding.code for finding in findings(text, dialect)]


@pytest.mark.parametrize(
    ("text", "dialect"),
    [
        pytest.param(image() + relu("r", "data"), "bvlc", id="a plain net"),
        pytest.param(
            image() + bn("b", "data", "batch_norm_param { scale_bias: true }"), "nvidia-0.16", id="a fork's field"
        ),
        pytest.param(
            image() + layer("Python", "p", "data", "p", "python_param { module: 'm' layer: 'l' }"), "bvlc", id="python"
        ),
        pytest.param(
            image() + layer("Im2col", "i", "data", "i", "convolution_param { kernel_size: 3 }"),
            "bvlc",
            id="a type that reads another's message",
        ),
        pytest.param(data("transform_param { crop_size: 4 }"), "bvlc", id="a transformation where it belongs"),
        pytest.param(
            layer("WindowData", "d", "", "data label", 'window_data_param { source: "w" batch_size: 8 scale: 0.5 }'),
            "bvlc",
            id="WindowData reads its scale there",
        ),
        pytest.param(
            image() + layer("Slice", "s", "data", "x y", "slice_param { slice_point: 1 axis: 1 }"), "bvlc", id="axis"
        ),
        pytest.param(
            'input: "data"\ninput_dim: 1\ninput_dim: 3\ninput_dim: 4\ninput_dim: 4\n',
            "segnet",
            id="no Input layer in this dialect",
        ),
    ],
)
def test_what_is_right(text: str, dialect: str) -> None:
    assert codes(text, dialect) == []


@pytest.mark.parametrize(
    ("text", "dialect", "wanted"),
    [
        pytest.param(
            image() + bn("b", "data", "batch_norm_param { scale_bias: true }"), "bvlc", ["SCH001"], id="fork's field"
        ),
        pytest.param(image() + layer("relu", "r", "data", "r"), "bvlc", ["SCH003"], id="letter case of a type"),
        pytest.param(
            image() + layer("BatchNormalization", "r", "data", "r"), "bvlc", ["SCH003"], id="another framework"
        ),
        pytest.param(image() + conv("c", "data", "blobs_lr: 1"), "bvlc", ["SCH007"], id="V1 rates"),
        pytest.param(
            image() + bn("b", "data", "scale_param { bias_term: true }"), "bvlc", ["SCH010"], id="foreign message"
        ),
        pytest.param('input: "a"\ninput_dim: 1\n', "segnet", ["SCH009"], id="a count that this Caffe checks"),
        pytest.param("layers { layer { name: 'c' type: 'relu' } bottom: 'd' top: 'c' }", "bvlc", ["SCH005"], id="V0"),
        pytest.param(
            image() + "layers { name: 'r' type: RELU bottom: 'data' top: 'r' }", "bvlc", ["SCH006"], id="mixed"
        ),
    ],
)
def test_what_is_wrong(text: str, dialect: str, wanted: list[str]) -> None:
    assert codes(text, dialect) == wanted


def test_the_message_names_who_has_the_field() -> None:
    (finding,) = findings(image() + bn("b", "data", "batch_norm_param { scale_bias: true }"))
    assert "nvidia-0.16" in finding.message
    assert finding.fix is None, "another dialect is the cure, not another spelling"


def test_a_file_of_the_old_form_becomes_one_of_the_new() -> None:
    by_code = {finding.code: finding for finding in findings(V1)}
    assert sorted(by_code) == ["SCH004", "SCH008"]
    fix = by_code["SCH004"].fix
    assert fix
    assert fix.applicability == "safe"
    assert apply_edits(V1, fix.edits).split("layer {", 1)[1] == (
        """
  name: "conv"  # the only weights
  type: "Convolution"
  bottom: "data"
  top: "conv"
  param { lr_mult: 1 decay_mult: 1 }
  param { lr_mult: 2 }
  convolution_param { num_output: 4 kernel_size: 3 }
}
layer { bottom: "conv" top: "conv" name: "relu" type: "ReLU" }
"""
    )


def test_both_conversions_together_leave_nothing_old() -> None:
    text = V1
    for _ in range(2):
        edits = [edit for finding in findings(text) if finding.fix for edit in finding.fix.edits]
        text = apply_edits(text, edits)
    assert codes(text) == []
    assert text.startswith('# a net of 2014\nname: "old"  # kept\nlayer {\n  name: "input"\n')
    before = analyze(Source(V1), Settings(dialect="bvlc", phase="TEST")).nets[0]
    after = analyze(Source(text), Settings(dialect="bvlc", phase="TEST")).nets[0]
    assert [node.setup for node in before.nodes] == [node.setup for node in after.nodes]


def test_a_data_layer_of_the_old_form_moves_its_transformation() -> None:
    text = (
        "layers {\n  name: 'd'\n  type: DATA\n  top: 'd'\n  data_param { source: 'x' batch_size: 4 crop_size: 7 }\n}\n"
    )
    (finding,) = findings(text)
    assert finding.fix
    assert apply_edits(text, finding.fix.edits) == (
        "layer {\n  name: 'd'\n  type: \"Data\"\n  top: 'd'\n  data_param { source: 'x' batch_size: 4 }\n"
        "  transform_param { crop_size: 7 }\n}\n"
    )


@pytest.mark.parametrize(
    ("dialect", "reported"),
    [
        ("bvlc", {"SCH004", "SCH008"}),
        ("bvlc-rc2", {"SCH004"}),  # has `layer` and no Input layer
        ("bvlc-v0.9999", set()),  # knows no `layer`
        ("bvlc-v0.99", set()),
        ("c3d-1.0", set()),
    ],
)
def test_nobody_is_told_to_write_what_their_caffe_does_not_read(dialect: str, reported: set[str]) -> None:
    text = 'input: "data"\ninput_dim: 1\ninput_dim: 3\ninput_dim: 8\ninput_dim: 8\n'
    text += 'layers { name: "r" type: RELU bottom: "data" top: "r" }\n'
    found = {f.code for f in analyze(Source(text), Settings(dialect=dialect)).findings}
    assert found & {"SCH004", "SCH005", "SCH008"} == reported


@pytest.mark.parametrize(
    "typed", ["layer {", "layer {\n  ", "layer {\n  na", "layer {\n  name:", 'layer {\n  name: "co']
)
def test_what_a_layer_lacks_while_it_is_typed_is_not_asked(typed: str) -> None:
    whole = 'layer { name: "r" type: "ReLU" bottom: "d" top: "r" }\n'
    for text in (typed, whole + typed, typed + "\n" + whole):
        found = {f.code for f in analyze(Source(text), Settings()).findings}
        assert not found & {"SCH012", "SCH013"}, text
