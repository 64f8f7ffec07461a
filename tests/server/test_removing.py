"""Taking a layer out: what reads its result reads what it read, or nothing is offered."""

from __future__ import annotations

import pytest

from prototxt_grammar import apply_edits
from prototxt_server.analysis import Settings, Source
from prototxt_server.engine import analyze
from prototxt_server.rules.bn.nets import bn, conv, data, ip, layer, loss, relu, scale

TEST_ONLY = "include { phase: TEST }"
START, END = data() + conv("conv1", "data"), ip("fc", "out") + loss("fc")


def without_second_norm(text: str) -> str | None:
    """The text after BN059's fix; None where there is no fix."""
    findings = analyze(Source(text), Settings(dialect="bvlc", select=("BN059",))).findings
    assert [finding.code for finding in findings] == ["BN059"]
    return apply_edits(text, list(findings[0].fix.edits)) if findings[0].fix else None


@pytest.mark.parametrize(
    ("removed", "rest", "left"),
    [
        pytest.param(
            bn("a", "conv1"), bn("b", "conv1", top="out") + END, bn("b", "conv1", top="out") + END, id="in place"
        ),
        pytest.param(
            bn("a", "conv1", top="n"), bn("b", "n", top="out") + END, bn("b", "conv1", top="out") + END, id="own top"
        ),
        pytest.param(
            bn("a", "conv1", top="n"),
            bn("b", "n", top="out") + END + layer("Accuracy", "acc", "n label", "acc", TEST_ONLY),
            bn("b", "conv1", top="out") + END + layer("Accuracy", "acc", "conv1 label", "acc", TEST_ONLY),
            id="readers of another phase follow",
        ),
    ],
)  # fmt: skip
def test_readers_follow(removed: str, rest: str, left: str) -> None:
    assert without_second_norm(START + removed + rest) == START + left
    crlf = (START + removed + rest).replace("\n", "\r\n")
    assert without_second_norm(crlf) == (START + left).replace("\n", "\r\n")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            bn("a", "conv1", top="n") + bn("b", "n") + relu("r", "n") + ip("fc", "n") + loss("fc"),
            id="what follows works in place on the name",
        ),
        pytest.param(
            bn("a", "conv1", top="n") + scale("s", "n", top="m") + bn("b", "m", top="o") + scale("t", "o")
            + layer("Eltwise", "sum", "o n", "out") + END,
            id="a name inside the chain is read elsewhere",
        ),
        pytest.param(
            bn("a", "conv1", top="n") + bn("b", "n", top="out") + END + relu("late", "conv1"),
            id="what the chain read is overwritten later",
        ),
    ],
)  # fmt: skip
def test_where_names_cannot_close_the_gap_nothing_is_offered(text: str) -> None:
    assert without_second_norm(START + text) is None


def test_a_layer_of_one_phase_is_left_to_its_author() -> None:
    text = START + bn("a", "conv1", TEST_ONLY) + bn("b", "conv1", top="out") + END
    assert without_second_norm(text) is None
