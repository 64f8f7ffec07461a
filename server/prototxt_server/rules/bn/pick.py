"""Marks of batch-normalisation layers that several rules ask for."""

from __future__ import annotations

from prototxt_net.batchnorm import TYPES
from prototxt_net.file import LayerDef
from prototxt_net.marks import mark


@mark
def flagged(definition: LayerDef) -> bool:
    """A batch normalisation that writes `use_global_stats`."""
    return definition.type in TYPES and "use_global_stats" in definition.bound.sub("batch_norm_param").entries
