"""Words of a net or a log inside of Markdown: shown as they are, whatever characters they hold.

A name may look like an image, a link or HTML, and an editor would load or hide it; `|` would end a table's cell.
"""

from __future__ import annotations

import re

from prototxt_net.words import visible

_SPECIAL = re.compile(r"[\\`*\[\]<>|~&]|(?<![^\W_])_|_(?![^\W_])")  # an underscore inside of a word is an underscore


def plain(text: str) -> str:
    """As ordinary text."""
    return _SPECIAL.sub(r"\\\g<0>", visible(text))


def code(text: str) -> str:
    """As code."""
    text = visible(text)
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    pad = " " if len(fence) > 1 or not text.strip() else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def cell(text: str) -> str:
    """As code in a table."""
    return code(text).replace("|", r"\|")
