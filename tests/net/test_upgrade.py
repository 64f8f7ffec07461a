"""Older ways of writing, read as what Caffe turns them into (facts: caffe-semantics.md 2)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.net.conftest import build

from prototxt_grammar import parse
from prototxt_net.file import NetFile
from prototxt_net.message import Bound
from prototxt_net.read import read
from prototxt_net.upgrade import V1_TYPES
from prototxt_net.v0 import V0_TYPES

INPUT = 'input: "data"\ninput_dim: 1\ninput_dim: 3\ninput_dim: 8\ninput_dim: 8\n'


def file_of(text: str, dialect: str = "bvlc") -> NetFile:
    return read(parse(text), dialect)


def plain(bound: Bound) -> dict[str, Any]:
    """A message as nested dictionaries; a repeated field is a list."""
    result: dict[str, Any] = {}
    for name, entries in bound.entries.items():
        values = [plain(entry.value) if isinstance(entry.value, Bound) else entry.value for entry in entries]
        result[name] = values if entries[0].type.repeated else values[-1]
    return result


def layer_of(text: str) -> dict[str, Any]:
    (layer,) = file_of(text).layers
    return plain(layer.bound)


V1 = {
    "the type": ("type: RELU", {"type": "ReLU"}),
    "a type by its number": ("type: 18", {"type": "ReLU"}),
    "names stay": ('name: "a" bottom: "b" top: "c"', {"name": "a", "bottom": ["b"], "top": ["c"]}),
    "rates": ("blobs_lr: 1 blobs_lr: 2", {"param": [{"lr_mult": 1.0}, {"lr_mult": 2.0}]}),
    "decays": ("weight_decay: 1 weight_decay: 0", {"param": [{"decay_mult": 1.0}, {"decay_mult": 0.0}]}),
    "lists of different lengths": (
        "blobs_lr: 1 weight_decay: 1 weight_decay: 0",
        {"param": [{"lr_mult": 1.0, "decay_mult": 1.0}, {"decay_mult": 0.0}]},
    ),
    "shared names": (
        'param: "w" blob_share_mode: PERMISSIVE blobs_lr: 3',
        {"param": [{"name": "w", "share_mode": "PERMISSIVE", "lr_mult": 3.0}]},
    ),
    "messages stay": (
        "type: CONVOLUTION convolution_param { num_output: 4 kernel_size: 3 }",
        {"type": "Convolution", "convolution_param": {"num_output": 4, "kernel_size": [3]}},
    ),
    "rules stay": ("include { phase: TEST }", {"include": [{"phase": "TEST"}]}),
    "transformation of a data layer": (
        'type: DATA data_param { source: "s" scale: 2 mirror: true crop_size: 7 mean_file: "m" }',
        {
            "type": "Data",
            "data_param": {"source": "s", "scale": 2.0, "mirror": True, "crop_size": 7, "mean_file": "m"},
            "transform_param": {"scale": 2.0, "mirror": True, "crop_size": 7, "mean_file": "m"},
        },
    ),
    "what data_param says replaces what transform_param says": (
        "type: DATA transform_param { scale: 1 crop_size: 3 } data_param { scale: 2 }",
        {"type": "Data", "data_param": {"scale": 2.0}, "transform_param": {"scale": 2.0, "crop_size": 3}},
    ),
    "no transformation elsewhere": (
        "type: HDF5_DATA data_param { scale: 2 }",
        {"type": "HDF5Data", "data_param": {"scale": 2.0}},
    ),
}


@pytest.mark.parametrize("case", V1)
def test_v1(case: str) -> None:
    body, wanted = V1[case]
    assert layer_of(f"layers {{ {body} }}") == wanted


def test_every_v1_type_is_one_that_bvlc_registers() -> None:
    schema = file_of("").schema
    assert set(schema.enums["V1LayerParameter.LayerType"].values) == set(V1_TYPES)
    assert set(V1_TYPES.values()) - {""} <= schema.layer_types


def test_in_a_v2_layer_the_old_data_fields_do_not_move() -> None:
    assert "transform_param" not in layer_of('layer { type: "Data" data_param { scale: 2 } }')


V0 = {
    "a convolution": (
        'name: "c" type: "conv" num_output: 4 kernelsize: 3 pad: 1 stride: 2 group: 2 biasterm: false '
        'weight_filler { type: "xavier" } blobs_lr: 1 weight_decay: 0',
        {
            "name": "c",
            "type": "Convolution",
            "param": [{"lr_mult": 1.0, "decay_mult": 0.0}],
            "convolution_param": {
                "num_output": 4, "kernel_size": [3], "pad": [1], "stride": [2], "group": 2, "bias_term": False,
                "weight_filler": {"type": "xavier"},
            },
        },
    ),
    "a pooling": (
        'type: "pool" pool: AVE kernelsize: 3 stride: 2',
        {"type": "Pooling", "pooling_param": {"pool": "AVE", "kernel_size": 3, "stride": 2}},
    ),
    "an inner product": (
        'type: "innerproduct" num_output: 10 bias_filler { value: 1 }',
        {"type": "InnerProduct", "inner_product_param": {"num_output": 10, "bias_filler": {"value": 1.0}}},
    ),
    "data": (
        'type: "data" source: "s" batchsize: 4 cropsize: 7 mirror: true scale: 2 meanfile: "m" rand_skip: 1',
        {
            "type": "Data",
            "data_param": {"source": "s", "batch_size": 4, "rand_skip": 1},
            "transform_param": {"crop_size": 7, "mirror": True, "scale": 2.0, "mean_file": "m"},
        },
    ),
    "images": (
        'type: "images" source: "s" shuffle_images: true new_height: 5 new_width: 6',
        {"type": "ImageData", "image_data_param": {"source": "s", "shuffle": True, "new_height": 5, "new_width": 6}},
    ),
    "windows": (
        'type: "window_data" det_fg_threshold: 0.5 det_crop_mode: "square" det_context_pad: 16',
        {"type": "WindowData", "window_data_param": {"fg_threshold": 0.5, "crop_mode": "square", "context_pad": 16}},
    ),
    "normalisation": (
        'type: "lrn" local_size: 5 alpha: 1 beta: 2',
        {"type": "LRN", "lrn_param": {"local_size": 5, "alpha": 1.0, "beta": 2.0}},
    ),
    "dropout": ('type: "dropout" dropout_ratio: 0.5', {"type": "Dropout", "dropout_param": {"dropout_ratio": 0.5}}),
    "concatenation": ('type: "concat" concat_dim: 1', {"type": "Concat", "concat_param": {"concat_dim": 1}}),
    "a field that the type has no use for is dropped": ('type: "relu" num_output: 4 pad: 1', {"type": "ReLU"}),
    "an unknown type stays": ('type: "nonsense"', {"type": "nonsense"}),
}  # fmt: skip


@pytest.mark.parametrize("case", V0)
def test_v0(case: str) -> None:
    body, wanted = V0[case]
    assert layer_of(f'layers {{ layer {{ {body} }} bottom: "b" top: "t" }}') == {
        "bottom": ["b"],
        "top": ["t"],
        **wanted,
    }


def test_every_v0_type_is_one_that_bvlc_registers() -> None:
    assert set(V0_TYPES.values()) <= file_of("").schema.layer_types


PADDED = """\
layers { layer { name: "pad" type: "padding" pad: 2 } bottom: "data" top: "padded" }
layers { layer { name: "c" type: "conv" num_output: 4 kernelsize: 5 } bottom: "padded" top: "c" }
layers { layer { name: "p" type: "pool" kernelsize: 2 stride: 2 } bottom: "c" top: "p" }
"""


def test_padding_goes_into_the_layer_that_reads_it() -> None:
    net = build(INPUT + PADDED)
    assert [node.type for node in net.nodes] == ["Input", "Convolution", "Pooling"]
    assert [node.layer.index for node in net.nodes] == [0, 1, 2]
    assert net.nodes[1].layer.bottoms == ("data",)
    assert net.nodes[1].param("convolution_param").all("pad") == [2]
    assert [node.tops[0].shape for node in net.nodes] == [(1, 3, 8, 8), (1, 4, 8, 8), (1, 4, 4, 4)]
    assert not net.problems


def test_findings_about_an_upgraded_layer_stand_at_what_was_written() -> None:
    text = '# old\nlayers { name: "c" type: CONVOLUTION blobs_lr: 1 blobs_lr: 2 weight_decay: 0 }\n'
    (layer,) = file_of(text).layers
    assert [text[slice(*layer.at(path))] for path in ("type", "param.lr_mult", "param.decay_mult")] == [
        "type: CONVOLUTION", "blobs_lr: 1", "weight_decay: 0"
    ]  # fmt: skip
    assert text[layer.at("param", 1)[0] :].startswith("blobs_lr: 2")


INPUTS = {
    "four sizes": (INPUT, {"data": (1, 3, 8, 8)}),
    "two inputs": (
        'input: "a"\ninput: "b"\n' + "".join(f"input_dim: {d}\n" for d in (1, 2, 3, 4, 5, 6, 7, 8)),
        {"a": (1, 2, 3, 4), "b": (5, 6, 7, 8)},
    ),
    "a list": ('input: "a"\ninput_dim: [1, 2, 3, 4]\n', {"a": (1, 2, 3, 4)}),
    "shapes": ('input: "a"\ninput_shape { dim: 5 dim: 6 }\n', {"a": (5, 6)}),
    "shapes win": (INPUT + "input_shape { dim: 5 }\n", {"data": (5,)}),
    "sizes above the name": ("input_dim: 1\n" * 4 + 'input: "a"\n', {"a": (1, 1, 1, 1)}),
    "too few sizes: unknown": ('input: "a"\ninput_dim: 1\ninput_dim: 3\n', {"a": None}),
    "no size: the name is dropped": ('input: "a"\n', {}),
    "in a V0 net shapes are dropped, and the inputs with them": (
        'input: "a"\ninput_shape { dim: 5 }\nlayers { layer { name: "r" type: "relu" } bottom: "a" top: "r" }\n',
        {"r": None},
    ),
}


@pytest.mark.parametrize("case", INPUTS)
def test_inputs(case: str) -> None:
    text, wanted = INPUTS[case]
    assert {blob.name: blob.shape for node in build(text).nodes for blob in node.tops} == wanted


@pytest.mark.parametrize("dialect", ["segnet", "bvlc-rc2", "c3d-1.0", "bvlc-v0.9999", "bvlc-v0.99"])
def test_inputs_of_dialects_without_an_input_layer(dialect: str) -> None:
    net = build(INPUT, dialect=dialect)
    assert [blob.shape for node in net.nodes for blob in node.tops] == [(1, 3, 8, 8)]
    assert not [problem for node in net.nodes for problem in node.setup.problems]


@pytest.mark.parametrize("dialect", ["bvlc", "bvlc-rc2", "bvlc-v0.9999"])
def test_dialects_from_before_v2_show_their_layers_in_v2_terms(dialect: str) -> None:
    body = 'name: "c" type: CONVOLUTION bottom: "data" top: "c" blobs_lr: 1'
    text = f"{INPUT}layers {{ {body} convolution_param {{ num_output: 4 kernel_size: 3 }} }}"
    node = build(text, dialect=dialect).nodes[1]
    assert (node.type, node.lr_mult(0), node.tops[0].shape) == ("Convolution", 1.0, (1, 4, 6, 6))


def test_the_layer_message_of_v0_99() -> None:
    text = 'layers { layer { name: "c" type: "conv" num_output: 4 kernelsize: 3 } bottom: "data" top: "c" }\n'
    node = build(INPUT + text, dialect="bvlc-v0.99").nodes[1]
    assert (node.type, node.layer.definition.version, node.tops[0].shape) == ("Convolution", 0, (1, 4, 6, 6))
