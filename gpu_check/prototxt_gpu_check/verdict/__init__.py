"""From statistics to findings: pure arithmetic that names where a signal breaks and why, not what suffers from it.

Severities follow the project's rule: an error is a net that provably computes nothing, whatever the data; what depends
on the batch is a warning at most.
"""

from __future__ import annotations

from prototxt_gpu_check.result import ForwardResult
from prototxt_gpu_check.verdict import gradients, magnitude, moving, norms, outputs, stored, units, zeros
from prototxt_gpu_check.verdict.view import View
from prototxt_net.finding import Finding

__all__ = ["judge"]


def judge(result: ForwardResult) -> list[Finding]:
    """The findings of one pass, in the order of the layers."""
    if not result.layers:
        return []
    view = View(result)
    found = [
        *stored.findings(view),
        *norms.sanity(view),
        *magnitude.findings(view),
        *zeros.findings(view),
        *norms.findings(view),
        *units.findings(view),
        *outputs.findings(view),
        *gradients.findings(view),
        *moving.findings(view),
    ]
    order = {layer.name: i for i, layer in reversed(list(enumerate(result.layers)))}
    return sorted(found, key=lambda f: (order.get(f.layer or "", -1), f.code))
