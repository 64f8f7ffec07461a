"""The JSON of `describe` for one net and one phase, and its table."""

from __future__ import annotations

from prototxt_net.describe import describe, describe_text

TWINS = """name: "twins"
layer { name: "d" type: "Data" top: "data" top: "label" data_param { batch_size: 2 } }
layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 6 } } }
layer { name: "a" type: "InnerProduct" bottom: "x" top: "a" param { name: "w" lr_mult: 2 } param { decay_mult: 0 }
  inner_product_param { num_output: 3 } }
layer { name: "r" type: "ReLU" bottom: "a" top: "a" }
layer { name: "b" type: "InnerProduct" bottom: "x" top: "b" param { name: "w" }
  inner_product_param { num_output: 3 bias_term: false } }
layer { name: "loss" type: "EuclideanLoss" bottom: "a" bottom: "b" top: "loss" loss_weight: 2 }
layer { name: "twice" type: "Power" bottom: "loss" top: "twice" }
"""


def test_a_net_as_json(net) -> None:
    said = describe(net(TWINS), "twins.prototxt")
    assert {key: said[key] for key in said if key != "layers"} == {
        "filename": "twins.prototxt",
        "name": "twins",
        "dialect": "bvlc",
        "phase": "TRAIN",
        "inputs": ["x"],
        # the loss is split, because it has an explicit weight and a reader: half of it is an output
        "outputs": ["data", "label", "loss_loss_0_split_0", "twice"],
        "num_parameters": 18 + 3,  # the shared weight counts once
        "findings": [],
    }
    layers = {layer["name"]: layer for layer in said["layers"]}
    assert layers["d"]["tops"] == [{"name": "data", "shape": [2, None, None, None]}, {"name": "label", "shape": [2]}]
    assert layers["a"] == {
        "name": "a",
        "type": "InnerProduct",
        "bottoms": ["x"],
        "tops": [{"name": "a", "shape": [2, 3]}],
        "params": [
            {"shape": [3, 6], "lr_mult": 2.0, "decay_mult": 1.0, "name": "w"},
            {"shape": [3], "lr_mult": 1.0, "decay_mult": 0.0},
        ],
        "macs": 36,
        "row": 4,
    }
    assert layers["r"]["tops"] == [{"name": "a", "shape": [2, 3], "in_place": True}]
    assert layers["loss"]["tops"] == [{"name": "loss", "shape": []}]


def test_what_no_text_tells_is_null(net) -> None:
    said = describe(
        net(
            'layer { name: "d" type: "Data" top: "data" data_param { batch_size: 2 } } '
            'layer { name: "c" type: "Convolution" bottom: "data" top: "c" '
            "convolution_param { num_output: 4 kernel_size: 3 } }"
        )
    )
    assert said["num_parameters"] is None
    assert said["layers"][1]["params"][0]["shape"] == [4, None, 3, 3]
    assert said["layers"][1]["macs"] is None


def test_an_unknown_layer_has_unknown_tops(net) -> None:
    said = describe(net('layer { name: "o" type: "Oracle" top: "y" }'))
    assert said["layers"][0]["tops"] == [{"name": "y", "shape": None}]
    assert said["layers"][0]["params"] == []


def test_an_empty_file_is_a_net_without_layers(net) -> None:
    said = describe(net(""))
    assert (said["layers"], said["outputs"], said["num_parameters"]) == ([], [], 0)


def test_a_net_as_a_table(net) -> None:
    assert describe_text(net(TWINS), "twins.prototxt").splitlines() == [
        "twins.prototxt: twins (bvlc, TRAIN)",
        "",
        "row  layer  type           top    shape    parameters  MACs",
        "---  -----  -------------  -----  -------  ----------  ----",
        "2    d      Data           data   2x?x?x?",
        "                           label  2",
        "3    in     Input          x      2x6",
        "4    a      InnerProduct   a      2x3      3x6 3       36",
        "6    r      ReLU           a *    2x3",
        "7    b      InnerProduct   b      2x3      3x6         36",
        "9    loss   EuclideanLoss  loss   scalar",
        "10   twice  Power          twice  scalar",
        "",
        "inputs: x",
        "outputs: data, label, loss_loss_0_split_0, twice",
        "parameters: 21   multiply-accumulates: 72",
        "* works in place",
        "? no text tells this size; give it with --shape BLOB=N,C,H,W",
    ]
