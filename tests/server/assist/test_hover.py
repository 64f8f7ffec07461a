"""What a hover says, by the kind of thing under the cursor (`‸`)."""

from __future__ import annotations

import pytest

from prototxt_server.assist.hover import hover

NET = """name: "n"
input: "data"
input_shape { dim: 2 dim: 3 dim: 9 dim: 9 }
layer {
  name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "msra" } engine: CAFFE }
}
layer { name: "bn1" type: "BatchNorm" bottom: "conv1" top: "conv1" }
layer { name: "scale1" type: "Scale" bottom: "conv1" top: "conv1" scale_param { bias_term: true } }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" pooling_param { pool: AVE kernel_size: 7 } }
layer { name: "prob" type: "Softmax" bottom: "pool1" top: "prob" }
# lsp: ignore[BN031, NET002] measured
# lsp: ignore-file[SCH001]
"""

CASES = {
    "field": ("num_out‸put: 4", ["**num_output** · `uint32` of `ConvolutionParameter`", "Dialects: all"]),
    "field with default": ("engi‸ne: CAFFE", ["`ConvolutionParameter.Engine`", "Default: `DEFAULT`"]),
    "repeated field": ("kernel_‸size: 3", ["repeated uint32"]),
    "message field": ("pooling_‸param {", ["`PoolingParameter` of `LayerParameter`"]),
    "number": ("num_output: ‸4", ["**num_output**"]),
    "enum value": ("pool: A‸VE", ["**AVE** = 1", "`MAX`", "`STOCHASTIC`"]),
    "filler": ('type: "ms‸ra"', ["**msra** filler", "2 / n"]),
    "layer type": (
        'type: "Convo‸lution"',
        ["**conv1** · Convolution", "| bottom | `data` | 2x3x9x9 |", "| top | `conv1` | 2x4x7x7 |",
         "| weight | 4x3x3x3 |"],
    ),
    "layer keyword": ('lay‸er { name: "bn1"', ["**bn1** · BatchNorm", "statistic"]),
    "layer cost": ('name: "con‸v1"', ["parameters: 112", "multiply-adds: 10.6 k"]),
    "blob read": (
        'bottom: "con‸v1" top: "pool1"',
        ["Shape: `2x4x7x7` (392 values)", "Version 3 of 3", "conv1 → bn1 → **scale1**", "Written by scale1 (Scale)",
         "Read by pool1 (Pooling)"],
    ),
    "blob written": ('bottom: "data" top: "con‸v1"', ["Version 1 of 3", "Written by conv1", "Read by bn1"]),
    "output": ('top: "pr‸ob"', ["Read by nobody"]),
    "rule code": ("ignore[BN0‸31", ["**BN031**", "error"]),
    "rule code for the file": ("SCH‸001", ["**SCH001**"]),
    "second rule code": ("NET00‸2]", ["**NET002**"]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_says(case: str, at_cursor) -> None:
    place, said = CASES[case]
    bare = place.replace("‸", "")
    assert NET.count(bare) == 1, f"the case must point at one place: {bare}"
    analysis, offset = at_cursor(NET.replace(bare, place))
    found = hover(analysis, offset)
    assert found is not None
    for part in said:
        assert part in found.markdown
    assert found.start <= offset <= found.end


PARAMETERS = {
    "learned": (
        "Scale", "para‸m { } ",
        "Parameter blob 0 of x: **gamma**, shape 3, starts at 1; lr_mult 1, decay_mult 1.",
    ),
    "with its rates": (
        "Scale",
        "param { } param { lr_mu‸lt: 2 decay_mult: 0 } scale_param { bias_term: true bias_filler { value: 3 } }",
        "Parameter blob 1 of x: **beta**, shape 3, filled by `constant`; lr_mult 2, decay_mult 0.",
    ),
    "a statistic": (
        "BatchNorm", "param { lr_mult: ‸0 } ",
        "Parameter blob 0 of x: **mean**, a running statistic, shape 3, starts at 0; lr_mult 0 (this Caffe's own, ",
    ),
    "one too many": (
        "Scale", "param { } par‸am { } ",
        "Parameter blob 1 of x: there is none, it has 1 parameter blob.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", PARAMETERS)
def test_a_param_block_says_which_blob_it_is_about(case: str, at_cursor) -> None:
    type_, fields, said = PARAMETERS[case]
    text = 'input: "d" input_shape { dim: 2 dim: 3 dim: 4 dim: 4 }\n'
    analysis, offset = at_cursor(f'{text}layer {{ name: "x" type: "{type_}" bottom: "d" top: "x" {fields} }}')
    found = hover(analysis, offset)
    assert found is not None
    assert found.markdown.startswith(said)
    assert "ParamSpec`" in found.markdown


@pytest.mark.parametrize("place", ['layer ‸{ name: "bn1"', "‸# lsp: ignore", "measu‸red"])
def test_silent(place: str, at_cursor) -> None:
    analysis, offset = at_cursor(NET.replace(place.replace("‸", ""), place))
    assert hover(analysis, offset) is None


def test_fork_field_names_its_dialects(at_cursor) -> None:
    text = 'layer { name: "b" type: "BatchNorm" batch_norm_param { scale_fi‸ller { value: 1 } } }'
    analysis, offset = at_cursor(text, dialect="bvlc")
    found = hover(analysis, offset)
    assert found is not None
    assert "no such field in bvlc" in found.markdown
    assert "nvidia-0.15" in found.markdown


def test_phases_that_differ_are_told_apart(at_cursor) -> None:
    net = """
    layer { name: "d" type: "DummyData" top: "x" include { phase: TRAIN } dummy_data_param { shape { dim: 8 dim: 3 } } }
    layer { name: "d" type: "DummyData" top: "x" include { phase: TEST } dummy_data_param { shape { dim: 2 dim: 3 } } }
    layer { name: "ip" type: "InnerProduct" bottom: "‸x" top: "y" inner_product_param { num_output: 5 } }
    """
    analysis, offset = at_cursor(net, phase="all")
    found = hover(analysis, offset)
    assert found is not None
    assert "**TRAIN**\n\nShape: `8x3`" in found.markdown
    assert "**TEST**\n\nShape: `2x3`" in found.markdown


def test_unknown_blob(at_cursor) -> None:
    analysis, offset = at_cursor('layer { name: "r" type: "ReLU" bottom: "no‸pe" top: "y" }')
    found = hover(analysis, offset)
    assert found is not None
    assert "no layer above writes it" in found.markdown


@pytest.mark.parametrize(
    "text", ["", "‸", "layer {", 'layer { bottom: "', "x: [1, 2", "\x00\ufeff{", "}}}", "layer { type: 5 }"]
)
def test_never_raises(text: str, at_cursor) -> None:
    bare = text.replace("‸", "")
    for offset in range(len(bare) + 3):
        analysis, _ = at_cursor(bare + "‸")
        hover(analysis, offset)
