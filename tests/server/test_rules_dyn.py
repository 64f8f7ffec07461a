"""The nets on the pages of the dynamic rules, run through one batch on the CPU: BAD shows the rule, GOOD does not."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from prototxt_gpu_check.client import WorkerClient
from prototxt_gpu_check.verdict.view import NAMES
from prototxt_net.finding import Finding
from prototxt_server.analysis import Settings, Source
from prototxt_server.engine import analyze
from prototxt_server.linked.reader import Given
from prototxt_server.rates import solvers_of
from prototxt_server.rules.base import Example, Rule
from prototxt_server.rules.catalogue import load_dynamic

RULES = load_dynamic()
GOOD = [pytest.param(rule, example, id=f"{rule.code}-{i}") for rule in RULES for i, example in enumerate(rule.GOOD)]
BAD = [pytest.param(rule, example, id=f"{rule.code}-{i}") for rule in RULES for i, example in enumerate(rule.BAD)]


@pytest.fixture(scope="module")
def client() -> Iterator[WorkerClient]:
    worker = WorkerClient()
    yield worker
    worker.close()


def findings(client: WorkerClient, example: Example) -> list[Finding]:
    solvers = solvers_of(analyze(Source(example.text, example.filename), Settings()), Given(example.files.items()))
    assert bool(solvers) == bool(example.files)
    request = {"text": example.text, "dialect": example.dialect, "phase": "TRAIN", "device": "cpu", "backward": "auto"}
    return client.check({**request, "solvers": [solver.to_json() for solver in solvers]}).findings


@pytest.mark.parametrize(("rule", "example"), BAD)
def test_bad_shows_it(client: WorkerClient, rule: Rule, example: Example) -> None:
    assert rule.code in {finding.code for finding in findings(client, example)}


@pytest.mark.parametrize(("rule", "example"), GOOD)
def test_good_shows_nothing_worth_a_warning(client: WorkerClient, rule: Rule, example: Example) -> None:
    found = findings(client, example)
    assert [f.message for f in found if f.severity in ("error", "warning")] == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_its_page_is_whole(rule: Rule) -> None:
    text = inspect.getdoc(type(rule)) or ""
    for heading in ("What it does", "Why is this bad?", "Fix safety"):
        assert f"## {heading}\n" in text


def test_every_dynamic_rule_of_the_catalogue_is_built(shared: Path) -> None:
    catalogue = json.loads((shared / "facts" / "rules.json").read_text("utf-8"))
    names = {entry["code"]: entry["name"] for entry in catalogue if entry["kind"] != "static"}
    assert len(names) == 33
    assert {rule.code: rule.name for rule in RULES if rule.code in names} == names
    assert {code: name for code, name in NAMES.items() if code in names} == names
