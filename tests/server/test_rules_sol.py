"""SOL and FRZ009: solvers as Solver::Init and SGDSolver read them."""

from __future__ import annotations

from pathlib import Path

import pytest

from prototxt_server.analysis import Settings, Source
from prototxt_server.engine import analyze
from prototxt_server.rules.sol.common import solver


def found(text: str, dialect: str = "bvlc") -> dict[str, str]:
    findings = analyze(Source(text, "solver.prototxt"), Settings(dialect=dialect)).findings
    return {f.code: f.severity for f in findings if f.code.startswith(("SOL", "FRZ", "BN"))}


CASES = {
    "in order": (solver(), {}),
    "two nets by name": (solver(net=None, train_net='"a"', test_net='"b"'), {}),
    "one net, two kinds of test": (
        solver(test_iter="10\ntest_iter: 20", test_state='{ stage: "a" }\ntest_state { }'),
        {},
    ),
    "no tests at all": (solver(test_iter=None, test_interval=None), {}),
    "poly": (solver(lr_policy='"poly"', power="1"), {}),
    "inv needs no gamma": (solver(lr_policy='"inv"', power="0.75"), {}),
    "multistep": (solver(lr_policy='"multistep"', gamma="0.1", stepvalue="[100, 200]"), {}),
    "a step without gamma": (solver(lr_policy='"step"', stepsize="100"), {"SOL005": "warning"}),
    "a policy of another spelling": (solver(lr_policy='"Step"', gamma="0.1", stepsize="9"), {"SOL004": "error"}),
    "momentum with Adam": (solver(type='"Adam"'), {}),
    "momentum with RMSProp": (solver(type='"RMSProp"'), {"SOL008": "error"}),
    "no momentum with RMSProp": (solver(type='"RMSProp"', momentum="0"), {}),
    "a regularisation that is never asked for": (solver(weight_decay="0", regularization_type='"x"'), {}),
    "debug output that is displayed": (solver(debug_info="true"), {}),
    "a rate of 0 is not a missing one": (solver(base_lr="0"), {"FRZ009": "warning"}),
    "AdaDelta needs a rate too": (solver(type='"AdaDelta"', base_lr=None), {"SOL007": "error"}),
    "both kinds of type": (solver(type='"SGD"', solver_type="SGD"), {"SOL013": "error"}),
}


@pytest.mark.parametrize("name", CASES, ids=str)
def test_findings(name: str) -> None:
    text, codes = CASES[name]
    assert found(text) == codes


@pytest.mark.parametrize(
    ("text", "dialect", "codes"),
    [
        (solver(lr_policy='"plateau"', gamma="0.1"), "bvlc", {"SOL004": "error"}),
        (solver(lr_policy='"plateau"', gamma="0.1", plateau_winsize="100"), "ssd", {}),
        (solver(lr_policy='"multifixed"', stagelr="0.1", stageiter="100"), "intel", {}),
        (solver(lr_policy='"multifixed"'), "intel", {"SOL005": "warning"}),
        (solver(base_lr=None, warmup_iter="10", warmup_start_lr="0.1"), "intel", {}),
    ],
)
def test_forks_have_policies_of_their_own(text: str, dialect: str, codes: dict[str, str]) -> None:
    assert found(text, dialect) == codes


def test_real_solvers_that_train_are_not_refused(shared: Path) -> None:
    for path in sorted((shared / "oracle" / "logs").glob("*_solver.prototxt")):
        errors = [f.code for f in analyze(Source(path.read_text("utf-8"), path.name)).findings if f.severity == "error"]
        assert errors == [], path.name
