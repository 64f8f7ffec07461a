"""The oldest form of a layer, `layers { layer { ... } bottom top }`, read as what Caffe makes of it.

Source: util/upgrade_proto.cpp, UpgradeV0Net and UpgradeV0PaddingLayers. A field that the layer's type has no place for
is dropped, as Caffe does (it logs it). Of the outer block only `bottom` and `top` survive.
"""

from __future__ import annotations

from prototxt_grammar.tree import Field
from prototxt_net.file import Layer, LayerDef
from prototxt_net.message import Bound, Entry
from prototxt_net.schema.model import FieldType, Schema

V0_TYPES = {
    "accuracy": "Accuracy", "bnll": "BNLL", "concat": "Concat", "conv": "Convolution", "data": "Data",
    "dropout": "Dropout", "euclidean_loss": "EuclideanLoss", "flatten": "Flatten", "hdf5_data": "HDF5Data",
    "hdf5_output": "HDF5Output", "im2col": "Im2col", "images": "ImageData", "infogain_loss": "InfogainLoss",
    "innerproduct": "InnerProduct", "lrn": "LRN", "multinomial_logistic_loss": "MultinomialLogisticLoss",
    "pool": "Pooling", "relu": "ReLU", "sigmoid": "Sigmoid", "softmax": "Softmax", "softmax_loss": "SoftmaxWithLoss",
    "split": "Split", "tanh": "TanH", "window_data": "WindowData",
}  # fmt: skip
PADDING = "padding"

_WEIGHTED = {"conv": "convolution_param", "innerproduct": "inner_product_param"}
_WINDOWED = {"conv": "convolution_param", "pool": "pooling_param"}
_BATCHED = {
    "data": "data_param", "hdf5_data": "hdf5_data_param", "images": "image_data_param",
    "window_data": "window_data_param",
}  # fmt: skip
_TRANSFORMED = dict.fromkeys(("data", "images", "window_data"), "transform_param")
_LRN = {"lrn": "lrn_param"}
_IMAGES = {"images": "image_data_param"}
_WINDOWS = {"window_data": "window_data_param"}
# V0 field -> (its name now, type -> the message it moves to)
_MOVES: dict[str, tuple[str, dict[str, str]]] = {
    "num_output": ("num_output", _WEIGHTED),
    "biasterm": ("bias_term", _WEIGHTED),
    "weight_filler": ("weight_filler", _WEIGHTED),
    "bias_filler": ("bias_filler", _WEIGHTED),
    "pad": ("pad", {**_WINDOWED, PADDING: "convolution_param"}),  # held there until a layer reads the padding
    "kernelsize": ("kernel_size", _WINDOWED),
    "stride": ("stride", _WINDOWED),
    "group": ("group", {"conv": "convolution_param"}),
    "pool": ("pool", {"pool": "pooling_param"}),
    "dropout_ratio": ("dropout_ratio", {"dropout": "dropout_param"}),
    "local_size": ("local_size", _LRN),
    "alpha": ("alpha", _LRN),
    "beta": ("beta", _LRN),
    "k": ("k", _LRN),
    "source": ("source", {**_BATCHED, "infogain_loss": "infogain_loss_param"}),
    "batchsize": ("batch_size", _BATCHED),
    "scale": ("scale", _TRANSFORMED),
    "meanfile": ("mean_file", _TRANSFORMED),
    "cropsize": ("crop_size", _TRANSFORMED),
    "mirror": ("mirror", _TRANSFORMED),
    "rand_skip": ("rand_skip", {"data": "data_param", **_IMAGES}),
    "shuffle_images": ("shuffle", _IMAGES),
    "new_height": ("new_height", _IMAGES),
    "new_width": ("new_width", _IMAGES),
    "concat_dim": ("concat_dim", {"concat": "concat_param"}),
    "det_fg_threshold": ("fg_threshold", _WINDOWS),
    "det_bg_threshold": ("bg_threshold", _WINDOWS),
    "det_fg_fraction": ("fg_fraction", _WINDOWS),
    "det_context_pad": ("context_pad", _WINDOWS),
    "det_crop_mode": ("crop_mode", _WINDOWS),
}
_PADS = {"Convolution": "convolution_param", "Pooling": "pooling_param"}
_KEPT = ("name", "blobs", "hdf5_output_param")


def from_v0(old: Bound, schema: Schema) -> Bound:
    """The V1LayerParameter around a V0 layer -> LayerParameter, made of the entries that stand in the text."""
    new = schema.messages["LayerParameter"]
    inner: Bound = old.sub("layer")
    entries: dict[str, list[Entry]] = {}
    for source, names in ((old, ("bottom", "top")), (inner, _KEPT)):
        for name in names:
            if source.has(name) and name in new.fields:
                entries[name] = [_as(new.fields[name], e) for e in source.entries[name]]
    kind = inner.get("type")
    written = inner.entry("type")
    if written is not None:
        word = V0_TYPES.get(kind, kind)
        entries["type"] = [Entry(new.fields["type"], word, written.node, written.value_node, written.ok)]
    params = _params(inner, schema)
    if params:
        entries["param"] = params
    groups: dict[str, dict[str, list[Entry]]] = {}
    for name, found in inner.entries.items():
        target, messages = _MOVES.get(name, ("", {}))
        if kind in messages:
            _move(groups.setdefault(messages[kind], {}), schema, messages[kind], target, found)
    for message, fields in groups.items():
        entries[message] = [_group(schema, message, fields)]
    return Bound(new, schema, entries, old.node)


def _as(field: FieldType, entry: Entry) -> Entry:
    return Entry(field, entry.value, entry.node, entry.value_node, entry.ok)


def _move(group: dict[str, list[Entry]], schema: Schema, message: str, name: str, found: list[Entry]) -> None:
    owner = schema.messages[schema.messages["LayerParameter"].fields[message].type_name]
    if name in owner.fields:
        group.setdefault(name, []).extend(_as(owner.fields[name], entry) for entry in found)


def _group(schema: Schema, message: str, fields: dict[str, list[Entry]]) -> Entry:
    """A message that does not stand in the text; it points at the first of the fields that moved into it."""
    field = schema.messages["LayerParameter"].fields[message]
    first = min((entry.node for found in fields.values() for entry in found), key=lambda node: node.start)
    return Entry(field, Bound(schema.messages[field.type_name], schema, fields, None), first, None)


def _params(inner: Bound, schema: Schema) -> list[Entry]:
    """One ParamSpec for each index that blobs_lr or weight_decay mentions."""
    spec = schema.messages["ParamSpec"]
    sources = {
        "lr_mult": inner.entries.get("blobs_lr", []),
        "decay_mult": inner.entries.get("weight_decay", []),
    }
    field = schema.messages["LayerParameter"].fields["param"]
    result = []
    for index in range(max(map(len, sources.values()))):
        fields = {name: [_as(spec.fields[name], found[index])] for name, found in sources.items() if index < len(found)}
        node: Field = next(iter(fields.values()))[0].node
        result.append(Entry(field, Bound(spec, schema, fields, None), node, None))
    return result


def without_padding(layers: list[Layer], schema: Schema) -> list[Layer]:
    """Padding layers are no layers: their `pad` goes to the convolution or pooling that reads them, and so does their
    bottom. One that another type reads makes Caffe abort; it stays, with a type that nobody registers.
    """
    padding = {
        layer.tops[0]: layer
        for layer in layers
        if layer.definition.version == 0 and layer.type == PADDING and len(layer.tops) == len(layer.bottoms) == 1
    }
    for layer in layers:
        if layer.type not in _PADS:
            for name in layer.bottoms:
                padding.pop(name, None)
    gone = {id(layer) for layer in padding.values()}
    kept = [layer for layer in layers if id(layer) not in gone]
    for index, layer in enumerate(kept):
        layer.index = index
        if any(name in padding for name in layer.bottoms):
            layer.definition = _padded(layer.definition, padding, schema)
    return kept


def _padded(old: LayerDef, padding: dict[str, Layer], schema: Schema) -> LayerDef:
    entries = dict(old.bound.entries)
    message = _PADS[old.type]
    group = dict(old.bound.sub(message).entries)
    bottoms = []
    for entry in entries["bottom"]:
        source = padding.get(entry.value)
        if source is None:
            bottoms.append(entry)
            continue
        bottoms.append(Entry(entry.type, source.bottoms[0], entry.node, entry.value_node))
        owner = schema.messages[schema.messages["LayerParameter"].fields[message].type_name]
        pads = source.param("convolution_param").entries.get("pad", ())
        # The padding stands in another block, whose offsets are its own: point at the bottom that brings it.
        group["pad"] = [Entry(owner.fields["pad"], pad.value, entry.node, None) for pad in pads]
    entries["bottom"] = bottoms
    entries[message] = [_group(schema, message, group)]
    bound = Bound(old.bound.type, schema, entries, old.bound.node)
    return LayerDef(old.node, bound, old.name, old.type, tuple(entry.value for entry in bottoms), old.tops, 0)
