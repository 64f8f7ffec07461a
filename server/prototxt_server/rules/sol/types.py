"""SOL013 and SOL021: which solver it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prototxt_net.finding import Finding
from prototxt_net.message import Bound
from prototxt_net.words import nearest
from prototxt_server.rules.base import Example, rule
from prototxt_server.rules.sol.common import TYPES, SolverRule, erase, kind_of, solver, write

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis

_OF_FORKS = {"SAG": ("nvidia", "jacinto")}
"""Solvers that only some forks have, by the beginnings of their names."""


@rule
class SolverTypeBoth(SolverRule):
    """## What it does
    Reports a solver with both `type` and the older `solver_type`.

    ## Why is this bad?
    Caffe refuses to guess which of the two counts and aborts.

    ## Fix safety
    Safe where the two agree, else unsafe. `type` is kept.
    """

    code = "SOL013"
    name = "solver-type-both"
    severity = "error"
    fix_safety = "safe"
    GOOD = (Example(solver(type='"Adam"')), Example(solver(solver_type="ADAM")))
    BAD = (
        Example(solver(type='"Adam"', solver_type="ADAM"), fixed=solver(type='"Adam"')),
        Example(solver(type='"Nesterov"', solver_type="NESTEROV")),
    )

    def check_solver(self, analysis: Analysis, root: Bound) -> Iterable[Finding]:
        """Both written."""
        if not (root.has("type") and root.has("solver_type")):
            return
        old = Bound(root.type, analysis.file.schema, {"solver_type": root.entries["solver_type"]}, None)
        agree = kind_of(old) == str(root.get("type"))
        yield self.on(
            analysis,
            "solver_type",
            "`type` and `solver_type` are both set; Caffe refuses the solver. Keep `type`.",
            aborts=True,
            fix=erase(analysis, "safe" if agree else "unsafe", "solver_type"),
        )


@rule
class UnknownSolverType(SolverRule):
    """## What it does
    Reports a `type` that no solver of this Caffe is registered under. Letter case counts.

    ## Why is this bad?
    Caffe aborts ("Unknown solver type") before it reads the net.

    ## Fix safety
    Unsafe: the nearest name may not be the solver that was meant.
    """

    code = "SOL021"
    name = "unknown-solver-type"
    severity = "error"
    fix_safety = "unsafe"
    GOOD = (Example(solver(type='"AdaDelta"')), Example(solver(type='"SAG"'), dialect="nvidia-0.17"))
    BAD = (
        Example(solver(type='"ADAM"'), fixed=solver(type='"Adam"')),
        Example(solver(type='"Sgd"'), fixed=solver(type='"SGD"')),
        Example(solver(type='"SAG"')),
        Example(solver(type='"Momentum"')),
    )

    def check_solver(self, analysis: Analysis, root: Bound) -> Iterable[Finding]:
        """A written type."""
        dialect = analysis.file.dialect
        known = (*TYPES, *(name for name, forks in _OF_FORKS.items() if dialect.startswith(forks)))
        entry = root.entry("type")
        if entry is None or not entry.ok or str(entry.value) in known:
            return
        near = nearest(str(entry.value), known)
        hint = f"Did you mean `{near}`?" if near else f"Use one of {', '.join(known)}."
        yield self.on(
            analysis,
            "type",
            f"solver type `{entry.value}` is not registered in {dialect}: Caffe aborts before it reads the net. {hint}",
            aborts=True,
            fix=write(analysis, "unsafe", "type", f'"{near}"') if near else None,
        )
