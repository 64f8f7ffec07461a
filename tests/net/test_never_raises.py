"""Invariant 2: no text, however wrong, makes the analysis raise; in any dialect, phase or selection of rules."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.net.nets import PIECES, harm, harmed, nets

from prototxt_net.schema.load import DIALECTS
from prototxt_server.analysis import Settings, Source
from prototxt_server.engine import analyze

ALL_RULES = ("ALL",)


def check(text: str, dialect: str = "auto", phase: str = "auto") -> None:
    """Every finding stands inside the text, and so does every edit that it offers."""
    analysis = analyze(Source(text, "net.prototxt"), Settings(dialect=dialect, phase=phase, select=ALL_RULES))
    assert "".join(chunk.text for chunk in analysis.tree.chunks) == text
    for finding in analysis.findings:
        assert 0 <= finding.start <= finding.end <= len(text), finding
        assert finding.message
        for edit in finding.fix.edits if finding.fix else ():
            assert 0 <= edit.start <= edit.end <= len(text), finding


@settings(max_examples=300)
@given(text=st.text(max_size=200))
def test_any_text(text: str) -> None:
    check(text)


@settings(max_examples=300)
@given(pieces=st.lists(st.sampled_from([*PIECES, "layer", "name", "type", "top", "input", "net"]), max_size=60))
def test_text_of_the_right_pieces(pieces: list[str]) -> None:
    check("".join(pieces))


@pytest.mark.parametrize("dialect", ["auto", "bvlc", "nvidia-0.15", "nvidia-0.17", "ssd", "segnet", "intel", "pspnet"])
@settings(max_examples=60)
@given(text=nets(), edits=st.lists(harm(), max_size=5), phase=st.sampled_from(["auto", "TRAIN", "TEST", "all"]))
def test_nets_whole_and_harmed(dialect: str, text: str, edits: list[tuple[float, int, str]], phase: str) -> None:
    check(harmed(text, edits), dialect, phase)


@settings(max_examples=150)
@given(text=nets(), dialect=st.sampled_from(DIALECTS))
def test_every_dialect(text: str, dialect: str) -> None:
    check(text, dialect)


SOLVER_LINES = [
    'net: "n.prototxt"', "base_lr: 0.1", "base_lr: nan", "lr_policy: 'step'", "stepsize: 0", "gamma: -1", "max_iter: 5",
    "test_iter: [1, 2]", "test_interval: -3", "solver_type: ADAM", 'type: "Adam"', "net_param { layer { } }",
    "train_state { stage: 'x' }", "momentum: 1e400", "snapshot_prefix: 7", "nonsense: 1",
]  # fmt: skip
SOLVER = st.lists(
    st.sampled_from(SOLVER_LINES),
    max_size=10,
)


@settings(max_examples=100)
@given(lines=SOLVER, edits=st.lists(harm(), max_size=2))
def test_solvers(lines: list[str], edits: list[tuple[float, int, str]]) -> None:
    check(harmed("\n".join(lines) + "\n", edits))


CROOKED = {
    "brackets all the way down": "layer { " * 3000,
    "and back": "layer { " * 3000 + "}" * 3000,
    "quotes": '"' * 5000,
    "one long word": "x" * 100_000,
    "colons": "a: " * 1000,
    "conflict markers": '<<<<<<< HEAD\nlayer { name: "a" }\n=======\nlayer { name: "b" }\n>>>>>>> other\n' * 5,
    "every character": "".join(map(chr, range(0x300))) * 3,
    "lone surrogates": 'name: "\ud800" # \udfff\n',
    "empty lists": "layer { name: [] name: [] type: [] bottom: [] top: [] param: [] lrn_param: [] } input: []",
    "a huge number": "layer { param { lr_mult: " + "9" * 5000 + " } }",
    "a chain in place": 'layer { type: "ReLU" bottom: "x" top: "x" }\n' * 300,
}


@pytest.mark.parametrize("name", CROOKED)
def test_crooked(name: str) -> None:
    check(CROOKED[name])
