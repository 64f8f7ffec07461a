"""Caffe's own upgrade of a net (util/upgrade_proto.cpp), on protobuf messages: what `lsp upgrade` is held against.

Written from the description of those steps, independently of the product: V0 -> V1, data transformation, V1 -> V2,
inputs -> Input layer, BatchNorm parameters.
"""

from __future__ import annotations

from typing import Any

from prototxt_net.schema.descriptors import message_class

V0_TYPES = {
    "accuracy": "ACCURACY", "bnll": "BNLL", "concat": "CONCAT", "conv": "CONVOLUTION", "data": "DATA",
    "dropout": "DROPOUT", "euclidean_loss": "EUCLIDEAN_LOSS", "flatten": "FLATTEN", "hdf5_data": "HDF5_DATA",
    "hdf5_output": "HDF5_OUTPUT", "im2col": "IM2COL", "images": "IMAGE_DATA", "infogain_loss": "INFOGAIN_LOSS",
    "innerproduct": "INNER_PRODUCT", "lrn": "LRN", "multinomial_logistic_loss": "MULTINOMIAL_LOGISTIC_LOSS",
    "pool": "POOLING", "relu": "RELU", "sigmoid": "SIGMOID", "softmax": "SOFTMAX", "softmax_loss": "SOFTMAX_LOSS",
    "split": "SPLIT", "tanh": "TANH", "window_data": "WINDOW_DATA",
}  # fmt: skip
# field -> (new name, {V0 type: message})
_WEIGHTED = {"conv": "convolution_param", "innerproduct": "inner_product_param"}
_WINDOWED = {"conv": "convolution_param", "pool": "pooling_param"}
_SOURCES = {
    "data": "data_param", "hdf5_data": "hdf5_data_param", "images": "image_data_param",
    "window_data": "window_data_param", "infogain_loss": "infogain_loss_param",
}  # fmt: skip
_TRANSFORMED = dict.fromkeys(("data", "images", "window_data"), "transform_param")
_LRN = {"lrn": "lrn_param"}
_WINDOW = {"window_data": "window_data_param"}
V0_MOVES = {
    "num_output": ("num_output", _WEIGHTED), "biasterm": ("bias_term", _WEIGHTED),
    "weight_filler": ("weight_filler", _WEIGHTED), "bias_filler": ("bias_filler", _WEIGHTED),
    "pad": ("pad", _WINDOWED), "kernelsize": ("kernel_size", _WINDOWED), "stride": ("stride", _WINDOWED),
    "group": ("group", {"conv": "convolution_param"}), "pool": ("pool", {"pool": "pooling_param"}),
    "dropout_ratio": ("dropout_ratio", {"dropout": "dropout_param"}),
    "local_size": ("local_size", _LRN), "alpha": ("alpha", _LRN), "beta": ("beta", _LRN), "k": ("k", _LRN),
    "source": ("source", _SOURCES), "scale": ("scale", _TRANSFORMED), "meanfile": ("mean_file", _TRANSFORMED),
    "batchsize": ("batch_size", {k: v for k, v in _SOURCES.items() if k != "infogain_loss"}),
    "cropsize": ("crop_size", _TRANSFORMED), "mirror": ("mirror", _TRANSFORMED),
    "rand_skip": ("rand_skip", {"data": "data_param", "images": "image_data_param"}),
    "shuffle_images": ("shuffle", {"images": "image_data_param"}),
    "new_height": ("new_height", {"images": "image_data_param"}),
    "new_width": ("new_width", {"images": "image_data_param"}),
    "concat_dim": ("concat_dim", {"concat": "concat_param"}),
    "det_fg_threshold": ("fg_threshold", _WINDOW), "det_bg_threshold": ("bg_threshold", _WINDOW),
    "det_fg_fraction": ("fg_fraction", _WINDOW), "det_context_pad": ("context_pad", _WINDOW),
    "det_crop_mode": ("crop_mode", _WINDOW),
}  # fmt: skip
_REPEATED_IN_CONVOLUTION = ("pad", "kernel_size", "stride")

V1_NAMES = {
    "NONE": "", "ABSVAL": "AbsVal", "ARGMAX": "ArgMax", "BNLL": "BNLL", "HDF5_DATA": "HDF5Data",
    "HDF5_OUTPUT": "HDF5Output", "IM2COL": "Im2col", "LRN": "LRN", "MVN": "MVN", "RELU": "ReLU",
    "SOFTMAX_LOSS": "SoftmaxWithLoss", "TANH": "TanH",
}  # fmt: skip
_V1_DATA = {"DATA": "data_param", "IMAGE_DATA": "image_data_param", "WINDOW_DATA": "window_data_param"}


def upgraded(net: Any) -> Any:
    """The NetParameter that Caffe works with."""
    net = _v1(_v0(net))
    _inputs(net)
    for layer in net.layer:
        if layer.type == "BatchNorm" and len(layer.param) == 3:
            for spec in layer.param:
                spec.lr_mult = spec.decay_mult = 0
    return net


def _v0(net: Any) -> Any:
    if not any(layer.HasField("layer") for layer in net.layers):
        return net
    new = message_class("bvlc", "NetParameter")()
    if net.HasField("name"):
        new.name = net.name
    for name in ("input", "input_dim"):
        getattr(new, name).extend(getattr(net, name))
    if net.HasField("force_backward"):
        new.force_backward = net.force_backward
    pads = {}
    for old in net.layers:
        if old.layer.type == "padding":
            pads[old.top[0]] = (old.layer.pad, old.bottom[0])
    for old in net.layers:
        if old.layer.type == "padding":
            continue
        made = new.layers.add(top=old.top)
        made.bottom.extend(pads[name][1] if name in pads else name for name in old.bottom)
        _v0_layer(old.layer, made)
        for name in old.bottom:
            if name in pads:
                _put(made, _WINDOWED[old.layer.type], "pad", pads[name][0])
    return new


def _v0_layer(old: Any, new: Any) -> None:
    for field, value in old.ListFields():
        if field.name == "type":
            new.type = new.DESCRIPTOR.fields_by_name["type"].enum_type.values_by_name[V0_TYPES[value]].number
        elif field.name == "name":
            new.name = value
        elif field.name in ("blobs", "blobs_lr", "weight_decay"):
            getattr(new, field.name).extend(value)
        elif field.name == "hdf5_output_param":
            new.hdf5_output_param.CopyFrom(value)
        else:
            name, owners = V0_MOVES[field.name]
            if old.type in owners:
                _put(new, owners[old.type], name, value)


def _put(layer: Any, message: str, name: str, value: Any) -> None:
    target = getattr(layer, message)
    if message == "convolution_param" and name in _REPEATED_IN_CONVOLUTION:
        getattr(target, name).append(value)
    elif hasattr(value, "CopyFrom"):
        getattr(target, name).CopyFrom(value)
    else:
        setattr(target, name, value)


def _v1(net: Any) -> Any:
    if not net.layers:
        return net
    new = message_class("bvlc", "NetParameter")()
    new.CopyFrom(net)
    del new.layers[:]
    for old in net.layers:
        _v1_layer(old, new.layer.add())
    return new


def _v1_layer(old: Any, new: Any) -> None:
    kind = old.DESCRIPTOR.fields_by_name["type"].enum_type.values_by_number[old.type].name
    holder = _V1_DATA.get(kind)
    for field, value in old.ListFields():
        if field.name == "type":
            new.type = V1_NAMES.get(kind, "".join(word.capitalize() for word in kind.split("_")))
        elif field.name in ("param", "blob_share_mode", "blobs_lr", "weight_decay"):
            target = {
                "param": "name",
                "blob_share_mode": "share_mode",
                "blobs_lr": "lr_mult",
                "weight_decay": "decay_mult",
            }
            while len(new.param) < len(value):
                new.param.add()
            for spec, item in zip(new.param, value, strict=False):
                setattr(spec, target[field.name], item)
        elif field.is_repeated or field.message_type is not None:
            getattr(new, field.name).MergeFrom(value)
        else:
            setattr(new, field.name, value)
    if holder and old.HasField(holder):
        for name in ("scale", "mean_file", "crop_size", "mirror"):
            source = getattr(new, holder)
            if source.HasField(name):
                setattr(new.transform_param, name, getattr(source, name))
                source.ClearField(name)


def _inputs(net: Any) -> None:
    if not net.input:
        return
    if net.input_shape or net.input_dim:
        layer = message_class("bvlc", "LayerParameter")(name="input", type="Input", top=net.input)
        for index in range(len(net.input)):
            shape = layer.input_param.shape.add()
            if net.input_shape:
                shape.CopyFrom(net.input_shape[index])
            else:
                shape.dim.extend(net.input_dim[4 * index : 4 * index + 4])
        rest = list(net.layer)
        del net.layer[:]
        net.layer.extend([layer, *rest])
    for name in ("input", "input_dim", "input_shape"):
        net.ClearField(name)
