"""From what people see to the rules that say why."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prototxt_server.rules.catalogue import load_all, load_dynamic
from prototxt_server.rules.symptom_search import search
from prototxt_server.rules.symptoms import SYMPTOMS, Symptom, of_rule

ROOT = Path(__file__).parents[2]
RULES = {rule.code: rule for rule in (*load_all(), *load_dynamic())}
Lsp = Callable[..., Any]

# what somebody says -> a rule that must be among those of the first answer
SAID = {
    "loss stuck at 87.3365": "BN010",
    "loss = 87.336 from the beginning": "DYN020",
    "all outputs zero after BatchNorm": "BN031",
    "batch norm layer outputs zeros": "BN022",
    "accuracy drops after freezing": "FRZ001",
    "my frozen teacher network drifts": "FRZ001",
    "train fine, test random": "BN011",
    "good training accuracy but validation at chance": "BN033",
    "test accuracy constant": "DYN005",
    "NaN after 2000 iterations": "DYN031",
    "loss is nan at iteration 0": "DYN025",
    "loss stays at 2.3025": "INI001",
    "weights don't change": "SOL007",
    "debug_info shows nothing": "SOL009",
    "Unknown bottom blob 'data'": "NET002",
    'Message type "caffe.LayerParameter" has no field named "bn_param"': "SCH001",
    "Cannot copy param 0 weights from layer 'fc8'; shape mismatch": "SHP027",
    "different output for the same image": "BN011",
    "batch size 1 with batchnorm": "BN017",
    "works in DIGITS but not in BVLC caffe": "BN030",
}


@pytest.mark.parametrize("text", SAID, ids=str)
def test_what_somebody_says_leads_to_the_rule(text: str) -> None:
    first = search(text)[0]
    assert any(SAID[text].startswith(code) for code in first.codes), first.title


@pytest.mark.parametrize("symptom", SYMPTOMS, ids=lambda symptom: symptom.title)
def test_each_symptom_finds_itself(symptom: Symptom) -> None:
    for phrase in (symptom.title, *symptom.also):
        assert symptom in search(phrase)[:2], phrase


@pytest.mark.parametrize("text", ["", "hello", "???", "the of and"])
def test_what_is_like_no_symptom_finds_none(text: str) -> None:
    assert search(text) == []


def test_every_code_is_one_of_a_rule_and_named_once() -> None:
    for symptom in SYMPTOMS:
        assert len(set(symptom.codes)) == len(symptom.codes)
        for code in symptom.codes:
            assert code in RULES or (code.isalpha() and any(rule.startswith(code) for rule in RULES)), code
        for code in re.findall(r"\b[A-Z]{2,3}\d{3}\b", symptom.cause):
            assert code in symptom.codes


def test_what_one_batch_shows_is_a_symptom() -> None:
    """A DYN rule is about something that is seen, so each has its place."""
    for code in RULES:
        if code.startswith("DYN"):
            assert of_rule(code), code


def test_headings_and_links_agree() -> None:
    page = (ROOT / "docs" / "symptoms.md").read_text()
    assert re.findall(r"^## (.*)", page, re.MULTILINE) == [symptom.title for symptom in SYMPTOMS]
    anchors = [symptom.anchor for symptom in SYMPTOMS]
    assert len(set(anchors)) == len(anchors)
    assert re.findall(r"\]\(#(.*?)\)", page) == anchors
    for target in re.findall(r"\]\((rules/.*?)\)", page):
        assert (ROOT / "docs" / target).is_file(), target
    bn031 = (ROOT / "docs" / "rules" / "BN031.md").read_text()
    assert "(../symptoms.md#all-outputs-are-zero-after-batchnorm)" in bn031


def test_the_command(lsp: Lsp) -> None:
    done = lsp("rule", "--symptom", "loss stuck at 87.3365")
    assert done.code == 0
    assert done.text.startswith("The loss stands at 87.3365\n")
    assert "  BN010   bn-train-global-stats: " in done.text
    rows = lsp("rule", "--symptom", "nan", "--format", "json").json
    assert rows[0]["codes"][0] == "DYN031"
    assert "rules/DYN031.md" in lsp("rule", "--symptom", "nan", "--format", "markdown").text
    done = lsp("rule", "--symptom", "hello")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "no symptom is like 'hello'; there are: The loss stands at 87.3365; " in done.err


def test_the_page_of_a_rule_names_its_symptoms(lsp: Lsp) -> None:
    text = lsp("rule", "BN031").text
    assert "## Seen as\n\n- All outputs are zero after BatchNorm\n" in text
    (row,) = lsp("rule", "BN031", "--format", "json").json
    assert "All outputs are zero after BatchNorm" in row["symptoms"]
