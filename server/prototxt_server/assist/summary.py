"""What a net consists of, in a line for each different phase."""

from __future__ import annotations

from prototxt_net.describe import num_parameters
from prototxt_net.net import PhaseNet
from prototxt_net.words import count
from prototxt_server.analysis import Analysis
from prototxt_server.assist.describe import by_phase
from prototxt_server.assist.numbers import short


def first_field(analysis: Analysis) -> int | None:
    """Where the first field of the file stands; None in a file without any."""
    return next((base + field.start for base, field in analysis.tree.fields()), None)


def totals(analysis: Analysis) -> list[str]:
    """`bvlc, TRAIN and TEST: 12 layers, 25.6 M parameters`; a line for each phase where they differ."""
    texts = by_phase(analysis.nets, [_total(net) for net in analysis.nets])
    every = " and ".join(net.phase for net in analysis.nets)
    return [f"{analysis.file.dialect}, {phases or every}: {text}" for phases, text in texts]


def _total(net: PhaseNet) -> str:
    parts = [count(len(net.nodes), "layer")]
    parameters = num_parameters(net)
    if parameters:
        parts.append(f"{short(parameters)} parameters")
    macs = 0
    for node in net.nodes:
        if not isinstance(node.setup.macs, int):
            return ", ".join(parts)
        macs += node.setup.macs
    if macs:
        parts.append(f"{short(macs)} multiply-adds")
    return ", ".join(parts)
