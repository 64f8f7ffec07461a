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
    "behind a colon": ("layer { type:‸ }", ["Convolution"], []),
    "single quotes": ("layer { type: '‸' }", ["Convolution"], []),
    "in a list": ('layer { bottom: ["data", ‸] }', ["conv1"], []),
    "behind a bracket in a string": ("layer { name: '#{' type: ‸ }", ["Convolution"], []),
    "in a block that was never closed": ('layer {\n  name: "x" type: "Pooling"\n  ‸\n', ["pooling_param"], ["layer"]),
    "a value there": ('layer {\n  pooling_param {\n    pool: ‸\n', ["MAX"], []),
    "behind a closed block": ('layer { name: "x" }\n‸\n', ["layer"], ["pooling_param"]),
    "a name that is shared": ('layer { param { name: "w" } }\nlayer { param { name: "‸" } }', ["w"], []),
    "the name itself is not shared": ('layer { param { name: "w‸" } }', [], ["w"]),
    "our comment": ("# lsp: ‸", ["ignore", "ignore-file", "dialect"], ["layer"]),
    "a rule of it": ("# lsp: ignore[BN0‸] why", ["BN031", "DYN003"], ["dialect"]),
    "a second rule": ("# lsp: ignore-file[BN031, ‸", ["BN032"], []),
    "behind the rules": ("# lsp: ignore[BN031] ‸", [], ["BN032"]),
    "a dialect": ("# lsp: dialect=nv‸", ["nvidia-0.15", "bvlc"], []),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_proposes(case: str, at_cursor) -> None:
    text, wanted, unwanted = CASES[case]
    analysis, offset = at_cursor(NET % text)
    labels = [item.label for item in complete(analysis, offset)]
    assert [w for w in wanted if w not in labels] == []
    assert [u for u in unwanted if u in labels] == []


SOLVER = 'net: "n.prototxt"\nbase_lr: 0.1\n'


@pytest.mark.parametrize(
    ("text", "dialect", "wanted", "unwanted"),
    [
        (SOLVER + "‸", "bvlc", ["lr_policy", "momentum"], ["layer", "base_lr"]),
        (SOLVER + 'lr_policy: "‸"', "bvlc", ["step", "poly"], ["plateau"]),
        (SOLVER + 'lr_policy: "‸"', "ssd", ["step", "plateau"], []),
        (SOLVER + "type: ‸", "bvlc", ["SGD", "Adam"], ["Convolution"]),
    ],
)
def test_proposes_for_a_solver(text: str, dialect: str, wanted: list[str], unwanted: list[str], at_cursor) -> None:
    labels = [item.label for item in complete(*at_cursor(text, dialect))]
    assert [w for w in wanted if w not in labels] == []
    assert [u for u in unwanted if u in labels] == []


def test_a_top_is_the_name_or_in_place(at_cursor) -> None:
    analysis, offset = at_cursor(NET % 'layer { name: "x" bottom: "conv1" top: "‸" }')
    assert [(item.label, item.detail) for item in complete(analysis, offset)] == [
        ("x", "the layer's name"), ("conv1", "in place, 1x4x7x7"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "label", "snippet", "plain"),
    [
        ("‸", "layer with bottom and top",
         'layer {\n\tname: "$1"\n\ttype: "$2"\n\tbottom: "${3:conv1}"\n\ttop: "${4:$1}"$0\n}',
         'layer {\n\tname: ""\n\ttype: ""\n\tbottom: "conv1"\n\ttop: ""\n}'),
        ('layer { top: "a$}\\\\b" }\n‸', "layer with bottom and top",
         'layer {\n\tname: "$1"\n\ttype: "$2"\n\tbottom: "${3:a\\$\\}\\\\b}"\n\ttop: "${4:$1}"$0\n}',
         'layer {\n\tname: ""\n\ttype: ""\n\tbottom: "a$}\\b"\n\ttop: ""\n}'),
        ("layer { para‸ }", "param",
         "param { lr_mult: ${1:1} decay_mult: ${2:1}$0 }", "param { lr_mult: 1 decay_mult: 1 }"),
        ("layer { type:‸ }", "ReLU", ' "ReLU"', ' "ReLU"'),
        ("layer { type: ‸ }", "ReLU", '"ReLU"', '"ReLU"'),
        ("layer { type:'‸' }", "ReLU", "ReLU", "ReLU"),
        ("layer { convolution_param { bias_term:‸ } }", "false", " false", " false"),
    ],
)  # fmt: skip
def test_puts_in(text: str, label: str, snippet: str, plain: str, at_cursor) -> None:
    item = next(item for item in complete(*at_cursor(NET % text)) if item.label == label)
    assert (item.text, item.plain) == (snippet, plain)


def test_a_colon_asks_for_no_fields(at_cursor) -> None:
    assert complete(*at_cursor(NET % "layer { ‸ }"), only_values=True) == []
    assert complete(*at_cursor(NET % "layer { type: ‸ }"), only_values=True)


def test_what_is_wrong_here_is_ignored_first(at_cursor) -> None:
    items = complete(*at_cursor('# lsp: ignore[‸]\nlayer { nam: "a" type: "ReLU" bottom: "x" top: "x" }'))
    assert {item.label for item in items if item.order == 0} == {"SCH001"}


@pytest.mark.parametrize(
    ("text", "label", "more"),
    [("layer { ‸ }", "type", True), ("layer { ‸ }", "name", False), ("layer { ‸ }", "include", True),
     ("layer { convolution_param { ‸ } }", "num_output", False), ("layer { convolution_param { ‸ } }", "engine", True)],
)  # fmt: skip
def test_whether_to_ask_again(text: str, label: str, more: bool, at_cursor) -> None:
    assert next(item for item in complete(*at_cursor(NET % text)) if item.label == label).more is more


def test_the_usual_layer_types_come_first(at_cursor) -> None:
    order = {item.label: item.order for item in complete(*at_cursor(NET % "layer { type: ‸ }"))}
    assert order["Convolution"] == order["Concat"] < order["ContrastiveLoss"]


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


@pytest.mark.parametrize("text", ["layer { type: ‸ }", "layer { pooling_param { pool: ‸ } }", "# lsp: ignore[‸",
                                  "layer { scale_param { filler { type: ‸ } } }"])  # fmt: skip
def test_values_are_documented(text: str, at_cursor) -> None:
    items = complete(*at_cursor(NET % text))
    assert items
    assert [item.label for item in items if not document(item.doc_key)] == []


def test_replaces_what_is_typed(at_cursor) -> None:
    text = NET % 'layer {\n  type: "Conv‸"\n}'
    analysis, offset = at_cursor(text)
    item = next(i for i in complete(analysis, offset) if i.label == "Convolution")
    assert text[item.start : offset] == "Conv"
    assert item.text == "Convolution"
