"""Picking the few layers whose own text a rule cares about, remembered with the text."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prototxt_net.batchnorm import TYPES
from prototxt_net.file import LayerDef
from prototxt_net.net import Node, PhaseNet


def pick(net: PhaseNet, key: str, test: Callable[[LayerDef], bool], *types: str) -> Iterator[Node]:
    """Layers of some types for which `test` holds; the answer for a text is asked once, under `key`."""
    for node in net.of_type(*types):
        definition = node.layer.definition
        hit = definition.cache.get(key)
        if hit is None:
            hit = definition.cache[key] = test(definition)
        if hit:
            yield node


def flagged(net: PhaseNet) -> Iterator[Node]:
    """Batch-normalisation layers that write `use_global_stats`."""
    return pick(net, "flagged", _writes_flag, *TYPES)


def _writes_flag(definition: LayerDef) -> bool:
    return "use_global_stats" in definition.bound.sub("batch_norm_param").entries
