"""HTML and SVG elements: attributes and text escaped, and no character that a page cannot hold."""

from __future__ import annotations

import html
import json
import re
from typing import Any

_NOT_IN_A_PAGE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_VOID = frozenset({"meta", "input", "br"})
_EMPTY_IN_SVG = frozenset({"rect", "path", "circle", "line"})


def shown(text: str) -> str:
    """Text for the content of an element."""
    return html.escape(_NOT_IN_A_PAGE.sub("\ufffd", text), quote=True)


def element(name: str, content: str = "", /, **attributes: str) -> str:
    """One element. content: HTML. `class_` is class, `_` in a name is `-`; values are escaped here."""
    written = "".join(f' {key.rstrip("_").replace("_", "-")}="{shown(value)}"' for key, value in attributes.items())
    if name in _VOID:
        return f"<{name}{written}>"
    if name in _EMPTY_IN_SVG and not content:
        return f"<{name}{written}/>"
    return f"<{name}{written}>{content}</{name}>"


def data(value: Any) -> str:
    """JSON for a script element: it cannot end the element."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
