"""The terminals of the `.lark` files as regular expressions, without importing Lark.

Lexical rules exist once, in `prototxt.lark` (and, for text that protobuf refuses, in `tolerant.lark`). The fast path
and the scanners build their expressions from what this module reads there.
"""

from __future__ import annotations

import os
import re
from functools import cache

_FOLDER = os.path.dirname(__file__)
_TERMINAL = re.compile(r"^(_?[A-Z][A-Z_]*)(?:\.-?\d+)?[ \t]*:[ \t]*(?:/(.+)/|\"(.+)\")[ \t]*$", re.MULTILINE)


def grammar_text(name: str) -> str:
    """The text of a grammar file of this package, `prototxt.lark` for example. Raises OSError where it is missing."""
    with open(os.path.join(_FOLDER, name), encoding="utf-8") as file:
        return file.read()


@cache
def terminals(name: str = "prototxt.lark") -> dict[str, str]:
    """Name -> regular expression of every terminal that the grammar file defines."""
    return {
        match[1]: f"(?:{match[2]})" if match[2] else re.escape(match[3])
        for match in _TERMINAL.finditer(grammar_text(name))
    }


@cache
def skip() -> str:
    """White space and comments, any number of them; possessive, so that a failed match is not tried again shorter."""
    known = terminals()
    space, comment = known["WS"], known["COMMENT"]
    return f"(?:{space}?+(?:{comment}{space}?+)*+)"
