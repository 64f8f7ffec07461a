"""FRZ015: frozen layers that start at random."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prototxt_net.finding import Finding
from prototxt_net.flow import FINE_TUNE_SHARE, WEIGHTED, any_frozen, frozen, missing_share, trainable
from prototxt_net.net import Node, PhaseNet
from prototxt_server.rules.base import Example, Rule, rule
from prototxt_server.rules.bn.nets import conv, data, ip, loss, relu

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis
    from prototxt_server.linked.model import Linked

_LOCKED = "param { lr_mult: 0 decay_mult: 0 }"
_CHOSEN = ("constant", "bilinear")  # fillers whose values somebody chose


def _net(*lines: str, filler: str = 'type: "msra"') -> str:
    return (
        data() + conv("conv1", "data", *lines, filler=filler) + relu("relu1", "conv1") + ip("fc", "conv1") + loss("fc")
    )


def _solver(*lines: str) -> dict[str, str]:
    return {"solver.prototxt": "\n".join(('net: "net.prototxt"', "base_lr: 0.1", 'lr_policy: "fixed"', *lines))}


@rule
class FrozenFromScratch(Rule):
    """## What it does
    Mentions a frozen layer with a random filler where neither the net's solver nor the command line names weights; it
    is a warning where `--weights` gives a file that does not have the layer.

    ## Why is this bad?
    The layer stays as it was drawn: random features for the rest of the net. It is right only if weights are given when
    training starts (`caffe train -weights`).

    ## Fix safety
    There is no automatic fix: give weights, or let the layer train.
    """

    code = "FRZ015"
    name = "frozen-from-scratch"
    severity = "info"
    GOOD = (
        Example(_net(_LOCKED), files=_solver('weights: "vgg.caffemodel"')),
        Example(_net(), files=_solver()),
        Example(_net(_LOCKED, filler='type: "constant" value: 1'), files=_solver()),
        Example(_net(_LOCKED)),
    )
    BAD = (
        Example(_net(_LOCKED), files=_solver()),
        Example(_net(_LOCKED, filler='type: "gaussian" std: 0.01'), files=_solver("max_iter: 10")),
    )

    def check_linked(self, analysis: Analysis, linked: Linked) -> Iterable[Finding]:
        """The first layer speaks for the others."""
        stored = linked.weights
        if stored is None and not linked.without_weights:
            return
        for net in analysis.nets:
            if net.phase != "TRAIN" or not trainable(net) or not any_frozen(net):
                continue
            drawn = [node for node in net.of_type(*WEIGHTED) if frozen(net, node) and _is_drawn(node)]
            if stored is not None:
                drawn = [node for node in drawn if node.name not in stored.layers]
            elif missing_share(net) >= FINE_TUNE_SHARE:
                return  # without stored weights nothing would work: its author knows
            if drawn:
                yield self._finding(net, drawn, "" if stored is None else stored.path)

    def _finding(self, net: PhaseNet, drawn: list[Node], path: str) -> Finding:
        first = drawn[0]
        more = f" (and {len(drawn) - 1} more)" if len(drawn) > 1 else ""
        if path:
            why = f"{path} does not have it. Give a file that does, or unfreeze it."
        else:
            why = "the solver names no weights. Start with `caffe train -weights`, or unfreeze it."
        return self.at(
            first,
            f"'{first.name}'{more} is frozen at random initial values: {why}",
            "param.lr_mult",
            severity="warning" if path else "info",
            phases=("TRAIN",),
        )


def _is_drawn(node: Node) -> bool:
    """Whether a random filler is written for the weights, and no blobs."""
    params = node.setup.params
    entry = node.layer.bound.find(params[0].filler) if params and params[0].filler else None
    if entry is None or "blobs" in node.layer.bound.entries:
        return False
    kind = entry.value.get("type")
    return isinstance(kind, str) and kind not in _CHOSEN
