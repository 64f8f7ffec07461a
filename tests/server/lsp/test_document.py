"""An open document follows its changes, and its diagnostics are those of a fresh analysis of the same text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lsprotocol import types

from prototxt_server.analysis import Settings, Source
from prototxt_server.engine import analyze
from prototxt_server.lsp import convert
from prototxt_server.lsp.document import Document

NET = """name: "n" # 深い😀
input: "data"
input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }
layer {
  name: "conv1"
  type: "Convolution"
  bottom: "data"
  top: "conv1"
  convolution_param { num_output: 8 kernel_size: 3 }
}
layer { name: "bn1" type: "BatchNorm" bottom: "conv1" top: "conv1" }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
"""
PIECES = [
    "",
    "{",
    "}",
    '"',
    "\n",
    "\r",
    "\r\n",
    "\u2028",
    "\x0c",
    "#",
    "layer {\n",
    'bottom: "conv1"',
    "😀",
    "7",
    ": ",
    "語",
]
ENCODINGS = {"utf-8": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}


def partial(document: Document, start: int, end: int, text: str) -> types.TextDocumentContentChangePartial:
    return types.TextDocumentContentChangePartial(range=convert.range_of(document, start, end), text=text)


def whole_characters(text: str, *offsets: float) -> list[int]:
    """Offsets from shares of the text, moved out of CR LF, which the protocol cannot point into."""
    places = sorted(int(share * len(text)) for share in offsets)
    return [p - 1 if text[p - 1 : p + 1] == "\r\n" else p for p in places]


@settings(max_examples=60)
@given(
    encoding=st.sampled_from(sorted(ENCODINGS)),
    edits=st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 10), st.sampled_from(PIECES), st.booleans()), min_size=1, max_size=8
    ),
)
def test_random_edits(encoding: str, edits: list[tuple[float, int, str, bool]]) -> None:
    document = Document("file:///n.prototxt", NET, 0, encoding)
    text = NET
    for version, (share, gone, new, look) in enumerate(edits, 1):
        start, end = whole_characters(text, share, min(1.0, share + gone / max(len(text), 1)))
        document.change(version, [partial(document, start, end, new)])
        text = text[:start] + new + text[end:]
        assert document.text == text
        if look:
            document.analysis(Settings())
    found = [convert.diagnostic(document, f) for f in document.analysis(Settings()).findings]
    fresh = Document("file:///n.prototxt", text, document.version, encoding)
    expected = [convert.diagnostic(fresh, f) for f in analyze(Source(text, fresh.path)).findings]
    assert found == expected


def test_changes_of_one_notification_build_on_each_other() -> None:
    document = Document("file:///n", "ab\ncd\n", 1, "utf-16")
    first = types.TextDocumentContentChangePartial(range=span(0, 1, 0, 1), text="X\n")
    second = types.TextDocumentContentChangePartial(range=span(1, 0, 1, 1), text="Y")
    document.change(2, [first, second])
    assert document.text == "aX\nY\ncd\n"
    document.change(3, [types.TextDocumentContentChangeWholeDocument(text="new")])
    assert (document.text, document.version) == ("new", 3)


def span(a: int, b: int, c: int, d: int) -> types.Range:
    return types.Range(types.Position(a, b), types.Position(c, d))


LINES = "a: 1\x0cb: 2\nc: '\u2028'\nd: 3\x85e: 4\n"


def test_only_the_breaks_of_the_protocol_end_lines() -> None:
    """Form feed, U+2028 and U+0085 end lines for Python and for pygls, but not for an editor."""
    document = Document("file:///n", LINES, 1, "utf-16")
    document.change(2, [types.TextDocumentContentChangePartial(range=span(2, 0, 2, 1), text="D")])
    assert document.text == LINES.replace("d: 3", "D: 3")


@pytest.mark.parametrize(("line", "character"), [(99, 0), (4, 0), (3, 50), (3, 1), (2, 99), (0, 10**6)])
def test_positions_outside_the_text_are_moved_inside(line: int, character: int) -> None:
    text = "a: 1\nb: 2\nc: 3\n"
    document = Document("file:///n", text, 1, "utf-16")
    offset = convert.offset(document, types.Position(line, character))
    assert 0 <= offset <= len(text)
    document.change(2, [types.TextDocumentContentChangePartial(range=span(line, character, line, character), text="!")])
    assert document.text.replace("!", "") == text


def test_backward_range_is_empty() -> None:
    document = Document("file:///n", "abc", 1, "utf-16")
    document.change(2, [types.TextDocumentContentChangePartial(range=span(0, 2, 0, 1), text="-")])
    assert document.text == "ab-c"


@pytest.mark.parametrize("encoding", sorted(ENCODINGS))
def test_columns_behind_wide_characters(encoding: str) -> None:
    """The squiggle stands on the word, whatever stands before it on the line."""
    before = '  name: "畳み込み😀𝄞é" '
    text = f"layer {{\n{before}typo: 1\n}}\n"
    document = Document("file:///n", text, 1, encoding)
    (flagged,) = [f for f in document.analysis(Settings()).findings if f.code == "SCH001"]
    where = convert.diagnostic(document, flagged).range
    units = {"utf-8": 1, "utf-16": 2, "utf-32": 4}[encoding]
    assert where.start == types.Position(1, len(before.encode(ENCODINGS[encoding])) // units)
    assert where.end.character - where.start.character == len("typo")


def test_same_text_is_analysed_once() -> None:
    document = Document("file:///n", NET, 1, "utf-16")
    first = document.analysis(Settings())
    assert document.analysis(Settings()) is first
    assert document.analysis(Settings(dialect="ssd")) is not first


def test_forward_findings_end_with_the_text() -> None:
    document = Document("file:///n", NET, 1, "utf-16")
    document.forward = tuple(document.analysis(Settings()).findings)
    document.change(2, [types.TextDocumentContentChangePartial(range=span(0, 0, 0, 0), text="#\n")])
    assert document.forward == ()
