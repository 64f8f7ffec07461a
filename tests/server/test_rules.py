"""Every rule proves itself: its page is whole, GOOD is silent, BAD speaks as often as it says, its fix cures.

The registry is held against the catalogue of facts: same codes, same names; what is not built is named, with the
reason, in docs/rules-left-out.md.
"""

from __future__ import annotations

import inspect
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from prototxt_grammar import apply_edits
from prototxt_server.analysis import Analysis
from prototxt_server.report.rule_docs import as_markdown
from prototxt_server.report.rule_examples import read_example
from prototxt_server.rules.base import Example, Rule
from prototxt_server.rules.catalogue import load_all, load_dynamic

ROOT = Path(__file__).resolve().parents[2]
HEADINGS = ("What it does", "Why is this bad?", "Fix safety")
RULES = load_all()


def read(example: Example, code: str) -> Analysis:
    return read_example(next(rule for rule in RULES if rule.code == code), example)


def errors(analysis: Analysis) -> list[tuple[str, str]]:
    return [(finding.code, finding.message) for finding in analysis.findings if finding.severity == "error"]


GOOD = [pytest.param(rule, example, id=f"{rule.code}-{i}") for rule in RULES for i, example in enumerate(rule.GOOD)]
BAD = [pytest.param(rule, example, id=f"{rule.code}-{i}") for rule in RULES for i, example in enumerate(rule.BAD)]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_its_page_is_whole(rule: Rule) -> None:
    assert re.fullmatch(r"[A-Z]{2,3}\d{3}", rule.code)
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule.name)
    assert rule.fix_safety in ("safe", "unsafe", "none")
    assert rule.GOOD, "an example that is right"
    assert len({(example.text, *example.files.items()) for example in rule.BAD}) >= 2, "two nets that are wrong"
    page = as_markdown(rule)
    text = inspect.getdoc(type(rule)) or ""
    for heading in HEADINGS:
        assert f"## {heading}\n" in text, heading
    for heading in ("What it does", "Why is this bad?", "Example", "Use instead", "Fix safety"):
        assert f"## {heading}" in page, heading


@pytest.mark.parametrize(("rule", "example"), GOOD)
def test_good_is_silent_and_without_errors(rule: Rule, example: Example) -> None:
    analysis = read(example, rule.code)
    assert [finding.message for finding in analysis.findings if finding.code == rule.code] == []
    assert errors(analysis) == []


@pytest.mark.parametrize(("rule", "example"), BAD)
def test_bad_speaks_and_its_fix_cures(rule: Rule, example: Example) -> None:
    before = read(example, rule.code)
    found = [finding for finding in before.findings if finding.code == rule.code]
    assert len(found) == example.count, [(finding.code, finding.message) for finding in before.findings]
    for finding in found:
        assert finding.name == rule.name
        assert 0 <= finding.start <= finding.end <= len(example.text)
        assert finding.severity == "error" or not finding.caffe_aborts
    fixes = [finding.fix for finding in found if finding.fix]
    if not fixes:
        assert not example.fixed, "an example that states what its fix gives must have one"
        return
    assert rule.fix_safety != "none"
    fixed = apply_edits(example.text, [edit for fix in fixes for edit in fix.edits])
    if example.fixed:
        assert fixed == example.fixed
    after = read(replace(example, text=fixed), rule.code)
    assert [finding.message for finding in after.findings if finding.code == rule.code] == []
    assert {code for code, _ in errors(after)} <= {code for code, _ in errors(before)}, "a fix must not add errors"


def shapes(analysis: Analysis) -> dict[tuple[str, str], object]:
    """Top and parameter shapes by phase and layer."""
    return {
        (net.phase, node.name): ([blob.shape for blob in node.tops], [blob.shape for blob in node.setup.params])
        for net in analysis.nets
        for node in net.nodes
    }


@pytest.mark.parametrize(("rule", "example"), BAD)
def test_a_safe_fix_leaves_the_shapes_of_a_net_that_loads(rule: Rule, example: Example) -> None:
    before = read(example, rule.code)
    if any(finding.caffe_aborts for finding in before.findings):
        return  # there is no net to compare with
    fixes = [f.fix for f in before.findings if f.code == rule.code and f.fix and f.fix.applicability == "safe"]
    fixed = apply_edits(example.text, [edit for fix in fixes for edit in fix.edits])
    after = shapes(read(replace(example, text=fixed), rule.code))
    for place, found in shapes(before).items():
        assert after.get(place, found) == found, place


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.fix_safety != "none"], ids=lambda rule: rule.code)
def test_a_rule_that_claims_a_fix_shows_one(rule: Rule) -> None:
    assert any(
        finding.fix
        for example in rule.BAD
        for finding in read(example, rule.code).findings
        if finding.code == rule.code
    )


def left_out() -> dict[str, str]:
    """Codes of the catalogue that are not built, from the table of docs/rules-left-out.md, with the reasons."""
    page = (ROOT / "docs" / "rules-left-out.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^\| ([A-Z]{2,3}\d{3}) [^|]*\| ([^|]+) \|$", page, re.MULTILINE))


def test_the_catalogue_is_built_or_left_out_with_a_reason(shared: Path) -> None:
    catalogue = {entry["code"]: entry for entry in json.loads((shared / "facts" / "rules.json").read_text("utf-8"))}
    ours = {rule.code: rule.name for rule in (*RULES, *load_dynamic())}
    reasons = left_out()
    for code, entry in catalogue.items():
        if entry["kind"] == "static":
            assert (code in ours) != (code in reasons), f"{code} must be built or left out, not both"
        if code in ours:
            assert ours[code] == entry["name"], code
    assert all(len(reason) > 20 for reason in reasons.values())
