"""Which layers get a gradient: Net::Init's bookkeeping, step by step (read in BVLC's net.cpp, parts measured).

1. Forward over the layers: a layer needs backward when a bottom needs it or one of its own blobs has lr_mult other
   than 0. `propagate_down[i]` replaces the need of bottom i. BatchNorm masks its statistics in a private copy of its
   parameters, so an unlisted statistic counts as lr_mult 1 here although it never changes (measured).
2. Backward over the layers: those that lead to no loss are switched off, and those whose tops are all marked "skip".
   The Split that Caffe puts behind a version with several readers skips only when every reader does.
3. `force_backward: true` switches everything on, except the bottoms that a layer type does not let be forced.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from prototxt_net.batchnorm import norm_family
from prototxt_net.flow import carries_loss, is_loss, loss_weights
from prototxt_net.layers.base import entry_of
from prototxt_net.net import Blob, Node, PhaseNet


@dataclass(slots=True)
class Backward:
    """layers: those whose Backward runs. bottoms: (layer, bottom index) pairs whose diff is computed.

    under_loss: layers that lead to a loss. cut: layers that lead to a loss but are switched off because a
    `propagate_down: false` stands on every path.
    """

    layers: set[Node] = field(default_factory=set)
    bottoms: set[tuple[Node, int]] = field(default_factory=set)
    under_loss: set[Node] = field(default_factory=set)
    cut: set[Node] = field(default_factory=set)


def backward(net: PhaseNet) -> Backward:
    """The outcome for the net of one phase (made for TRAIN; TEST nets never run it)."""
    known: Backward | None = net.facts.get("backward")
    if known is None:
        known = net.facts["backward"] = _simulate(net)
    return known


def _simulate(net: PhaseNet) -> Backward:
    out = Backward()
    if net.file.root.get("force_backward"):
        _forwards(net, out)
        _backwards(net, out)
        out.layers = set(net.nodes)
        out.bottoms |= {
            (node, i) for node in net.nodes for i in range(len(node.bottoms)) if _may_be_forced(node, i, net.dialect)
        }
        out.cut.clear()
    elif any(_own_loss(node, net.dialect) for node in net.nodes):
        _forwards(net, out)
        _backwards(net, out)
    return out  # without a loss everything is switched off


def _own_loss(node: Node, dialect: str) -> bool:
    """Whether the layer itself is a loss: a top with a weight, or a loss layer whose top is automatic."""
    definition = node.layer.definition
    known: bool | None = definition.cache.get("own loss")
    if known is None:
        known = any(loss_weights(node, dialect)) if node.tops else _automatic_loss(node, dialect)
        definition.cache["own loss"] = known
    return known


_NOT_FORCED = {
    "EuclideanLoss": (),
    "L1Loss": (),
    "SmoothL1Loss": (),
    "SmoothL1LossOHEM": (),
    "ContrastiveLoss": (2,),
    "RNN": (1,),
    "LSTM": (1,),
    "LSTMUnit": (2,),
}
"""AllowForceBackward by type, where it differs from every bottom (other layers) or all but bottom 1 (losses)."""


def _may_be_forced(node: Node, index: int, dialect: str) -> bool:
    definition = node.layer.definition
    default = (1,) if is_loss(definition, dialect) else ()
    return index not in _NOT_FORCED.get(definition.type, default)


def _forwards(net: PhaseNet, out: Backward) -> None:
    needed: set[Blob | None] = set()
    for node in net.nodes:
        need = _own_rate(net, node)
        written = node.layer.definition.bound.entries.get("propagate_down", ())
        for index, blob in enumerate(node.bottoms):
            needs = blob in needed
            need = need or needs
            if bool(written[index].value) if index < len(written) else needs:
                out.bottoms.add((node, index))
        if need:
            out.layers.add(node)
            needed.update(node.tops)


def _own_rate(net: PhaseNet, node: Node) -> bool:
    """Whether a blob of the layer has lr_mult other than 0 as Net::Init reads it; remembered with the layer's text."""
    definition = node.layer.definition
    key = ("own rate", len(node.setup.params))
    known: bool | None = definition.cache.get(key)
    if known is None:
        known = definition.cache[key] = _has_rate(node, net.dialect)
    return known


def _has_rate(node: Node, dialect: str) -> bool:
    if not node.setup.params:
        return entry_of(node.layer.definition.type, dialect) is None and bool(node.bottoms)
    return any(learned(node, dialect))


def learned(node: Node, dialect: str) -> tuple[bool, ...]:
    """For each parameter blob whether Net::Init asks for its gradient (param_propagate_down), force_backward aside."""
    count = len(node.setup.params)
    specs = node.layer.definition.bound.all("param")
    own = norm_family(node, dialect)
    if own in ("B", "S") and node.layer.definition.type == "BatchNorm" and len(specs) == 3:
        return (own == "S",) * count  # the upgrade writes 0 into all three; SSD's clears them, so they count as 1
    return tuple(i >= len(specs) or specs[i].get("lr_mult") != 0 for i in range(count))


def _backwards(net: PhaseNet, out: Backward) -> None:
    dialect = net.dialect
    layers, bottoms, under_loss = out.layers, out.bottoms, out.under_loss
    for node in reversed(net.nodes):
        leads = own = _own_loss(node, dialect)
        weights = loss_weights(node, dialect) if own else ()
        skip = bool(node.tops)
        for index, top in enumerate(node.tops):
            if not top.readers or (own and weights[index]):
                skip = False
            for reader in top.readers:
                if reader[0] in under_loss:
                    leads = True
                if reader in bottoms:
                    skip = False
        if skip and node in layers:
            layers.discard(node)
            _drop_bottoms(node, out)
            if leads:
                out.cut.add(node)
        if leads:
            under_loss.add(node)
        else:
            layers.discard(node)
            _drop_bottoms(node, out)


def _automatic_loss(node: Node, dialect: str) -> bool:
    """A loss layer without a top gets an automatic one, with weight 1 where none is written."""
    definition = node.layer.definition
    entry = entry_of(definition.type, dialect)
    return entry is not None and entry.loss and entry.auto_top and carries_loss(definition, dialect)


def _drop_bottoms(node: Node, out: Backward) -> None:
    for index in range(len(node.bottoms)):
        out.bottoms.discard((node, index))
