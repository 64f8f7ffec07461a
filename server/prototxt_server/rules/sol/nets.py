"""SOL001 to SOL003: which nets a solver trains and tests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prototxt_net.finding import Finding
from prototxt_net.message import Bound
from prototxt_net.words import count
from prototxt_server.rules.base import Example, rule
from prototxt_server.rules.sol.common import SolverRule, number, solver

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis

_TRAINING = ("net", "net_param", "train_net", "train_net_param")


def _count(root: Bound, *fields: str) -> int:
    return sum(len(root.entries.get(field, ())) for field in fields)


def instances(root: Bound) -> int:
    """How many test nets Caffe makes: those listed, and one of `net` for each further test_iter."""
    listed = _count(root, "test_net", "test_net_param")
    shared = max(0, _count(root, "test_iter") - listed) if _count(root, "net", "net_param") else 0
    return listed + shared


@rule
class TrainNetCount(SolverRule):
    """## What it does
    Reports a solver that names no training net, or more than one, among net, net_param, train_net and train_net_param.

    ## Why is this bad?
    Caffe aborts before it reads any net: it needs exactly one.

    ## Fix safety
    None: only the author knows which net is meant.
    """

    code = "SOL001"
    name = "train-net-count"
    whole = True
    severity = "error"
    GOOD = (Example(solver()), Example(solver(net=None, train_net='"train.prototxt"', test_net='"test.prototxt"')))
    BAD = (Example(solver(net=None, test_iter=None)), Example(solver(train_net='"train.prototxt"')))

    def check_solver(self, analysis: Analysis, root: Bound) -> Iterable[Finding]:
        """Count them."""
        given = [field for field in _TRAINING if root.has(field)]
        if len(given) == 1:
            return
        what = (
            f"the solver names {len(given)} training nets ({', '.join(given)})" if given else "no training net is given"
        )
        yield self.on(
            analysis,
            given[1] if given else "net",
            f"{what}; Caffe needs exactly one of {', '.join(_TRAINING)} and aborts. "
            f"{'Keep one' if given else 'Add one'}.",
            aborts=True,
        )


@rule
class TestIterCount(SolverRule):
    """## What it does
    Reports a number of `test_iter` (or `test_state`) that does not fit the test nets.

    ## Why is this bad?
    Caffe aborts while it makes the test nets. Every test net needs its test_iter, in order; with `net` further ones
    make further test nets from it. test_state is left out or given once for each test net.

    ## Fix safety
    None: the number of iterations is the size of the test set divided by the batch size.
    """

    code = "SOL002"
    name = "test-iter-count"
    whole = True
    severity = "error"
    GOOD = (Example(solver()), Example(solver(test_iter=None, test_interval=None)))
    BAD = (
        Example(solver(net=None, train_net='"a.prototxt"', test_net='"b.prototxt"', test_iter=None)),
        Example(solver(test_state='{ stage: "a" }\ntest_state: { stage: "b" }')),
    )

    def check_solver(self, analysis: Analysis, root: Bound) -> Iterable[Finding]:
        """As Solver::InitTestNets counts, which no solver without a training net reaches (SOL001)."""
        if not any(root.has(field) for field in _TRAINING):
            return
        listed = _count(root, "test_net", "test_net_param")
        given = _count(root, "test_iter")
        shared = bool(_count(root, "net", "net_param"))
        if given < listed or (not shared and given != listed):
            yield self.on(
                analysis,
                "test_iter" if given else "test_net",
                f"{count(given, 'test_iter value')} for {count(listed, 'test net')}: Caffe aborts. Give one for each "
                "test net, in order.",
                aborts=True,
            )
            return
        states = _count(root, "test_state")
        if states and states != instances(root):
            yield self.on(
                analysis,
                "test_state",
                f"{count(states, 'test_state block')} for {count(instances(root), 'test net')}: Caffe aborts. Give "
                "none, or one for each.",
                aborts=True,
            )


@rule
class TestInterval(SolverRule):
    """## What it does
    Reports a solver with test nets but without a positive `test_interval`.

    ## Why is this bad?
    Caffe aborts while it makes the test nets.

    ## Fix safety
    None: a usual choice is the number of iterations of one epoch.
    """

    code = "SOL003"
    name = "test-interval"
    whole = True
    severity = "error"
    GOOD = (Example(solver()), Example(solver(test_iter=None, test_interval=None)))
    BAD = (Example(solver(test_interval=None)), Example(solver(test_interval="0")))

    def check_solver(self, analysis: Analysis, root: Bound) -> Iterable[Finding]:
        """With at least one test net."""
        if instances(root) and number(root, "test_interval") <= 0:
            yield self.on(
                analysis,
                "test_interval" if root.has("test_interval") else "test_iter",
                "there are test nets but no positive test_interval: Caffe aborts. Set it, for example to the "
                "iterations of one epoch.",
                aborts=True,
            )
