"""Where a blob that is exactly 0 leads: whether every gradient that could change it is stopped on the way.

A ReLU passes its gradient only where its input is greater than 0, so a layer that outputs the constant 0 into a ReLU
gets no gradient, and neither does any layer before it (measured: NVIDIA 0.15, gamma 0: all gradients 0, gamma still 0
after 200 steps). Where no ReLU follows (a classifier, a Sigmoid, a branch that is added to another) it can learn.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from prototxt_net.batchnorm import beta_starts_at_zero, constant, norm_family
from prototxt_net.net import Blob, Node, PhaseNet

Fate: TypeAlias = Literal["dead", "added", "alive"]

_KEEPS_ZERO = frozenset({"Dropout", "Pooling", "LRN", "Flatten", "Reshape", "Split", "AbsVal", "Concat", "Slice"})
_WEIGHTED = {
    "Convolution": "convolution_param",
    "Deconvolution": "convolution_param",
    "InnerProduct": "inner_product_param",
}


def fate(net: PhaseNet, blob: Blob) -> Fate:
    """What becomes of a constant-0 blob.

    dead: on every path that is read a ReLU stops the gradient. added: every path ends in an Eltwise sum beside another
    branch (a residual block started at zero on purpose) or is dead. alive: some path can carry a gradient.
    """
    fates = _fates(net, blob, 0)
    if "alive" in fates or not fates:
        return "alive"
    return "added" if "added" in fates else "dead"


def _fates(net: PhaseNet, blob: Blob, depth: int) -> set[Fate]:
    fates: set[Fate] = set()
    for reader, _ in blob.readers:
        fates |= _through(net, reader, blob, depth)
        if "alive" in fates:
            break
    return fates


def _through(net: PhaseNet, node: Node, blob: Blob, depth: int) -> set[Fate]:
    type_ = node.layer.definition.type
    if type_ == "ReLU":
        return {"dead"} if node.param("relu_param").get("negative_slope") == 0 else {"alive"}
    if type_ == "Eltwise":
        others = [other for other in node.bottoms if other is not blob]
        return {"added"} if node.param("eltwise_param").get("operation") == "SUM" and others else {"alive"}
    if depth >= 12 or type_ in ("Silence", "Accuracy"):
        return set() if type_ in ("Silence", "Accuracy") else {"alive"}
    if not _keeps_zero(net, node):
        return {"alive"}
    found: set[Fate] = set()
    for top in node.tops:
        found |= _fates(net, top, depth + 1) if top.readers else {"alive"}
    return found


def _keeps_zero(net: PhaseNet, node: Node) -> bool:
    """Whether the layer turns a 0 into a 0 (as it is initialised)."""
    type_ = node.layer.definition.type
    if type_ in _KEEPS_ZERO:
        return True
    if type_ in _WEIGHTED:
        return no_bias(node, _WEIGHTED[type_])
    if type_ == "Scale":
        return len(node.bottoms) == 1 and no_bias(node, "scale_param")
    own = norm_family(node, net.dialect)
    if own is None:
        return False
    return own != "N16" and beta_starts_at_zero(node, net.dialect)


def no_bias(node: Node, message_name: str) -> bool:
    """Whether the layer's bias is 0 before training, or it has none."""
    param = node.param(message_name)
    return not param.get("bias_term") or constant(param.sub("bias_filler")) == 0.0
