"""Random nets that look like nets, and random harm done to a text."""

from __future__ import annotations

from hypothesis import strategies as st

NAMES = st.sampled_from(["data", "label", "conv1", "conv2", "fc", "score", "loss", "a-b/c", ""])
SIZES = st.sampled_from(["0", "1", "2", "3", "8", "-1", "4294967295", "2147483648", "1e9", "0x10", "nan", "7 # seven"])
TYPES = [
    "Convolution", "Deconvolution", "InnerProduct", "Pooling", "LRN", "BatchNorm", "BN", "Scale", "Bias", "ReLU",
    "PReLU", "Dropout", "Eltwise", "Concat", "Slice", "Reshape", "Flatten", "Crop", "Split", "Softmax", "ArgMax",
    "SoftmaxWithLoss", "EuclideanLoss", "ContrastiveLoss", "HingeLoss", "InfogainLoss", "Accuracy", "Silence", "Data",
    "Input", "DummyData", "ImageData", "HDF5Data", "MemoryData", "Python", "LSTM", "RNN", "Embed", "Permute",
    "PriorBox", "MultiBoxLoss", "DetectionOutput", "ROIPooling", "Upsample", "Filter", "BatchReindex", "SPP", "Tile",
    "Reduction", "Parameter", "MVN", "Power", "Exp", "Nonsense", "",
]  # fmt: skip
# One field each: what it is called and what may stand behind the name.
FIELDS = {
    "param": "{ lr_mult: %s decay_mult: 0 }",
    "param ": '{ name: "shared" lr_mult: %s }',
    "loss_weight": ": %s",
    "propagate_down": ": %s",
    "phase": ": TEST",
    "include": "{ phase: TRAIN min_level: %s }",
    "exclude": "{ phase: TEST }",
    "convolution_param": '{ num_output: %s kernel_size: %s stride: %s group: %s weight_filler { type: "xavier" } }',
    "convolution_param ": "{ num_output: %s kernel_h: %s kernel_w: %s pad: [%s, %s] dilation: %s }",
    "inner_product_param": "{ num_output: %s axis: %s bias_term: false }",
    "pooling_param": "{ kernel_size: %s stride: %s pad: %s pool: AVE }",
    "pooling_param ": "{ global_pooling: true pad: %s }",
    "batch_norm_param": "{ use_global_stats: true eps: %s }",
    "batch_norm_param ": "{ scale_filler { value: %s } bias_filler { value: %s } }",
    "bn_param": "{ scale_filler { type: 'constant' value: %s } bn_mode: INFERENCE }",
    "scale_param": "{ axis: %s num_axes: %s bias_term: true }",
    "eltwise_param": "{ operation: SUM coeff: [%s, %s] }",
    "concat_param": "{ axis: %s }",
    "slice_param": "{ axis: %s slice_point: %s slice_point: %s }",
    "reshape_param": "{ shape { dim: %s dim: -1 dim: %s } axis: %s }",
    "crop_param": "{ axis: %s offset: %s }",
    "input_param": "{ shape { dim: %s dim: %s dim: %s dim: %s } }",
    "dummy_data_param": "{ shape: { dim: %s dim: %s } data_filler { type: 'gaussian' std: %s } }",
    "data_param": "{ batch_size: %s source: 'x' backend: LMDB }",
    "transform_param": "{ crop_size: %s scale: %s mean_value: %s }",
    "recurrent_param": "{ num_output: %s expose_hidden: true }",
    "prior_box_param": "{ min_size: %s max_size: %s aspect_ratio: %s }",
    "permute_param": "{ order: %s order: %s order: %s }",
    "lrn_param": "{ local_size: %s norm_region: WITHIN_CHANNEL }",
    "accuracy_param": "{ top_k: %s axis: %s }",
    "tile_param": "{ tiles: %s axis: %s }",
    "nothing_param": "{ x: %s }",
}  # fmt: skip
HEADERS = [
    "",
    'name: "n"\n',
    'input: "data"\ninput_dim: 1\ninput_dim: 3\ninput_dim: 8\ninput_dim: 8\n',
    'input: "data"\ninput: "label"\ninput_shape { dim: 2 dim: 3 }\n',
    "force_backward: true\n",
    "state { phase: TEST level: 2 stage: 'x' }\n",
    "# lsp: dialect=ssd\n",
]


@st.composite
def layers(draw: st.DrawFn) -> str:
    """One layer block, in the V2 form or an older one."""
    parts = [f'{where}: "{draw(NAMES)}"' for where in draw(st.lists(st.sampled_from(["bottom", "top"]), max_size=4))]
    name = draw(NAMES)
    form = draw(st.sampled_from(["V2"] * 8 + ["V1", "V0"]))
    if form == "V0":
        kind = draw(st.sampled_from(["conv", "pool", "padding", "innerproduct", "data", "nonsense"]))
        inner = f'name: "{name}" type: "{kind}" pad: {draw(SIZES)} kernelsize: {draw(SIZES)} num_output: {draw(SIZES)}'
        return f"layers {{ {' '.join(parts)} layer {{ {inner} blobs_lr: {draw(SIZES)} }} }}\n"
    if form == "V1":
        kind = draw(st.sampled_from(["CONVOLUTION", "RELU", "DATA", "SOFTMAX_LOSS", "NONE", "BN", "7"]))
        parts += [f'name: "{name}"', f"type: {kind}", f"blobs_lr: {draw(SIZES)}", 'param: "shared"']
    else:
        parts += [f'name: "{name}"', f'type: "{draw(st.sampled_from(TYPES))}"']
    for field in draw(st.lists(st.sampled_from(list(FIELDS)), max_size=4)):
        value = FIELDS[field]
        parts.append(field.strip() + " " + value % tuple(draw(SIZES) for _ in range(value.count("%s"))))
    separator = draw(st.sampled_from([" ", "\n  "]))
    return f"layer{'s' if form == 'V1' else ''} {{{separator}{separator.join(parts)}{separator.rstrip(' ')}}}\n"


@st.composite
def nets(draw: st.DrawFn) -> str:
    """A net of a few layers."""
    return draw(st.sampled_from(HEADERS)) + "".join(draw(st.lists(layers(), max_size=8)))


PIECES = [
    "{", "}", "<", ">", "[", "]", '"', "'", ":", ",", ";", "#", "\n", "\r\n", " ", "\\", "/*", "*/", "//", "\x00",
    "\ufeff", "\u2028", "é", "x", "0", "-", "layer {\n", "}\n", 'bottom: "conv1"\n', "bias_term: false",
    "<<<<<<< HEAD\n", "=======\n", "# lsp: ignore[NET]\n", "# lsp: dialect=segnet\n", "[]", "layers {",
]  # fmt: skip


@st.composite
def harm(draw: st.DrawFn) -> tuple[float, int, str]:
    """One edit: where (as a share of the text), how many characters go, what comes."""
    return draw(st.floats(0, 1)), draw(st.integers(0, 30)), draw(st.sampled_from(["", *PIECES]))


def harmed(text: str, edits: list[tuple[float, int, str]]) -> str:
    """The text after the edits."""
    for share, gone, come in edits:
        at = int(share * len(text))
        text = text[:at] + come + text[at + gone :]
    return text


# -- nets that work ----------------------------------------------------------------------------------------------------
STEPS = {
    "Convolution": "convolution_param { num_output: %d kernel_size: %d pad: 1 stride: %d }",
    "Deconvolution": "convolution_param { num_output: %d kernel_size: %d stride: %d bias_term: false }",
    "Pooling": "pooling_param { pool: AVE kernel_size: 2 stride: %d }",
    "LRN": "",
    "BatchNorm": "",
    "Scale": "scale_param { bias_term: true }",
    "PReLU": "",
    "Power": "power_param { power: %d }",
    "Flatten": "",
    "InnerProduct": "inner_product_param { num_output: %d }",
    "Reshape": "reshape_param { shape { dim: 0 dim: -1 } }",
    "Softmax": "",
    "Tile": "tile_param { tiles: %d }",
    "Reduction": "reduction_param { axis: 1 }",
    "Split": "",
}  # fmt: skip
SOURCES = [
    'layer { name: "in" type: "Input" top: "b0"\n  input_param { shape { dim: 2 dim: 4 dim: 9 dim: 7 } } }\n',
    'layer { name: "in" type: "Data" top: "b0" top: "b1"\n  data_param { source: "x" batch_size: 2 } }\n',
    'input: "b0"\ninput_dim: 1\ninput_dim: 3\ninput_dim: 12\ninput_dim: 12\n',
]
IN_PLACE = ["ReLU", "Dropout", "Sigmoid", "Scale", "BatchNorm"]


@st.composite
def growing(draw: st.DrawFn) -> str:
    """A net whose layers read what stands above them; most of its shapes are known, and some do not fit."""
    source = draw(st.sampled_from(SOURCES))
    blobs = ["b0"]
    parts = [source]
    for number in range(draw(st.integers(1, 10))):
        name = f"l{number}"
        form = draw(st.sampled_from(["step"] * 5 + ["in place", "join", "join", "slice"]))
        below = draw(st.sampled_from(blobs))
        if form == "in place":
            parts.append(_block(name, draw(st.sampled_from(IN_PLACE)), [below], [below], ""))
            continue
        if form == "join":
            type_ = draw(st.sampled_from(["Concat", "Eltwise"]))
            parts.append(_block(name, type_, [below, draw(st.sampled_from(blobs))], [name], ""))
        elif form == "slice":
            parts.append(_block(name, "Slice", [below], [name, f"{name}b"], "slice_param { axis: 0 }"))
            blobs.append(f"{name}b")
        else:
            type_ = draw(st.sampled_from(list(STEPS)))
            fields = STEPS[type_]
            parts.append(
                _block(
                    name,
                    type_,
                    [below],
                    [name],
                    fields % tuple(draw(st.integers(1, 3)) for _ in range(fields.count("%d"))),
                )
            )
        blobs.append(name)
    return "".join(parts)


def _block(name: str, type_: str, bottoms: list[str], tops: list[str], fields: str) -> str:
    lines = [
        f'name: "{name}"',
        f'type: "{type_}"',
        *[f'bottom: "{b}"' for b in bottoms],
        *[f'top: "{t}"' for t in tops],
    ]
    return "layer {\n" + "".join(f"  {line}\n" for line in [*lines, *([fields] if fields else [])]) + "}\n"
