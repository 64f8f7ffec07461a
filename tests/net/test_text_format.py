"""Every probe of the text format: accepted or refused as protobuf does, the finding on the token at fault.

protobuf notices unknown fields, doubled fields, unknown enum words and bad booleans one token late; there the finding
stands on the real token and protobuf's position is that of the next one. An unclosed message is reported at its opening
bracket, protobuf at the end of the file.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from prototxt_net.finding import Finding
from prototxt_server.analysis import Settings, Source
from prototxt_server.engine import analyze

SHARED = Path(__file__).resolve().parents[3] / "shared"
PROBES = SHARED / "oracle" / "text-format.jsonl"


def probes() -> list[object]:
    if not PROBES.is_file():
        return [pytest.param({}, marks=pytest.mark.skip(reason="../shared is not here"))]
    records = [json.loads(line) for line in PROBES.read_text(encoding="utf-8").splitlines()]
    return [pytest.param(record, id=record["case"].replace(" ", "-")) for record in records]


def refusals(text: str) -> list[Finding]:
    """What refuses the text itself: parsing and binding, not what a layer's set-up finds."""
    analysis = analyze(Source(text), Settings(dialect="bvlc"))
    parsing = ("SYN", "SCH001", "SCH002", "SCH007", "SCH017")
    return [f for f in analysis.findings if f.caffe_aborts and f.code.startswith(parsing)]


def offset(text: str, line: int, column: int) -> int:
    """protobuf's position as an offset: 1-based, columns count bytes, a tab goes on to the next multiple of 8."""
    start = 0
    for _ in range(line - 1):
        start = text.index("\n", start) + 1
    at, reached = start, 0
    while reached < column - 1 and at < len(text):
        reached = (reached // 8 + 1) * 8 if text[at] == "\t" else reached + len(text[at].encode())
        at += 1
    return at


@pytest.mark.parametrize("probe", probes())
def test_accepted_or_refused_where_protobuf_does(probe: dict[str, object]) -> None:
    text = str(probe["text"])
    found = refusals(text)
    assert bool(found) == (not probe["accepted"]), [(f.code, f.message) for f in found]
    if not found:
        return
    messages = probe["messages"]
    assert isinstance(messages, list)
    first = min(found, key=lambda f: f.start)
    places = [offset(text, message["line"], message["column"]) for message in messages if message["level"] == "error"]
    if first.code == "SYN002" and text[first.start] in "{<":
        assert places[0] >= len(text.rstrip())
        return
    assert any(_points_at(text, first, place) for place in places), (text[first.start : first.end], places)


def _points_at(text: str, finding: Finding, place: int) -> bool:
    """Whether protobuf's place is the finding's token, or the token behind it."""
    return finding.start <= place <= finding.end or (finding.end <= place and not text[finding.end : place].strip())
