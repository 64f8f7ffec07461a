"""Properties of parsing: nothing lost, nothing raised, two parsers agree, an edit gives what a fresh parse gives."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from texts import ANY, NEAR, PARTS, VALID
from trees import data, plain

from prototxt_grammar import Tree, parse
from prototxt_grammar.explain import explain
from prototxt_grammar.fast import parse_clean
from prototxt_grammar.printing import leaves, print_tree
from prototxt_grammar.strict import Rejection, parse_strict


def check_whole(tree: Tree, text: str) -> None:
    """What holds for the tree of any text."""
    assert tree.text == text
    assert "".join(chunk.text for chunk in tree.chunks) == text
    assert len({id(chunk) for chunk in tree.chunks}) == len(tree.chunks)
    position = 0
    for leaf in leaves(tree):
        assert leaf.start == position < leaf.end
        position = leaf.end
    assert position == len(text)
    assert print_tree(tree) == text
    for chunk in tree.chunks:
        for problem in chunk.problems:
            assert 0 <= problem.start <= problem.end <= len(chunk.text)
            assert -1 <= problem.at <= len(chunk.text)


@settings(max_examples=600)
@given(ANY)
def test_any_text_is_read_and_printed_again(text: str) -> None:
    check_whole(parse(text), text)


@settings(max_examples=400)
@given(ANY)
def test_the_strict_grammar_decides(text: str) -> None:
    """A text has a problem if and only if the Lark grammar refuses it as a whole."""
    refused = isinstance(parse_strict(text), Rejection)
    assert any(parse(text).problems()) == refused
    assert (len(explain(text)[1]) > 0) or not refused


@settings(max_examples=400)
@given(VALID)
def test_valid_text_has_no_problem(text: str) -> None:
    assert list(parse(text).problems()) == []


@settings(max_examples=400)
@given(VALID | NEAR)
def test_fast_path_agrees_with_lark(text: str) -> None:
    fast = parse_clean(text)
    strict = parse_strict(text)
    if fast is not None:
        assert not isinstance(strict, Rejection)
        assert [data(item) for item in fast] == [data(item) for item in strict]


def test_fast_path_agrees_with_lark_on_real_nets(corpus: dict[str, str]) -> None:
    """The fast path reads every real file, so Lark is never needed for one; a sample is compared node by node."""
    assert [name for name, text in corpus.items() if parse_clean(text) is None] == []
    small = sorted((name for name in corpus if len(corpus[name]) < 20_000), key=lambda name: name[::-1])
    for name in small[::8]:
        strict = parse_strict(corpus[name])
        assert not isinstance(strict, Rejection), name
        assert [data(item) for item in parse_clean(corpus[name]) or []] == [data(item) for item in strict], name


def test_cutting_into_chunks_changes_nothing(corpus: dict[str, str]) -> None:
    """The chunks together hold the fields that the text as a whole has."""
    for name, text in corpus.items():
        whole = [plain(item) for item in parse_clean(text) or []]
        assert plain(parse(text)) == whole, name


@settings(max_examples=300)
@given(VALID, st.randoms(use_true_random=False))
def test_no_indentation_changes_nothing(text: str, rnd: random.Random) -> None:
    """Any name may begin its line in column 0: the nesting is what the brackets say."""
    bare = "\n".join(part.lstrip(" \t") for part in text.replace("{", " {\n").split("\n"))
    whole = parse_strict(bare)
    tree = parse(bare)
    if not isinstance(whole, Rejection):
        assert list(tree.problems()) == []
        assert plain(tree) == [plain(item) for item in whole]


def edited(text: str, rnd: random.Random) -> str:
    """A random edit: what typing, deleting, cutting, pasting and undoing do to a text."""
    at = rnd.randrange(len(text) + 1)
    end = min(len(text), at + rnd.choice([0, 0, 0, 1, 1, 2, 30, 200]))
    new = rnd.choice(["", "", rnd.choice(PARTS), rnd.choice('{}":#\n\r <>[]'), text[at : at + rnd.randrange(90)]])
    if rnd.random() < 0.2:  # lines and their breaks are what the cutting looks at
        at = text.find("\n", at) if "\n" in text[at:] else at
        end = min(len(text), at + 1)
    return text[:at] + new + text[end:]


LAYERS = 'name: "n"\n' + "".join(
    f'layer {{\n  name: "l{n}"\n  bottom: "b"\n  param {{ lr_mult: 1 }}\n}}\n' for n in range(8)
)
FLAT = LAYERS.replace("\n  ", "\n").replace("{ lr_mult: 1 }", "{\nlr_mult: 1\n}")
MIXED = (
    "# one\nlayer { a: 1 }\n\nlayer < a: 2 >\n/* layer {\nlayer {\n} */\n  layer {\n  }\n"
    "layer: {\r\n b: [\n{}]}\r\nx: 1"
)


@pytest.mark.parametrize("start", [LAYERS, FLAT, MIXED], ids=["indented", "flat", "mixed"])
def test_after_any_edits_the_tree_is_that_of_a_fresh_parse(start: str) -> None:
    rnd = random.Random(20)
    for _ in range(40):
        text, tree = start, parse(start)
        for _ in range(30):
            text = edited(text, rnd) if rnd.random() < 0.9 else start
            before = data(tree)
            following = parse(text, tree)
            assert data(following) == data(parse(text)), text
            assert data(tree) == before
            tree = following
        check_whole(tree, text)


@settings(max_examples=300)
@given(NEAR, NEAR)
def test_any_text_may_follow_any_other(old: str, new: str) -> None:
    assert data(parse(new, parse(old))) == data(parse(new))


def test_unchanged_chunks_are_the_same_objects() -> None:
    tree = parse(LAYERS)
    for chunk in tree.chunks:
        chunk.cache["facts"] = chunk.text
    text = LAYERS.replace('"l4"', '"l4x"')
    after = parse("# a comment that moves everything\n" + text, parse(text, tree))
    assert ["facts" in chunk.cache for chunk in after.chunks] == [False, *[True] * 4, False, *[True] * 3]
    assert parse(after.text, after) is after


def test_moved_and_doubled_chunks() -> None:
    """A chunk object stands in a tree once: of two equal texts only one can be the old object."""
    tree = parse("layer { a: 1 }\nlayer { b: 1 }\nlayer { c: 1 }\n")
    after = parse("layer { b: 1 }\nlayer { b: 1 }\nlayer { a: 1 }\nlayer { c: 1 }\n", tree)
    old = {id(chunk) for chunk in tree.chunks}
    assert sum(id(chunk) in old for chunk in after.chunks) == 3


def test_joined_chunks_are_reused_too() -> None:
    tree = parse(FLAT)
    assert [len(chunk.fields) for chunk in tree.chunks] == [1] * 9
    after = parse(FLAT.replace('"l4"', '"l4x"'), tree)
    assert [a is b for a, b in zip(tree.chunks, after.chunks, strict=True)] == [*[True] * 5, False, *[True] * 3]


def test_a_clean_net_needs_no_lark() -> None:
    """Also with lists of scalars, several strings, signs, separators, and blocks that are not indented."""
    text = "layer {\nname: 'a' 'b'\nparam {\nlr_mult: - 1; d: [1, 2]\n}\n}\n"
    code = f"import sys, prototxt_grammar as g; t = g.parse({text!r}); print(list(t.problems()), 'lark' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[] False"


HOSTILE = {
    "open brackets": "{" * 50_000,
    "open blocks": "a{" * 20_000,
    "deep": "a{" * 100_000 + "}" * 100_000,
    "deep in column 0": "a {\n" * 20_000 + "}\n" * 20_000,
    "open in column 0": "a {\n" * 10_000,
    "joins that fail": "a {\n" * 5_000 + "= 3\n" + "}\nz { }\n" * 5_000,
    "lists": "a:[" * 10_000,
    "closing brackets": "}\n" * 30_000,
    "quotes": '"' * 400_000,
    "escaped quotes": '"' + '\\"' * 500_000,
    "comments that do not end": "/*\n" * 50_000,
    "NUL": "\0" * 200_000,
    "white space": " " * 2_000_000,
    "2 MB of layers": LAYERS * 4_000,
    "merge conflict": f"<<<<<<< HEAD\n{LAYERS}=======\n{LAYERS}>>>>>>> other\n" * 5,
    "bytes": "".join(map(chr, random.Random(1).choices(range(256), k=200_000))),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text(name: str) -> None:
    """No recursion error, and in time that grows with the length: with its square this would take hours."""
    text = HOSTILE[name]
    tree = parse(text)
    assert print_tree(tree) == text
    parse(text[1:], tree)
