"""What a net is for, what it trains, and what its batch normalisation does in each fork (table A1 of the facts)."""

from __future__ import annotations

import pytest
from tests.net.conftest import build
from tests.net.test_backward import BN, DATA, FROZEN, ip, loss

from prototxt_net.batchnorm import (
    affine,
    behind_frozen_layer,
    blob_count,
    gamma_starts_at_zero,
    mode,
    norms,
    pair,
    per_channel,
)
from prototxt_net.flow import (
    aliases,
    dialects_of,
    family,
    fine_tuned,
    frozen,
    kind,
    loss_weights,
    lr,
    meant_frozen,
    missing_share,
    upstream,
    weights,
)
from prototxt_net.net import Phase
from prototxt_net.schema.load import DIALECTS
from prototxt_net.zeros import fate

INPUT = 'layer { name: "d" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 dim: 4 dim: 5 } } } '
LMDB = 'layer { name: "d" type: "Data" top: "x" top: "y" data_param { batch_size: 8 } } '
LEGACY = 'input: "x" input_dim: 2 input_dim: 3 input_dim: 4 input_dim: 5 '


def layer(type_: str, name: str, bottom: str, top: str = "", more: str = "") -> str:
    bottoms = " ".join(f'bottom: "{blob}"' for blob in bottom.split())
    return f'layer {{ name: "{name}" type: "{type_}" {bottoms} top: "{top or name}" {more} }} '


def test_every_dialect_has_a_family() -> None:
    assert {family(dialect) for dialect in DIALECTS} == {"B", "B0", "S", "N15", "N16", "I", "SG", "YX", "P"}
    assert dialects_of("N15") == {"nvidia-0.14", "nvidia-0.15"}


@pytest.mark.parametrize(
    ("text", "purpose"),
    [
        (DATA + ip("a", "x") + loss("l", "a"), "trainable"),
        (DATA + ip("a", "x") + loss("l", "a", "loss_weight: 0"), "trainable"),
        (DATA + ip("a", "x", "loss_weight: 1"), "trainable"),
        (DATA + ip("a", "x") + loss("l", "a", "include { phase: TEST }"), "deploy"),
        (INPUT + ip("a", "x"), "deploy"),
        (LMDB + ip("a", "x"), "features"),
        (ip("a", "x"), "fragment"),
    ],
)
def test_kind(text: str, purpose: str) -> None:
    assert kind(build(text)) == purpose
    assert kind(build(text, "TEST")) == purpose


def test_loss_weights() -> None:
    net = build(DATA + ip("a", "x", "loss_weight: 0.5") + loss("l", "a") + loss("m", "a", "loss_weight: 3"))
    assert [loss_weights(net.by_name[name], "bvlc") for name in "dalm"] == [(0.0, 0.0), (0.5,), (1.0,), (3.0,)]


def test_frozen_needs_every_blob_and_meant_frozen_every_block() -> None:
    net = build(DATA + ip("all", "x", FROZEN) + ip("half", "x", "param { lr_mult: 0 }") + ip("none", "x"))
    nodes = [net.by_name[name] for name in ("all", "half", "none")]
    assert [frozen(net, node) for node in nodes] == [True, False, False]
    assert [meant_frozen(net, node) for node in nodes] == [True, True, False]


def test_a_shared_blob_takes_the_rate_that_one_of_them_writes() -> None:
    net = build(DATA + ip("a", "x", 'param { name: "w" lr_mult: 0 }') + ip("b", "x", 'param { name: "w" }'))
    assert lr(net, net.by_name["b"], 0) == 0
    assert lr(net, net.by_name["b"], 1) == 1


def test_upstream_looks_through_layers_without_weights() -> None:
    net = build(
        DATA + ip("f", "x", FROZEN) + ip("t", "x") + layer("ReLU", "r", "f") + layer("Eltwise", "sum", "r t")
        + layer("NoSuchLayer", "u", "r")
    )  # fmt: skip
    state = {blob.name: value for blob, value in upstream(net).items()}
    assert state == {
        "x": "data", "y": "data", "f": "frozen", "t": "trainable", "r": "frozen", "sum": "trainable", "u": "unknown",
    }  # fmt: skip


def test_a_net_without_most_of_its_fillers_is_taken_to_load_weights() -> None:
    filler = 'inner_product_param { num_output: 3 weight_filler { type: "xavier" } } '
    full = layer("InnerProduct", "a", "x", more=filler)
    assert missing_share(build(DATA + full)) == 0
    assert missing_share(build(DATA + full + ip("b", "x"))) == 0.5
    assert fine_tuned(build(DATA + full + ip("b", "x")))
    assert fine_tuned(build(DATA + full + ip("b", "x", FROZEN)))
    assert not fine_tuned(build(DATA + full))


def test_aliases_follow_in_place_layers_and_views() -> None:
    net = build(INPUT + layer("ReLU", "r", "x", "x") + layer("Flatten", "flat", "x") + layer("TanH", "t", "flat"))
    first = net.nodes[0].tops[0]
    shared = aliases(net)
    assert [shared[net.by_name[name].tops[0]] is first for name in ("d", "r", "flat", "t")] == [True, True, True, False]


# -- batch normalisation -----------------------------------------------------------------------------------------------


def norm(param: str = "", type_: str = "BatchNorm", more: str = "") -> str:
    return layer(type_, "bn", "x", more=f"{param} {more}")


BATCH, STORED = True, False
MODES = [
    # dialect, layer, TRAIN, TEST
    ("bvlc", norm(), BATCH, STORED),
    ("bvlc", norm("batch_norm_param { use_global_stats: true }"), STORED, STORED),
    ("ssd", norm("batch_norm_param { use_global_stats: false }"), BATCH, BATCH),
    ("bvlc", norm(more="phase: TEST"), STORED, STORED),
    ("nvidia-0.15", norm("batch_norm_param { use_global_stats: true }"), BATCH, STORED),
    ("nvidia-0.15", norm("batch_norm_param { use_global_stats: true engine: CAFFE }"), STORED, STORED),
    ("nvidia-0.17", norm("batch_norm_param { use_global_stats: false }"), BATCH, STORED),
    ("segnet", norm(type_="BN"), BATCH, BATCH),
    ("segnet", norm("bn_param { bn_mode: INFERENCE }", "BN"), None, None),
    ("pspnet", norm(type_="BN"), BATCH, STORED),
    ("yjxiong-tsn", norm("bn_param { frozen: true }", "BN"), STORED, STORED),
]


@pytest.mark.parametrize(("dialect", "text", "train", "test"), MODES)
def test_statistics_in_use(dialect: str, text: str, train: bool | None, test: bool | None) -> None:
    phases: tuple[tuple[Phase, bool | None], ...] = (("TRAIN", train), ("TEST", test))
    for phase, batch in phases:
        net = build(LEGACY + text, phase, dialect)
        assert mode(net, norms(net)[0]).batch is batch


BLOBS = [
    # dialect, layer, blobs, affine, gamma starts at 0
    ("bvlc", norm(), 3, False, False),
    ("ssd", norm(), 3, False, False),
    ("py-faster-rcnn", norm(), 3, False, False),
    ("nvidia-0.15", norm(), 5, True, True),
    ("nvidia-0.15", norm("batch_norm_param { scale_filler { } }"), 5, True, True),
    ("nvidia-0.15", norm("batch_norm_param { scale_filler { value: 1 } }"), 5, True, False),
    ("nvidia-0.17", norm(), 3, False, False),
    ("nvidia-0.17", norm("batch_norm_param { scale_bias: true }"), 5, True, False),
    ("nvidia-0.16", norm("batch_norm_param { scale_filler { } }"), 5, True, True),
    ("segnet", norm(type_="BN"), 2, True, True),
    ("pspnet", norm("bn_param { slope_filler { value: 1 } }", "BN"), 4, True, False),
]


@pytest.mark.parametrize(("dialect", "text", "blobs", "has_gamma", "zero"), BLOBS)
def test_blobs_and_gamma(dialect: str, text: str, blobs: int, has_gamma: bool, zero: bool) -> None:
    net = build(LEGACY + text, dialect=dialect)
    node = norms(net)[0]
    assert blob_count(node, dialect) == blobs == len(node.setup.params)
    assert affine(node, dialect) is has_gamma
    assert gamma_starts_at_zero(node, dialect) is zero
    assert [node.setup.params[i].role for i in weights(node)] == (["gamma", "beta"] if has_gamma else [])


def test_values_per_channel() -> None:
    assert per_channel(norms(build(INPUT + norm()))[0]) == 2 * 4 * 5
    assert per_channel(norms(build(LMDB + norm()))[0]) is None


SCALE = layer("Scale", "s", "bn")


@pytest.mark.parametrize(
    ("text", "partner"),
    [
        (SCALE, "s"),
        (layer("Dropout", "drop", "bn", "bn") + SCALE, "s"),
        (layer("ReLU", "r", "bn", "bn") + SCALE, None),
        (layer("Scale", "s", "bn x"), None),
        (layer("ReLU", "r", "bn") + SCALE, "s"),
        ("", None),
    ],
)
def test_pair(text: str, partner: str | None) -> None:
    net = build(INPUT + norm() + text)
    found = pair(norms(net)[0])
    assert (None if found is None else found.name) == partner


@pytest.mark.parametrize(
    ("below", "scale", "inside"),
    [
        (FROZEN, FROZEN, True),
        (FROZEN, "param { lr_mult: 0 }", True),
        (FROZEN, "", False),
        ("", FROZEN, False),
    ],
)
def test_frozen_region(below: str, scale: str, inside: bool) -> None:
    text = (
        DATA
        + ip("a", "x", below)
        + BN.format("")
        + layer("Scale", "s", "bn", more=scale + " scale_param { bias_term: true }")
    )
    net = build(text)
    assert behind_frozen_layer(net, norms(net)[0]) is inside


FATES = {
    "a ReLU stops the gradient": (layer("ReLU", "r", "x"), "dead"),
    "a leaky ReLU does not": (layer("ReLU", "r", "x", more="relu_param { negative_slope: 0.1 }"), "alive"),
    "a Scale with beta 0 keeps the zero": (
        layer("Scale", "s", "x", more="scale_param { bias_term: true }") + layer("ReLU", "r", "s"),
        "dead",
    ),
    "a Scale with another beta does not": (
        layer("Scale", "s", "x", more="scale_param { bias_term: true bias_filler { value: 1 } }")
        + layer("ReLU", "r", "s"),
        "alive",
    ),
    "a classifier passes a gradient": (ip("a", "x"), "alive"),
    "a sum with another branch lets it be": (
        layer("Sigmoid", "other", "d2") + layer("Eltwise", "sum", "x other"),
        "added",
    ),
    "one living path is enough": (layer("ReLU", "r", "x") + layer("Sigmoid", "g", "x"), "alive"),
    "nobody reads it": ("", "alive"),
}


@pytest.mark.parametrize("case", FATES, ids=str)
def test_where_a_zero_leads(case: str) -> None:
    text, end = FATES[case]
    net = build(INPUT.replace('top: "x"', 'top: "x" top: "d2"') + text)
    assert fate(net, net.nodes[0].tops[0]) == end
