"""What each layer makes of its bottoms: shapes and parameter blobs, as a table of what Caffe makes of them."""

from __future__ import annotations

import contextlib

import pytest

from prototxt_grammar.tree import Field
from prototxt_net.file import LayerDef
from prototxt_net.layers import Context, LayerType, Refused, entry_of
from prototxt_net.layers.base import _ENTRIES
from prototxt_net.message import Bound
from prototxt_net.net import Node
from prototxt_net.schema.load import DIALECTS, schema
from prototxt_net.schema.model import Schema
from prototxt_net.shape import Shape, Sym, text


def one(net, shapes: str, layer: str, phase: str = "TRAIN", dialect: str = "bvlc") -> Node:
    """The node of a layer whose bottoms a, b, c have the given shapes ("2x3x8x8 2")."""
    inputs = "".join(
        f'layer {{ name: "in{i}" type: "Input" top: "{name}" input_param {{ shape {{ '
        + " ".join(f"dim: {dim}" for dim in shape.split("x") if dim != "scalar")
        + " } } } "
        for i, (name, shape) in enumerate(zip("abcd", shapes.split(), strict=False))
    )
    bottoms = " ".join(f'bottom: "{name}"' for name, _ in zip("abcd", shapes.split(), strict=False))
    return net(f'{inputs} layer {{ name: "l" {bottoms} {layer} }}', phase, dialect).nodes[-1]


SHAPES = [
    # type, bottoms, fields -> tops, parameter blobs
    ("Convolution", "2x3x8x8", "convolution_param { num_output: 4 kernel_size: 3 }", "2x4x6x6", "4x3x3x3 4"),
    ("Convolution", "2x3x8x8", "convolution_param { num_output: 4 kernel_size: 3 pad: 1 stride: 2 bias_term: false }",
     "2x4x4x4", "4x3x3x3"),
    ("Convolution", "2x4x9x7", "convolution_param { num_output: 6 kernel_h: 3 kernel_w: 1 group: 2 }",
     "2x6x7x7", "6x2x3x1 6"),
    ("Convolution", "1x3x9x9", "convolution_param { num_output: 2 kernel_size: 3 dilation: 2 }",
     "1x2x5x5", "2x3x3x3 2"),
    ("Convolution", "1x3x8x8", "convolution_param { num_output: 2 kernel_size: 11 stride: 4 }",
     "1x2x1x1", "2x3x11x11 2"),
    ("Convolution", "2x3x4x8x8", "convolution_param { num_output: 5 kernel_size: 3 }", "2x5x2x6x6", "5x3x3x3x3 5"),
    ("Convolution", "2x10", "convolution_param { num_output: 4 kernel_size: 3 }", "2x4", "4x10 4"),
    ("Deconvolution", "1x4x5x5", "convolution_param { num_output: 6 kernel_size: 4 stride: 2 pad: 1 group: 2 }",
     "1x6x10x10", "4x3x4x4 6"),
    ("Im2col", "1x3x8x8", "convolution_param { kernel_size: 3 }", "1x27x6x6", ""),
    ("InnerProduct", "2x3x4x4", "inner_product_param { num_output: 5 }", "2x5", "5x48 5"),
    ("InnerProduct", "2x3x4", "inner_product_param { num_output: 5 axis: 2 transpose: true }", "2x3x5", "4x5 5"),
    ("Embed", "3x2", "embed_param { num_output: 5 input_dim: 9 }", "3x2x5", "9x5 5"),
    ("Pooling", "1x2x7x7", "pooling_param { kernel_size: 3 stride: 2 }", "1x2x3x3", ""),
    ("Pooling", "1x2x8x8", "pooling_param { kernel_size: 3 stride: 2 }", "1x2x4x4", ""),  # rounds up
    ("Pooling", "1x2x8x8", "pooling_param { kernel_size: 3 stride: 2 round_mode: FLOOR }", "1x2x3x3", ""),
    ("Pooling", "1x2x4x4", "pooling_param { kernel_size: 2 stride: 2 pad: 1 }", "1x2x3x3", ""),
    ("Pooling", "1x2x5x9", "pooling_param { global_pooling: true }", "1x2x1x1", ""),
    ("BatchNorm", "2x3x4x4", "", "2x3x4x4", "3 3 1"),
    ("Scale", "2x3x4x4", "", "2x3x4x4", "3"),
    ("Scale", "2x3x4x4", "scale_param { bias_term: true }", "2x3x4x4", "3 3"),
    ("Scale", "2x3x4x4", "scale_param { axis: 1 num_axes: -1 }", "2x3x4x4", "3x4x4"),
    ("Scale", "2x3x4x4", "scale_param { num_axes: 0 }", "2x3x4x4", "scalar"),
    ("Scale", "2x3x4x4 2x3", "scale_param { axis: 0 bias_term: true }", "2x3x4x4", "2x3"),
    ("Bias", "2x3x4x4", "", "2x3x4x4", "3"),
    ("PReLU", "2x3x4x4", "", "2x3x4x4", "3"),
    ("PReLU", "2x3x4x4", "prelu_param { channel_shared: true }", "2x3x4x4", "scalar"),
    ("MVN", "2x3", "", "2x3x1x1", ""),
    ("LRN", "2x3x4x4", "", "2x3x4x4", ""),
    ("Eltwise", "2x3 2x3", "", "2x3", ""),
    ("Concat", "2x3x4 2x5x4", "", "2x8x4", ""),
    ("Concat", "2x3x4 2x3x6", "concat_param { axis: -1 }", "2x3x10", ""),
    ("Slice", "2x6x4", 'top: "u" top: "v" slice_param { slice_point: 1 slice_point: 4 }', "2x1x4 2x3x4 2x2x4", ""),
    ("Slice", "2x6x4", 'top: "u"', "2x3x4 2x3x4", ""),
    ("Crop", "1x3x8x8 1x5x6x4", "crop_param { offset: 2 }", "1x3x6x4", ""),
    ("Flatten", "2x3x4x5", "", "2x60", ""),
    ("Flatten", "2x3x4x5", "flatten_param { axis: 1 end_axis: -2 }", "2x12x5", ""),
    ("Reshape", "2x8x3", "reshape_param { shape { dim: 0 dim: -1 dim: 4 } }", "2x6x4", ""),
    ("Reshape", "2x8x3", "reshape_param { axis: 1 num_axes: 1 shape { dim: 2 dim: 4 } }", "2x2x4x3", ""),
    ("Reshape", "2x8", "reshape_param { axis: -1 shape { dim: 1 dim: 1 } }", "2x8x1x1", ""),
    ("Tile", "2x3", "tile_param { axis: 1 tiles: 4 }", "2x12", ""),
    ("Reduction", "2x3x4", "reduction_param { axis: 1 }", "2", ""),
    ("Reduction", "2x3x4", "", "scalar", ""),
    ("ArgMax", "2x3x4x4", "argmax_param { axis: 1 }", "2x1x4x4", ""),
    ("ArgMax", "2x9", "argmax_param { top_k: 3 out_max_val: true }", "2x2x3", ""),
    ("Softmax", "2x3x4x4", "", "2x3x4x4", ""),
    ("SPP", "1x2x8x8", "spp_param { pyramid_height: 3 }", "1x42", ""),
    ("BatchReindex", "5x3 2", "", "2x3", ""),
    ("Filter", "5x3 5", "", "5x3", ""),
    ("SoftmaxWithLoss", "2x5x3x3 2x1x3x3", "", "scalar", ""),
    ("EuclideanLoss", "2x5 2x5", "", "scalar", ""),
    ("Accuracy", "2x5 2", 'top: "each"', "scalar 5", ""),
    ("LSTM", "4x2x7 4x2", "recurrent_param { num_output: 3 }", "4x2x3", "12x7 12 12x3"),
    ("LSTM", "4x2x7 4x2 2x5", "recurrent_param { num_output: 3 }", "4x2x3", "12x7 12 12x5 12x3"),
    ("RNN", "4x2x7 4x2", "recurrent_param { num_output: 3 }", "4x2x3", "3x7 3 3x3 3x3 3"),
    ("Data", "", 'top: "label" data_param { source: "images" batch_size: 4 } transform_param { crop_size: 27 }',
     "4x?x27x27 4", ""),
    ("ImageData", "",
     'top: "label" image_data_param { source: "list" batch_size: 4 new_height: 9 new_width: 7 is_color: false }',
     "4x1x9x7 4", ""),
    ("DummyData", "", 'top: "u" dummy_data_param { num: 2 num: 3 channels: 4 height: 5 width: 6 }',
     "2x4x5x6 3x4x5x6", ""),
    ("MemoryData", "", 'top: "u" memory_data_param { batch_size: 2 channels: 3 height: 4 width: 5 }', "2x3x4x5 2", ""),
    ("Parameter", "", "parameter_param { shape { dim: 2 dim: 3 } }", "2x3", "2x3"),
]  # fmt: skip


@pytest.mark.parametrize(("type_", "bottoms", "fields", "tops", "blobs"), SHAPES)
def test_shapes(net, type_: str, bottoms: str, fields: str, tops: str, blobs: str) -> None:
    node = one(net, bottoms, f'top: "y" type: "{type_}" {fields}')
    assert [p.message for p in node.setup.problems if p.aborts] == []
    assert " ".join(text(shape) for shape in node.setup.tops) == tops
    assert " ".join(text(blob.shape) for blob in node.setup.params) == blobs


# dialect -> roles of the blobs of BatchNorm over 3 channels, and the learning rates in force without `param`
BATCH_NORMS = [
    ("bvlc", "", "mean variance factor", [0, 0, 0]),
    ("ssd", "", "mean variance factor", [0, 0, 0]),
    ("pspnet", "", "mean variance factor", [1, 1, 1]),
    ("nvidia-0.14", "", "gamma beta spare mean variance", [1, 1, 1, 1, 1]),
    ("nvidia-0.15", "", "gamma beta mean variance spare", [1, 1, 1, 1, 1]),
    ("nvidia-0.16", "", "mean variance factor", [0, 0, 0]),
    ("nvidia-0.17", "batch_norm_param { scale_bias: true }", "mean variance factor gamma beta", [0, 0, 0, 1, 1]),
    ("nvidia-0.17", "batch_norm_param { bias_filler { } }", "mean variance factor gamma beta", [0, 0, 0, 1, 1]),
    ("intel", "", "mean variance factor", [1, 1, 1]),
]


@pytest.mark.parametrize(("dialect", "fields", "roles", "rates"), BATCH_NORMS)
def test_batch_norm_differs_by_dialect(net, dialect: str, fields: str, roles: str, rates: list[float]) -> None:
    node = net(
        'input: "a" input_dim: 2 input_dim: 3 input_dim: 4 input_dim: 4 '
        f'layer {{ name: "l" type: "BatchNorm" bottom: "a" top: "y" {fields} }}',
        dialect=dialect,
    ).nodes[-1]
    assert " ".join(blob.role for blob in node.setup.params) == roles
    assert [node.lr_mult(i) for i in range(len(node.setup.params))] == rates


@pytest.mark.parametrize(("dialect", "default"), [("nvidia-0.15", 0.0), ("nvidia-0.17", 1.0)])
def test_gamma_starts_where_the_fork_starts_it(net, dialect: str, default: float) -> None:
    scale = "batch_norm_param { scale_bias: true }" if dialect == "nvidia-0.17" else ""
    node = one(net, "2x3x4x4", f'type: "BatchNorm" top: "y" {scale}', dialect=dialect)
    gamma = next(blob for blob in node.setup.params if blob.role == "gamma")
    assert gamma.default == default
    assert gamma.filler == "batch_norm_param.scale_filler"


def test_three_param_blocks_of_batch_norm_are_rewritten_to_zero(net) -> None:
    block = "param { lr_mult: 1 } "
    node = one(net, "2x3x4x4", f'type: "BatchNorm" top: "y" {block * 3}')
    assert [(node.lr_mult(i), node.decay_mult(i)) for i in range(3)] == [(0, 0)] * 3


MACS = [
    ("Convolution", "2x4x8x8", "convolution_param { num_output: 6 kernel_size: 3 group: 2 }", 2 * 6 * 36 * 2 * 9),
    ("Deconvolution", "2x4x5x5", "convolution_param { num_output: 6 kernel_size: 2 stride: 2 }", 2 * 25 * 4 * 6 * 4),
    ("InnerProduct", "2x3x4x4", "inner_product_param { num_output: 5 }", 2 * 48 * 5),
    ("LSTM", "4x2x7 4x2", "recurrent_param { num_output: 3 }", 4 * 2 * 12 * (7 + 3)),
    ("Pooling", "1x2x8x8", "pooling_param { kernel_size: 2 }", 0),
]


@pytest.mark.parametrize(("type_", "bottoms", "fields", "macs"), MACS)
def test_multiply_accumulates(net, type_: str, bottoms: str, fields: str, macs: int) -> None:
    assert one(net, bottoms, f'top: "y" type: "{type_}" {fields}').setup.macs == macs


def test_unknown_sizes_stay_comparable(net) -> None:
    """Two paths over images of unknown size meet again: nobody can say that they differ, so nobody does."""
    built = net("""
layer { name: "d" type: "Data" top: "data" top: "label" data_param { source: "images" batch_size: 2 } }
layer { name: "a" type: "Convolution" bottom: "data" top: "a"
        convolution_param { num_output: 4 kernel_size: 3 pad: 1 } }
layer { name: "b" type: "Convolution" bottom: "data" top: "b" convolution_param { num_output: 4 kernel_size: 1 } }
layer { name: "s" type: "Eltwise" bottom: "a" bottom: "b" top: "s" }
layer { name: "g" type: "Pooling" bottom: "s" top: "g" pooling_param { pool: AVE global_pooling: true } }
layer { name: "f" type: "InnerProduct" bottom: "g" top: "f" inner_product_param { num_output: 3 } }
""")
    by_name = {node.name: node for node in built.nodes}
    assert by_name["a"].setup.tops == by_name["b"].setup.tops
    assert by_name["s"].setup.tops[0] == (2, 4, Sym("data.H"), Sym("data.W"))
    assert by_name["f"].setup.params[0].shape == (3, 4)
    assert [p.message for node in built.nodes for p in node.setup.problems] == []


def test_a_given_shape_replaces_what_no_text_tells(net) -> None:
    built = net(
        'layer { name: "d" type: "Data" top: "data" top: "label" data_param { batch_size: 2 } } '
        'layer { name: "f" type: "InnerProduct" bottom: "data" top: "f" inner_product_param { num_output: 3 } }',
        shapes={"data": (2, 3, 4, 4)},
    )
    assert built.nodes[-1].setup.params[0].shape == (3, 48)


def test_an_unknown_number_of_axes_is_never_an_error(net) -> None:
    built = net("""
layer { name: "h" type: "HDF5Data" top: "x" top: "y" hdf5_data_param { source: "list" batch_size: 2 } }
layer { name: "c" type: "Convolution" bottom: "x" top: "c" convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "p" type: "Pooling" bottom: "c" top: "p" pooling_param { kernel_size: 2 } }
layer { name: "b" type: "BatchNorm" bottom: "p" top: "b" }
layer { name: "n" type: "Scale" bottom: "b" top: "n" scale_param { bias_term: true } }
layer { name: "r" type: "Reshape" bottom: "n" top: "r" reshape_param { shape { dim: 0 dim: -1 } } }
layer { name: "t" type: "Concat" bottom: "r" bottom: "y" top: "t" }
layer { name: "f" type: "InnerProduct" bottom: "t" top: "f" inner_product_param { num_output: 3 } }
layer { name: "l" type: "SoftmaxWithLoss" bottom: "f" bottom: "y" top: "l" }
layer { name: "a" type: "Accuracy" bottom: "f" bottom: "y" top: "a" }
""")
    assert [p.message for node in built.nodes for p in node.setup.problems] == []
    assert built.nodes[-1].setup.tops == ((),)


@pytest.mark.parametrize("type_", sorted({type_ for type_, _ in _ENTRIES}))
def test_every_entry_says_what_it_computes(type_: str) -> None:
    for (name, _), entry in _ENTRIES.items():
        if name == type_:
            assert len(entry.summary) > 20
            assert entry.summary.endswith(".")


def test_every_layer_of_bvlc_has_an_entry() -> None:
    assert [type_ for type_ in sorted(schema("bvlc").layer_types) if entry_of(type_, "bvlc") is None] == []


BOTTOMS: list[tuple[Shape | None, ...]] = [
    (),
    ((2, 4, 6, 6),),
    ((2, 4, 6, 6), (2,)),
    ((2, 4, 6, 6), (2, 4, 6, 6)),
    ((5, 2, 4), (5, 2), (2, 4)),
    ((2, 8), (2, 8), (1, 2, 32), (1, 1, 3, 8)),
    ((),),
    ((), ()),
    ((0, 4, 0, 6), (0,)),
    ((2, 4, 6, 6, 6), (2,)),
    (None, None, None),
    ((Sym("n"), Sym("c"), Sym("h"), Sym("w")), (Sym("n"),)),
    ((Sym("n"), 4, Sym("h"), Sym("w")), (Sym("n"), 4, Sym("h"), Sym("w")), None),
]


def set_up(entry: LayerType, bound: Bound, bottoms: tuple[Shape | None, ...], dialect: str) -> set[str]:
    """Set an entry up alone; the names of the messages that it asked for."""
    asked: set[str] = set()

    class Spy(Context):
        def param(self, name: str) -> Bound:
            asked.add(name)
            return super().param(name)

    node = Field("layer", 0, 5, -1, None, 5)
    definition = LayerDef(node, bound, "l", "", tuple("abcd"[: len(bottoms)]), ("y", "z"), 2)
    s = Spy(definition, bottoms, dialect)
    entry.in_place_verdict(definition)
    entry.backward_reads_top(definition)
    entry.bottom_count(definition)
    entry.top_count(definition)
    with contextlib.suppress(Refused):
        entry.set_up(s)
    s.result(2)
    return asked


@pytest.mark.parametrize("dialect", DIALECTS)
def test_no_entry_stumbles_over_what_a_dialect_lacks(dialect: str) -> None:
    """Messages and fields that a fork does not have are read as absent, whatever the bottoms: nothing is raised."""
    known = schema(dialect)
    empty = Bound(known.messages["LayerParameter"], known, {}, None)
    for (type_, only), entry in _ENTRIES.items():
        if not only or only == dialect:
            for bottoms in BOTTOMS:
                assert isinstance(set_up(entry, empty, bottoms, dialect), set), type_


VALUES = {"string": '"x"', "bytes": '"x"', "bool": "true", "float": "0.5", "double": "0.5"}


def written(name: str, known: Schema, number: int) -> list[str]:
    """Texts of a layer's message with one field each, then with the same field twice where it may repeat."""
    texts = []
    message = known.messages[known.messages["LayerParameter"].fields[name].type_name]
    for field in message.fields.values():
        value = VALUES.get(field.kind, str(number))
        if field.kind == "enum":
            value = list(known.enums[field.type_name].values)[-1]
        item = f"{field.name} {{ }}" if field.kind == "message" else f"{field.name}: {value}"
        texts.append(f"{name} {{ {item} }}")
        if field.repeated:
            texts.append(f"{name} {{ {item} {item} }}")
    return texts


@pytest.mark.parametrize("number", [0, 1, 3, 70000])
@pytest.mark.parametrize(
    "dialect", ["bvlc", "ssd", "intel", "segnet", "pspnet", "mobilenet-yolo", "rtpose", "synopsys"]
)
def test_no_entry_stumbles_over_a_value(net, dialect: str, number: int) -> None:
    """Every field of every message that an entry reads, alone, with small and large numbers: nothing is raised."""
    known = schema(dialect)
    layer = known.messages["LayerParameter"]
    nothing = Bound(layer, known, {}, None)
    for (type_, only), entry in _ENTRIES.items():
        if only and only != dialect:
            continue
        asked = {name for bottoms in BOTTOMS for name in set_up(entry, nothing, bottoms, dialect)}
        for name in sorted(asked & set(layer.fields)):
            for block in written(name, known, number):
                bound = net(f'layer {{ name: "l" {block} }}', dialect=dialect).file.layers[0].bound
                for bottoms in BOTTOMS:
                    assert isinstance(set_up(entry, bound, bottoms, dialect), set), (type_, block)


@pytest.mark.parametrize(
    ("dialect", "field", "size"),
    [
        ("synopsys", "", 4),
        ("synopsys", "ceil_mode: false", 3),
        ("synopsys", "round_mode: FLOOR", 4),  # in its schema, and read by nobody
        ("synopsys", "pad_t: 1", None),
        ("bvlc", "round_mode: FLOOR", 3),
    ],
)
def test_which_pooling_rounds_down(net, dialect: str, field: str, size: int | None) -> None:
    built = net(
        'layer { name: "d" type: "Input" top: "d" input_param { shape { dim: 1 dim: 2 dim: 8 dim: 8 } } }\n'
        'layer { name: "p" type: "Pooling" bottom: "d" top: "p"\n'
        f"  pooling_param {{ kernel_size: 3 stride: 2 {field} }} }}\n",
        dialect=dialect,
    )
    assert built.nodes[1].tops[0].shape == (None if size is None else (1, 2, size, size))
