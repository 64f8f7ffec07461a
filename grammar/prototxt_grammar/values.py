"""Scalar literals -> Python values, as protobuf's C++ tokenizer reads them (facts measured on protobuf 3.21)."""

from __future__ import annotations

import math
import re

from .tree import Scalar

_DECIMAL = re.compile(r"0|[1-9][0-9]*")
_OCTAL = re.compile(r"0[0-7]+")
_HEX = re.compile(r"0[xX][0-9A-Fa-f]+")
_FLOAT = re.compile(r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_WORDS = {"inf": math.inf, "infinity": math.inf, "nan": math.nan}
_PART = re.compile(r"\"((?:[^\"\\\n]|\\.)*)\"|'((?:[^'\\\n]|\\.)*)'")
_ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|[xX]([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))", re.DOTALL)
_SIMPLE = {
    "n": b"\n", "t": b"\t", "r": b"\r", "a": b"\a", "b": b"\b", "f": b"\f", "v": b"\v",
    '"': b'"', "'": b"'", "\\": b"\\", "?": b"?",
}  # fmt: skip


def _unsigned(text: str) -> tuple[int, str]:
    """(sign, text without the minus and the space that may follow it)."""
    if text.startswith("-"):
        return -1, text[1:].lstrip()
    return 1, text


def parse_integer(text: str) -> int | None:
    """Decimal, `0x` hexadecimal or `0`-prefixed octal, with an optional minus; None for anything else."""
    sign, digits = _unsigned(text)
    if _DECIMAL.fullmatch(digits):
        return sign * int(digits)
    if _HEX.fullmatch(digits):
        return sign * int(digits, 16)
    if _OCTAL.fullmatch(digits):
        return sign * int(digits, 8)
    return None


def parse_float(text: str) -> float | None:
    """A decimal number with optional fraction, exponent and suffix f, or inf, infinity, nan in any case.

    Too large a number is infinite. None for hexadecimal, octal, `+1` and words.
    """
    sign, digits = _unsigned(text)
    word = _WORDS.get(digits.lower())
    if word is not None:
        return sign * word
    bare = digits[:-1] if digits[-1:] in ("f", "F") else digits
    if not _FLOAT.fullmatch(bare) or _OCTAL.fullmatch(digits):
        return None
    return sign * float(bare)


def parse_bool_word(text: str) -> bool | None:
    """true, True, t / false, False, f; None for every other word."""
    return {"true": True, "True": True, "t": True, "false": False, "False": False, "f": False}.get(text)


def string_value(scalar: Scalar) -> bytes:
    """The bytes of a string: adjacent literals concatenated, escapes decoded. Non-ASCII characters are UTF-8."""
    return b"".join(_unescape(m.group(1) if m.group(1) is not None else m.group(2)) for m in _PART.finditer(scalar.text))


def _unescape(body: str) -> bytes:
    out: list[bytes] = []
    at = 0
    for match in _ESCAPE.finditer(body):
        out.append(body[at : match.start()].encode("utf-8", "surrogateescape"))
        octal, hexadecimal, four, eight, simple = match.groups()
        if octal is not None:
            out.append(bytes([int(octal, 8) & 255]))
        elif hexadecimal is not None:
            out.append(bytes([int(hexadecimal, 16)]))
        elif four is not None or eight is not None:
            code = int(four or eight, 16)
            out.append(chr(code).encode("utf-8", "surrogatepass") if code < 0x110000 else b"")
        else:
            out.append(_SIMPLE.get(simple, simple.encode("utf-8", "surrogateescape")))
        at = match.end()
    out.append(body[at:].encode("utf-8", "surrogateescape"))
    return b"".join(out)
