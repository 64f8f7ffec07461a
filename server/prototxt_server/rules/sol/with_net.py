"""SOL015, SOL018 and SOL019: a solver together with the net that it trains."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from prototxt_grammar.edits import Edit
from prototxt_net.file import NetFile
from prototxt_net.finding import Finding, Fix, Problem, Related
from prototxt_net.message import Bound
from prototxt_net.net import PhaseNet
from prototxt_net.words import nearest
from prototxt_server.linked.states import Instance, instances
from prototxt_server.rules.base import Example, rule
from prototxt_server.rules.bn.nets import data, ip, layer, loss, trained
from prototxt_server.rules.los.settings import SummedLoss
from prototxt_server.rules.sol.common import SolverRule, kind_of, number, solver

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis
    from prototxt_server.linked.model import Linked

_SUMMED = {"train_val.prototxt": SummedLoss.NET.replace("%s", "NONE")}
_STAGED = {
    "train_val.prototxt": data()
    + ip("fc", "data")
    + loss("fc")
    + layer("Accuracy", "accuracy", "fc", "accuracy", 'bottom: "label"', 'include { phase: TEST stage: "measure" }')
}
_TWO_SETS = {
    "train_val.prototxt": data("include { phase: TRAIN }")
    + data('include { phase: TEST stage: "validation" }')
    + ip("fc", "data")
    + loss("fc")
}


@rule
class HighRateSummedLoss(SolverRule):
    """## What it does
    Mentions a `base_lr` of 1 or more, without `clip_gradients`, for a net whose loss is a sum over positions.

    ## Why is this bad?
    The gradients are as many times larger as there are positions, so the first steps can overflow: the loss becomes NaN
    or stays at 87.3.

    ## Fix safety
    There is no automatic fix: lower the rate, normalise the loss, or clip.
    """

    code = "SOL015"
    name = "lr-high-no-clip"
    severity = "info"
    GOOD = (
        Example(solver(base_lr="0.01"), files=_SUMMED),
        Example(solver(base_lr="1", type='"AdaDelta"'), files=_SUMMED),
        Example(solver(base_lr="1", clip_gradients="10"), files=_SUMMED),
        Example(solver(base_lr="1"), files={"train_val.prototxt": trained()}),
    )
    BAD = (
        Example(solver(base_lr="1"), files=_SUMMED),
        Example(solver(base_lr="2.5", type='"Nesterov"'), files=_SUMMED),
    )

    def check_linked(self, analysis: Analysis, linked: Linked) -> Iterable[Finding]:
        """Plain gradient descent; the others scale the gradients themselves."""
        root = analysis.file.root
        rate = number(root, "base_lr")
        if rate < 1 or number(root, "clip_gradients") > 0 or kind_of(root) not in ("SGD", "Nesterov"):
            return
        for made in instances(analysis, linked):
            summed = next(iter(SummedLoss().check_net(made.net)), None) if made.number < 0 else None
            if summed is not None:
                yield self.on(
                    analysis,
                    "base_lr",
                    f"base_lr {rate:g} with a loss that is summed over positions: the first steps can overflow. Lower "
                    "it, or set clip_gradients.",
                    related=(Related(summed.message, summed.start, summed.end, made.link.path),),
                )


@rule
class StageMismatch(SolverRule):
    """## What it does
    Reports a `stage` of train_state or test_state that no include or exclude rule of the net mentions.

    ## Why is this bad?
    It has no effect: no layer comes or goes with it. Often it is a misspelling, and the layers that were meant are
    missing.

    ## Fix safety
    Unsafe: the nearest stage of the net is a guess.
    """

    code = "SOL018"
    name = "stage-mismatch"
    severity = "warning"
    fix_safety = "unsafe"
    GOOD = (
        Example(solver(test_state='{ stage: "measure" }'), files=_STAGED),
        Example(solver(), files=_STAGED),
    )
    BAD = (
        Example(
            solver(test_state='{ stage: "mesure" }'), files=_STAGED, fixed=solver(test_state='{ stage: "measure" }')
        ),
        Example(solver(train_state='{ stage: "deploy" stage: "measure" }'), files=_STAGED),
    )

    def check_linked(self, analysis: Analysis, linked: Linked) -> Iterable[Finding]:
        """Each stage once for each state that names it."""
        for made in instances(analysis, linked):
            field, index = ("train_state", 0) if made.number < 0 else ("test_state", made.number)
            entry = analysis.file.root.entry(field, index)
            if entry is None or not isinstance(entry.value, Bound):
                continue
            known = _stages(made.net.file)
            base = analysis.file.base_of(entry)
            for stage in entry.value.entries.get("stage", ()):
                if not stage.ok or not isinstance(stage.value, str) or stage.value in known:
                    continue
                near = nearest(stage.value, known)
                hint = f" Did you mean `{near}`?" if near else ""
                start, end = base + stage.start, base + stage.end
                yield self.in_file(
                    analysis.file,
                    f"stage `{stage.value}` is mentioned by no include or exclude rule of `{made.link.written}`: it "
                    f"has no effect.{hint}",
                    start,
                    end,
                    fix=Fix("unsafe", f"Write {near}", (Edit(start, end, f'"{near}"'),)) if near else None,
                )


def _stages(file: NetFile) -> list[str]:
    """The stages that the rules of a net's layers mention, in file order."""
    found: dict[str, None] = {}
    for layer_ in file.conditional:
        for kind in ("include", "exclude"):
            for rule_ in layer_.bound.all(kind):
                if isinstance(rule_, Bound):
                    found.update(dict.fromkeys((*rule_.all("stage"), *rule_.all("not_stage"))))
    return list(found)


@rule
class NetRefused(SolverRule):
    """## What it does
    Builds the net that the solver names in the state that the solver gives it (train_state, each test_state) and
    reports where Caffe aborts. What the net's own check tells as well is only mentioned here.

    ## Why is this bad?
    Caffe aborts before the first iteration. A net may be in order by itself and not in the state of this solver: a
    stage that is missing takes a data layer away, for example.

    ## Fix safety
    There is no automatic fix.
    """

    code = "SOL019"
    name = "net-refused"
    severity = "error"
    GOOD = (
        Example(solver(), files={"train_val.prototxt": trained()}),
        Example(solver(test_state='{ stage: "validation" }'), files=_TWO_SETS),
    )
    BAD = (
        Example(solver(), files=_TWO_SETS),
        Example(solver(test_state='{ stage: "test" }'), files=_TWO_SETS),
        Example(solver(), files={"train_val.prototxt": data() + ip("fc", "dta") + loss("fc")}),
    )

    def check_linked(self, analysis: Analysis, linked: Linked) -> Iterable[Finding]:
        """One finding for each net that is refused: its first problem."""
        told: set[tuple[str, object]] = set()
        for made in instances(analysis, linked):
            if made.link.moved or made.link.analysis is None:
                continue
            if made.net.file.problems or any(made.net.file.tree.problems()):
                continue  # not understood whole, as its own check says
            known = {_key(problem) for net in made.link.analysis.nets for problem in _problems(net)}
            problem = next((p for p in _problems(made.net) if _key(p) not in known), None)
            its_own = problem is not None
            problem = problem or next(iter(_problems(made.net)), None)
            if problem is None or (made.link.path, _key(problem)) in told:
                continue
            told.add((made.link.path, _key(problem)))
            yield self._finding(analysis, made, problem, its_own)

    def _finding(self, analysis: Analysis, made: Instance, problem: Problem, its_own: bool) -> Finding:
        state = made.state
        given = f"level {state.level}, " * bool(state.level) + (
            f"stage {', '.join(sorted(state.stages))}" if state.stages else "no stage"
        )
        which = "the training net" if made.number < 0 else f"test net {made.number}"
        where = ("train_state", 0) if made.number < 0 else ("test_state", made.number)
        if analysis.file.root.entry(*where) is None:
            where = (made.link.field, made.link.index)
        return self.on(
            analysis,
            where[0],
            f"Caffe aborts while it builds {which} from `{made.link.written}` ({state.phase}, {given}): "
            f"{problem.message}",
            index=where[1],
            severity="error" if its_own else "info",
            aborts=its_own,
            related=(Related("here", problem.start, problem.end, made.link.path),),
        )


def _problems(net: PhaseNet) -> Iterator[Problem]:
    """What Caffe aborts on while it builds a net."""
    yield from (problem for problem in net.problems if problem.aborts)
    for node in net.nodes:
        yield from (problem.shifted(node.layer.base) for problem in node.setup.problems if problem.aborts)


def _key(problem: Problem) -> tuple[str, int, str]:
    return problem.code, problem.start, problem.message
