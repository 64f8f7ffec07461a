"""Lines and characters, in the three encodings of the protocol."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prototxt_grammar import LineIndex
from prototxt_grammar.line_index import ENCODINGS

WIDE = "a\u00e9\U0001f600b\nsecond\r\n\rlast"

#: offset, line, and the character in UTF-8, UTF-16 and UTF-32
PLACES = [
    (0, 0, (0, 0, 0)),
    (1, 0, (1, 1, 1)),
    (2, 0, (3, 2, 2)),
    (3, 0, (7, 4, 3)),
    (4, 0, (8, 5, 4)),
    (5, 1, (0, 0, 0)),
    (11, 1, (6, 6, 6)),
    (13, 2, (0, 0, 0)),
    (14, 3, (0, 0, 0)),
    (18, 3, (4, 4, 4)),
]


@pytest.mark.parametrize(("offset", "line", "characters"), PLACES)
def test_places(offset: int, line: int, characters: tuple[int, int, int]) -> None:
    index = LineIndex(WIDE)
    for encoding, character in zip(ENCODINGS, characters, strict=True):
        assert index.position(offset, encoding) == (line, character)
        assert index.offset(line, character, encoding) == offset


CLAMPED = [
    # (line, character) -> offset
    ((-1, 5), 0),
    ((0, -1), 0),
    ((0, 99), 4),
    ((1, 99), 11),
    ((2, 1), 13),
    ((3, 99), 18),
    ((4, 0), 18),
    ((0, 3), 2),  # between the two halves of a surrogate pair: the character's start
]


@pytest.mark.parametrize(("place", "offset"), CLAMPED)
def test_places_outside_of_the_text_are_clamped(place: tuple[int, int], offset: int) -> None:
    assert LineIndex(WIDE).offset(*place, "utf-16") == offset


def test_offsets_outside_of_the_text_are_clamped() -> None:
    index = LineIndex("a\r\nb")
    assert index.position(-3) == (0, 0)
    assert index.position(2) == (0, 1)  # between CR and LF
    assert index.position(99) == (1, 1)


def test_only_lf_crlf_and_cr_end_a_line() -> None:
    """str.splitlines would also split at these."""
    assert LineIndex("a\vb\fc\x1cd\x85e\u2028f\u2029g").line_count == 1
    assert LineIndex("").line_count == 1
    assert LineIndex("\n\r\n\r").starts == [0, 1, 3, 4]


TEXTS = st.text(st.sampled_from(["a", "b", "\n", "\r", "\u00e9", "\U0001f600", "\ud800", "\u2028"]), max_size=30)


@given(TEXTS, st.sampled_from(ENCODINGS))
def test_positions_lead_back(text: str, encoding: str) -> None:
    index = LineIndex(text)
    for offset in range(len(text) + 1):
        inside_break = offset > 0 and text[offset - 1 : offset + 1] == "\r\n"
        assert index.offset(*index.position(offset, encoding), encoding) == offset - inside_break


@given(TEXTS, TEXTS, st.data())
def test_updating_gives_the_index_of_the_new_text(text: str, content: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    updated = LineIndex(text).updated(start, end, content)
    fresh = LineIndex(text[:start] + content + text[end:])
    assert (updated.text, updated.starts) == (fresh.text, fresh.starts)
    for place in range(len(fresh.text) + 1):
        assert updated.position(place, "utf-16") == fresh.position(place, "utf-16")
