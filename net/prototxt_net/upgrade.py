"""Older ways of writing a net, read as what Caffe turns them into (util/upgrade_proto.cpp).

The upgraded LayerParameter is made of the entries that stand in the text, so a finding about it still points at what
the author wrote.
"""

from __future__ import annotations

from functools import cache

from prototxt_grammar.tree import Field
from prototxt_net.file import LayerDef
from prototxt_net.message import Bound, Entry
from prototxt_net.schema import load
from prototxt_net.schema.model import MessageType, Schema
from prototxt_net.v0 import from_v0

V1_TYPES = {
    "NONE": "", "ABSVAL": "AbsVal", "ACCURACY": "Accuracy", "ARGMAX": "ArgMax", "BNLL": "BNLL", "CONCAT": "Concat",
    "CONTRASTIVE_LOSS": "ContrastiveLoss", "CONVOLUTION": "Convolution", "DATA": "Data",
    "DECONVOLUTION": "Deconvolution", "DROPOUT": "Dropout", "DUMMY_DATA": "DummyData", "ELTWISE": "Eltwise",
    "EUCLIDEAN_LOSS": "EuclideanLoss", "EXP": "Exp", "FLATTEN": "Flatten", "HDF5_DATA": "HDF5Data",
    "HDF5_OUTPUT": "HDF5Output", "HINGE_LOSS": "HingeLoss", "IM2COL": "Im2col", "IMAGE_DATA": "ImageData",
    "INFOGAIN_LOSS": "InfogainLoss", "INNER_PRODUCT": "InnerProduct", "LRN": "LRN", "MEMORY_DATA": "MemoryData",
    "MULTINOMIAL_LOGISTIC_LOSS": "MultinomialLogisticLoss", "MVN": "MVN", "POOLING": "Pooling", "POWER": "Power",
    "RELU": "ReLU", "SIGMOID": "Sigmoid", "SIGMOID_CROSS_ENTROPY_LOSS": "SigmoidCrossEntropyLoss",
    "SILENCE": "Silence", "SLICE": "Slice", "SOFTMAX": "Softmax", "SOFTMAX_LOSS": "SoftmaxWithLoss", "SPLIT": "Split",
    "TANH": "TanH", "THRESHOLD": "Threshold", "WINDOW_DATA": "WindowData",
}  # fmt: skip

# V1 data layers keep these in their own message; UpgradeNetDataTransformation moves them to transform_param.
_DATA_MESSAGES = {"DATA": "data_param", "IMAGE_DATA": "image_data_param", "WINDOW_DATA": "window_data_param"}
_MOVED = ("scale", "mean_file", "crop_size", "mirror")


@cache
def in_v2_terms(schema: Schema) -> Schema:
    """The schema that upgraded layers follow: the dialect's own; where it is older than V2, with BVLC's LayerParameter,
    in which the layers' own messages stay the dialect's.
    """
    if "V1LayerParameter" in schema.messages:
        return schema
    base = load.schema("bvlc")
    own = schema.messages["LayerParameter"].fields
    fields = {**base.messages["LayerParameter"].fields, **{n: f for n, f in own.items() if n.endswith("_param")}}
    messages = {**base.messages, **schema.messages, "LayerParameter": MessageType("LayerParameter", fields)}
    enums = {**base.enums, **schema.enums}
    return Schema(schema.dialect, messages, enums, schema.layer_types, schema.layer_types_known)


def layer_def(entry: Entry, schema: Schema) -> LayerDef:
    """What a V2 `layer` or a V1 `layers` entry says, in V2 terms."""
    bound: Bound = entry.value
    version = 2
    if "layer" in bound.type.fields:  # V1LayerParameter, and what stood in its place before there was a V2
        version = 0 if bound.has("layer") or "type" not in bound.type.fields else 1
        bound = _from_v1(bound, in_v2_terms(schema)) if version else from_v0(bound, in_v2_terms(schema))
    return LayerDef(
        entry.node,
        bound,
        bound.get("name") or "",
        bound.get("type") or "",
        tuple(bound.all("bottom")),
        tuple(bound.all("top")),
        version,
    )


def _from_v1(old: Bound, schema: Schema) -> Bound:
    """V1LayerParameter -> LayerParameter (UpgradeV1LayerParameter): enum types become strings, blobs_lr param."""
    new = schema.messages["LayerParameter"]
    entries: dict[str, list[Entry]] = {}
    for name, found in old.entries.items():
        field = new.fields.get(name)
        if field is None or name in ("type", "param"):
            continue
        entries[name] = [Entry(field, e.value, e.node, e.value_node, e.ok) for e in found]
    kind = old.get("type")
    written = old.entry("type")
    if written is not None:
        word = V1_TYPES.get(kind, kind)
        entries["type"] = [Entry(new.fields["type"], word, written.node, written.value_node, written.ok)]
    params = _params(old, schema)
    if params:
        entries["param"] = params
    holder = _DATA_MESSAGES.get(kind)
    if holder is not None and old.has(holder):
        _move_transformation(old.sub(holder), entries, schema)
    return Bound(new, schema, entries, old.node)


def _params(old: Bound, schema: Schema) -> list[Entry]:
    """One ParamSpec for each index that `param`, blob_share_mode, blobs_lr or weight_decay mentions."""
    spec = schema.messages["ParamSpec"]
    sources = {
        "name": old.entries.get("param", []),
        "share_mode": old.entries.get("blob_share_mode", []),
        "lr_mult": old.entries.get("blobs_lr", []),
        "decay_mult": old.entries.get("weight_decay", []),
    }
    field = schema.messages["LayerParameter"].fields["param"]
    result = []
    for index in range(max(len(found) for found in sources.values())):
        inner: dict[str, list[Entry]] = {}
        node: Field | None = None
        for name, found in sources.items():
            if index < len(found):
                source = found[index]
                node = node or source.node
                inner[name] = [Entry(spec.fields[name], source.value, source.node, source.value_node, source.ok)]
        assert node is not None  # index is below the longest list
        result.append(Entry(field, Bound(spec, schema, inner, None), node, None))
    return result


def _move_transformation(holder: Bound, entries: dict[str, list[Entry]], schema: Schema) -> None:
    transform = schema.messages["TransformationParameter"]
    moved = {
        name: [Entry(transform.fields[name], e.value, e.node, e.value_node, e.ok) for e in holder.entries[name]]
        for name in _MOVED
        if holder.has(name)
    }
    if not moved:
        return
    have = entries.get("transform_param")
    inner = {**have[-1].value.entries, **moved} if have else moved
    node = next(iter(moved.values()))[0].node
    field = schema.messages["LayerParameter"].fields["transform_param"]
    entries["transform_param"] = [Entry(field, Bound(transform, schema, inner, None), node, None)]


def input_layer(root: Bound, schema: Schema) -> LayerDef | None:
    """The Input layer that legacy `input`, `input_shape` and `input_dim` fields stand for (UpgradeNetInput).

    Without any shape the names are dropped silently, as Caffe does. Too few input_dim values read past the array in
    Caffe; the missing sizes are left unknown by giving that input no shape here.
    """
    names = root.entries.get("input")
    shapes = root.entries.get("input_shape", [])
    dims = root.entries.get("input_dim", [])
    if not names or not (shapes or dims):
        return None
    modern = load.schema("bvlc").messages  # some dialects have no such messages, and none has others
    blob_shape = modern["BlobShape"]
    schema = in_v2_terms(schema)
    layer = schema.messages["LayerParameter"]
    declared: list[Entry] = []
    holder = schema.messages.get("InputParameter")
    if holder is not None:
        shape_field = holder.fields["shape"]
    else:
        shape_field = modern["NetParameter"].fields["input_shape"]
    if shapes:
        declared = [Entry(shape_field, e.value, e.node, e.value_node, e.ok) for e in shapes]
    else:
        for index in range(len(dims) // 4):
            four = [
                Entry(blob_shape.fields["dim"], e.value, e.node, e.value_node, e.ok)
                for e in dims[4 * index : 4 * index + 4]
            ]
            declared.append(Entry(shape_field, Bound(blob_shape, schema, {"dim": four}, None), four[0].node, None))
    node = names[0].node
    entries = {
        "name": [Entry(layer.fields["name"], "input", node, names[0].value_node)],
        "type": [Entry(layer.fields["type"], "Input", node, names[0].value_node)],
        "top": [Entry(layer.fields["top"], e.value, e.node, e.value_node) for e in names],
    }
    if holder is not None and "input_param" in layer.fields:
        inner = Bound(holder, schema, {"shape": declared}, None)
        entries["input_param"] = [Entry(layer.fields["input_param"], inner, node, None)]
    bound = Bound(layer, schema, entries, None)
    return LayerDef(node, bound, "input", "Input", (), tuple(e.value for e in names), 2, {"legacy_shapes": declared})
