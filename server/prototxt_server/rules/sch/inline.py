"""SCH018: nets of older versions that stand in a solver."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prototxt_net.finding import Finding
from prototxt_net.message import Bound
from prototxt_net.solver import INLINE
from prototxt_server.rules.base import Example, rule
from prototxt_server.rules.sol.common import SolverRule, solver

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis


def _holding(net: str) -> str:
    return solver(net=None).replace("test_iter", f"net_param {{\n{net}}}\ntest_iter", 1)


_DATA = """  {} {{
    name: "data"
    type: {}
    top: "data"
    top: "label"
    data_param {{ source: "train_lmdb" batch_size: 8 }}
  }}
"""
_INPUT = '  input: "data"\n  input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }\n' + _DATA.format("layer", '"Data"').replace(
    '"data"\n    top: "label"', '"image"\n    top: "label"'
)


@rule
class InlineNotUpgraded(SolverRule):
    """## What it does
    Reports a net in a solver's `net_param`, `train_net_param` or `test_net_param` that is written in an older form:
    `layers` (V1), or `input` fields.

    ## Why is this bad?
    Caffe upgrades nets that it reads from files of their own, and only those. Of a net inside a solver it sees the
    `layer` blocks alone: with `layers` the net is empty and training does nothing, without an error; `input` fields are
    not read, and whoever reads their blobs is refused.

    ## Fix safety
    There is no automatic fix: move the net to a file of its own, or write it anew (`lsp upgrade` converts files).
    """

    code = "SCH018"
    name = "inline-net-not-upgraded"
    severity = "error"
    GOOD = (Example(_holding(_DATA.format("layer", '"Data"'))), Example(solver()))
    BAD = (Example(_holding(_DATA.format("layers", "DATA"))), Example(_holding(_INPUT)))

    def check_solver(self, analysis: Analysis, root: Bound) -> Iterable[Finding]:
        """By dialect: there is no V1 before V2, and without an Input layer the fields are read as they are."""
        messages = analysis.file.schema.messages
        for field in INLINE:
            for entry in root.entries.get(field, ()):
                if not isinstance(entry.value, Bound):
                    continue
                base = analysis.file.base_of(entry)
                old = entry.value.entry("layers")
                if old is not None and "V1LayerParameter" in messages:
                    count = len(entry.value.entries["layers"])
                    rest = "" if entry.value.has("layer") else ": the net is empty and training does nothing"
                    yield self.in_file(
                        analysis.file,
                        f"Caffe does not upgrade a net that stands in a solver: the {count} `layers` of `{field}` are "
                        f"not read{rest}. Write them as `layer`, or move the net to a file of its own.",
                        base + old.node.start,
                        base + old.node.name_end,
                        severity="warning" if rest == "" else "error",
                    )
                names = entry.value.entry("input")
                if names is not None and "InputParameter" in messages:
                    yield self.in_file(
                        analysis.file,
                        f"Caffe does not upgrade a net that stands in a solver: `input` of `{field}` is not read. "
                        "Write a layer of type Input.",
                        base + names.node.start,
                        base + names.end,
                        severity="warning",
                    )
