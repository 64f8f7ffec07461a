"""NET: how layers are connected, in every active phase."""

from prototxt_server.rules.net import (
    connections,
    in_place,
    in_place_memory,
    names,
    outputs,
    param_blocks,
    phase_rules,
)

__all__ = ["connections", "in_place", "in_place_memory", "names", "outputs", "param_blocks", "phase_rules"]
