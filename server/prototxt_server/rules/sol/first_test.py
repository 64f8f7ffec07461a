"""BN018: the test before the first iteration."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prototxt_net.batchnorm import TYPES as NORM_TYPES
from prototxt_net.batchnorm import mode, norms
from prototxt_net.finding import Finding, Related
from prototxt_net.flow import fine_tuned
from prototxt_net.message import Bound
from prototxt_server.linked.states import instances
from prototxt_server.rules.base import Example, rule
from prototxt_server.rules.bn.nets import data, trained
from prototxt_server.rules.sol.common import SolverRule, number, related_in, solver, write

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis
    from prototxt_server.linked.model import Linked

_BN_NET = (
    '{\n  layer { name: "d" type: "Data" top: "d" data_param { source: "x" batch_size: 8 } }\n'
    '  layer { name: "bn" type: "BatchNorm" bottom: "d" top: "bn" }\n}'
)
_OWN = {"net": None, "net_param": _BN_NET}
_NAMED = {"train_val.prototxt": trained()}
_FIXED = solver(test_interval="500\ntest_initialization: false")


@rule
class IterationZeroTest(SolverRule):
    """## What it does
    Says that the test before the first iteration is meaningless for a net with BatchNorm that starts from scratch.

    ## Why is this bad?
    It is harmless but misleading: the statistics are still empty, every BatchNorm multiplies its input by 316, and the
    first test loss is often near 87.3.

    ## Fix safety
    Safe: `test_initialization: false` skips that one test.
    """

    code = "BN018"
    name = "bn-iter0-test-garbage"
    severity = "info"
    fix_safety = "safe"
    GOOD = (
        Example(_FIXED, files=_NAMED),
        Example(solver(), files={"train_val.prototxt": data()}),
        Example(solver(weights='"pretrained.caffemodel"'), files=_NAMED),
        Example(solver(**_OWN, test_initialization="false")),
    )
    BAD = (
        Example(solver(), files=_NAMED, fixed=_FIXED),
        Example(solver(**_OWN).replace("net_param: ", "net_param ")),
        Example(solver(**_OWN, test_interval="10"), dialect="ssd"),
    )

    def check_solver(self, analysis: Analysis, root: Bound) -> Iterable[Finding]:
        """Nets that stand in the solver itself."""
        if self._tests_first(root) and self._has_norm(root):
            yield self._finding(analysis)

    def check_linked(self, analysis: Analysis, linked: Linked) -> Iterable[Finding]:
        """Test nets in files: a BatchNorm of theirs uses stored statistics, and nothing tells of weights to load."""
        if not linked.nets or not self._tests_first(analysis.file.root):
            return
        nets = instances(analysis, linked)
        if any(fine_tuned(made.net) for made in nets):
            return
        for made in nets:
            first = next((node for node in norms(made.net) if not mode(made.net, node).batch), None)
            if made.number >= 0 and first is not None:
                note = f"'{first.name}' normalises with stored statistics in TEST"
                yield self._finding(analysis, (related_in(made.link, first, note),))
                return

    def _finding(self, analysis: Analysis, notes: tuple[Related, ...] = ()) -> Finding:
        return self.on(
            analysis,
            "test_interval",
            "unless weights are loaded, the test before iteration 1 is meaningless: BatchNorm statistics are still "
            "empty, and the loss is often near 87.3. Skip it with test_initialization: false.",
            fix=write(analysis, "safe", "test_initialization", "false", after="test_interval"),
            related=notes,
        )

    @staticmethod
    def _tests_first(root: Bound) -> bool:
        if number(root, "test_interval") <= 0 or not root.get("test_initialization") or root.has("weights"):
            return False
        return bool(root.entries.get("test_iter"))

    @staticmethod
    def _has_norm(root: Bound) -> bool:
        nets = [net for name in ("net_param", "train_net_param") for net in root.all(name)]
        return any(layer.get("type") in NORM_TYPES for net in nets for layer in net.all("layer"))
