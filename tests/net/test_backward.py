"""Which layers run backward: Net::Init's bookkeeping, held against what the real Caffe logged."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.net.conftest import build
from tests.net.test_oracle import faked_shapes, nets

from prototxt_net.backward import backward

DATA = (
    'layer { name: "d" type: "DummyData" top: "x" top: "y" '
    "dummy_data_param { shape { dim: 4 dim: 3 } shape { dim: 4 } } } "
)


def ip(name: str, bottom: str, more: str = "") -> str:
    return (
        f'layer {{ name: "{name}" type: "InnerProduct" bottom: "{bottom}" top: "{name}" {more} '
        "inner_product_param { num_output: 3 } } "
    )


def loss(name: str, bottom: str, more: str = "") -> str:
    return f'layer {{ name: "{name}" type: "SoftmaxWithLoss" bottom: "{bottom}" bottom: "y" top: "{name}" {more} }} '


FROZEN = "param { lr_mult: 0 } param { lr_mult: 0 }"
DOWN = "propagate_down: false"
BN = 'layer {{ name: "bn" type: "BatchNorm" bottom: "a" top: "bn" {0} }} '
STAT = "param { lr_mult: 0 } "

CASES = {
    "everything trains": (ip("a", "x") + ip("b", "a") + loss("l", "b"), "a b l", ""),
    "a frozen layer at the bottom needs none": (ip("a", "x", FROZEN) + ip("b", "a") + loss("l", "b"), "b l", ""),
    "a frozen layer in the middle passes it on": (ip("a", "x") + ip("b", "a", FROZEN) + loss("l", "b"), "a b l", ""),
    "propagate_down: false cuts what is below": (ip("a", "x") + ip("b", "a", DOWN) + loss("l", "b"), "b l", "a"),
    "a second path keeps it": (
        ip("a", "x") + ip("b", "a", DOWN) + loss("l", "b") + ip("c", "a") + loss("m", "c"),
        "a b l c m",
        "",
    ),
    "no loss, no gradient": (ip("a", "x") + ip("b", "x") + loss("l", "b"), "b l", ""),
    "a loss of weight 0 is none": (ip("a", "x") + loss("l", "a", "loss_weight: 0"), "", ""),
    "nor is one without a top": (
        ip("a", "x") + loss("l", "a", "loss_weight: 0").replace('top: "l"', ""),
        "",
        "",
    ),
    "a loss without a top": (ip("a", "x") + loss("l", "a").replace('top: "l"', ""), "a l", ""),
    "unlisted statistics count as lr_mult 1": (
        ip("a", "x", FROZEN) + BN.format("") + ip("b", "bn") + loss("l", "b"),
        "bn b l",
        "",
    ),
    "three blocks of 0 stop it above": (
        ip("a", "x", FROZEN) + BN.format(STAT * 3) + ip("b", "bn") + loss("l", "b"),
        "b l",
        "",
    ),
    "force_backward asks for all": (
        "force_backward: true " + ip("a", "x", FROZEN) + ip("b", "a") + loss("l", "b"),
        "d a b l",
        "",
    ),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_layers(case: str) -> None:
    text, layers, cut = CASES[case]
    state = backward(build(DATA + text))
    assert {node.name for node in state.layers} == set(layers.split())
    assert {node.name for node in state.cut} == set(cut.split())


def test_ssd_clears_the_three_blocks_before_it_counts_them() -> None:
    text = DATA + ip("a", "x", FROZEN) + BN.format(STAT * 3) + ip("b", "bn") + loss("l", "b")
    assert "bn" in {node.name for node in backward(build(text, dialect="ssd")).layers}


def test_every_real_net_needs_backward_where_caffe_says(shared: Path) -> None:
    wrong = []
    for record, text in nets(shared / "oracle" / "init.jsonl.gz", shared / "corpus"):
        if not record["ok"]:
            continue
        net = build(text, record["phase"], shapes=faked_shapes(record))
        theirs = [layer for layer in record["layers"] if layer["type"] != "Split"]
        wrong += [
            f"{record['file']} {record['phase']}: {node.name}"
            for node, layer in zip(net.nodes, theirs, strict=True)
            if (node in backward(net).layers) != layer["needs_backward"]
        ]
    assert wrong == []
