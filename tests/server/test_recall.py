"""Recall: the fault of each rule, planted in nets that nobody wrote for the rule, is reported at the planted place.

Two ways of planting: the example's text in the middle of a net, and the same kind of fault in the net's own layers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest
from tests.server import own_faults_bn, own_faults_net  # noqa: F401  (importing registers)
from tests.server.own_faults import FAULTS
from tests.server.planting import (
    EXAMPLES,
    TRAINED_EXAMPLES,
    Planted,
    grafted,
    in_solvers,
    places,
    read,
    style_of,
    transplanted,
)

from prototxt_server.rules.base import Example, Rule
from prototxt_server.rules.catalogue import load_all

pytestmark = pytest.mark.slow

SHOWN = 2  # so many BAD examples of each rule are planted
NOT_GRAFTED = {
    "DAT004": "compares the data layers of the two phases; another pair beside them hides it",
    "FRZ014": "about all layers of a net",
    "INI005": "looks at the whole stack of layers",
    "INI012": "about all layers of a net",
    "NET013": "about all layers of a net",
    "SCH004": "about all layers of a file",
    "SYN012": "about the name of a file",
}
NOT_IN_OWN_LAYERS = {
    "BN041": "SegNet's BN; no paper of the zoo has it",
    "LOS004": "needs labels that the text tells; the zoo's stand in an LMDB",
    "LOS012": "needs a loss between two outputs; the zoo classifies",
    "SCH005": "the oldest form, of a whole file",
    "SCH015": "needs layers of two forks",
    "SCH017": "needs a layer with a required field (Clip)",
    "SHP011": "a matter of sizes that do not divide, which a host has or has not",
    "SHP015": "needs a Slice",
    "SHP016": "needs a Reshape",
    "SHP021": "needs maps of labels",
    "SHP022": "needs a loss between two outputs",
    "SHP024": "needs rarer layers",
}
TEXT = ("SYN", "STY", "SUP")  # about lines of text; there, the host's layers do not matter


def reported(rule: Rule, example: Example, planted: Planted) -> bool:
    """Whether the rule speaks inside the planted text."""
    found = places(read(rule, example, planted.text), rule.code)
    return any(planted.start <= start and end <= planted.end for start, end in found)


def result(rule: Rule, example: Example, planted: Iterable[Planted]) -> dict[str, bool]:
    """By host, whether all that was planted in it is reported."""
    found: dict[str, bool] = {}
    for one in planted:
        found[one.host] = found.get(one.host, True) and reported(rule, example, one)
    return found


RULES = [rule for rule in load_all() if not any(example.files or example.stored for example in rule.BAD[:SHOWN])]
IN_A_HOST = [rule for rule in RULES if rule.code not in NOT_GRAFTED]
IN_EXAMPLES = [
    rule
    for rule in IN_A_HOST
    if (alone := read(rule, rule.BAD[0])).file.kind == "net" and style_of(alone) == "train_val"
]
NOT_IN_SSD = {
    "DAT004": "its data layers are SSD's own",
    "LOS010": "the sizes behind SSD's own layers are unknown to other Caffes",
    "SHP006": "the groups of one example divide its channels",
    "SHP008": "as LOS010",
}
ELSEWHERE = {  # a net with a frozen part of its own
    "BN016": {"frozen_teacher.prototxt"},  # speaks once for all frozen parts, at the first
    "BN042": {"frozen_teacher.prototxt"},  # silent where weights will be loaded
    "FRZ007": {"frozen_teacher.prototxt"},  # as BN016
}
IN_OWN_LAYERS = [
    rule
    for rule in RULES
    if rule.code not in NOT_IN_OWN_LAYERS
    and not rule.code.startswith(TEXT)
    and read(rule, rule.BAD[0]).file.kind == "net"
]
IN_SSD = [
    rule
    for rule in IN_OWN_LAYERS
    if rule.code not in FAULTS
    and rule.code not in NOT_IN_SSD
    and any(True for example in rule.BAD[:SHOWN] for _ in transplanted(rule, example, ("ssd300",)))
]


@pytest.mark.parametrize("rule", IN_A_HOST, ids=lambda rule: rule.code)
def test_the_example_is_reported_in_the_middle_of_five_nets(rule: Rule) -> None:
    for example in rule.BAD[:SHOWN]:
        plant = in_solvers if read(rule, example).file.kind == "solver" else grafted
        found = result(rule, example, plant(rule, example))
        assert found == dict.fromkeys(found, True)
        assert len(found) == 5


@pytest.mark.parametrize("rule", IN_EXAMPLES, ids=lambda rule: rule.code)
def test_the_example_is_reported_in_the_middle_of_the_nets_that_newcomers_run(rule: Rule) -> None:
    found = result(rule, rule.BAD[0], grafted(rule, rule.BAD[0], TRAINED_EXAMPLES))
    assert {host for host, seen in found.items() if not seen} == ELSEWHERE.get(rule.code, set())
    assert len(found) == 5


@pytest.mark.parametrize("rule", IN_OWN_LAYERS, ids=lambda rule: rule.code)
def test_the_fault_is_reported_in_the_hosts_own_layers(rule: Rule) -> None:
    own = FAULTS.get(rule.code)
    if own is not None:
        ways = [result(rule, own.reading, own.planted())]
    else:
        ways = [result(rule, example, transplanted(rule, example)) for example in rule.BAD[:SHOWN]]
    assert any(found and all(found.values()) for found in ways), ways


@pytest.mark.parametrize("rule", IN_SSD, ids=lambda rule: rule.code)
def test_the_fault_is_reported_in_a_detector(rule: Rule) -> None:
    """SSD300, whose own layers other Caffes do not know; not every rule has a layer there that could be faulty."""
    found = [result(rule, example, transplanted(rule, example, ("ssd300",))) for example in rule.BAD[:SHOWN]]
    assert any(found), "a layer of the type"
    assert all(all(one.values()) for one in found)


def test_each_reason_is_still_needed() -> None:
    codes = {rule.code for rule in load_all()}
    assert {*NOT_GRAFTED, *NOT_IN_OWN_LAYERS} <= codes
    assert not NOT_IN_OWN_LAYERS.keys() & FAULTS.keys()
    assert NOT_GRAFTED.keys() - {"SYN012", "DAT004"} <= FAULTS.keys()


def test_each_rule_has_its_row_in_the_page() -> None:
    page = (EXAMPLES.parent / "docs" / "recall.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| ([A-Z]+\d+) ", page, re.MULTILINE) == [rule.code for rule in RULES]
