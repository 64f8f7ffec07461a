"""What is known of the layers that a log names: from a net, from the net that the log itself prints, or by a guess."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from prototxt_net.net import Node, PhaseNet
from prototxt_server.analysis import Analysis, Settings, Source
from prototxt_server.engine import analyze
from prototxt_server.log.record import Log
from prototxt_server.log.values import LayerValues, Pass, Value
from prototxt_server.log.versions import Writer

NORMS = frozenset({"BatchNorm", "BN", "MergedBN"})
STATISTICS = frozenset({"mean", "variance", "factor", "spare"})
_GUESSES = (
    (re.compile(r"(?:^|[^a-z])(?:bn|batch_?norm|bnorm)|bn\d*$|batchnorm", re.I), "BatchNorm"),
    (re.compile(r"scale|(?:^|[_/])sc\d*$", re.I), "Scale"),
    (re.compile(r"relu", re.I), "ReLU"),
    (re.compile(r"drop", re.I), "Dropout"),
    (re.compile(r"pool", re.I), "Pooling"),
    (re.compile(r"_split$", re.I), "Split"),
    (re.compile(r"accuracy|(?:^|[_/])acc\d*$|top-?[15]$", re.I), "Accuracy"),
    (re.compile(r"loss", re.I), "SoftmaxWithLoss"),
)
_DATA = re.compile(r"data|input|label", re.I)
_LABEL = re.compile(r"label|target|^gt|weight", re.I)


class Knowledge:
    """Types, parameter roles and connections of layers. analysis: of the net given, or printed in the log, or None.

    given: whether the net is a file of the user's, so that findings can point into it.
    """

    def __init__(self, log: Log, writer: Writer, analysis: Analysis | None, given: bool) -> None:
        self.log = log
        self.given = given
        self.analysis = analysis
        self.dialect = writer.dialect or (analysis.file.dialect if analysis is not None else "")
        self._nets: dict[str, PhaseNet] = {net.phase: net for net in analysis.nets} if analysis is not None else {}

    def node(self, layer: str, phase: str = "") -> Node | None:
        """The layer in the net of the phase, else in the other."""
        first = self._nets.get(phase)
        for net in (first, *self._nets.values()):
            if net is not None and layer in net.by_name:
                return net.by_name[layer]
        return None

    def net(self, phase: str = "") -> PhaseNet | None:
        """The net of the phase, else the other, else None."""
        return self._nets.get(phase) or next(iter(self._nets.values()), None)

    def type(self, layer: str) -> str:
        """The layer's type; "" when nothing tells."""
        node = self.node(layer)
        if node is not None:
            return node.type
        return self.log.types.get(layer) or guess(layer)

    def certain(self, layer: str) -> bool:
        """Whether `type` is known and not guessed from the name."""
        return self.node(layer) is not None or layer in self.log.types

    def roles(self, values: LayerValues) -> tuple[str, ...]:
        """What each parameter blob of a layer is ("weight", "gamma", ...); empty when unknown."""
        node = self.node(values.name)
        count = len(values.params)
        if node is not None and len(node.setup.params) == count:
            return tuple(blob.role for blob in node.setup.params)
        type_ = self.type(values.name)
        if type_ == "BatchNorm" and count in (3, 5):
            return self.norm_roles(count, values)
        if type_ in ("Scale", "Convolution", "InnerProduct", "Deconvolution", "") and 1 <= count <= 2:
            return ("gamma", "beta")[:count] if type_ == "Scale" else ("weight", "bias")[:count]
        return ()

    def norm_roles(self, count: int, values: LayerValues) -> tuple[str, ...]:
        """The roles of a BatchNorm's blobs. Five without a known dialect: NVIDIA 0.16 keeps a 1 as the third."""
        if count == 3:
            return batch_norm_roles("bvlc", 3)
        third = list(values.params.values())[2].number
        return batch_norm_roles(self.dialect if "nvidia" in self.dialect else "", 5) or batch_norm_roles(
            "nvidia-0.16" if third == 1.0 else "nvidia-0.15", 5
        )

    def is_source(self, values: LayerValues, kept: Pass) -> bool:
        """Whether a layer makes data: no bottoms in the net; or, by its looks, the first of a pass."""
        node = self.node(values.name, kept.phase)
        if node is not None:
            return not node.bottoms
        type_ = self.type(values.name)
        if type_.endswith(("Data", "Input")):
            return True
        if values.params or type_ not in ("", "Split"):
            return False
        first = next(iter(kept.layers), "")
        return values.name == first or _DATA.search(values.name) is not None

    def is_label(self, blob: str) -> bool:
        """Whether a blob holds labels, by its name."""
        return _LABEL.search(blob) is not None

    def is_output(self, values: LayerValues, blob: str) -> bool:
        """Whether a top is a number for people (a loss, an accuracy): zeros there are no collapse."""
        type_ = self.type(values.name)
        known = {*self.log.outputs, *self.log.train, *self.log.test}
        return type_.endswith("Loss") or type_ in ("Accuracy", "ArgMax", "Silence") or blob in known

    def inputs(self, values: LayerValues, kept: Pass) -> list[tuple[str, Value]]:
        """(blob, value) of what the layer read, as far as the pass printed it."""
        node = self.node(values.name, kept.phase)
        if node is not None and None not in node.bottoms:
            found = []
            for blob in node.bottoms:
                layer = kept.layers.get(blob.producer.name) if blob is not None else None
                if blob is not None and layer is not None and blob.name in layer.tops:
                    found.append((blob.name, layer.tops[blob.name]))
            return found
        before: list[tuple[str, Value]] = []
        for layer in kept.layers.values():
            if layer is values:
                break
            before += [(blob, value) for blob, value in layer.tops.items() if not self.is_label(blob)]
        own = [pair for pair in before if pair[0] in values.tops]
        return (own or before)[-1:]

    def lr(self, layer: str, index: int) -> float | None:
        """lr_mult in force, None when unknown."""
        node = self.node(layer, "TRAIN")
        return None if node is None else node.lr_mult(index)

    def needs_backward(self, layer: str) -> bool | None:
        """What Caffe said when it built the net, None when the log does not show it."""
        return self.log.needs_backward.get(layer)


def by_blobs(log: Log, types: Mapping[str, str]) -> Writer:
    """Who wrote a log that names no lines: only NVIDIA's BatchNorm has five parameter blobs. types: of the layers."""
    for kept in log.passes:
        for values in kept.layers.values():
            type_ = types.get(values.name) or log.types.get(values.name) or guess(values.name)
            if type_ == "BatchNorm" and list(values.params) == ["0", "1", "2", "3", "4"]:
                why = f"'{values.name}' has five parameter blobs, the third is {values.params['2'].number:g}"
                if values.params["2"].number == 1.0:
                    return Writer("nvidia-0.16", "NVIDIA Caffe 0.16 or 0.17", why)
                return Writer("nvidia-0.15", "NVIDIA Caffe 0.15", why)
    return Writer("", "", "")


def guess(layer: str) -> str:
    """A type by a layer's name; "" for a name that tells nothing."""
    return next((type_ for pattern, type_ in _GUESSES if pattern.search(layer)), "")


@lru_cache(maxsize=32)
def batch_norm_roles(dialect: str, count: int) -> tuple[str, ...]:
    """The roles of a BatchNorm's parameter blobs in a dialect, as its layer entry has them; empty when none fits."""
    if not dialect:
        return ()
    for fields in ("", "batch_norm_param { scale_bias: true }"):
        text = (
            'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 4 dim: 4 } } }\n'
            f'layer {{ name: "bn" type: "BatchNorm" bottom: "data" top: "bn" {fields} }}\n'
        )
        analysis = analyze(Source(text), Settings(dialect=dialect))
        node = next((net.by_name.get("bn") for net in analysis.nets), None)
        if node is not None and len(node.setup.params) == count:
            return tuple(blob.role for blob in node.setup.params)
    return ()
