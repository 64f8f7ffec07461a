"""Scalar literals -> Python values, as protobuf's C++ parser reads them."""

from __future__ import annotations

import math
import re
from functools import cache

from .lexicon import skip, terminals
from .tree import Scalar

_WORDS = {"inf": math.inf, "infinity": math.inf, "nan": math.nan}
_BOOLS = {"true": True, "True": True, "t": True, "false": False, "False": False, "f": False}
_SIMPLE = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}
_ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))", re.DOTALL)
#: Python refuses to read longer decimal numbers; no field is that wide.
_MOST_DIGITS = 40


@cache
def _expressions() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """(a minus and what may stand behind it, a number, one string after another with what stands between)."""
    known, trivia = terminals(), skip()
    return (
        re.compile(rf"-{trivia}"),
        re.compile(known["NUMBER"]),
        re.compile(rf"{trivia}({known['STRING']})"),
    )


def split_sign(text: str) -> tuple[int, str]:
    """(1 or -1, the literal without its minus and the white space and comments behind that)."""
    match = _expressions()[0].match(text)
    return (-1, text[match.end() :]) if match else (1, text)


def parse_integer(text: str) -> int | None:
    """Decimal, `0x` hexadecimal or `0`-prefixed octal, with an optional minus; None for anything else.

    A decimal number of more than 40 digits is given as that many nines: no field holds either.
    """
    sign, digits = split_sign(text)
    if not digits.isalnum() or not _expressions()[1].fullmatch(digits):
        return None
    if digits[:2] in ("0x", "0X"):
        return sign * int(digits, 16)
    if not digits.isdecimal():
        return None  # an exponent or an f
    if digits[0] == "0":
        return sign * int(digits, 8)
    return sign * int(digits if len(digits) <= _MOST_DIGITS else "9" * _MOST_DIGITS)


def parse_float(text: str) -> float | None:
    """A decimal number with optional fraction, exponent and suffix f, or inf, infinity, nan in any case.

    Too large a number is infinite. None for hexadecimal, octal, `+1` and other words.
    """
    sign, digits = split_sign(text)
    word = _WORDS.get(digits.lower())
    if word is not None:
        return sign * word
    if not _expressions()[1].fullmatch(digits) or (digits[0] == "0" and digits[1:2] in tuple("01234567xX")):
        return None
    return sign * float(digits.rstrip("fF"))


def parse_bool_word(text: str) -> bool | None:
    """true, True, t / false, False, f; None for every other word. (The integers 0 and 1 are bools too.)"""
    return _BOOLS.get(text)


def string_value(scalar: Scalar) -> bytes:
    """The bytes of a string: adjacent literals concatenated, escapes decoded, other characters in UTF-8.

    Of a scalar that is no string, and of text behind the first fault in one, nothing is read.
    """
    text, literal, out, position = scalar.text, _expressions()[2], bytearray(), 0
    match = literal.match(text)
    while match:
        body = match[1][1:-1]
        out += _unescape(body) if "\\" in body else _encode(body)
        position = match.end()
        match = literal.match(text, position)
    return bytes(out)


def string_text(scalar: Scalar) -> str:
    """The string as text; bytes that are not UTF-8 (from escapes, or from the file) become U+FFFD."""
    return string_value(scalar).decode("utf-8", "replace")


def _encode(text: str) -> bytes:
    """UTF-8; a byte that was not UTF-8 in the file (a lone surrogate from `surrogateescape`) is that byte again."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # another lone surrogate, from an editor
        return text.encode("utf-8", "surrogatepass")


def _unescape(body: str) -> bytes:
    out, position, high = bytearray(), 0, -1
    for match in _ESCAPE.finditer(body):
        out += _encode(body[position : match.start()])
        if match.start() != position:
            high = -1
        position = match.end()
        octal, hexadecimal, four, eight, simple = match.groups()
        code = -1
        if octal is not None:
            out.append(int(octal, 8) & 255)
        elif hexadecimal is not None:
            out.append(int(hexadecimal, 16))
        elif simple is not None:
            out += bytes([_SIMPLE[simple]]) if simple in _SIMPLE else _encode(simple)
        else:
            code = int(four or eight, 16)
            if high >= 0 and 0xDC00 <= code <= 0xDFFF:  # the second half of a pair of UTF-16 escapes
                del out[-3:]
                code = 0x10000 + ((high - 0xD800) << 10) + code - 0xDC00
            # Protobuf lets numbers up to 1fffff pass the lexer and then keeps the escape as it was written.
            out += chr(code).encode("utf-8", "surrogatepass") if code < 0x110000 else f"\\U{code:08x}".encode()
        high = code if 0xD800 <= code <= 0xDBFF else -1
    return bytes(out + _encode(body[position:]))
