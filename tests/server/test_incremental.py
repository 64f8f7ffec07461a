"""Invariant 9: after any sequence of edits the result equals a fresh analysis."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prototxt_server.analysis import Source
from prototxt_server.engine import analyze

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.prototxt"))
PIECES = ["{", "}", '"', "\n", "layer {\n", 'bottom: "conv1"\n', "bias_term: false", ":", " ", "#", "x", "0", "'"]


@st.composite
def edits(draw: st.DrawFn) -> list[tuple[float, int, str]]:
    """Edits as (where, as a share of the text; how many characters go; what comes)."""
    one = st.tuples(st.floats(0, 1), st.integers(0, 12), st.sampled_from(["", *PIECES]))
    return draw(st.lists(one, min_size=1, max_size=6))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
@settings(max_examples=25, deadline=None)
@given(steps=edits())
def test_incremental_equals_fresh(path: Path, steps: list[tuple[float, int, str]]) -> None:
    text = path.read_text()
    analysis = analyze(Source(text))
    for share, gone, come in steps:
        at = int(share * len(text))
        text = text[:at] + come + text[at + gone :]
        analysis = analyze(Source(text), previous=analysis)
    assert analysis.findings == analyze(Source(text)).findings
