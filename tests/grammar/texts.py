"""Hypothesis strategies: text that protobuf accepts, and text that looks like it."""

from __future__ import annotations

from hypothesis import strategies as st

TRIVIA = st.sampled_from(["", "", "", " ", " ", "\n", "  \n", "\t", "\r\n", "\f", "\v", " # said\n", "#{'\"\n", "#,\n"])
NAMES = st.sampled_from(["a", "layer", "name", "x1", "_", "inf", "e5", "f"])
NUMBERS = st.sampled_from(["0", "7", "010", "0x1F", "1.", ".5", "1e-3", "1f", "1.5F", "9" * 20, "0e1", "1E+3f"])
WORDS = st.sampled_from(["MAX", "true", "inf", "nan", "t", "E"])
STRINGS = st.sampled_from(
    ["'a'", '""', r"'\n\'\x4\u00e9'", '"\'"', r'"\U0010ffff\?"', '"é{"', "'#'", r"'\777'", "'\r'"]
)


def _join(*parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """The parts with trivia between them, where it is never needed."""
    between: list[st.SearchStrategy[str]] = []
    for part in parts:
        between += [part, TRIVIA]
    return st.tuples(*between[:-1]).map("".join)


def _list(item: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    items = st.lists(_join(item, st.just("")), max_size=3).map(lambda found: ("," + " ").join(found))
    return _join(st.just("["), items, st.just("]"))


_SIGN = st.sampled_from(["", "", "-", "- ", "-#m\n"])
SCALARS = (
    st.tuples(_SIGN, NUMBERS | WORDS).map("".join)
    | STRINGS
    | st.lists(STRINGS, min_size=2, max_size=3).flatmap(lambda parts: _join(*map(st.just, parts)))
)
_KEYS = NAMES | st.sampled_from(["[pkg.ext]", "[ a . b/c ]"])
_COLON = st.just(":")
_END = st.sampled_from([" ", "\n", "\n", " # end\n", ",", " ;\n", ", "])


def _fields(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    message = _join(st.just("{"), inner, st.just("}")) | _join(st.just("<"), inner, st.just(">"))
    field = (
        _join(_KEYS, _COLON, SCALARS)
        | _join(_KEYS, _COLON, _list(SCALARS))
        | _join(_KEYS, message)
        | _join(_KEYS, _COLON, message)
        | _join(_KEYS, _list(message))
        | _join(_KEYS, _COLON, _list(message))
    )
    return st.lists(st.tuples(field, _END).map("".join), max_size=4).map("".join)


#: Text that protobuf's text format allows, whatever the schema says.
VALID = st.recursive(st.just(""), _fields, max_leaves=12)

PARTS = [
    *["layer", "name", "x", "{", "}", "<", ">", "[", "]", ":", "=", ",", ";", "-", "1", "1.", "08", "1x", '"a"', "'b'"],
    *['"', "'", "#", "//", "/*", "*/", "+", "[a.b]", ".", "/", "\\", "0x", " ", " ", "\n", "\n", "\n  ", "\r", "\r\n"],
    *["\nlayer {", "\nparam {\n", "layer {\n", "\n}", "<<<<<<< HEAD\n"],
    *["\uff1a", "\u201c", "\u201d", "\u00a0", "\u00e9", "\ufeff", "\0", "\x01", "\ud800", "\udce9"],
]

#: Text made of the words and signs of a prototxt in no order.
NEAR = st.lists(st.sampled_from(PARTS), max_size=40).map("".join)
ANY = st.text(max_size=200) | NEAR | VALID
