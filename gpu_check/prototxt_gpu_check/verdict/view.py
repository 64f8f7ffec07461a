"""A forward pass as verdicts look at it: statistics by blob version, and what has already been explained."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np

from prototxt_gpu_check.fill import ROUNDING
from prototxt_gpu_check.layout import count
from prototxt_gpu_check.result import BlobResult, ForwardResult, LayerResult, ParamResult
from prototxt_gpu_check.stats import Stats
from prototxt_net.backward import learned
from prototxt_net.finding import Finding, Related, Severity
from prototxt_net.flow import FINE_TUNE_SHARE, STATISTICS, WEIGHTED, frozen, lr, missing_share, trainable
from prototxt_net.net import Blob, Node, PhaseNet
from prototxt_net.zeros import fate

NAMES = {
    "DYN001": "first-nonfinite",
    "DYN002": "all-zero-top",
    "DYN003": "zero-gamma",
    "DYN004": "m1-collapse",
    "DYN005": "input-independent",
    "DYN006": "dead-channels",
    "DYN007": "relu-sparse",
    "DYN008": "constant-channels",
    "DYN009": "saturation",
    "DYN010": "explode-depth",
    "DYN011": "layer-gain",
    "DYN012": "empty-stats-gain",
    "DYN013": "vanish-depth",
    "DYN014": "bn-var-vs-eps",
    "DYN015": "bn-train-test-gap",
    "DYN016": "bn-stat-sanity",
    "DYN017": "frozen-bn-moves",
    "DYN018": "logits-collapse",
    "DYN020": "loss-floor",
    "DYN021": "partial-floor",
    "DYN022": "chance-level",
    "DYN023": "init-loss-high",
    "DYN024": "odd-loss",
    "DYN025": "label-range",
    "DYN026": "label-degenerate",
    "DYN027": "data-degenerate",
    "DYN028": "zero-gradient",
    "DYN029": "symmetric-weights",
    "DYN030": "vanishing-gradient",
    "DYN031": "exploding-gradient",
    "DYN032": "update-ratio",
    "DYN033": "grad-depth-profile",
    "DYN034": "grad-through-cut",
    "SHP027": "weights-shape",
    "INI011": "finetune-rename",
}

NO_SIGNAL = frozenset(
    {"Silence", "Accuracy", "ArgMax", "Threshold", "PriorBox", "DetectionOutput", "Filter", "ROIPooling", "Parameter"}
)
"""Layers whose zeros mean nothing."""

NORMALISING = frozenset({"BatchNorm", "BN", "MVN"})
RELU_FAMILY = frozenset({"ReLU", "ReLU6", "Clip"})
FLT_MAX = float(np.finfo(np.float32).max)

LARGE_WEIGHTS = 3.0
"""Root mean square of weights times sqrt(fan-in) from which they are called large: xavier has 1, msra 1.4."""

MOST_RELATED = 10
"""Places beside a finding, at most."""


class View:
    """Statistics by blob version; `explained` collects blobs whose trouble has a finding already, with its severity.

    origin: the layer that the finding names. silent: those of them that are explained as zeros, not as numbers that are
    too large, too small or none.
    """

    def __init__(self, result: ForwardResult) -> None:
        self.result = result
        self.layers = [layer for layer in result.layers if layer.checked]
        self.tops: dict[Blob, BlobResult] = {}
        self.explained: dict[Blob, Severity] = {}
        self.origin: dict[Blob, Node] = {}
        self.silent: set[Blob] = set()
        self.by_node = {layer.node: layer for layer in self.layers}
        for layer in self.layers:
            for blob, top in zip(layer.node.tops, layer.tops, strict=False):
                self.tops[blob] = top

    @property
    def net(self) -> PhaseNet:
        """The net that ran (with the batch that was used)."""
        return self.result.net

    def stats(self, blob: Blob | None) -> Stats | None:
        """The statistics of a blob version; None when it was not computed."""
        top = self.tops.get(blob) if blob is not None else None
        return None if top is None else top.stats

    def bottoms(self, layer: LayerResult) -> Iterator[tuple[Blob, Stats]]:
        """The layer's bottoms with their statistics."""
        for blob in layer.node.bottoms:
            stats = self.stats(blob)
            if blob is not None and stats is not None:
                yield blob, stats

    def first(self, layer: LayerResult) -> tuple[Blob, Stats] | None:
        """The layer's first top."""
        return next(self.own(layer), None)

    def own(self, layer: LayerResult) -> Iterator[tuple[Blob, Stats]]:
        """The layer's tops with their statistics."""
        for blob, top in zip(layer.node.tops, layer.tops, strict=False):
            yield blob, top.stats

    def explain(self, blob: Blob, severity: Severity, *, zero: bool = False) -> None:
        """Mark a blob and what is computed from it as explained by a finding of that severity.

        A layer with one explained bottom carries the trouble on (NaN, explosion); a zero only a layer whose bottoms are
        all explained, since beside another branch it is no trouble.
        """
        self.explained.setdefault(blob, severity)
        self.origin.setdefault(blob, blob.producer)
        if zero:
            self.silent.add(blob)
        for layer in self.layers:
            if layer.node.position <= blob.producer.position:
                continue
            hit = [b in self.explained for b in layer.node.bottoms]
            if hit and (all(hit) if zero else any(hit)):
                for top in layer.node.tops:
                    self.explained.setdefault(top, severity)
                    self.origin.setdefault(top, blob.producer)
                    if zero:
                        self.silent.add(top)

    def behind(self, blob: Blob, holds: Callable[[Stats], bool]) -> list[Node]:
        """The layers behind a blob that have a top for which `holds`, through unbroken chains; in file order."""
        seen: set[Node] = set()
        waiting = [reader for reader, _ in blob.readers]
        while waiting:
            node = waiting.pop()
            if node in seen:
                continue
            tops = [(top, s) for top in node.tops if (s := self.stats(top)) is not None]
            if any(holds(s) for _, s in tops):
                seen.add(node)
                waiting.extend(reader for top, _ in tops for reader, _ in top.readers)
        return sorted(seen, key=lambda node: node.position)

    def fate(self, blob: Blob) -> str:
        """What becomes of a constant 0 in this blob: dead, added or alive (net floor's `zeros`)."""
        return fate(self.net, blob)

    def added(self, blob: Blob) -> bool:
        """A constant 0 that only joins other branches, which are not 0 themselves: a residual block's start."""
        if self.fate(blob) != "added":
            return False
        return not any(node.type == "Eltwise" for node in self.behind(blob, lambda s: s.all_zero))

    @property
    def trains(self) -> bool:
        """The net is meant to be trained from the start that was looked at."""
        return trainable(self.net) and self.result.phase == "TRAIN"

    @property
    def from_scratch(self) -> bool:
        """Nothing was loaded, and the file does not look written for loading something.

        A frozen Deconvolution interpolates: that needs no weights from elsewhere.
        """
        if self.result.weights is not None or missing_share(self.net) >= FINE_TUNE_SHARE:
            return False
        return not any(frozen(self.net, node) for node in self.net.nodes if node.type != "Deconvolution")

    @property
    def substituted(self) -> bool:
        """Some weights were drawn here because the net has no filler for them: magnitudes are ours, not the net's."""
        return any(origin.kind == "substituted" for x in self.layers for origin in (p.origin for p in x.params))

    @property
    def data_varies(self) -> bool:
        """Some data top (labels and targets left out) differs from sample to sample or place to place."""
        return any(stats.count > 1 and not alike(stats) for stats in self._data())

    def _data(self) -> Iterator[Stats]:
        for layer in self.layers:
            kinds: list[Any] = layer.facts.get("values", [])
            for kind, (_, stats) in zip(kinds, self.own(layer), strict=False):
                if kind not in ("labels", "targets"):
                    yield stats

    @property
    def data_rms(self) -> float:
        """The largest root mean square among the data tops (labels and targets left out); 0 without any."""
        return max((stats.rms or 0.0 for stats in self._data() if len(stats.shape) > 1), default=0.0)

    def finding(
        self,
        code: str,
        layer: LayerResult,
        severity: Severity,
        message: str,
        at: str = "",
        related: Iterable[tuple[Node, str]] = (),
    ) -> Finding:
        """A finding at a field of the layer, in the phase that ran. related: other layers, with what happens there."""
        start, end = layer.node.layer.at(at)
        return Finding(
            code,
            NAMES[code],
            severity,
            message,
            start,
            end,
            layer.name,
            (self.result.phase,),
            self.net.dialect,
            related=tuple(places(related)),
        )


def feeds_weights(blob: Blob) -> bool:
    """Whether a layer with weights reads the blob, directly or further down."""
    seen: set[Node] = set()
    waiting = [reader for reader, _ in blob.readers]
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        if node.type in WEIGHTED:
            return True
        waiting.extend(reader for top in node.tops for reader, _ in top.readers)
    return False


def places(related: Iterable[tuple[Node, str]]) -> Iterator[Related]:
    """The first layers of what stands beside a finding, each with its words."""
    for node, message in islice(related, MOST_RELATED):
        start, end = node.layer.at("")
        yield Related(message, start, end)


def param(layer: LayerResult, *roles: str) -> ParamResult | None:
    """The layer's first parameter blob with one of these roles."""
    return next((p for p in layer.params if p.role in roles), None)


def trained(view: View, layer: LayerResult) -> list[int]:
    """The layer's parameter blobs that a solver would change: no statistics, a rate other than 0."""
    node, net = layer.node, view.net
    asked = learned(node, net.dialect)
    return [
        i
        for i, blob in enumerate(node.setup.params)
        if not blob.statistic and blob.role not in STATISTICS and asked[i] and lr(net, node, i) != 0
    ]


def alike(stats: Stats) -> bool:
    """Whether all values are the same, but for rounding."""
    return (stats.std or 0.0) <= ROUNDING * (stats.rms or 0.0)


def drowns(bias: Stats, sum_: Stats) -> bool:
    """Whether a bias alone decides the sign: the sums lie closer to it than to 0."""
    mean, spread, center = bias.mean or 0.0, sum_.std or 0.0, sum_.mean or 0.0
    return mean < 0 and abs(center - mean) < abs(mean) / 2 and spread < abs(mean)


def start(layer: LayerResult) -> str:
    """What fills the layer's weights, as a sentence; "" where that is no filler of the net."""
    weight = param(layer, "weight")
    filler = weight.origin.filler if weight is not None and weight.origin.kind == "filler" else None
    if filler is None:
        return ""
    values = {
        "constant": f" {filler.value:g}",
        "uniform": f", {filler.min:g} to {filler.max:g}",
        "gaussian": f", std {filler.std:g}",
    }.get(filler.type, "")
    return f" Its weight_filler is {filler.type}{values}."


def weight_size(layer: LayerResult) -> float:
    """The root mean square of the layer's weights times sqrt(fan-in): by so much it changes the scale of noise."""
    weight = param(layer, "weight")
    if weight is None or not weight.shape or not count(weight.shape):
        return 0.0
    drawn = weight.origin.filler.rms(weight.shape) if weight.origin.filler is not None else None
    rms = drawn if drawn is not None else weight.before.rms or 0.0
    return rms * math.sqrt(count(weight.shape) / weight.shape[0])


def loudest(view: View) -> LayerResult | None:
    """The layer whose fresh weights are largest for their fan-in, where they are too large."""
    fresh = [x for x in view.layers if (w := param(x, "weight")) is not None and w.origin.kind == "filler"]
    most = max(fresh, key=weight_size, default=None)
    return most if most is not None and weight_size(most) > LARGE_WEIGHTS else None
