"""BN042: the fifth blob of NVIDIA 0.15's BatchNorm, which nobody initialises on the CAFFE engine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prototxt_net.batchnorm import engine, norm_family, norms
from prototxt_net.finding import Finding, Fix
from prototxt_net.flow import fine_tuned, trainable
from prototxt_net.net import Node, PhaseNet
from prototxt_server.rules.base import Example, Rule, rule
from prototxt_server.rules.bn.edits import drop, fix
from prototxt_server.rules.bn.nets import STAT, bn, conv, data, ip, loss, relu

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis
    from prototxt_server.linked.model import Linked

_FREE = "param { lr_mult: 1 decay_mult: 0 }"


def _net(*params: str, engine: str = "CAFFE") -> str:
    own = f"batch_norm_param {{ scale_filler {{ value: 1 }} engine: {engine} }}"
    norm = bn("bn1", "conv1", *params, own, top="bn1")
    return data() + conv("conv1", "data") + norm + relu("relu1", "bn1") + ip("fc", "bn1") + loss("fc")


def _solver(*lines: str) -> dict[str, str]:
    fields = ('net: "net.prototxt"', "base_lr: 0.1", 'lr_policy: "fixed"', "max_iter: 9000", *lines)
    return {"solver.prototxt": "\n".join(fields) + "\n"}


_SPARED = (_FREE, _FREE, STAT, STAT, "param { lr_mult: 0 }")


@rule
class SpareBlob(Rule):
    """## What it does
    Reports a BatchNorm of NVIDIA 0.15 with `engine: CAFFE` whose spare blob is kept out of reach of weight
    decay: by `decay_mult: 0`, or by a solver without `weight_decay`.

    ## Why is this bad?
    That layer has five blobs: gamma, beta, mean, variance and a spare one, which it neither fills nor reads. Weight
    decay is the only thing that ever touches it. Where that does not happen either, the first update finds a blob
    without memory and aborts: "Syncedmem not initialized" (measured). Loaded weights have the blob, so a net that
    starts from them goes on.

    ## In other Caffes
    The cuDNN layer of the same version fills the blob, so there all five can be masked alike (read in source). BVLC's
    Caffe and NVIDIA's 0.16 and 0.17 fill every blob.

    ## Fix safety
    Safe: nothing reads the blob, so its decay changes no result.
    """

    code = "BN042"
    name = "bn-n15-spare-blob"
    severity = "warning"
    dialects = frozenset({"nvidia-0.15"})
    fix_safety = "safe"
    GOOD = (
        Example(_net(*_SPARED), dialect="nvidia-0.15"),
        Example(_net(_FREE, _FREE, STAT, STAT, STAT, engine="CUDNN"), dialect="nvidia-0.15"),
        Example(_net(*_SPARED), dialect="nvidia-0.15", files=_solver("weight_decay: 0.0005")),
    )
    BAD = (
        Example(_net(_FREE, _FREE, STAT, STAT, STAT), dialect="nvidia-0.15", fixed=_net(*_SPARED)),
        Example(_net(_FREE, _FREE, STAT, STAT, "param {\n  decay_mult: 0\n}"), dialect="nvidia-0.15"),
        Example(_net(*_SPARED), dialect="nvidia-0.15", files=_solver()),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """Layers whose own block keeps the decay away."""
        for node, index in _spares(net):
            if node.decay_mult(index) == 0:
                yield self._finding(net, node, "decay_mult: 0 keeps weight decay from", "Delete that decay_mult", index)

    def check_linked(self, analysis: Analysis, linked: Linked) -> Iterable[Finding]:
        """Solvers without weight decay; the first layer speaks for the others."""
        if not linked.without_decay or linked.weights is not None:
            return
        for net in analysis.nets:
            for node, index in _spares(net):
                if node.decay_mult(index) != 0:
                    why = "the solver's weight_decay is 0, so nothing touches"
                    yield self._finding(net, node, why, "Give the solver a weight_decay, if a tiny one")
                    return

    def _finding(self, net: PhaseNet, node: Node, why: str, cure: str, index: int | None = None) -> Finding:
        return self.at(
            node,
            f"'{node.name}': {why} its spare blob, which engine CAFFE never initialises: the first update aborts "
            f'("Syncedmem not initialized") unless weights are loaded. {cure}.',
            "param" if index is not None else "batch_norm_param.engine",
            index=index or 0,
            fix=self._fix(net, node, index) if index is not None else None,
            phases=("TRAIN",),
        )

    @staticmethod
    def _fix(net: PhaseNet, node: Node, index: int) -> Fix | None:
        return fix("safe", "Delete that decay_mult", drop(net.file, node, f"param.{index}.decay_mult"))


def _spares(net: PhaseNet) -> Iterable[tuple[Node, int]]:
    """The layers in question of a net that trains from scratch, with the index of the spare blob."""
    if net.phase != "TRAIN" or not trainable(net) or fine_tuned(net):
        return
    for node in norms(net):
        if norm_family(node, net.dialect) == "N15" and engine(node) == "CAFFE":
            for index, blob in enumerate(node.setup.params):
                if blob.role == "spare":
                    yield node, index
