"""Which blob a layer reads, and what Caffe refuses about it (facts: in-place.md, caffe-semantics.md 1.2)."""

from __future__ import annotations

import pytest
from tests.net.conftest import build

HEAD = 'layer { name: "d" type: "Input" top: "a" input_param { shape { dim: 1 dim: 2 dim: 4 dim: 4 } } } '


def layer(name: str, type_: str, bottoms: str, tops: str, more: str = "") -> str:
    b = " ".join(f'bottom: "{x}"' for x in bottoms.split())
    t = " ".join(f'top: "{x}"' for x in tops.split())
    return f'layer {{ name: "{name}" type: "{type_}" {b} {t} {more} }} '


def sharing(*specs: str) -> str:
    """Fully connected layers in a row (the first apart) that share the weight `w`, each with its param block."""
    text = layer("p0", "Pooling", "a", "p0", "pooling_param { global_pooling: true }")
    for number, spec in enumerate(specs, 1):
        fields = f'param {{ name: "w" {spec} }} inner_product_param {{ num_output: 2 bias_term: false }}'
        text += layer(f"p{number}", "InnerProduct", f"p{number - 1}", f"p{number}", fields)
    return text


CASES = {
    "who shares may leave the rate to another": (sharing("", "lr_mult: 2", ""), []),
    "two rates, though the owner states none": (sharing("", "lr_mult: 1", "lr_mult: 2"), ["FRZ010"]),
    "two decays, with one between that states none": (sharing("decay_mult: 0", "", "decay_mult: 1"), ["FRZ010"]),
    "a chain": (layer("r", "ReLU", "a", "b"), []),
    "an in-place layer that reads alone": (layer("r", "ReLU", "a", "a"), []),
    "readers after the in-place layer": (
        layer("r", "ReLU", "a", "a") + layer("x", "ReLU", "a", "x") + layer("y", "ReLU", "a", "y"),
        [],
    ),
    "a reader before the in-place layer": (layer("x", "ReLU", "a", "x") + layer("r", "ReLU", "a", "a"), ["NET004"]),
    "a blob read twice by the in-place layer": (layer("e", "Eltwise", "a a", "a"), ["NET004"]),
    "an explicit loss_weight on the overwritten version": (
        layer("s", "Sigmoid", "a", "b", "loss_weight: 1") + layer("r", "ReLU", "b", "b"),
        ["NET004"],
    ),
    "a loss layer's implicit weight does not count": (
        layer("l", "EuclideanLoss", "a a", "b") + layer("r", "Power", "b", "b"),
        [],
    ),
    "a top at another index than its bottom": (
        layer("x", "Sigmoid", "a", "x") + layer("e", "Eltwise", "a x", "x"),
        ["NET005"],
    ),
    "a name produced twice": (layer("x", "Sigmoid", "a", "x") + layer("y", "TanH", "a", "x"), ["NET003"]),
    "a bottom that nobody makes": (layer("x", "Sigmoid", "q", "x"), ["NET002"]),
    "a mistyped bottom of an in-place layer is one mistake": (layer("x", "Sigmoid", "q", "a"), ["NET002"]),
    "a bottom that is made below": (layer("x", "Sigmoid", "y", "x") + layer("y", "TanH", "a", "y"), ["NET002"]),
    "two layers of different phases share names": (
        layer("x", "Sigmoid", "a", "x", "include { phase: TRAIN }")
        + layer("x", "TanH", "a", "x", "include { phase: TEST }"),
        [],
    ),
    "too few loss_weights": (layer("s", "Split", "a", "x y", "loss_weight: 1"), ["NET017"]),
    "a Split behind a weighted top takes the weights away before they are counted": (
        layer("s", "Split", "a", "x y", "loss_weight: 1") + layer("z", "TanH", "x", "z"),
        [],
    ),
    "a Split behind a top of weight 0 does not": (
        layer("s", "Split", "a", "x y", "loss_weight: 0") + layer("z", "TanH", "x", "z"),
        ["NET017"],
    ),
    "a loss without a top has one all the same": (layer("l", "EuclideanLoss", "a a", "", "loss_weight: 2"), []),
    "shapes that cannot be shared": (
        sharing("") + layer("q", "InnerProduct", "a", "q", 'param { name: "w" } inner_product_param { num_output: 2 }'),
        ["FRZ011"],
    ),
    "both kinds of rule": (
        layer("x", "Sigmoid", "a", "x", "include { phase: TRAIN } exclude { phase: TEST }"),
        ["NET001"],
    ),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_problems(case: str) -> None:
    text, codes = CASES[case]
    assert [problem.code for problem in build(HEAD + text).problems] == codes


def test_a_problem_points_at_the_bottom_that_is_unknown() -> None:
    text = HEAD + layer("x", "Eltwise", "a nowhere", "x")
    (problem,) = build(text).problems
    assert text[problem.start : problem.end] == 'bottom: "nowhere"'


def test_a_reader_reads_the_last_version_above_it() -> None:
    net = build(HEAD + layer("r", "ReLU", "a", "a") + layer("x", "ReLU", "a", "x"))
    relu, reader = net.nodes[1], net.nodes[2]
    assert reader.bottoms[0] is relu.tops[0]
    assert relu.tops[0].previous is net.nodes[0].tops[0]
    assert relu.tops[0].storage() is net.nodes[0].tops[0]


def test_outputs_are_the_unread_tops_by_name() -> None:
    net = build(HEAD + layer("x", "ReLU", "a", "z") + layer("y", "ReLU", "a", "b"))
    assert [blob.name for blob in net.outputs] == ["b", "z"]


def test_a_typo_gets_the_near_name() -> None:
    (problem,) = build(HEAD.replace('"a"', '"conv1"') + layer("x", "ReLU", "conv_1", "x")).problems
    assert "Did you mean 'conv1'?" in problem.message
