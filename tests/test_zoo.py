"""The zoo of nets from papers: nothing to complain about, and as many learned values as their papers say."""

from __future__ import annotations

import math

import pytest
from zoo import NAMES, SOLVERS, ZOO, write, write_solver
from zoo.writer import Style

from prototxt_net.flow import weights
from prototxt_net.net import PhaseNet
from prototxt_server.analysis import Analysis, Settings, Source
from prototxt_server.engine import analyze


def read(text: str, style: Style) -> Analysis:
    return analyze(Source(text, f"{style}.prototxt"), Settings())


def learned(net: PhaseNet) -> int:
    """Values that a solver changes: no statistics, no fixed interpolation."""
    return sum(
        math.prod(node.setup.params[i].shape)  # type: ignore[arg-type]
        for node in net.nodes
        for i in weights(node)
        if node.lr_mult(i)
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_deploy_style_has_the_published_number_of_values(name: str) -> None:
    analysis = read(write(name), "deploy")
    assert analysis.file.dialect == ZOO[name].dialect
    assert [finding.message for finding in analysis.findings] == []
    assert [learned(net) for net in analysis.nets] == [ZOO[name].learned] * len(analysis.nets)


def test_the_auxiliary_classifiers_of_googlenet_count_in_training_only() -> None:
    analysis = read(write("googlenet", "train_val", source="dummy"), "train_val")
    assert {learned(net) for net in analysis.nets} == {13_378_280}


@pytest.mark.parametrize("name", NAMES)
def test_the_trained_style_has_both_phases_and_nothing_to_complain_about(name: str) -> None:
    analysis = read(write(name, "train_val"), "train_val")
    assert [net.phase for net in analysis.nets] == ["TRAIN", "TEST"]
    assert [finding.message for finding in analysis.findings] == []
    assert all(node.setup.tops for net in analysis.nets for node in net.nodes if node.tops)


@pytest.mark.parametrize("name", NAMES)
def test_it_can_be_small(name: str) -> None:
    entry = ZOO[name]
    text = write(name, "train_val", batch=64, size=entry.smallest, width=0.1, classes=6, source="dummy")
    analysis = read(text, "train_val")
    assert [finding.message for finding in analysis.findings if finding.severity in ("error", "warning")] == []
    assert 0 < learned(analysis.nets[0]) < entry.learned / 5


@pytest.mark.parametrize("name", SOLVERS)
def test_the_solvers_are_in_order(name: str) -> None:
    analysis = analyze(Source(write_solver(name), "solver.prototxt"), Settings())
    assert analysis.file.kind == "solver"
    assert [finding.message for finding in analysis.findings] == []
