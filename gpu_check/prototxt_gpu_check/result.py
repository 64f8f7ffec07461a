"""What a forward pass found out, layer by layer, and its JSON form."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from prototxt_gpu_check.parameters import Origin
from prototxt_gpu_check.stats import Stats
from prototxt_gpu_check.weights import Misfit
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
    """A parameter blob after its layer ran (running statistics have moved)."""

    role: str
    shape: tuple[int, ...]
    origin: Origin
    before: Stats
    after: Stats


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
    error: str = ""

    def to_json(self) -> dict[str, Any]:
        """The documented JSON object without its findings; never a NaN or an infinity."""
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
            "layers": [_layer(layer) for layer in self.layers],
            "timing_ms": {k: round(v, 3) for k, v in self.timing_ms.items()},
        }
        if self.error:
            out["error"] = self.error
        return out


def number(value: float | None) -> float | None:
    """The value if JSON can carry it."""
    return value if value is not None and math.isfinite(value) else None


def _layer(layer: LayerResult) -> dict[str, Any]:
    out: dict[str, Any] = {"name": layer.name, "type": layer.node.type, "checked": layer.checked}
    if layer.reason:
        out["reason"] = layer.reason
    if "source" in layer.facts:
        out["source"] = layer.facts["source"]
    out["bottoms"] = list(layer.node.layer.definition.bottoms)
    out["tops"] = [_top(top) for top in layer.tops]
    out["params"] = [{"mean_abs": number(p.after.mean_abs), "shape": list(p.shape)} for p in layer.params]
    out["bottom_diffs"], out["param_diffs"] = [], []
    return out


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
