"""What is text format and what is not: protobuf's own answers, and the rules of the format one by one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from trees import plain

from prototxt_grammar import parse

#: Probes that protobuf refuses whatever the schema: case -> (kind, the text at fault).
REFUSED_BY_SYNTAX = {
    "no colon before scalar": ("missing-colon", "'x'"),
    "double separator": ("unexpected", ";"),
    "newline in string": ("unterminated-string", "'a"),
    "slash comment": ("slash-comment", "// hi"),
    "c comment": ("slash-comment", "/* hi */"),
    "float plus sign": ("bad-number", "+1"),
    "field by number": ("unexpected", "1"),
    "extra close brace": ("stray-close", "}"),
    "missing close": ("unclosed", "{"),
    "mismatched <}": ("mismatched-close", "}"),
    "utf8 BOM": ("bom", "\ufeff"),
    "nbsp between tokens": ("bad-char", "\u00a0"),
    "number then ident no space": ("glued", "top"),
    "number dot ident": ("glued", "top"),
}


def test_probes_of_protobuf(shared: Path) -> None:
    """Accepted probes have no problem; of the refused ones, those have one that no schema is needed for."""
    seen = set()
    for line in (shared / "oracle" / "text-format.jsonl").read_text(encoding="utf-8").splitlines():
        probe = json.loads(line)
        text, case = probe["text"], probe["case"]
        problems = [(start + found.start, start + found.end, found) for start, found in parse(text).problems()]
        if case not in REFUSED_BY_SYNTAX:
            assert not problems, case
            continue
        seen.add(case)
        assert not probe["accepted"], case
        start, end, first = problems[0]
        assert (first.kind, text[start:end]) == REFUSED_BY_SYNTAX[case], case
        # Protobuf's columns count from 1; these probes have one line up to the error, and neither tabs nor wide text.
        column = probe["messages"][0]["column"] - 1
        assert start <= column <= end or first.at == column, case
    assert seen == set(REFUSED_BY_SYNTAX)


ACCEPTED = [
    # text, its fields
    ("", []),
    ("# nothing else", []),
    ("a: 1", [("a", "1")]),
    ("a:1 b:2", [("a", "1"), ("b", "2")]),
    ("a:'x'b:'y'", [("a", "'x'"), ("b", "'y'")]),
    ("a: 'x' \"y\"\n'z'", [("a", "'x' \"y\"\n'z'")]),
    ("a: 'x' # it's one\n 'y'", [("a", "'x' # it's one\n 'y'")]),
    ("a: - 1", [("a", "- 1")]),
    ("a: -inf", [("a", "-inf")]),
    ("a: -\n# why\n.5", [("a", "-\n# why\n.5")]),
    ("a: 0x1F b: 017 c: 1. d: .5e-3F", [("a", "0x1F"), ("b", "017"), ("c", "1."), ("d", ".5e-3F")]),
    ("a { b { } }", [("a", [("b", [])])]),
    ("a: { b: < c: 1 > }", [("a", [("b", [("c", "1")])])]),
    ("a < b: 1 >", [("a", [("b", "1")])]),
    ("a: [] b: [1] c: [1, -2,X , 'y' 'z']", [("a", ()), ("b", ("1",)), ("c", ("1", "-2", "X", "'y' 'z'"))]),
    ("a: [{ b: 1 }, <>] c [{}]", [("a", ([("b", "1")], [])), ("c", ([],))]),
    ("a [ ]", [("a", ())]),
    ("a: 1, b: 2; c { },", [("a", "1"), ("b", "2"), ("c", [])]),
    ("[x.y] : 1 [z/w] { }", [("[x.y]", "1"), ("[z/w]", [])]),
    ("a # k\n : # v\n 1", [("a", "1")]),
    ("a\f:\v1\r\nb:\r2", [("a", "1"), ("b", "2")]),
    ("a: 'wide \u201cquotes\u201d \uff1a' # \u00a0", [("a", "'wide \u201cquotes\u201d \uff1a'")]),
    ("a: '//' # //", [("a", "'//'")]),
    ("a: 'carriage\rreturn'", [("a", "'carriage\rreturn'")]),
    # A comment ends at LF only: of a file with CR line ends the first comment takes the rest.
    ("a: 1\r# c\rb: 2\r", [("a", "1")]),
    ("a: 1\r# c\rb: 2\r\nd: 3", [("a", "1"), ("d", "3")]),
    # Bytes that were not UTF-8 are fine in strings and comments.
    ("a: '\udce9' # \udce9", [("a", "'\udce9'")]),
]


@pytest.mark.parametrize(("text", "fields"), ACCEPTED)
def test_accepted(text: str, fields: list[object]) -> None:
    tree = parse(text)
    assert list(tree.problems()) == []
    assert plain(tree) == fields


#: (text, kind, what is read): the place at fault is between « and », ‸ is where something is missing. The marks are
#: taken out before parsing.
REFUSED = [
    ("layer { name‸ «'x'» }", "missing-colon", [("layer", [("name", "'x'")])]),
    ("a‸ «3» b: 1", "missing-colon", [("a", "3"), ("b", "1")]),
    ("a‸ «MAX»\nb: 1", "missing-colon", [("a", "MAX"), ("b", "1")]),
    ("a‸ «[»1, 2]", "missing-colon", [("a", ("1", "2"))]),
    ("a «=» 1", "unexpected", [("a", "1")]),
    ("p {\n  «a:»‸\n  b: 1\n}", "missing-value", [("p", [("a", None), ("b", "1")])]),
    ("p {\n  «a:»‸\n}", "missing-value", [("p", [("a", None)])]),
    ("p {\n  «na»‸\n  b: 1\n}", "lone-key", [("p", [("na", None), ("b", "1")])]),
    ("a: 1\n«lay»‸\n", "lone-key", [("a", "1"), ("lay", None)]),
    ("«,» a: 1", "unexpected", [("a", "1")]),
    ("a: 1, «;» b: 2", "unexpected", [("a", "1"), ("b", "2")]),
    ("a: [1, 2, «]»", "unexpected", [("a", ("1", "2"))]),
    ("a: [«,» 1]", "unexpected", [("a", ("1",))]),
    ("a: [1 «2»]", "unexpected", [("a", ("1", "2"))]),
    ("a: «[»1, 2‸\nb: 3", "unclosed", [("a", ("1", "2")), ("b", "3")]),
    ("a: 1 «2» b: 3", "unexpected", [("a", "1"), ("b", "3")]),
    ("a «{» b: 1‸", "unclosed", [("a", [("b", "1")])]),
    ("a {\n  b «{»\n    c: 1‸\n  d: 2\n}\n", "unclosed", [("a", [("b", [("c", "1")]), ("d", "2")])]),
    ("a {\n  b «{»\n    c: 1‸\n}\n", "unclosed", [("a", [("b", [("c", "1")])])]),
    ("a {\n  «b»‸\n    c: 1\n  }\n  d: 2\n}\n", "missing-open", [("a", [("b", [("c", "1")]), ("d", "2")])]),
    ("a {\n  b { c: 1 }\n «}»\n  d: 2\n}\n", "stray-close", [("a", [("b", [("c", "1")]), ("d", "2")])]),
    ("a { } «}»", "stray-close", [("a", [])]),
    ("a < b: 1 «}»", "mismatched-close", [("a", [("b", "1")])]),
    ("a { b: 1 «>»", "mismatched-close", [("a", [("b", "1")])]),
    ("«// a»\nb: 1", "slash-comment", [("b", "1")]),
    ("a: 1 «/* b\n c: 2 */» d: 3", "slash-comment", [("a", "1"), ("d", "3")]),
    ("a: 100‸«b»: 2", "glued", [("a", "100"), ("b", "2")]),
    ("a: 1.5‸«b» { }", "glued", [("a", "1.5"), ("b", [])]),
    ("a: 5‸«false_x»: 2", "glued", [("a", "5"), ("false_x", "2")]),
    ('a: «"x»‸\nb: 1', "unterminated-string", [("a", '"x'), ("b", "1")]),
    ('a: «"x»‸\ny" b: 1', "unterminated-string", [("a", '"x\ny"'), ("b", "1")]),
    ('a: ‸«conv1"»\nb: 1', "unterminated-string", [("a", 'conv1"'), ("b", "1")]),
    ("a { b: «'x»‸ }", "unterminated-string", [("a", [("b", "'x")])]),
    ("a: 'x«\\q»'", "bad-escape", [("a", "'x\\q'")]),
    ("a: '«\\x»g'", "bad-escape", [("a", "'\\xg'")]),
    ("a: '«\\u»12'", "bad-escape", [("a", "'\\u12'")]),
    ("a: «08»", "bad-number", [("a", "08")]),
    ("a: «0x»", "bad-number", [("a", "0x")]),
    ("a: «1.2.3»", "bad-number", [("a", "1.2.3")]),
    ("a: «1e»", "bad-number", [("a", "1e")]),
    ("a: «+1»", "bad-number", [("a", "+1")]),
    ("a: «3x3»", "bad-number", [("a", "3x3")]),
    ("a: «data/mean.binaryproto»\nb: 1", "unexpected", [("a", "data/mean.binaryproto"), ("b", "1")]),
    ("a«：» 1", "bad-char", [("a", "1")]),
    ("a: 1«，» b: 2", "bad-char", [("a", "1"), ("b", "2")]),
    ("a:«\u200b»1", "bad-char", [("a", "1")]),
    ("«\ufeff»a: 1", "bom", [("a", "1")]),
    ("a: 1 «\0» b: 2", "nul", [("a", "1"), ("b", "2")]),
    ("a: 1 # «\0»\nb: 2", "nul", [("a", "1"), ("b", "2")]),
    ("«@@» a: 1", "unexpected", [("a", "1")]),
    ("«<<<<<<< HEAD»\na: 1\n", "unexpected", [("a", "1")]),
    ("a: «-»'x'", "unexpected", [("a", "'x'")]),
]


@pytest.mark.parametrize(("marked", "kind", "fields"), REFUSED)
def test_refused(marked: str, kind: str, fields: list[object]) -> None:
    """One fault, one problem, at the fault; and what can be read is read."""
    text = marked
    places = {}
    for mark in sorted("«»‸", key=marked.find):
        if mark in text:
            places[mark] = text.index(mark)
            text = text.replace(mark, "")
    tree = parse(text)
    found = [(problem.kind, start + problem.start, start + problem.end) for start, problem in tree.problems()]
    assert found == [(kind, places["«"], places["»"])]
    assert plain(tree) == fields
    if "‸" in places:
        assert [start + problem.at for start, problem in tree.problems()] == [places["‸"]]


def test_every_file_of_the_corpus_is_accepted(corpus: dict[str, str]) -> None:
    """The real Caffe refuses some of these files, none of them for their syntax."""
    assert [name for name, text in corpus.items() if any(parse(text).problems())] == []
