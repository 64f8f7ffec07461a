"""Edits: applying them, and those that keep the layout."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from texts import VALID
from trees import plain

from prototxt_grammar import Edit, LineIndex, Message, apply_edits, parse
from prototxt_grammar.comments import comments
from prototxt_grammar.edits import apply_edits_reporting, field_removal, indent_of, insert_field, line_end, line_start

APPLIED = [
    # edits, result, edits left out
    ([], "abcdef", []),
    ([(1, 2, "X")], "aXcdef", []),
    ([(4, 5, "Y"), (1, 2, "X")], "aXcdYf", []),
    ([(1, 4, "X"), (2, 3, "Y")], "aXef", [(2, 3, "Y")]),
    ([(1, 3, "X"), (3, 4, "Y")], "aXYef", []),
    ([(2, 2, "X"), (2, 2, "Y")], "abXYcdef", []),
    ([(2, 2, "X"), (2, 2, "X")], "abXcdef", []),
    ([(2, 2, "X"), (2, 4, "")], "abXef", []),
    ([(6, 6, "!")], "abcdef!", []),
    ([(5, 9, "X"), (-1, 0, "Y"), (3, 2, "Z")], "abcdef", [(-1, 0, "Y"), (3, 2, "Z"), (5, 9, "X")]),
]


@pytest.mark.parametrize(("edits", "result", "left_out"), APPLIED)
def test_applying(edits: list[tuple[int, int, str]], result: str, left_out: list[tuple[int, int, str]]) -> None:
    wanted = [Edit(*edit) for edit in edits]
    applied = apply_edits_reporting("abcdef", wanted)
    assert applied.text == apply_edits("abcdef", wanted) == result
    assert sorted(set(wanted) - set(applied.edits)) == [Edit(*edit) for edit in left_out]


@given(st.text(max_size=20), st.lists(st.tuples(st.integers(-2, 22), st.integers(-2, 22), st.text(max_size=3))))
def test_applied_edits_do_not_overlap(text: str, edits: list[tuple[int, int, str]]) -> None:
    applied = apply_edits_reporting(text, [Edit(*edit) for edit in edits])
    grown = sum(len(edit.content) - (edit.end - edit.start) for edit in applied.edits)
    assert len(applied.text) == len(text) + grown
    for before, after in zip(applied.edits, applied.edits[1:], strict=False):
        assert before.end <= after.start


REMOVED = [
    # the field to be removed is between « and »
    ("a {\n  b: 1\n  «c: 2» # of c\n}\n", "a {\n  b: 1\n  # of c\n}\n"),
    ("a {\n  «b: 1»,\n  c: 2\n}\n", "a {\n  c: 2\n}\n"),
    ("a {\r\n  «b: 1»\r\n  c: 2\r\n}\r\n", "a {\r\n  c: 2\r\n}\r\n"),
    ("a {\n  # of what follows\n  «b: 1»\n}\n", "a {\n  # of what follows\n}\n"),
    ("a {\n  «p {\n    x: 1\n  }»\n  q: 1\n}\n", "a {\n  q: 1\n}\n"),
    ("a { «b: 1», c: 2 }", "a { c: 2 }"),
    ("a { b: 1, «c: 2» }", "a { b: 1, }"),
    ("a { b: 1 «c: 2» d: 3 }", "a { b: 1 d: 3 }"),
    ("a { «b: 1» }", "a { }"),
    ("a {\n  «b: 1» c: 2\n}", "a {\n  c: 2\n}"),
    ("a {\n  b: 1 «c: 2» # of both\n}", "a {\n  b: 1 # of both\n}"),
    ("«a: 1»", ""),
    ("a: 1\n«b: 1»", "a: 1"),
    ("a: 1\r\n«b: 1»", "a: 1"),
]


@pytest.mark.parametrize(("marked", "result"), REMOVED)
def test_removing_a_field(marked: str, result: str) -> None:
    start, end = marked.index("«"), marked.index("»") - 1
    text = marked.replace("«", "").replace("»", "")
    assert apply_edits(text, [field_removal(text, start, end)]) == result


INSERTED = [
    ("a {\n  b: 1\n}\n", "a {\n  b: 1\n  p {\n    l: 0\n  }\n}\n"),
    ("a {\n}\n", "a {\n  p {\n    l: 0\n  }\n}\n"),
    ("  a {\n    # c\n  }\n", "  a {\n    # c\n    p {\n      l: 0\n    }\n  }\n"),
    ("a {\n\tb {\n\t\tc: 1\n\t}\n}\n", "a {\n\tb {\n\t\tc: 1\n\t}\n\tp {\n\t\tl: 0\n\t}\n}\n"),
    ("a {\nb: 1\n}\n", "a {\nb: 1\np {\n  l: 0\n}\n}\n"),
    ("a {\r\n  b: 1\r\n}", "a {\r\n  b: 1\r\n  p {\r\n    l: 0\r\n  }\r\n}"),
    ("a {\n  b: 1 }", "a {\n  b: 1\n  p {\n    l: 0\n  }\n}"),
    ("a { b: 1 # c\n}", "a { b: 1 # c\n  p {\n    l: 0\n  }\n}"),
    ("a { b: 1 }", "a { b: 1 p { l: 0 } }"),
    ("a { b: 1,}", "a { b: 1, p { l: 0 } }"),
    ("a {}", "a { p { l: 0 } }"),
    ("a { }", "a { p { l: 0 } }"),
]


@pytest.mark.parametrize(("text", "result"), INSERTED)
def test_inserting_a_field(text: str, result: str) -> None:
    edit = insert_field(text, text.index("{"), text.rindex("}") + 1, "p {\n  l: 0\n}")
    assert apply_edits(text, [edit]) == result


@given(VALID)
def test_inserting_and_removing_again(text: str) -> None:
    """Whatever the layout: the new field is the message's last, and nothing else has changed."""
    for offset, field in parse(text).fields():
        message = field.value
        if not isinstance(message, Message):
            continue
        after = apply_edits(text, [insert_field(text, offset + message.start, offset + message.end, "new: 1")])
        grown = next(item for start, item in parse(after).fields() if start + item.start == offset + field.start)
        assert list(parse(after).problems()) == []
        assert plain(grown) == (field.name, [*[plain(item) for item in message.fields], ("new", "1")])
        assert isinstance(grown.value, Message)
        added = grown.value.fields[-1]
        base = offset + field.start - grown.start
        again = apply_edits(after, [field_removal(after, base + added.start, base + added.end)])
        assert plain(parse(again)) == plain(parse(text))


def test_lines() -> None:
    text = "a\r\n\t b: 1\nc"
    assert [line_start(text, place) for place in (0, 1, 3, 7, 11)] == [0, 0, 3, 3, 10]
    assert [line_end(text, place) for place in (0, 3, 10)] == [1, 9, 11]
    assert [indent_of(text, place) for place in (0, 5, 11)] == ["", "\t ", ""]


@given(st.text("a\r\n", max_size=8), st.integers(0, 8))
def test_lines_are_those_of_the_line_index(text: str, offset: int) -> None:
    offset = min(offset, len(text))
    index = LineIndex(text)
    assert (line_start(text, offset), line_end(text, offset)) == index.line_range(index.line_of(offset))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("a: 1 # b\nc: 2 #d", ["# b", "#d"], id="to the end of the line"),
        pytest.param("a: \"#\" b: '#' # c", ["# c"], id="not inside strings"),
        pytest.param('a: "\\"#" # c', ["# c"], id="an escaped quote ends no string"),
        pytest.param('a: "# b\nc # d', ["# d"], id="an open string ends with its line"),
        pytest.param("# a\rb: 1\n", ["# a\rb: 1"], id="a carriage return ends no comment"),
        pytest.param("# it's\nb: 'x' # y", ["# it's", "# y"], id="quotes in comments"),
    ],
)
def test_comments(text: str, found: list[str]) -> None:
    assert [text[start:end] for start, end in comments(text)] == found
