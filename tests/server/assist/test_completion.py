"""What is proposed at the cursor (`‸`)."""

from __future__ import annotations

import pytest

from prototxt_server.assist.completion import complete, document

NET = """input: "data"
input_shape { dim: 1 dim: 3 dim: 9 dim: 9 }
layer {
  name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 4 kernel_size: 3 }
}
%s
"""

CASES = {
    "top level": ("‸", ["layer", "name"], ["kernel_size"]),
    "in a layer": ('layer {\n  name: "x"\n  ‸\n}', ["type", "bottom", "pooling_param"], ["name", "kernel_size"]),
    "half a word": ('layer {\n  name: "x"\n  pool‸\n}', ["pooling_param"], []),
    "in a message": ("layer {\n  pooling_param {\n    ‸\n  }\n}", ["pool", "kernel_size", "stride"], ["num_output"]),
    "in an open message": ("layer {\n  pooling_param {\n    ke‸\n", ["kernel_size"], ["bottom"]),
    "enum": ("layer {\n  pooling_param { pool: ‸ }\n}", ["MAX", "AVE", "STOCHASTIC"], []),
    "bool": ("layer {\n  convolution_param { bias_term: f‸ }\n}", ["true", "false"], []),
    "layer type": ('layer {\n  type: "‸"\n}', ["Convolution", "BatchNorm"], ["conv1"]),
    "blob": ('layer {\n  bottom: "‸"\n}', ["conv1", "data"], ["Convolution"]),
    "filler": ('layer {\n  convolution_param { weight_filler { type: "‸" } }\n}', ["msra", "xavier"], ["Convolution"]),
    "in a comment": ("layer { # ‸\n}", [], ["name"]),
    "in some string": ('layer { name: "‸" }', [], ["name", "Convolution"]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_proposes(case: str, at_cursor) -> None:
    text, wanted, unwanted = CASES[case]
    analysis, offset = at_cursor(NET % text)
    labels = [item.label for item in complete(analysis, offset)]
    assert [w for w in wanted if w not in labels] == []
    assert [u for u in unwanted if u in labels] == []


def test_nearest_blob_first_with_its_shape(at_cursor) -> None:
    analysis, offset = at_cursor(NET % 'layer {\n  bottom: "‸"\n}')
    first = complete(analysis, offset)[0]
    assert (first.label, first.detail) == ("conv1", "1x4x7x7")


def test_the_own_parameter_message_comes_first(at_cursor) -> None:
    analysis, offset = at_cursor(NET % 'layer {\n  type: "InnerProduct"\n  ‸\n}')
    first = min(complete(analysis, offset), key=lambda item: item.order)
    assert first.label == "inner_product_param"
    assert first.text == "inner_product_param {\n\t$0\n}"


def test_documentation_on_demand(at_cursor) -> None:
    analysis, offset = at_cursor(NET % "layer {\n  ‸\n}")
    item = next(i for i in complete(analysis, offset) if i.label == "bottom")
    assert document(item.doc_key)
    assert document(("", "", "")) == ""


def test_replaces_what_is_typed(at_cursor) -> None:
    text = NET % 'layer {\n  type: "Conv‸"\n}'
    analysis, offset = at_cursor(text)
    item = next(i for i in complete(analysis, offset) if i.label == "Convolution")
    assert text[item.start : offset] == "Conv"
    assert item.text == "Convolution"
