"""SCH010, SCH011, SCH013: what stands in a layer where Caffe does not look for it, or does not stand there at all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prototxt_grammar.edits import Edit
from prototxt_net.file import Layer, LayerDef
from prototxt_net.finding import Finding, Fix
from prototxt_net.message import Bound, Entry
from prototxt_server.rules.base import Example, rule
from prototxt_server.rules.editing import delete_entry, insert_after, insert_into
from prototxt_server.rules.example_nets import CONV, IMAGE, LABELLED
from prototxt_server.rules.local import LayerRule
from prototxt_server.rules.sch.names import misspelt

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis

# Which layer types read a message of LayerParameter. Messages that are not listed (of forks, or read by many types, as
# transform_param and loss_param are) prove nothing.
_OWNERS: dict[str, tuple[str, ...]] = {
    "accuracy_param": ("Accuracy", "SegAccuracy"),
    "argmax_param": ("ArgMax",),
    "batch_norm_param": ("BatchNorm", "BN", "BNData", "SyncBN"),
    "bias_param": ("Bias", "Scale"),
    "concat_param": ("Concat",),
    "contrastive_loss_param": ("ContrastiveLoss",),
    "crop_param": ("Crop",),
    "dropout_param": ("Dropout", "SpatialDropout"),
    "dummy_data_param": ("DummyData",),
    "eltwise_param": ("Eltwise",),
    "elu_param": ("ELU",),
    "embed_param": ("Embed",),
    "exp_param": ("Exp",),
    "flatten_param": ("Flatten",),
    "hdf5_data_param": ("HDF5Data",),
    "hdf5_output_param": ("HDF5Output",),
    "hinge_loss_param": ("HingeLoss",),
    "infogain_loss_param": ("InfogainLoss",),
    "inner_product_param": ("InnerProduct",),
    "input_param": ("Input",),
    "log_param": ("Log",),
    "lrn_param": ("LRN",),
    "memory_data_param": ("MemoryData",),
    "mvn_param": ("MVN",),
    "pooling_param": ("Pooling", "SPP"),
    "power_param": ("Power",),
    "prelu_param": ("PReLU",),
    "recurrent_param": ("LSTM", "RNN"),
    "reduction_param": ("Reduction",),
    "reshape_param": ("Reshape",),
    "scale_param": ("Scale",),
    "slice_param": ("Slice",),
    "tanh_param": ("TanH",),
    "threshold_param": ("Threshold",),
    "tile_param": ("Tile",),
}
# Types whose use of messages is known from BVLC's sources; any other type may read what it likes.
_KNOWN = frozenset(type_ for types in _OWNERS.values() for type_ in types) | {
    "AbsVal", "BNLL", "Convolution", "Deconvolution", "EuclideanLoss", "MultinomialLogisticLoss", "ReLU", "Sigmoid",
    "Silence", "Softmax", "SoftmaxWithLoss", "Split",
}  # fmt: skip


@rule
class ForeignParamMessage(LayerRule):
    """Settings for a layer of another type.

    ## What it does
    Reports a message such as `scale_param` in a layer whose type does not read it.

    ## Why is this bad?
    Caffe parses it and nobody looks at it: the values have no effect. A `scale_param` inside a BatchNorm does not give
    it a scale.

    ## Fix safety
    Unsafe: the message is deleted; perhaps it belongs to a neighbour.
    """

    code = "SCH010"
    name = "foreign-param-message"
    severity = "warning"
    fix_safety = "unsafe"
    _BN = 'layer { name: "bn" type: "BatchNorm" bottom: "data" top: "bn" }\n'
    GOOD = (Example(IMAGE + _BN + 'layer { name: "s" type: "Scale" bottom: "bn" top: "s" scale_param { axis: 1 } }\n'),)
    BAD = (
        Example(
            IMAGE + _BN.replace('top: "bn"', 'top: "bn" scale_param { bias_term: true }'),
            fixed=IMAGE + _BN,
        ),
        Example(IMAGE + CONV.replace("  convolution_param", "  pooling_param { stride: 2 }\n  convolution_param")),
    )

    def suspects(self, layer: LayerDef) -> bool:
        """A known message in a layer of a known other type."""
        type_ = layer.type
        return type_ in _KNOWN and any(type_ not in _OWNERS.get(name, (type_,)) for name in layer.bound.entries)

    def check_layer(self, layer: Layer, analysis: Analysis) -> Iterable[Finding]:
        """One finding a message."""
        for name, entries in layer.bound.entries.items():
            owners = _OWNERS.get(name, (layer.type,))
            if layer.type in owners:
                continue
            message = (
                f"`{name}` is read by {' and '.join(owners[:2])}, not by '{layer.name}' of type {layer.type}: its "
                "values "
                "have no effect. Move or delete it."
            )
            edit = delete_entry(analysis.tree.text, layer.base, entries[0])
            yield self.at(layer, message, name, fix=Fix("unsafe", f"Delete `{name}`", (edit,)))


# Deprecated fields of the data messages that V2 layers parse and never use. WindowData reads its `scale` from there.
_IGNORED: dict[str, tuple[str, tuple[str, ...]]] = {
    "Data": ("data_param", ("scale", "mean_file", "crop_size", "mirror")),
    "ImageData": ("image_data_param", ("scale", "mean_file", "crop_size", "mirror")),
    "WindowData": ("window_data_param", ("mean_file", "crop_size", "mirror")),
}


def _ignored(layer: LayerDef) -> list[tuple[str, Entry]]:
    if layer.version != 2 or layer.type not in _IGNORED:
        return []
    holder, names = _IGNORED[layer.type]
    message = layer.bound.sub(holder)
    return [(name, message.entries[name][0]) for name in names if message.has(name)]


@rule
class DataParamTransformIgnored(LayerRule):
    """A transformation of the images where no data layer looks for it.

    ## What it does
    Reports `scale`, `mean_file`, `crop_size` and `mirror` inside `data_param` or `image_data_param` of a `layer`.

    ## Why is this bad?
    The fields still parse, but only old `layers` nets are converted. In a `layer` they have no effect: the images
    arrive unscaled, uncropped and without the mean taken off, and training diverges or learns little.

    ## Fix safety
    Unsafe: the fields move to `transform_param`, where they take effect.
    """

    code = "SCH011"
    name = "data-param-transform-ignored"
    severity = "warning"
    fix_safety = "unsafe"
    GOOD = (Example(LABELLED.replace("  data_param", "  transform_param { scale: 0.00390625 }\n  data_param")),)
    BAD = (
        Example(
            LABELLED.replace("batch_size: 64", "batch_size: 64 scale: 0.00390625"),
            fixed=LABELLED.replace("64 }", "64 }\n  transform_param { scale: 0.00390625 }"),
        ),
        Example(LABELLED.replace("batch_size: 64", "batch_size: 64 mirror: true")),
    )

    def suspects(self, layer: LayerDef) -> bool:
        """A V2 data layer with such a field."""
        return bool(_ignored(layer))

    def check_layer(self, layer: Layer, analysis: Analysis) -> Iterable[Finding]:
        """One finding a field; the fix moves all of them and stands at the first."""
        holder = _IGNORED[layer.type][0]
        found = _ignored(layer.definition)
        for place, (name, _) in enumerate(found):
            message = (
                f"'{layer.name}': `{name}` inside {holder} is parsed but never used, so images arrive untransformed. "
                "Move it to transform_param."
            )
            fix = self._move(analysis, layer, holder, [entry for _, entry in found]) if place == 0 else None
            yield self.at(layer, message, f"{holder}.{name}", fix=fix)

    def _move(self, analysis: Analysis, layer: Layer, holder: str, entries: list[Entry]) -> Fix | None:
        text, base = analysis.tree.text, layer.base
        transform: Bound = layer.bound.sub("transform_param")
        if any(transform.has(entry.type.name) for entry in entries):
            return None
        fields = [text[base + entry.node.start : base + entry.node.end] for entry in entries]
        at = layer.bound.entry("transform_param")
        if at is not None:
            insert = insert_into(text, base, transform, "\n".join(fields))
        else:
            insert = insert_after(
                text, base, layer.bound.entries[holder][0], f"transform_param {{ {' '.join(fields)} }}"
            )
        if insert is None:
            return None
        edits: list[Edit] = [delete_entry(text, base, entry) for entry in entries]
        return Fix("unsafe", "Move it to transform_param", (*edits, insert))


@rule
class MissingName(LayerRule):
    """A layer without a name.

    ## What it does
    Reports a layer that has no `name`.

    ## Why is this bad?
    Caffe accepts it. Weights are loaded, and shared between the training and the test net, by name: this layer's never
    are. In logs it shows as nothing.

    ## Fix safety
    Unsafe: a name is made from the type and the place; weights stored under an empty name are no longer found.
    """

    code = "SCH013"
    name = "missing-name"
    severity = "warning"
    fix_safety = "unsafe"
    GOOD = (Example(IMAGE + CONV),)
    BAD = (
        Example(IMAGE + CONV.replace('  name: "conv"\n', "")),
        Example(IMAGE + 'layer { type: "ReLU" bottom: "data" top: "data" }\n'),
    )

    def suspects(self, layer: LayerDef) -> bool:
        """No name, and none that could not be read or stands further in (V0)."""
        entry = layer.bound.entry("name")
        return not layer.name and layer.version != 0 and (entry is None or entry.ok)

    def check_layer(self, layer: Layer, analysis: Analysis) -> Iterable[Finding]:
        """One finding, unless a misspelt `name` has been reported already, or the layer is not all there yet."""
        start, end = layer.span()
        if any(start <= base + problem.start < end for base, problem in analysis.tree.problems()):
            return
        if misspelt(analysis, layer.base + layer.definition.node.start, "name"):
            return
        message = (
            "a layer without a name cannot be found by weight loading, by the test net that takes the trained "
            "weights, or in logs. Give it a name."
        )
        entry = layer.bound.entry("type")
        fix = None
        if entry is not None and not layer.bound.has("name") and layer.type:
            taken = {other.name for other in analysis.file.layers}
            number = 1 + sum(other.type == layer.type for other in analysis.file.layers[: layer.index])
            while f"{layer.type.lower()}{number}" in taken:
                number += 1
            edit = insert_after(analysis.tree.text, layer.base, entry, f'name: "{layer.type.lower()}{number}"')
            fix = Fix("unsafe", "Give it a name", (edit,))
        yield self.at(layer, message, "type", fix=fix)
