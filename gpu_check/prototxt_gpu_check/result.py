"""What a forward pass found out, layer by layer, and its JSON form."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from prototxt_gpu_check.parameters import Origin
from prototxt_gpu_check.solver import Solver
from prototxt_gpu_check.stats import Stats, float32
from prototxt_gpu_check.weights import Misfit
from prototxt_net.flow import is_loss, loss_weights
from prototxt_net.graph import explicit_loss_weight
from prototxt_net.net import Node, PhaseNet

Status: TypeAlias = Literal["ok", "partial", "error"]


@dataclass(slots=True)
class BlobResult:
    """A top right after its layer ran."""

    name: str
    shape: tuple[int, ...]
    stats: Stats
    same_samples: bool | None = None
    """Every sample equals the first one; None where that was not looked at."""


@dataclass(slots=True)
class ParamResult:
    """A parameter blob before and after its layer ran, which moves running statistics.

    On the CPU a blob that stays as it was is looked at when its statistics are first asked for: a pass over the weights
    of AlexNet would cost twice what its layers cost.
    """

    role: str
    shape: tuple[int, ...]
    origin: Origin
    _before: Stats | Callable[[], Stats]
    _after: Stats | None = None

    @property
    def before(self) -> Stats:
        """What the layer started with."""
        if not isinstance(self._before, Stats):
            self._before = self._before()
        return self._before

    @property
    def after(self) -> Stats:
        """What it left behind."""
        return self.before if self._after is None else self._after


@dataclass(slots=True)
class LayerResult:
    """One layer. `checked` is False where it was not run, `reason` says why. facts: see layers.base.Step."""

    node: Node
    checked: bool
    reason: str = ""
    tops: list[BlobResult] = field(default_factory=list)
    params: list[ParamResult] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The layer's name."""
        return self.node.name


@dataclass(slots=True, frozen=True)
class Diff:
    """The gradient of one bottom or parameter blob; name: the bottom as Caffe calls it, or the blob's index."""

    index: int
    name: str
    stats: Stats


@dataclass(slots=True)
class LayerDiffs:
    """What a layer's Backward left right after it ran; node is None for a Split that Caffe inserts.

    A shared parameter's gradient is the sum so far. reason: why the layer was not run backward, "" where it was.
    """

    name: str
    node: Node | None
    reason: str = ""
    bottoms: list[Diff] = field(default_factory=list)
    params: list[Diff] = field(default_factory=list)


@dataclass(slots=True)
class Norms:
    """Caffe's "All net params" line: sums over every parameter blob that a layer owns, statistics included."""

    data_l1: float = 0.0
    diff_l1: float = 0.0
    data_squares: float = 0.0
    diff_squares: float = 0.0

    def add(self, data: Stats, diff: Stats | None) -> None:
        """Count one blob."""
        self.data_l1 = float32(self.data_l1 + (data.debug_value * data.count if data.count else 0.0))
        self.data_squares += data.sum_squares
        if diff is not None and diff.count:
            self.diff_l1 = float32(self.diff_l1 + diff.debug_value * diff.count)
            self.diff_squares += diff.sum_squares

    @property
    def data_l2(self) -> float:
        """The L2 norm of the parameters."""
        return _root(self.data_squares)

    @property
    def diff_l2(self) -> float:
        """The L2 norm of their gradients."""
        return _root(self.diff_squares)


def _root(squares: float) -> float:
    """The root of a sum that Caffe keeps in a float32."""
    return math.sqrt(float32(squares)) if squares >= 0 else math.nan


@dataclass(slots=True)
class BackwardResult:
    """A backward pass: layers in the order they ran (last first), and every parameter blob's whole gradient."""

    layers: list[LayerDiffs] = field(default_factory=list)
    params: dict[tuple[Node, int], Stats] = field(default_factory=dict)
    norms: Norms = field(default_factory=Norms)

    def of(self, node: Node) -> LayerDiffs | None:
        """The gradients that a layer computed; None where its Backward did not run."""
        return next((layer for layer in self.layers if layer.node is node), None)


@dataclass(slots=True)
class Degraded:
    """Something that the pass did not do as the net says; code for programs, message for people."""

    code: str
    message: str


@dataclass(slots=True)
class ForwardResult:
    """A whole pass. loss: the weighted sum of all losses; None without a loss or when it is not finite."""

    net: PhaseNet
    device: str
    backend: str
    phase: str
    seed: int
    batch_requested: int | None
    batch_used: int | None
    status: Status = "ok"
    loss: float | None = None
    loss_nonfinite: int = 0
    layers: list[LayerResult] = field(default_factory=list)
    degraded: list[Degraded] = field(default_factory=list)
    timing_ms: dict[str, float] = field(default_factory=dict)
    weights: str | None = None
    misfits: list[Misfit] = field(default_factory=list)
    solvers: tuple[Solver, ...] = ()
    backward: BackwardResult | None = None
    error: str = ""

    def add_losses(self, dialect: str) -> None:
        """Fill `loss` and `loss_nonfinite` from the layers' tops and loss weights (Net::ForwardFromTo)."""
        total, any_loss = 0.0, False
        for layer in self.layers:
            for index, (weight, top) in enumerate(zip(loss_weights(layer.node, dialect), layer.tops, strict=False)):
                blobs = layer.node.tops
                if index < len(blobs) and blobs[index].readers and explicit_loss_weight(layer.node, index):
                    # The Split that Caffe inserts takes the weight over and the layer falls back to its default, which
                    # for a loss counts the same value once more (measured).
                    weight += 1.0 if index == 0 and is_loss(layer.node.layer.definition, dialect) else 0.0
                if weight:
                    any_loss = True
                    total += weight * float(top.stats.total.sum())
                    self.loss_nonfinite += top.stats.nonfinite
        if any_loss and not self.loss_nonfinite:
            self.loss = total

    def to_json(self, parameters: bool = True) -> dict[str, Any]:
        """The documented JSON object without its findings; never a NaN or an infinity.

        parameters: with the means of the parameter blobs, for which each of them has to be looked at.
        """
        out: dict[str, Any] = {
            "device": self.device,
            "backend": self.backend,
            "phase": self.phase,
            "seed": self.seed,
            "batch_requested": self.batch_requested,
            "batch_used": self.batch_used,
            "degraded": [{"code": d.code, "message": d.message} for d in self.degraded],
            "status": self.status,
            "loss": number(self.loss),
            "loss_nonfinite": self.loss_nonfinite,
            "layers": [_layer(layer, self.backward, parameters) for layer in self.layers],
            "timing_ms": {k: round(v, 3) for k, v in self.timing_ms.items()},
        }
        if self.backward is not None:
            out["backward"] = _norms(self.backward.norms)
        if self.error:
            out["error"] = self.error
        return out


def number(value: float | None) -> float | None:
    """The value if JSON can carry it."""
    return value if value is not None and math.isfinite(value) else None


def _layer(layer: LayerResult, backward: BackwardResult | None, parameters: bool) -> dict[str, Any]:
    out: dict[str, Any] = {"name": layer.name, "type": layer.node.type, "checked": layer.checked}
    if layer.reason:
        out["reason"] = layer.reason
    if "source" in layer.facts:
        out["source"] = layer.facts["source"]
    out["bottoms"] = list(layer.node.layer.definition.bottoms)
    out["tops"] = [_top(top) for top in layer.tops]
    if not layer.checked:
        out["unknown_tops"] = list(layer.node.layer.definition.tops)
    out["params"] = [
        {**({"mean_abs": number(p.after.mean_abs)} if parameters else {}), "shape": list(p.shape)} for p in layer.params
    ]
    diffs = None if backward is None else backward.of(layer.node)
    out["bottom_diffs"] = [] if diffs is None else [_diff(layer.node, d) for d in diffs.bottoms]
    out["param_diffs"] = [_param_diff(backward, layer, index) for index in range(len(layer.params))] if diffs else []
    if diffs is not None and diffs.reason:
        out["backward_reason"] = diffs.reason
    return out


def _diff(node: Node, diff: Diff) -> dict[str, Any]:
    name = node.layer.definition.bottoms[diff.index]
    s = diff.stats
    return {"name": name, "mean_abs": number(s.mean_abs), "max_abs": number(s.maximum), "nonfinite": s.nonfinite}


def _param_diff(backward: BackwardResult | None, layer: LayerResult, index: int) -> dict[str, Any]:
    """The whole gradient of a parameter blob; null where none is computed (lr_mult 0)."""
    stats = None if backward is None else backward.params.get((layer.node, index))
    if stats is None:
        return {"mean_abs": None}
    return {"mean_abs": number(stats.mean_abs), "max_abs": number(stats.maximum), "nonfinite": stats.nonfinite}


def _norms(n: Norms) -> dict[str, Any]:
    return {
        "l1": {"data": number(n.data_l1), "diff": number(n.diff_l1)},
        "l2": {"data": number(n.data_l2), "diff": number(n.diff_l2)},
    }


def _top(top: BlobResult) -> dict[str, Any]:
    s = top.stats
    return {
        "name": top.name,
        "shape": list(top.shape),
        "mean_abs": number(s.mean_abs),
        "max_abs": number(s.maximum),
        "mean": number(s.mean),
        "std": number(s.std),
        "zero_frac": s.zero_frac,
        "nonfinite": s.nonfinite,
        "channels": s.channels,
        "zero_channels": s.zero_channels,
    }
