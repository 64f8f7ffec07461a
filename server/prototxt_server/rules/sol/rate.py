"""SOL004 to SOL007 and FRZ009: the learning rate and its policy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from prototxt_grammar.edits import Edit
from prototxt_net.finding import Finding, Fix
from prototxt_net.message import Bound
from prototxt_net.words import nearest
from prototxt_server.rules.base import Example, rule
from prototxt_server.rules.sol.common import SolverRule, number, solver, write

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis

_POLICIES = ("fixed", "step", "exp", "inv", "multistep", "poly", "sigmoid")
_EXTRA = {"plateau": "plateau_winsize", "multifixed": "stageiter"}
_STEP = {"lr_policy": '"step"', "gamma": "0.1", "stepsize": "1000"}
_MULTI = {"lr_policy": '"multistep"', "gamma": "0.1"}
_LISTED = frozenset({"bvlc", "bvlc-1.0", "bvlc-windows", "ssd", "nvidia-0.15", "nvidia-0.16", "nvidia-0.17", "intel"})


def policies(root: Bound) -> tuple[str, ...]:
    """The policies of the dialect: BVLC's, and those whose fields the schema has."""
    return (*_POLICIES, *(name for name, field in _EXTRA.items() if field in root.type.fields))


@rule
class UnknownPolicy(SolverRule):
    """## What it does
    Reports an `lr_policy` that this Caffe does not know, or none at all.

    ## Why is this bad?
    Caffe reads the nets and the data first and aborts at the first iteration: "Unknown learning rate policy".

    ## Fix safety
    Unsafe: the nearest name is a guess.
    """

    code = "SOL004"
    name = "unknown-policy"
    whole = True
    severity = "error"
    fix_safety = "unsafe"
    GOOD = (Example(solver()), Example(solver(lr_policy='"poly"', power="1")))
    BAD = (
        Example(
            solver(lr_policy='"multi_step"', gamma="0.1", stepvalue="100"),
            fixed=solver(lr_policy='"multistep"', gamma="0.1", stepvalue="100"),
        ),
        Example(solver(lr_policy='"cosine"')),
        Example(solver(lr_policy=None)),
    )

    def check_solver(self, analysis: Analysis, root: Bound) -> Iterable[Finding]:
        """Names are case sensitive."""
        policy = str(root.get("lr_policy") or "")
        known = policies(root)
        if policy in known or analysis.file.dialect not in _LISTED:
            return
        near = nearest(policy, known) if policy else ""
        what = f"lr_policy `{policy}` is unknown in {analysis.file.dialect}" if policy else "there is no lr_policy"
        hint = f" Did you mean `{near}`?" if near else f" Use one of {', '.join(known)}."
        yield self.on(
            analysis,
            "lr_policy",
            f"{what}: Caffe aborts at the first iteration, after loading everything.{hint}",
            aborts=True,
            fix=write(analysis, "unsafe", "lr_policy", f'"{near}"') if near else None,
        )


@rule
class PolicyParams(SolverRule):
    """## What it does
    Reports an `lr_policy` whose own fields are missing: stepsize for step and sigmoid, gamma for step, exp and
    multistep, stepvalue for multistep, max_iter for poly; in SSD's and Intel's Caffe plateau_winsize and gamma for
    plateau, and as many stagelr as stageiter for multifixed.

    ## Why is this bad?
    A missing gamma is 0, so the learning rate is 0 from the first step on (exp: from iteration 1 on). A missing
    stepsize divides by zero or aborts, and so does poly without max_iter. BVLC's Caffe aborts on a negative gamma.

    ## Fix safety
    Unsafe: the offered gamma of 0.1 is only usual.
    """

    code = "SOL005"
    name = "policy-params"
    whole = True
    severity = "error"
    fix_safety = "unsafe"
    GOOD = (Example(solver(**_STEP)), Example(solver(lr_policy='"inv"', power="0.75")))
    BAD = (
        Example(
            solver(lr_policy='"step"', stepsize="1000"), fixed=solver(lr_policy='"step"\ngamma: 0.1', stepsize="1000")
        ),
        Example(solver(lr_policy='"step"', gamma="0.1")),
        Example(solver(lr_policy='"exp"', gamma="-0.1")),
        Example(solver(lr_policy='"multistep"', gamma="0.1")),
        Example(solver(lr_policy='"poly"', power="1", max_iter=None)),
        Example(solver(lr_policy='"plateau"', gamma="0.1"), dialect="ssd"),
        Example(solver(lr_policy='"plateau"', plateau_winsize="10000"), dialect="ssd"),
        Example(solver(lr_policy='"multifixed"', stagelr="0.1", stageiter="[100, 200]"), dialect="intel"),
    )

    def check_solver(self, analysis: Analysis, root: Bound) -> Iterable[Finding]:
        """One finding for each missing field."""
        policy = root.get("lr_policy")
        if policy not in policies(root):
            return  # SOL004
        if policy in ("step", "sigmoid") and number(root, "stepsize") <= 0:
            yield self.on(
                analysis,
                "stepsize" if root.has("stepsize") else "lr_policy",
                f"lr_policy `{policy}` needs stepsize: without it Caffe "
                + ("aborts or divides by zero. Set it." if policy == "step" else "aborts. Set it."),
                aborts=policy == "step" or analysis.file.dialect == "bvlc",
            )
        if policy in ("step", "exp", "inv", "multistep", "sigmoid") and number(root, "gamma") < 0:
            aborts = analysis.file.dialect == "bvlc"
            yield self.on(
                analysis,
                "gamma",
                f"lr_policy `{policy}` needs a gamma that is not negative, this one is {number(root, 'gamma'):g}; "
                + ("Caffe aborts at the first iteration." if aborts else "recent Caffes abort.")
                + " Correct the sign.",
                severity="error" if aborts else "warning",
                aborts=aborts,
            )
        elif policy in ("step", "exp", "multistep", "plateau"):
            yield from self._gamma(analysis, root, str(policy))
        if policy in _EXTRA and not root.has(_EXTRA[policy]):
            yield self.on(
                analysis,
                "lr_policy",
                f"lr_policy `{policy}` has no {_EXTRA[policy]}: nothing says when the rate changes. Give it.",
                severity="warning",
            )
        if policy == "multifixed" and len(root.all("stagelr")) != len(root.all("stageiter")):
            yield self.on(
                analysis,
                "stagelr" if root.has("stagelr") else "stageiter",
                f"{len(root.all('stagelr'))} stagelr for {len(root.all('stageiter'))} stageiter: each rate holds until "
                "the iteration of the same place. Give as many of the one as of the other.",
                severity="warning",
            )
        if policy == "multistep" and not root.has("stepvalue"):
            yield self.on(
                analysis,
                "lr_policy",
                "lr_policy `multistep` has no stepvalue: the rate never changes. Give the iterations, one stepvalue "
                "each.",
                severity="warning",
            )
        if policy == "poly" and number(root, "max_iter") <= 0:
            yield self.on(
                analysis,
                "lr_policy",
                "lr_policy `poly` divides by max_iter, which is not set: no iteration runs, and the rate is not a "
                "number. Set max_iter.",
            )

    def _gamma(self, analysis: Analysis, root: Bound, policy: str) -> Iterator[Finding]:
        if number(root, "gamma") != 0 or not root.has({"multistep": "stepvalue", **_EXTRA}.get(policy, "lr_policy")):
            return
        written = root.has("gamma")
        when = "from iteration 1 on" if policy == "exp" else "after the first step"
        yield self.on(
            analysis,
            "gamma" if written else "lr_policy",
            f"lr_policy `{policy}` {'has gamma 0' if written else 'needs gamma, which defaults to 0'}: the learning "
            f"rate is 0 {when}. Set gamma.",
            severity="warning",
            fix=None if written or policy == "exp" else write(analysis, "unsafe", "gamma", "0.1", after="lr_policy"),
        )


@rule
class StepvalueOrder(SolverRule):
    """## What it does
    Reports `stepvalue`s of a multistep policy that are not in ascending order, and points out those that max_iter never
    reaches.

    ## Why is this bad?
    Caffe compares with one value after another, at most one step in an iteration: a smaller value behind a larger one
    takes effect right after the larger one instead of earlier.

    ## Fix safety
    Unsafe: sorting changes when the rate drops.
    """

    code = "SOL006"
    name = "stepvalue-order"
    severity = "warning"
    fix_safety = "unsafe"
    GOOD = (Example(solver(**_MULTI, stepvalue="4000\nstepvalue: 8000")),)
    BAD = (
        Example(
            solver(**_MULTI, stepvalue="8000\nstepvalue: 4000"),
            fixed=solver(**_MULTI, stepvalue="4000\nstepvalue: 8000"),
        ),
        Example(solver(**_MULTI, stepvalue="4000\nstepvalue: 20000")),
    )

    def check_solver(self, analysis: Analysis, root: Bound) -> Iterable[Finding]:
        """The first pair out of order; every value that is too large."""
        if root.get("lr_policy") != "multistep":
            return
        values = [int(v) for v in root.all("stepvalue")]
        for index, (first, second) in enumerate(pairwise(values), 1):
            if second < first:
                yield self.on(
                    analysis,
                    "stepvalue",
                    f"stepvalue {second} comes after {first}: the steps are taken in file order, so it fires late, "
                    f"right after iteration {first}. Sort them.",
                    index=index,
                    fix=self._sort(analysis, root),
                )
                return
        limit = number(root, "max_iter")
        for index, value in enumerate(values):
            if limit > 0 and value >= limit:
                yield self.on(
                    analysis,
                    "stepvalue",
                    f"stepvalue {value} is never reached: max_iter is {limit:g}.",
                    index=index,
                    severity="hint",
                )

    @staticmethod
    def _sort(analysis: Analysis, root: Bound) -> Fix | None:
        entries = root.entries["stepvalue"]
        if len({id(entry.node) for entry in entries}) != len(entries):
            return None  # written as one list
        ordered = sorted(int(entry.value) for entry in entries)
        edits = [
            Edit(analysis.file.base_of(entry) + entry.start, analysis.file.base_of(entry) + entry.end, str(value))
            for entry, value in zip(entries, ordered, strict=True)
            if entry.value != value
        ]
        return Fix("unsafe", "Sort the values", tuple(edits))


_WARM_UP = ("warmup_iter", "rampup_interval")


@rule
class MissingBaseLr(SolverRule):
    """## What it does
    Reports a solver without `base_lr`.

    ## Why is this bad?
    It defaults to 0, and every update is multiplied by it, with every solver type: no weight ever changes.

    ## Fix safety
    None: the right value depends on the net.
    """

    code = "SOL007"
    name = "missing-base-lr"
    whole = True
    severity = "error"
    GOOD = (Example(solver()),)
    BAD = (Example(solver(base_lr=None)), Example(solver(base_lr=None, momentum="0", type='"AdaDelta"')))

    def check_solver(self, analysis: Analysis, root: Bound) -> Iterable[Finding]:
        """Written as 0 it is FRZ009's."""
        if root.has("base_lr") or any(root.has(field) for field in (*_WARM_UP, "stagelr")):
            return
        yield self.on(analysis, "base_lr", "base_lr is missing and defaults to 0: no weight will ever change. Set it.")


@rule
class BaseLrZero(SolverRule):
    """## What it does
    Reports `base_lr: 0` in a solver.

    ## Why is this bad?
    It keeps all weights, but it does not freeze a net: BatchNorm layers go on normalising with each batch and
    overwriting their stored mean and variance, so test results still drift.

    ## Fix safety
    None: freeze layers with lr_mult 0, and their BatchNorms with use_global_stats: true.
    """

    code = "FRZ009"
    name = "base-lr-zero"
    severity = "warning"
    GOOD = (Example(solver()), Example(solver(base_lr="1e-6")))
    BAD = (Example(solver(base_lr="0")), Example(solver(base_lr="0.0", weight_decay="0")))

    def check_solver(self, analysis: Analysis, root: Bound) -> Iterable[Finding]:
        """A warm-up may start at 0."""
        if root.has("base_lr") and number(root, "base_lr") == 0 and not any(root.has(field) for field in _WARM_UP):
            yield self.on(
                analysis,
                "base_lr",
                "base_lr 0 keeps all weights, but BatchNorm layers still normalise with each batch and overwrite their "
                "statistics. To freeze, use lr_mult: 0 in the layers and use_global_stats: true in their BatchNorms.",
            )
