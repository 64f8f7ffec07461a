"""The founding cases from the first word to the last number: what is seen leads to the rule, the rule to the line, its
fix to a net of which nothing is said any more, and one batch of that net gives the numbers that were missed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from prototxt_gpu_check import plan
from prototxt_gpu_check.backend import Backend
from prototxt_gpu_check.run import Options, Pass
from prototxt_gpu_check.sources import Inputs
from prototxt_net.phases import State
from prototxt_server.analysis import Analysis, Settings, Source
from prototxt_server.engine import analyze
from prototxt_server.fixing import fix_text
from prototxt_server.rules.symptom_search import search

EXAMPLES = Path(__file__).parents[2] / "examples"


@dataclass(slots=True, frozen=True)
class Case:
    """seen: as somebody would say it. rule: the one that says why. cured: all that the fixes take away.

    layer, before, after: the mean absolute value of a layer's top in one batch. by: the bounds that hold them.
    """

    seen: str
    rule: str
    cured: frozenset[str]
    dialect: str = "auto"
    layer: str = ""
    before: Callable[[float], bool] = lambda value: True
    after: Callable[[float], bool] = lambda value: True


LN_10 = float(np.log(10))
CASES = {
    "bn_zero_gamma.prototxt": Case(
        "all outputs are zero after batchnorm",
        "BN031",
        frozenset({"BN028", "BN030", "BN031", "BN032", "BN033"}),
        "nvidia-0.15",
        "bnorm1",
        lambda value: value == 0,
        lambda value: 0.5 < value < 1.1,  # of values with mean 0 and variance 1
    ),
    "frozen_teacher.prototxt": Case(
        "test accuracy drops although all layers are frozen",
        "FRZ001",
        frozenset({"BN026", "FRZ001", "FRZ002", "FRZ003", "FRZ006"}),
    ),
    "bn_by_the_blog.prototxt": Case(
        "Cannot configure batch normalization statistics as layer parameters",
        "BN001",
        frozenset({"BN001", "BN011", "BN021", "BN055"}),
    ),
    "dead_layer.prototxt": Case(
        "debug_info shows 0 for a layer",
        "INI002",
        frozenset({"INI002", "INI005"}),
        "auto",
        "relu2",
        lambda value: value == 0,
        lambda value: value > 0,
    ),
    "loss_87.prototxt": Case(
        "loss stuck at 87.3365",
        "BN010",
        frozenset({"BN010"}),
        "auto",
        "loss",
        lambda value: value > 10 * LN_10,
        lambda value: value < 3 * LN_10,
    ),
}


def judged(text: str, case: Case, name: str) -> Analysis:
    return analyze(Source(text, name), Settings(dialect=case.dialect))


def mean_abs(analysis: Analysis, layer: str) -> float:
    """mean |x| of the layer's first top in a training batch of eight, from fresh weights."""
    planned = plan.make(analysis.file, State("TRAIN"), Inputs(), 8, 8)
    top = planned.net.by_name[layer].tops[0]
    run = Pass(planned, Backend(), Inputs(), Options(keep=frozenset({top})))
    run.run()
    return float(np.abs(run.arrays[top]).mean())


@pytest.fixture(params=CASES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_what_is_seen_leads_to_the_rule(name: str) -> None:
    case = CASES[name]
    assert any(case.rule in symptom.codes for symptom in search(case.seen))


def test_the_rule_speaks_and_its_fixes_leave_nothing_to_say(name: str) -> None:
    case = CASES[name]
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    before = {finding.code for finding in judged(text, case, name).findings}
    assert case.rule in before
    assert case.cured <= before
    settings = Settings(dialect=case.dialect)
    after = judged(fix_text(Source(text, name), settings, unsafe=True), case, name)
    assert before - {finding.code for finding in after.findings} >= case.cured
    assert [f.message for f in after.findings if f.severity in ("error", "warning")] == []


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.layer])
def test_the_numbers_come_back(name: str) -> None:
    case = CASES[name]
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    sick = mean_abs(judged(text, case, name), case.layer)
    assert case.before(sick), sick
    cured = fix_text(Source(text, name), Settings(dialect=case.dialect), unsafe=True)
    well = mean_abs(judged(cured, case, name), case.layer)
    assert case.after(well), well
