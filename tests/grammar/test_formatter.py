"""Layout: what it looks like afterwards, and that nothing but white space changes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from texts import ANY, VALID

from prototxt_grammar import apply_edits, parse
from prototxt_grammar.formatter import format_edits, format_text
from prototxt_grammar.printing import leaves
from prototxt_grammar.tree import Tree

CASES = {
    "indentation by depth": ("a {\nb {\n\t\tc: 1\n}\n }", "a {\n  b {\n    c: 1\n  }\n}\n"),
    "one space behind a colon": ("a:1 b :  2", "a: 1 b: 2\n"),
    "one space before a bracket": ("a{b<\nc:1\n>}", "a {\n  b <\n    c: 1\n  >\n}\n"),
    "a colon before a bracket stays": ("a:{b :{}}", "a: { b: {} }\n"),
    "a block on one line stays there": ("shape {dim: 1   dim: 3}", "shape { dim: 1 dim: 3 }\n"),
    "fields go on sharing a line": ("a {\nb: 1 c: 2\n}", "a {\n  b: 1 c: 2\n}\n"),
    "a bracket on a line of its own": ("a\n{\n  b: 1\n}", "a {\n  b: 1\n}\n"),
    "a block that spans lines begins and ends with a line": ("a { b: 1\nc: 2 }", "a {\n  b: 1\n  c: 2\n}\n"),
    "the next block begins a line": ("a {\nb: 1\n} c { }", "a {\n  b: 1\n}\nc {}\n"),
    "one empty line of several": ("\n\na: 1\n\n\n\nb: 2\n\n", "a: 1\n\nb: 2\n"),
    "no empty line inside brackets": ("a {\n\nb: 1\n\n}\n", "a {\n  b: 1\n}\n"),
    "lists": ("a:[1,2 ,  3]b : [ ]", "a: [1, 2, 3] b: []\n"),
    "a list over lines": ("a: [1,\n2]", "a: [\n  1,\n  2\n]\n"),
    "a list of blocks": ("a: [{b:1},{b:2}]", "a: [{ b: 1 }, { b: 2 }]\n"),
    "separators": ("a: 1 , b: 2;\nc: 3", "a: 1, b: 2;\nc: 3\n"),
    "a value on the next line": ("a:\n  1", "a: 1\n"),
    "strings that belong together stay as they are": ('a: "b"\n      "c"\n', 'a: "b"\n      "c"\n'),
    "a comment keeps its distance": ("a: 1    # one  \n  b: 22   # two\n", "a: 1    # one\nb: 22   # two\n"),
    "a comment gets a distance": ("a: 1# one", "a: 1 # one\n"),
    "comments stand where what follows stands": ("a {\n# b\nb: 1\n    # end\n}\n", "a {\n  # b\n  b: 1\n  # end\n}\n"),
    "a comment behind a bracket": ("a { # b\nb: 1 } # c", "a { # b\n  b: 1\n} # c\n"),
    "a comment where none is expected": ("a # why\n: # not\n1", "a # why\n: # not\n1\n"),
    "only comments": ("\n  # a\n\n\n # b", "# a\n\n# b\n"),
    "line breaks stay what they are": ("a {\r\nb: 1}\r\n\r\n\r\nc: 2", "a {\r\n  b: 1\r\n}\r\n\r\nc: 2\r\n"),
    "nothing": ("", ""),
    "only white space": (" \n\n\t", ""),
    "not ASCII": ('a:"深い😀"#é', 'a: "深い😀" #é\n'),
}


@pytest.mark.parametrize("case", CASES)
def test_layout(case: str) -> None:
    text, expected = CASES[case]
    assert format_text(parse(text)) == expected
    assert format_text(parse(expected)) == expected


def test_tabs_or_more_spaces() -> None:
    assert format_text(parse("a {\nb {\nc: 1\n}\n}"), "\t") == "a {\n\tb {\n\t\tc: 1\n\t}\n}\n"


@pytest.mark.parametrize("text", ["a {", "}", 'a: "b', "a: 1 // b", "a: [1", "\0", "\ufeffa: 1"])
def test_syntax_errors_are_left_alone(text: str) -> None:
    assert format_text(parse(text)) is None
    assert format_edits(parse(text)) is None


def said(tree: Tree) -> list[tuple[str, str]]:
    """What a text says: its tokens and comments in order, without the blanks at the end of comments."""
    pieces = [(leaf.kind, tree.text[leaf.start : leaf.end]) for leaf in leaves(tree) if leaf.kind != "space"]
    return [(kind, text.rstrip(" \t\r") if kind == "comment" else text) for kind, text in pieces]


@given(ANY)
@example("A:\r\n''\n''")
def test_only_white_space_changes(text: str) -> None:
    tree = parse(text)
    laid_out = format_text(tree)
    if laid_out is None:
        assert any(chunk.problems for chunk in tree.chunks)
        return
    again = parse(laid_out)
    assert not any(chunk.problems for chunk in again.chunks)
    assert said(again) == said(tree)
    assert format_text(again) == laid_out
    assert not [
        leaf for leaf in leaves(again) if leaf.kind == "space" and re.match(r"[ \t]+[\r\n]", laid_out[leaf.start :])
    ]
    assert apply_edits(text, format_edits(tree) or ()) == laid_out


@given(VALID)
def test_whatever_caffe_reads_is_laid_out(text: str) -> None:
    assert format_text(parse(text)) is not None


def test_real_nets(shared: Path) -> None:
    """Nets of other people: laid out, each says what it said."""
    for path in sorted((shared / "corpus" / "BVLC__caffe").rglob("*.prototxt")):
        tree = parse(path.read_text(encoding="utf-8", errors="surrogateescape"))
        laid_out = format_text(tree)
        assert laid_out is not None, path
        assert said(parse(laid_out)) == said(tree), path
