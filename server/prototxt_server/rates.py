"""What a solver's text says about its first update, for judging the gradients of one batch.

Silent, that is None, for what is not known exactly: other solvers than SGD and Nesterov, rates of forks.
"""

from __future__ import annotations

import math
from os.path import basename

from prototxt_gpu_check.solver import Solver
from prototxt_net.message import Bound
from prototxt_net.schema.load import schema
from prototxt_server.analysis import Analysis
from prototxt_server.linked import Reader
from prototxt_server.rules.sol.common import kind_of, number

_OTHERS = frozenset({"eval_type", "ap_version", "show_per_class_result"})
"""SSD's fields of evaluation. Any other field that BVLC does not have may change the rate (ramps, scaling by layer)."""


def solvers_of(analysis: Analysis, reader: Reader) -> tuple[Solver, ...]:
    """The solvers in the net's folder that name the net; none at all when one of them cannot be told."""
    from prototxt_server.linked.gather import solvers  # only a pass with gradients asks

    found = [solver_of(solver) for solver in solvers(analysis, reader)]
    return tuple(solver for solver in found if solver is not None) if all(found) else ()


def solver_of(analysis: Analysis) -> Solver | None:
    """A solver's first update; None where it is not known exactly."""
    root = analysis.file.root
    if analysis.file.kind != "solver" or not known_fields(root):
        return None
    kind, rate = kind_of(root), first_rate(root)
    if kind not in ("SGD", "Nesterov") or rate is None or root.get("regularization_type") not in ("L1", "L2"):
        return None
    return Solver(
        name=basename(analysis.source.path) or "the solver",
        rate=rate,
        gain=1 + number(root, "momentum") if kind == "Nesterov" else 1.0,
        decay=number(root, "weight_decay"),
        l1=root.get("regularization_type") == "L1",
        clip=number(root, "clip_gradients"),
        batches=max(1, int(number(root, "iter_size"))),
    )


def known_fields(root: Bound) -> bool:
    """Whether every field that is written is BVLC's, or has nothing to do with updates."""
    return root.entries.keys() <= schema("bvlc").messages["SolverParameter"].fields.keys() | _OTHERS


def first_rate(root: Bound) -> float | None:
    """The rate of iteration 0 (SGDSolver::GetLearningRate); None where it is not known."""
    base, policy = number(root, "base_lr"), root.get("lr_policy")
    if base <= 0:
        return None
    if policy in ("fixed", "step", "exp", "inv", "poly"):
        return base  # their factors are 1 at iteration 0
    if policy == "multistep":
        stepped = next(iter(root.all("stepvalue")), 1)
        return base * number(root, "gamma") if isinstance(stepped, int) and stepped <= 0 else base
    if policy == "sigmoid":
        return base / (1 + math.exp(min(700.0, number(root, "gamma") * number(root, "stepsize"))))
    return None
