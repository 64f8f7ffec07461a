"""Scalar literals: what protobuf reads from each."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from texts import ANY, SCALARS

from prototxt_grammar import Message, Scalar, parse
from prototxt_grammar.values import parse_bool_word, parse_float, parse_integer, split_sign, string_text, string_value

#: literal, as an integer, as a float ("inf" and "nan" stand for themselves, None: not one)
NUMBERS = [
    ("0", 0, 0.0),
    ("12", 12, 12.0),
    ("-12", -12, -12.0),
    ("- 12", -12, -12.0),
    ("-# why\n12", -12, -12.0),
    ("0x1F", 31, None),
    ("-0X1f", -31, None),
    ("010", 8, None),
    ("00", 0, None),
    ("08", None, None),
    ("0x", None, None),
    ("4.0", None, 4.0),
    ("1.", None, 1.0),
    (".5", None, 0.5),
    ("-.5e-1", None, -0.05),
    ("1e2", None, 100.0),
    ("1f", None, 1.0),
    ("1.5F", None, 1.5),
    ("0f", None, 0.0),
    ("0.5", None, 0.5),
    ("0e1", None, 0.0),
    ("1e400", None, math.inf),
    ("-1e400", None, -math.inf),
    ("4294967296", 4294967296, 4294967296.0),
    ("inf", None, math.inf),
    ("-Infinity", None, -math.inf),
    ("NaN", None, math.nan),
    ("+1", None, None),
    ("1e", None, None),
    ("1.2.3", None, None),
    ("MAX", None, None),
    ("", None, None),
    ("-", None, None),
    ("--1", None, None),
    ("\u0661", None, None),  # a digit, but of another script
    ("'1'", None, None),
]


@pytest.mark.parametrize(("literal", "integer", "number"), NUMBERS)
def test_numbers(literal: str, integer: int | None, number: float | None) -> None:
    assert parse_integer(literal) == integer
    found = parse_float(literal)
    assert found == number or (found is not None and number is not None and math.isnan(found) and math.isnan(number))


def test_a_number_of_thousands_of_digits() -> None:
    """Python refuses to convert it; it is out of range for every field, and that is all that matters."""
    assert parse_integer("9" * 10_000) == 10**40 - 1
    assert parse_integer("-" + "9" * 10_000) == 1 - 10**40
    assert parse_float("9" * 10_000) == math.inf


@pytest.mark.parametrize(
    ("word", "value"),
    [("true", True), ("True", True), ("t", True), ("false", False), ("False", False), ("f", False)]
    + [(word, None) for word in ("TRUE", "yes", "T", "1", "'true'", "")],
)
def test_bool_words(word: str, value: bool | None) -> None:
    assert parse_bool_word(word) is value


STRINGS = [
    ("'conv1'", b"conv1"),
    ('""', b""),
    ("'a' \"b\"\n'c'", b"abc"),
    ("'a' # it's 'x'\n 'b'", b"ab"),
    (r"'\a\b\f\n\r\t\v\\\?\'\"'", b"\a\b\f\n\r\t\v\\?'\""),
    (r"'\x41\x4z\1012\0'", b"A\x04zA2\x00"),
    (r"'\777'", b"\xff"),
    (r"'\u00e9\U0001F600'", "\u00e9\U0001f600".encode()),
    (r"'\ud83d\ude00'", "\U0001f600".encode()),
    (r"'\ud83d'", b"\xed\xa0\xbd"),
    (r"'\U0011ffff'", rb"\U0011ffff"),
    ("'h\u00e9'", "h\u00e9".encode()),
    ("'\udce9'", b"\xe9"),  # a byte of a file that is not UTF-8
    ("'\ud800'", b"\xed\xa0\x80"),  # half a character, from an editor
    ("'//'", b"//"),
    ("word", b""),
]


@pytest.mark.parametrize(("literal", "content"), STRINGS)
def test_strings(literal: str, content: bytes) -> None:
    assert string_value(Scalar("string", literal, 0, len(literal))) == content


def test_text_of_a_string() -> None:
    assert string_text(Scalar("string", r"'h\xc3\xa9\xff'", 0, 0)) == "h\u00e9\ufffd"


@given(SCALARS)
def test_what_the_parser_calls_a_number_is_one(literal: str) -> None:
    value = next(parse(f"a: {literal}").fields())[1].value
    assert isinstance(value, Scalar)
    if value.kind == "number":
        assert parse_integer(value.text) is not None or parse_float(value.text) is not None
        assert split_sign(value.text)[0] == (-1 if literal.startswith("-") else 1)


@given(ANY | st.text())
def test_no_text_raises(text: str) -> None:
    parse_integer(text)
    parse_float(text)
    parse_bool_word(text)
    for _, field in parse(text).fields():
        if not isinstance(field.value, Message) and isinstance(field.value, Scalar):
            string_value(field.value)
