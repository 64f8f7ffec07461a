"""Include and exclude rules, states, and the phases that a file is meant for (facts: caffe-semantics.md 1.1)."""

from __future__ import annotations

import pytest

from prototxt_grammar import parse
from prototxt_net.phases import State, active_phases, filtered, merged_state
from prototxt_net.read import read
from prototxt_server.analysis import Settings, Source
from prototxt_server.engine import analyze

RULES = {
    "": (True, True),
    "include { }": (True, True),
    "include { phase: TRAIN }": (True, False),
    "exclude { phase: TRAIN }": (False, True),
    "include { phase: TRAIN } include { phase: TEST }": (True, True),
    "exclude { phase: TRAIN } exclude { phase: TEST }": (False, False),
    'include { stage: "s" }': (True, True),
    'include { stage: "s" stage: "other" }': (False, False),
    'include { not_stage: "s" }': (False, False),
    'include { not_stage: "other" }': (True, True),
    "include { min_level: 2 }": (False, False),
    "include { min_level: 1 max_level: 1 }": (True, True),
    "include { max_level: 0 }": (False, False),
    'include { phase: TEST stage: "s" }': (False, True),
    "phase: TRAIN": (True, True),  # the layer's own phase is no filter
}


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_a_rule_at_level_1_and_stage_s(rule: str) -> None:
    file = read(parse(f'layer {{ name: "x" type: "Input" top: "x" {rule} }}'), "bvlc")
    kept = tuple(bool(filtered(file, State(phase, 1, frozenset({"s"})))) for phase in ("TRAIN", "TEST"))
    assert kept == RULES[rule]


def test_the_files_own_state_wins_and_adds_its_stages() -> None:
    file = read(parse('state { phase: TEST stage: "a" }'), "bvlc")
    assert merged_state(file, State("TRAIN", 3, frozenset({"b"}))) == State("TEST", 3, frozenset({"a", "b"}))


DATA = 'layer { name: "%s" type: "Data" top: "%s" include { phase: %s } }\n'
RELU = 'layer { name: "r" type: "ReLU" bottom: "data" top: "r" %s }\n'
ACTIVE = {
    "a train_val net": (DATA % ("d", "data", "TRAIN") + DATA % ("d", "data", "TEST") + RELU % "", ["TRAIN", "TEST"]),
    "a net for training only": (DATA % ("d", "data", "TRAIN") + RELU % "", ["TRAIN"]),
    "a deploy net": ('layer { name: "d" type: "Input" top: "data" }\n' + RELU % "", ["TRAIN", "TEST"]),
    "a state in the file": ("state { phase: TEST }\n" + RELU % "", ["TEST"]),
    "no source at all": (RELU % "", ["TRAIN", "TEST"]),
    "the source of a phase lacks one blob": (
        DATA % ("d", "data", "TRAIN") + DATA % ("e", "other", "TEST") + RELU % "",
        ["TRAIN"],
    ),
}


@pytest.mark.parametrize("case", ACTIVE, ids=str)
def test_active_phases(case: str) -> None:
    text, phases = ACTIVE[case]
    assert active_phases(read(parse(text), "bvlc"), 0, frozenset()) == phases


@pytest.mark.parametrize("phase", ["auto", "TRAIN"])
def test_a_named_phase_leaves_the_files_level_and_stages(phase: str) -> None:
    head = 'state { phase: TEST level: 2 stage: "b" }\n'
    data = 'layer { name: "d" type: "Input" top: "data" include { min_level: 2 stage: "b" } }\n'
    net = analyze(Source(head + data + RELU % ""), Settings(phase=phase)).nets[0]
    assert [node.name for node in net.nodes] == ["d", "r"]
    assert net.phase == ("TEST" if phase == "auto" else "TRAIN")
