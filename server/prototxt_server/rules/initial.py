"""Rules about what weights start at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prototxt_net.finding import Finding
from prototxt_server.rules.base import Rule

if TYPE_CHECKING:
    from prototxt_server.linked.model import Linked


class InitialValueRule(Rule):
    """A layer that gets its weights from a file does not start as its fillers say."""

    def stands(self, finding: Finding, linked: Linked) -> bool:
        """Whether the weights that the user names lack the layer, or neither user nor solver name any."""
        if linked.weights is not None:
            return finding.layer not in linked.weights.layers
        return not any(solver.file.root.has("weights") for solver in linked.solvers)
