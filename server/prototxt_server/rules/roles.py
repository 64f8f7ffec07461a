"""Questions about a layer's place in the net that several groups of rules ask."""

from __future__ import annotations

from prototxt_net import marks
from prototxt_net.backward import backward
from prototxt_net.flow import has_weighted_loss, loss_weights, shares_memory
from prototxt_net.layers.base import LayerType, entry_of
from prototxt_net.net import Blob, Node, PhaseNet


def entry(node: Node, net: PhaseNet) -> LayerType | None:
    """What is known about the node's layer type in the net's dialect."""
    return entry_of(node.layer.definition.type, net.file.schema.dialect)


def is_loss(node: Node, net: PhaseNet) -> bool:
    """Whether it counts in the total loss (a loss layer without a written top has an automatic one)."""
    if node.tops:
        return any(loss_weights(node, net.dialect))
    known = entry(node, net)
    return known is not None and known.loss and known.auto_top


def has_loss(net: PhaseNet) -> bool:
    """Whether this very phase has a loss."""
    return bool(net.marked(has_weighted_loss))


def has_unknown_types(net: PhaseNet) -> bool:
    """Whether some layer's type is one that nobody has described; it may be a loss of its own kind."""
    return any(entry_of(type_, net.file.schema.dialect) is None for type_ in net.by_type)


def learns(node: Node) -> bool:
    """Whether a solver would change one of its parameter blobs."""
    return any(node.lr_mult(index) != 0 for index in node.learnable())


def trains_through(node: Node, net: PhaseNet) -> bool:
    """Whether a training step computes the gradient of this layer's first bottom."""
    found = backward(net)
    return net.phase == "TRAIN" and node in found.layers and (node, 0) in found.bottoms


def in_place(net: PhaseNet) -> list[Node]:
    """The layers with a top that overwrites a bottom, in file order."""
    return net.marked(marks.in_place)


def alias_class(blob: Blob) -> list[Blob]:
    """The versions that share the memory of `blob` through Split, Reshape, Flatten, 1-input Concat or 1-top Slice,
    itself included; versions that an in-place layer has overwritten are not among them.
    """
    seen = [blob]
    for version in seen:
        around: list[Blob | None] = []
        if shares_memory(version.producer) and version.previous is None:
            around.extend(version.producer.bottoms)
        for reader, _ in version.readers:
            if shares_memory(reader):
                around.extend(top for top in reader.tops if top.previous is None)
        seen.extend(v for v in around if v is not None and v not in seen)
    return seen
