"""Characters that are not ASCII but look as if they were: what protobuf refuses and an author does not see."""

from __future__ import annotations

#: Character -> the ASCII character that it looks like. Outside of strings and comments protobuf refuses all of them.
LOOKALIKES: dict[str, str] = {
    **{chr(0xFF01 + code): chr(0x21 + code) for code in range(0x5E)},  # the full-width forms of "!" to "~"
    **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u00b4", "'"),
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63", "-"),
    **dict.fromkeys("\u3002\u2024", "."),
    **dict.fromkeys("\u3001\ufe50", ","),
    **dict.fromkeys("\ufe55\ufe13\u2236", ":"),
    "\ufe54": ";",
    **dict.fromkeys(
        "\u00a0\u0085\u1680\u180e\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u200b\u200c\u200d"
        "\u2028\u2029\u202f\u205f\u2060\u3000\ufeff",
        " ",
    ),
}

#: Those among them that take no room on the screen: a fix deletes them instead of putting a space there.
INVISIBLE = frozenset("\u180e\u200b\u200c\u200d\u2060\ufeff")
