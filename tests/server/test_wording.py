"""What every rule says: a sentence that cannot be misread, in numbers as people read them, that ends in what to do."""

from __future__ import annotations

import re

import pytest

from prototxt_net.finding import Finding
from prototxt_server.analysis import Settings, Source
from prototxt_server.engine import analyze
from prototxt_server.rules.base import Rule
from prototxt_server.rules.catalogue import load_all

RULES = load_all()
# The first word of the part of a message that says what to do.
ADVICE = {
    "add", "bring", "change", "choose", "close", "combine", "connect", "convert", "correct", "delete", "did", "do",
    "drop", "enlarge", "feed", "fold", "freeze", "give", "insert", "keep", "let", "lower", "make", "merge", "move",
    "put", "raise", "reduce", "remove", "rename", "reorder", "replace", "reshape", "restrict", "run", "save", "set",
    "skip", "sort", "swap", "take", "transform", "unfreeze", "unify", "use", "write",
}  # fmt: skip
# Rules that speak of places in the file; everywhere else data flows from what is before to what is behind.
PLACES = {"NET002", "NET020", "SCH008", "SYN003"}
# What aborts later than at set-up, or in another Caffe, must say so: only an abort on loading is `caffe_aborts`.
LATER = re.compile(r"first (forward|backward|iteration|update)|when the|unless|makes Caffe abort|Caffes before")


def said(rule: Rule) -> list[Finding]:
    """What a rule says about its BAD examples."""
    found: list[Finding] = []
    for example in rule.BAD:
        shapes = tuple(example.shapes.items())
        settings = Settings(dialect=example.dialect, phase=example.phase, shapes=shapes, extend_select=(rule.code,))
        source = Source(example.text, example.filename)
        found += [finding for finding in analyze(source, settings).findings if finding.code == rule.code]
    return found


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_every_message_reads_well(rule: Rule) -> None:
    for finding in said(rule):
        text = finding.message
        assert re.search(r"[.?]$", text), f"a sentence ends: {text}"
        assert not re.search(r"[.?!:;,]{2}|  | [.,;:]", re.sub(r'`[^`]*`|\d\.\.\d|x\?|\."', "x", text)), (
            f"stops: {text}"
        )
        assert not re.search(r"(?<!blob )(?<!block )\b1 (?!has|is|was)[a-z_]+(?<!s)s\b", text), f"plural: {text}"
        assert rule.code in PLACES or not re.search(r"\b(below|above)\b", text), f"which direction: {text}"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_what_is_wrong_says_what_to_do(rule: Rule) -> None:
    for finding in said(rule):
        if finding.severity in ("error", "warning"):
            parts = re.split(r"(?<=[.:;?]) |(?<=\.\") |, |: (?=[a-z])", finding.message)
            assert any(part.split()[0].lower() in ADVICE for part in parts), finding.message


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_only_what_aborts_is_said_to_abort(rule: Rule) -> None:
    for finding in said(rule):
        if not finding.caffe_aborts:
            text = finding.message
            assert not re.search(r"\b(aborts?|refuses)\b", text) or LATER.search(text), text
