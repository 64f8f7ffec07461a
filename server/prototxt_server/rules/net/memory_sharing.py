"""NET019: NVIDIA Caffe 0.17 lets a sum overwrite its first input."""

from __future__ import annotations

from collections.abc import Iterable

from prototxt_grammar.edits import Edit, newline_of
from prototxt_net.finding import Finding, Fix
from prototxt_net.net import Node, PhaseNet
from prototxt_server.rules.base import Example, Rule, related, rule
from prototxt_server.rules.bn.nets import layer
from prototxt_server.rules.example_nets import IMAGE


@rule
class EltwiseMemorySharing(Rule):
    """A sum that takes its input's memory.

    ## What it does
    Reports, for NVIDIA Caffe 0.17, an Eltwise SUM without coefficients whose first input is read again by a later
    layer, unless `eltwise_mem_sharing: false` stands in the net.

    ## Why is this bad?
    This Caffe computes the sum in the memory of the first input, so the later layer reads the sum instead.

    ## Fix safety
    Safe: `eltwise_mem_sharing: false` is written at the top of the net; it costs memory only.
    """

    code = "NET019"
    name = "n16-eltwise-clobber"
    severity = "warning"
    fix_safety = "safe"
    dialects = frozenset({"nvidia-0.17", "jacinto-0.17"})
    _NET = (
        IMAGE
        + layer("ReLU", "a", "data", "a")
        + layer("TanH", "b", "data", "b")
        + layer("Eltwise", "sum", "a b", "sum")
        + layer("Sigmoid", "c", "%s", "c")
    )
    GOOD = (
        Example(_NET.replace("%s", "sum"), dialect="nvidia-0.17"),
        Example(_NET.replace("%s", "a"), dialect="bvlc"),
    )
    BAD = (
        Example(
            _NET.replace("%s", "a"),
            dialect="nvidia-0.17",
            fixed="eltwise_mem_sharing: false\n" + _NET.replace("%s", "a"),
        ),
        Example(_NET.replace("%s", "a").replace("Sigmoid", "AbsVal"), dialect="jacinto-0.17"),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """One finding a sum."""
        sharing = net.file.root.get("eltwise_mem_sharing")
        if sharing is False:
            return
        for node in net.by_type.get("Eltwise", ()):
            param = node.param("eltwise_param")
            first = node.bottoms[0] if node.bottoms else None
            if first is None or param.has("coeff") or param.get("operation") not in ("SUM", None) or any(node.in_place):
                continue
            later = next((r for r, _ in first.readers if r.position > node.position and r.type != "Silence"), None)
            if later is not None:
                yield self._finding(net, node, first.name, later)

    def _finding(self, net: PhaseNet, node: Node, name: str, later: Node) -> Finding:
        switch = "eltwise_mem_sharing" in net.file.root.type.fields  # Jacinto's fork is older than it
        advice = "Write `eltwise_mem_sharing: false`." if switch else "Give the bottoms in another order."
        message = (
            f"'{node.name}' reuses the memory of '{name}' for its sum, and '{later.name}' reads '{name}' "
            f"afterwards: it sees the sum. {advice}"
        )
        text = net.file.tree.text
        fix = None
        if switch and not net.file.root.has("eltwise_mem_sharing"):
            fix = Fix("safe", "Turn the sharing off", (Edit(0, 0, f"eltwise_mem_sharing: false{newline_of(text)}"),))
        notes = (related(later, f"'{later.name}' reads '{name}' here", "bottom"),)
        return self.at(node, message, "bottom", related=notes, fix=fix)
