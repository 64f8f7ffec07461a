"""How a BatchNorm is frozen in Caffes that choose between batch and stored statistics by the phase alone."""

from __future__ import annotations

from prototxt_net.batchnorm import affine, behind_frozen_layer, norm_family
from prototxt_net.finding import Fix
from prototxt_net.flow import lr, weights
from prototxt_net.layers.base import entry_of
from prototxt_net.net import Blob, Node, PhaseNet
from prototxt_server.rules.bn.edits import drop, fix, put, set_params

FLAG = "batch_norm_param.use_global_stats"


def above_what_trains(net: PhaseNet) -> set[Blob]:
    """Blobs that depend on a weight which the solver changes. A layer of unknown type may have some."""
    known: set[Blob] | None = net.facts.get("above what trains")
    if known is None:
        known = net.facts["above what trains"] = set()
        for node in net.nodes:
            own = any(lr(net, node, i) != 0 for i in weights(node))
            unknown = entry_of(node.layer.definition.type, net.dialect) is None
            if own or unknown or any(blob in known for blob in node.bottoms if blob is not None):
                known.update(node.tops)
    return known


def by_phase(net: PhaseNet, node: Node) -> tuple[str, Fix | None]:
    """What to do about a frozen BatchNorm whose Caffe reads no flag (NVIDIA's), as a sentence and as a fix.

    `phase: TEST` in the layer itself makes it use the stored statistics. It has no right backward then, so nothing
    that trains may stand in front of it, and every blob of its own needs lr_mult 0 (read in source, not tried).
    """
    if norm_family(node, net.dialect) == "N16" and affine(node, net.dialect):
        return (
            "Its own gamma and beta train in any case: make BatchNorm and Scale two layers, and write `phase: TEST` "
            "and lr_mult: 0 in the BatchNorm.",
            None,
        )
    bottom = node.bottoms[0] if node.bottoms else None
    if not behind_frozen_layer(net, node) or bottom is None or bottom in above_what_trains(net):
        return "It cannot be frozen while layers in front of it train: freeze those too.", None
    masks = set_params(net.file, node, *(("0", "0"),) * len(node.setup.params))
    flag = [drop(net.file, node, FLAG)] if node.layer.bound.find(FLAG) is not None else []
    return (
        "Write `phase: TEST` in the layer and lr_mult: 0 for each of its blobs.",
        fix("unsafe", "Freeze it by `phase: TEST`", *flag, *masks, put(net.file, node, "phase", "TEST")),
    )
