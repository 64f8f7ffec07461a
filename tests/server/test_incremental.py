"""Invariant 9: after any sequence of edits the result equals a fresh analysis, and shares what the edits left alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.net.nets import harm, nets

from prototxt_net.net import PhaseNet
from prototxt_server.analysis import Analysis, Source
from prototxt_server.engine import analyze

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.prototxt"))
STEPS = st.lists(harm(), min_size=1, max_size=6)


def graph(net: PhaseNet) -> list[Any]:
    """All that a net says, without its objects."""
    places = {id(node): node.position for node in net.nodes}

    def blob(version: Any) -> Any:
        return (
            None if version is None else (version.name, places[id(version.producer)], version.top_index, version.shape)
        )

    return [
        (
            node.name,
            node.type,
            node.layer.span(),
            node.layer.index,
            [blob(version) for version in node.bottoms],
            [(blob(version), [(places[id(r)], at) for r, at in version.readers]) for version in node.tops],
            node.in_place,
            node.setup,
        )
        for node in net.nodes
    ]


def outcome(analysis: Analysis) -> dict[str, Any]:
    """Everything that an analysis says."""
    return {
        "kind": analysis.file.kind,
        "dialect": (analysis.file.dialect, analysis.dialect_evidence),
        "phases": [net.phase for net in analysis.nets],
        "nets": [graph(net) for net in analysis.nets],
        "problems": [net.problems for net in analysis.nets],
        "findings": analysis.findings,
    }


def follow(text: str, steps: list[tuple[float, int, str]]) -> Analysis:
    """The analysis after each step in turn, each time made from the one before."""
    analysis = analyze(Source(text))
    for share, gone, come in steps:
        at = int(share * len(text))
        text = text[:at] + come + text[at + gone :]
        analysis = analyze(Source(text), previous=analysis)
    return analysis


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
@settings(max_examples=25)
@given(steps=STEPS)
def test_incremental_equals_fresh(path: Path, steps: list[tuple[float, int, str]]) -> None:
    analysis = follow(path.read_text(), steps)
    assert outcome(analysis) == outcome(analyze(Source(analysis.source.text)))


@settings(max_examples=150)
@given(text=nets(), steps=STEPS)
def test_for_random_nets_too(text: str, steps: list[tuple[float, int, str]]) -> None:
    analysis = follow(text, steps)
    assert outcome(analysis) == outcome(analyze(Source(analysis.source.text)))


def test_the_earlier_analysis_is_left_as_it_was() -> None:
    text = EXAMPLES[0].read_text()
    first = analyze(Source(text))
    before = outcome(first)
    analyze(Source(text.replace("layer {", "layers {", 1)), previous=first)
    assert outcome(first) == before


def test_layers_that_did_not_change_are_not_read_again() -> None:
    text = (EXAMPLES[0].parent / "lenet_bn.prototxt").read_text()
    first = analyze(Source(text))
    second = analyze(Source(text.replace("conv1", "konv1", 1)), previous=first)
    old = {id(layer.definition) for layer in first.file.layers}
    assert sum(id(layer.definition) not in old for layer in second.file.layers) == 1
