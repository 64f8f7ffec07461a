"""What Caffe's layers refuse at set-up: one row for each CHECK, with the rule's code and the place that is marked."""

from __future__ import annotations

import pytest

from prototxt_net.finding import Problem
from prototxt_net.layers import entry_of


def problems(net, shapes: str, layer: str, dialect: str = "bvlc") -> list[tuple[Problem, str]]:
    """The set-up problems of a layer with bottoms a, b, c of the given shapes, each with the text it marks."""
    names = [name for name, _ in zip("abcd", shapes.split(), strict=False)]
    inputs = "".join(
        f'layer {{ name: "in" type: "Input" top: "{name}" input_param {{ shape {{ '
        + " ".join(f"dim: {dim}" for dim in shape.split("x") if dim != "scalar")
        + " } } }\n"
        for name, shape in zip(names, shapes.split(), strict=False)
    )
    bottoms = " ".join(f'bottom: "{name}"' for name in names)
    top = "" if "top:" in layer else 'top: "y" '
    text = f'{inputs}layer {{\n  name: "l" {bottoms} {top}{layer} }}\n'
    node = net(text, dialect=dialect).nodes[-1]
    return [(p, text[node.layer.base + p.start : node.layer.base + p.end]) for p in node.setup.problems]


REFUSED = [
    # type, bottoms, fields, code, marked text
    ("Convolution", "2x3x8x8", "convolution_param { num_output: 4 }", "SHP003", "convolution_param"),
    ("Convolution", "2x3x8x8", "convolution_param { num_output: 4 kernel_h: 3 }", "SHP003", "kernel_h: 3"),
    ("Convolution", "2x3x8x8", "convolution_param { num_output: 4 kernel_size: 3 kernel_h: 3 kernel_w: 3 }",
     "SHP003", "kernel_size: 3"),
    ("Convolution", "2x3x4x8x8", "convolution_param { num_output: 4 kernel_h: 3 kernel_w: 3 }",
     "SHP003", "kernel_h: 3"),
    ("Convolution", "2x3x8x8", "convolution_param { num_output: 4 kernel_size: 3 kernel_size: 3 kernel_size: 3 }",
     "SHP003", "kernel_size: 3"),
    ("Convolution", "2x3x8x8", "convolution_param { num_output: 4 kernel_size: 3 stride: 0 }", "SHP004", "stride: 0"),
    ("Convolution", "2x3x8x8", "convolution_param { num_output: 4 kernel_size: 3 stride_h: 2 }",
     "SHP004", "stride_h: 2"),
    ("Convolution", "2x3x8x8", "convolution_param { num_output: 4 kernel_size: 3 pad: 1 pad_h: 1 }",
     "SHP004", "pad: 1"),
    ("Convolution", "2x3x8x8", "convolution_param { kernel_size: 3 }", "SHP005", "convolution_param"),
    ("Convolution", "2x3x8x8", "convolution_param { num_output: 4 kernel_size: 3 group: 2 }", "SHP006", "group: 2"),
    ("Convolution", "2x4x8x8", "convolution_param { num_output: 3 kernel_size: 3 group: 2 }", "SHP006", "group: 2"),
    ("Convolution", "2x4x8x8", "convolution_param { num_output: 4 kernel_size: 3 group: 0 }", "SHP006", "group: 0"),
    ("Convolution", "2x3x2x2", "convolution_param { num_output: 4 kernel_size: 5 }", "SHP007", "kernel_size: 5"),
    ("Convolution", "2x3x4x4", "convolution_param { num_output: 4 kernel_size: 5 }", "SHP007", "kernel_size: 5"),
    ("Convolution", "2x3x8x8", "convolution_param { num_output: 4 kernel_size: 3 axis: 4 }", "SHP008", "axis: 4"),
    ("Convolution", "2x3x8x8", "convolution_param { num_output: 4 kernel_size: 3 dilation: 2 engine: CUDNN }",
     "SHP009", "engine: CUDNN"),
    ("Convolution", "2x3x8x8 2x3x9x9", 'top: "u" top: "v" convolution_param { num_output: 4 kernel_size: 3 }',
     "SHP013", 'bottom: "b"'),
    ("InnerProduct", "2x3", "inner_product_param { }", "SHP005", "inner_product_param"),
    ("InnerProduct", "0x3", "inner_product_param { num_output: 2 }", "SHP007", 'bottom: "a"'),
    ("BatchNorm", "2x3x0", "", "SHP007", 'bottom: "a"'),
    ("InnerProduct", "2x3", "inner_product_param { num_output: 2 axis: 2 }", "SHP008", "axis: 2"),
    ("Embed", "2", "embed_param { num_output: 2 }", "SHP024", "embed_param"),
    ("Pooling", "2x3x8x8", "", "SHP010", 'name: "l"'),
    ("Pooling", "2x3x8x8", "pooling_param { kernel_h: 2 }", "SHP010", "pooling_param"),
    ("Pooling", "2x3x8x8", "pooling_param { kernel_size: 2 kernel_h: 2 kernel_w: 2 }", "SHP010", "kernel_size: 2"),
    ("Pooling", "2x3x8x8", "pooling_param { kernel_size: 2 global_pooling: true }", "SHP010", "kernel_size: 2"),
    ("Pooling", "2x3x8x8", "pooling_param { global_pooling: true stride: 2 }", "SHP010", "stride: 2"),
    ("Pooling", "2x3x8x8", "pooling_param { kernel_size: 2 pad: 2 }", "SHP010", "pad: 2"),
    ("Pooling", "2x3x8x8", "pooling_param { pool: STOCHASTIC kernel_size: 3 pad: 1 }", "SHP010", "pad: 1"),
    ("Pooling", "2x3x8x8", "pooling_param { kernel_size: 3 stride: 2 stride_h: 2 }", "SHP010", "stride_h: 2"),
    ("Pooling", "2x3x8", "pooling_param { kernel_size: 2 }", "SHP010", 'bottom: "a"'),
    ("Pooling", "2x3x8x8", "pooling_param { kernel_size: 2 stride: 0 }", "SHP004", "stride: 0"),
    ("Pooling", "2x3x2x2", "pooling_param { kernel_size: 5 }", "SHP007", "kernel_size: 5"),
    ("Pooling", "2x3x8x8", 'top: "u" top: "v" pooling_param { pool: AVE kernel_size: 2 }', "SHP002", 'top: "u"'),
    ("Concat", "2x3x4 2x3x5", "", "SHP012", 'bottom: "b"'),
    ("Concat", "2x3 2x3x1", "", "SHP012", 'bottom: "b"'),
    ("Concat", "2x3 2x3", "concat_param { axis: 1 concat_dim: 1 }", "SHP012", "concat_dim: 1"),
    ("Eltwise", "2x3x8x8 2x3x4x4", "", "SHP013", 'bottom: "b"'),
    ("Eltwise", "2x3 2x3", "eltwise_param { coeff: 1 }", "SHP014", "coeff: 1"),
    ("Eltwise", "2x3 2x3", "eltwise_param { operation: PROD coeff: 1 coeff: 1 }", "SHP014", "coeff: 1"),
    ("Slice", "2x5", 'top: "u" top: "v"', "SHP015", 'top: "u"'),
    ("Slice", "2x5", 'top: "u" top: "v" slice_param { slice_point: 6 }', "SHP015", "slice_point: 6"),
    ("Slice", "2x5", 'top: "u" top: "v" top: "w" slice_param { slice_point: 3 slice_point: 2 }',
     "SHP015", "slice_point: 3"),
    ("Reshape", "2x5", "reshape_param { shape { dim: -1 dim: -1 } }", "SHP016", "dim: -1"),
    ("Reshape", "2x5", "reshape_param { shape { dim: 3 dim: -1 } }", "SHP016", "dim: 3"),
    ("Reshape", "2x5", "reshape_param { shape { dim: 3 dim: 3 } }", "SHP016", "dim: 3"),
    ("Reshape", "2x5", "reshape_param { shape { dim: 2 dim: 5 dim: 0 } }", "SHP016", "dim: 2"),
    ("Crop", "1x3x4x4 1x3x5x5", "", "SHP017", 'name: "l"'),
    ("Crop", "1x3x8x8 1x3x5x5", "crop_param { offset: 4 }", "SHP017", "offset: 4"),
    ("Crop", "1x3x8x8 1x3x5x5", "crop_param { offset: 1 offset: 1 offset: 1 }", "SHP017", "offset: 1"),
    ("LRN", "2x3x4x4", "lrn_param { local_size: 4 }", "SHP018", "local_size: 4"),
    ("LRN", "2x3", "", "SHP018", 'bottom: "a"'),
    ("Scale", "2x3", "scale_param { axis: 1 num_axes: 2 }", "SHP019", "num_axes: 2"),
    ("Scale", "2x3x4x4 2x3", "", "SHP019", 'bottom: "b"'),
    ("Bias", "2x3", "bias_param { num_axes: -2 }", "SHP019", "num_axes: -2"),
    ("SoftmaxWithLoss", "2x5 3", "", "SHP020", 'bottom: "b"'),
    ("SoftmaxWithLoss", "2x5x4x4 2", "", "SHP020", 'bottom: "b"'),
    ("SoftmaxWithLoss", "2x5 2", 'top: "u" top: "v"', "SHP002", 'top: "u"'),
    ("Softmax", "2x5", "softmax_param { axis: 2 }", "LOS010", "axis: 2"),
    ("Accuracy", "2x5 3", "", "SHP021", 'bottom: "b"'),
    ("Accuracy", "2x5 2", "accuracy_param { top_k: 6 }", "SHP021", "top_k: 6"),
    ("EuclideanLoss", "2x5 2x4", "", "SHP022", 'bottom: "b"'),
    ("SigmoidCrossEntropyLoss", "2x5 2", "", "SHP022", 'bottom: "b"'),
    ("ContrastiveLoss", "2x5 2x4 2", "", "SHP022", 'bottom: "b"'),
    ("MultinomialLogisticLoss", "2x5 2x5", "", "SHP022", 'bottom: "b"'),
    ("InfogainLoss", "2x5 2", "", "SHP022", 'name: "l"'),
    ("InfogainLoss", "2x5 2 1x1x5x4", "", "SHP022", 'bottom: "c"'),
    ("InfogainLoss", "2x5 2 1x1x5x5", "loss_param { normalize: true }", "LOS006", "normalize: true"),
    ("PReLU", "2", "", "SHP024", 'bottom: "a"'),
    ("PReLU", "2x3x4x4x4", "", "SHP024", 'bottom: "a"'),
    ("ArgMax", "2x5", "argmax_param { top_k: 6 }", "SHP024", "top_k: 6"),
    ("Tile", "2x5", "", "SHP024", 'name: "l"'),
    ("Exp", "2", "exp_param { base: 0 }", "SHP024", "base: 0"),
    ("Log", "2", "log_param { base: 1 }", "SHP024", "base: 1"),
    ("Filter", "5x3 4", "", "SHP024", 'bottom: "a"'),
    ("LSTM", "4x2x7 4x3", "recurrent_param { num_output: 3 }", "SHP024", 'bottom: "b"'),
    ("LSTM", "4x2x7 4x2", "", "SHP005", 'name: "l"'),
    ("LSTM", "4x2 4x2", "recurrent_param { num_output: 3 }", "SHP024", 'bottom: "a"'),
    ("LSTM", "0x2x7 0x2", "recurrent_param { num_output: 3 }", "SHP024", 'bottom: "a"'),
    ("RNN", "4x2x7 4x2 2", "recurrent_param { num_output: 3 }", "SHP024", 'bottom: "c"'),
    ("SPP", "2x3x8x8", "", "SHP010", 'name: "l"'),
    ("ArgMax", "scalar", "", "SHP024", 'bottom: "a"'),
    ("Filter", "scalar 2x3 2", 'top: "u" top: "v"', "SHP024", 'bottom: "a"'),
    ("Flatten", "2x3", "flatten_param { axis: 2 }", "SHP008", "axis: 2"),
    ("BatchNorm", "3", "", "BN037", 'bottom: "a"'),
    ("BatchNorm", "2x3", "param { }", "BN001", "param"),
    ("BatchNorm", "2x3", "param { lr_mult: 0 } param { lr_mult: 2 }", "BN001", "lr_mult: 2"),
    ("BatchNorm", "2x3", "param { lr_mult: 0 } param { lr_mult: 0 } param { lr_mult: 0 } param { lr_mult: 0 }",
     "BN005", "param"),
    ("Convolution", "2x3x8x8", 'convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "glorot" } }',
     "INI007", 'type: "glorot"'),
    ("Convolution", "2x3x8x8",
     'convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" sparse: 2 } }',
     "INI008", "sparse: 2"),
    ("InnerProduct", "2x3", 'inner_product_param { num_output: 4 weight_filler { type: "gaussian" std: 0 } }',
     "INI013", "std: 0"),
    ("InnerProduct", "2x3", 'inner_product_param { num_output: 4 weight_filler { type: "gaussian" sparse: 5 } }',
     "INI013", "sparse: 5"),
    ("RNN", "4x2x7 4x2", 'recurrent_param { num_output: 3 bias_filler { type: "uniform" max: -1 } }',
     "INI013", "max: -1"),
    ("Convolution", "2x3x8x8",
     'convolution_param { num_output: 4 kernel_h: 3 kernel_w: 1 weight_filler { type: "bilinear" } }',
     "INI006", 'type: "bilinear"'),
    ("InnerProduct", "2x3", 'inner_product_param { num_output: 4 weight_filler { type: "bilinear" } }',
     "INI006", 'type: "bilinear"'),
    ("Scale", "2x3", 'scale_param { bias_term: true bias_filler { type: "ones" } }', "INI007", 'type: "ones"'),
    ("Input", "", 'top: "u" top: "v" input_param { shape { dim: 1 } shape { dim: 1 } shape { dim: 1 } }',
     "SHP023", "shape"),
    ("Input", "", "input_param { shape { dim: -1 } }", "SHP007", 'name: "l"'),
    ("Input", "", "input_param { shape { dim: 65536 dim: 65536 } }", "SHP007", 'name: "l"'),
    ("DummyData", "", "dummy_data_param { }", "SHP023", "dummy_data_param"),
    ("DummyData", "", "dummy_data_param { shape { dim: 2 } num: 2 }", "SHP023", "shape"),
    ("DummyData", "", 'dummy_data_param { shape { dim: 2 } data_filler { type: "noise" } }', "INI007", 'type: "noise"'),
    ("Data", "", 'data_param { source: "s" batch_size: 2 } transform_param { mean_file: "m" mean_value: 104 }',
     "DAT002", "mean_value: 104"),
    ("ImageData", "",
     'top: "u" top: "v" image_data_param { source: "s" batch_size: 2 } transform_param { mean_value: 1 mean_value: 2 }',
     "DAT003", "mean_value: 1"),
    ("ImageData", "", 'top: "u" top: "v" image_data_param { source: "s" batch_size: 0 }', "DAT007", "batch_size: 0"),
    ("MemoryData", "", 'top: "u" top: "v" memory_data_param { batch_size: 2 }', "DAT007", "memory_data_param"),
    ("ImageData", "", 'top: "u" top: "v" image_data_param { source: "s" batch_size: 2 new_height: 9 }',
     "DAT008", "new_height: 9"),
    ("ImageData", "", 'top: "u" top: "v" image_data_param { source: "s" batch_size: 2 new_height: 9 new_width: 9 } '
     "transform_param { crop_size: 10 }", "DAT009", "crop_size: 10"),
    ("HDF5Data", "", 'hdf5_data_param { source: "s" batch_size: 2 } transform_param { scale: 2 }',
     "DAT010", "transform_param"),
    ("Data", "", 'data_param { source: "s" batch_size: 0 }', "DAT007", "batch_size: 0"),
    ("Data", "", 'data_param { source: "" batch_size: 2 }', "DAT014", 'source: ""'),
    ("HDF5Data", "", "hdf5_data_param { batch_size: 2 }", "DAT014", "hdf5_data_param"),
    ("WindowData", "", 'top: "u" top: "v" window_data_param { batch_size: 2 } transform_param { crop_size: 9 }',
     "DAT014", "window_data_param"),
]  # fmt: skip


@pytest.mark.parametrize(("type_", "bottoms", "fields", "code", "marked"), REFUSED)
def test_refused_by_caffe(net, type_: str, bottoms: str, fields: str, code: str, marked: str) -> None:
    found = problems(net, bottoms, f'type: "{type_}" {fields}')
    assert [(p.code, p.aborts, mark) for p, mark in found] == [(code, True, marked)]
    assert "'l'" in found[0][0].message


ACCEPTED = [
    # Caffe loads it; code and severity of what we say all the same
    ("Convolution", "2x3x4x4", "convolution_param { num_output: 4 kernel_size: 5 bias_term: false }", "SHP007 warning"),
    ("Convolution", "2x3x8x8", "convolution_param { num_output: 4 kernel_size: 11 stride: 4 }", "SHP007 warning"),
    ("Convolution", "2x3x8x8", "convolution_param { num_output: 4 kernel_size: 3 pad_h: 1 }", ""),
    ("Convolution", "2x3x8x8", "convolution_param { num_output: 4 kernel_size: 3 dilation: 2 engine: CAFFE }", ""),
    ("Convolution", "0x3x8x8", "convolution_param { num_output: 4 kernel_size: 3 }", ""),
    ("Convolution", "2x3x8x8",
     'convolution_param { num_output: 4 kernel_size: 3 bias_term: false bias_filler { type: "none such" } }', ""),
    ("InnerProduct", "0x3", "inner_product_param { num_output: 2 bias_term: false }", ""),
    ("Data", "", 'data_param { source: "s" batch_size: 2 }', ""),
    ("Pooling", "2x3x8x8", "pooling_param { kernel_size: 2 kernel_h: 3 }", "SHP010 warning"),
    ("Eltwise", "2x3 2x3", "eltwise_param { operation: MAX coeff: 1 coeff: 1 }", "SHP014 warning"),
    ("Slice", "2x5", 'top: "u" top: "v" slice_param { slice_point: 5 }', "SHP015 warning"),
    ("Input", "", "", "SHP023 info"),
    ("HDF5Data", "", 'hdf5_data_param { source: "s" }', "DAT007 warning"),
    ("BatchNorm", "2x3", "param { lr_mult: 0 } param { lr_mult: 0 }", ""),
    ("BatchNorm", "2x3", "param { lr_mult: 3 } param { lr_mult: 3 } param { lr_mult: 3 }", ""),
    ("Dropout", "2x3", "dropout_param { dropout_ratio: 1.5 }", ""),
    ("InnerProduct", "2x3", 'inner_product_param { num_output: 4 weight_filler { type: "uniform" min: 1 } }', ""),
    ("InnerProduct", "2x3", 'inner_product_param { num_output: 4 weight_filler { type: "gaussian" sparse: 4 } }', ""),
    ("DummyData", "", 'dummy_data_param { shape { dim: 2 } data_filler { type: "gaussian" std: 0 } }', ""),
    ("Exp", "2", "exp_param { base: 1 }", ""),
    ("SoftmaxWithLoss", "2x5x4 2x4", "", ""),
    ("MVN", "2x3x4x4", "", ""),
]  # fmt: skip


@pytest.mark.parametrize(("type_", "bottoms", "fields", "said"), ACCEPTED)
def test_accepted_by_caffe(net, type_: str, bottoms: str, fields: str, said: str) -> None:
    found = problems(net, bottoms, f'type: "{type_}" {fields}')
    assert " ".join(f"{p.code} {p.severity}" for p, _ in found) == said
    assert not any(p.aborts for p, _ in found)


DIALECTS = [
    ("nvidia-0.15", "BatchNorm", "3", "", ""),
    ("nvidia-0.15", "BatchNorm", "2x3", "param { lr_mult: 1 }", ""),
    ("nvidia-0.17", "BatchNorm", "2x3", "", "BN036"),
    ("ssd", "BatchNorm", "2x3", "param { lr_mult: 1 }", "BN001"),
    ("nvidia-0.15", "Scale", "2x3", 'scale_param { filler { type: "xavierstatic" } }', ""),
    ("bvlc", "Scale", "2x3", 'scale_param { filler { type: "xavierstatic" } }', "INI007"),
    ("intel", "Scale", "2x3", 'scale_param { filler { type: "gabor" } }', ""),
    ("happynear-windows", "Scale", "2x3", 'scale_param { filler { type: "anything" } }', ""),
    ("ssd", "PriorBox", "1x4x3x3 1x3x60x60", "prior_box_param { }", "SHP024"),
    ("ssd", "PriorBox", "1x4x3x3 1x3x60x60", "prior_box_param { min_size: 30 max_size: 20 }", "SHP024"),
    ("ssd", "Permute", "1x4x3x3", "permute_param { order: 1 order: 1 }", "SHP008"),
    ("ssd", "MultiBoxLoss", "2x32 2x24 1x2x32 1x1x3x8", "multibox_loss_param { num_classes: 4 }", "SHP024"),
]


@pytest.mark.parametrize(("dialect", "type_", "bottoms", "fields", "code"), DIALECTS)
def test_dialects_refuse_differently(net, dialect: str, type_: str, bottoms: str, fields: str, code: str) -> None:
    found = problems(net, bottoms, f'type: "{type_}" {fields}', dialect)
    assert [p.code for p, _ in found if p.aborts] == ([code] if code else [])


LOSSES = [
    # type, bottoms, whether BVLC aborts when the loss's top has the name of its first bottom (measured)
    ("SoftmaxWithLoss", "2x3 2", True),
    ("EuclideanLoss", "2x3 2x3", True),
    ("SigmoidCrossEntropyLoss", "2x3 2x3", True),
    ("InfogainLoss", "2x3 2 1x1x3x3", True),
    ("HingeLoss", "2x3 2", False),
    ("MultinomialLogisticLoss", "2x3 2", False),
    ("ContrastiveLoss", "2x3 2x3 2", False),
    ("Accuracy", "2x3 2", False),
    ("SPP", "2x3x8x8", True),
]


@pytest.mark.parametrize(("type_", "bottoms", "refused"), LOSSES)
def test_a_top_in_the_place_of_the_bottom(net, type_: str, bottoms: str, refused: bool) -> None:
    fields = "spp_param { pyramid_height: 2 }" if type_ == "SPP" else ""
    names = [f'bottom: "{name}"' for name, _ in zip("abc", bottoms.split(), strict=False)]
    text = f'layer {{ name: "l" type: "{type_}" {" ".join(names)} top: "a" {fields} }}'
    node = net(text).nodes[0]
    assert node.in_place == (True,)
    assert entry_of(type_, "bvlc").in_place_verdict(node.layer.definition) == (
        "refused" if refused else "forward-wrong"
    )
