"""What only follows from another error is not reported: one wrong word in a net without faults gives one error."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from prototxt_grammar import parse
from prototxt_grammar.edits import apply_edits
from prototxt_grammar.tree import Field, Message, Scalar
from prototxt_server.analysis import Settings, Source
from prototxt_server.engine import analyze

NET = """\
layer {
  name: "data"  type: "Input"  top: "data"
  input_param { shape { dim: 2 dim: 3 dim: 16 dim: 16 } }
}
layer { name: "label" type: "Input" top: "label" input_param { shape { dim: 2 } } }
layer {
  name: "conv"  type: "Convolution"  bottom: "data"  top: "conv"
  param { lr_mult: 1 }
  param { lr_mult: 2 }
  convolution_param { num_output: 4 kernel_size: 3 stride: 2 pad: 1 group: 1 weight_filler { type: "xavier" } }
}
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer {
  name: "drop"  type: "Dropout"  bottom: "conv"  top: "conv"
  dropout_param { dropout_ratio: 0.5 }
  include { phase: TRAIN }
}
layer {
  name: "pool"  type: "Pooling"  bottom: "conv"  top: "pool"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 }
}
layer {
  name: "side"  type: "Convolution"  bottom: "data"  top: "side"
  convolution_param { num_output: 4 kernel_size: 4 stride: 4 weight_filler { type: "xavier" } }
}
layer { name: "sum" type: "Eltwise" bottom: "pool" bottom: "side" top: "sum" eltwise_param { operation: SUM } }
layer { name: "cat" type: "Concat" bottom: "sum" bottom: "pool" top: "cat" concat_param { axis: 1 } }
layer {
  name: "score"  type: "InnerProduct"  bottom: "cat"  top: "score"
  inner_product_param { num_output: 10 weight_filler { type: "xavier" } }
}
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "label" top: "loss" loss_weight: 1 }
"""


def errors(text: str) -> list[tuple[str, int]]:
    """Code and row of every error."""
    findings = analyze(Source(text), Settings(dialect="bvlc", phase="TRAIN")).findings
    return [(f.code, text.count("\n", 0, f.start) + 1) for f in findings if f.severity == "error"]


def values(fields: list[Field], base: int) -> Iterator[tuple[int, int]]:
    for field in fields:
        if isinstance(field.value, Message):
            yield from values(field.value.fields, base)
        elif isinstance(field.value, Scalar):
            yield base + field.value.start, base + field.value.end


TREE = parse(NET)
VALUES = [place for base, chunk in zip(TREE.starts, TREE.chunks, strict=True) for place in values(chunk.fields, base)]


def test_the_net_has_no_faults() -> None:
    assert errors(NET) == []


@pytest.mark.parametrize("wrong", ["", "wrong"], ids=["not yet typed", "of another kind"])
def test_a_value_that_cannot_be_read_is_one_error_where_it_stands(wrong: str) -> None:
    codes = {"SYN001"} if not wrong else {"SYN010", "SCH002"}
    for start, end in VALUES:
        said = errors(NET[:start] + wrong + NET[end:])
        assert len(said) == 1, (NET[start - 20 : end], said)
        code, row = said[0]
        assert code in codes, (NET[start - 20 : end], said)
        assert row == NET.count("\n", 0, start) + 1, (NET[start - 20 : end], said)


@pytest.mark.parametrize(
    ("word", "slip"),
    [
        ("num_output: 4 kernel_size: 4", "num_outputs: 4 kernel_size: 4"),
        ("kernel_size: 3", "kernal_size: 3"),
        ("stride: 4", "strid: 4"),
        ("pad: 1", "padd: 1"),
        ("convolution_param", "convolution_params"),
        ("pooling_param", "poling_param"),
        ("dim: 2 dim: 3", "dim: 2 dims: 3"),
        ("concat_param { axis", "concat_param { axes"),
        ("inner_product_param", "innerproduct_param"),
    ],
)
def test_a_misspelt_field_is_one_error_and_what_it_would_have_said_is_not_guessed(word: str, slip: str) -> None:
    said = errors(NET.replace(word, slip, 1))
    assert [code for code, _ in said] == ["SCH001"], said


def test_a_net_that_ends_anywhere_has_errors_of_syntax_only() -> None:
    """What is not closed is said once, at the innermost message; beside it the name or string that is half typed."""
    for end in range(1, len(NET), 3):
        said = errors(NET[:end])
        typed = {code for code, _ in said} - {"SYN002"}
        assert len(said) == len({code for code, _ in said}), (NET[:end], said)
        assert typed in (set(), {"SYN001"}, {"SYN006"}, {"SCH002"}), (NET[:end], said)
        last = NET.count("\n", 0, end) + 1
        assert all(code == "SYN002" or last - row <= 1 for code, row in said), (NET[:end], said)


def test_a_fix_closes_all_that_is_open() -> None:
    text = NET[: NET.index("xavier")] + 'xavier"'
    found = [f for f in analyze(Source(text), Settings(dialect="bvlc", phase="TRAIN")).findings if f.code == "SYN002"]
    assert [text[f.start - 14 : f.start] for f in found] == ["weight_filler "]
    assert "nor `convolution_param` and `layer` around it" in found[0].message
    fixed = apply_edits(text, found[0].fix.edits)
    assert errors(fixed) == []


def test_errors_of_their_own_are_all_reported() -> None:
    text = NET.replace("stride: 4", 'stride: "4"').replace("num_output: 10", "num_outputs: 10")
    text = text.replace('"pool" top: "cat"', '"poool" top: "cat"').replace("axis: 1", "axis: 1 concat_dim: 1")
    assert sorted(code for code, _ in errors(text)) == ["NET002", "SCH001", "SHP012", "SYN010"]
