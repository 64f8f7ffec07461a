"""The layout of a file: only the white space between its tokens changes, never a token, a comment or their order.

A block stays on one line where its author wrote it on one; otherwise each bracket ends its line. Fields that share a
line go on sharing it, and of several empty lines one is kept. What the author lined up behind a field (a comment) keeps
its distance.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .edits import Edit, apply_edits, newline_of
from .printing import leaves
from .tree import Tree

_OPEN, _CLOSE = "{<[", "}>]"
_BREAK = re.compile(r"\r\n|\n|\r")


@dataclass(slots=True)
class _Token:
    """A piece of the text that stays. breaks: line breaks before it. deep: the blocks that it stands in. multi: the
    block that it opens or closes spans lines.
    """

    text: str
    kind: str
    start: int
    breaks: int
    deep: int = 0
    multi: bool = False

    @property
    def opens(self) -> bool:
        return self.kind == "punctuation" and self.text in _OPEN

    @property
    def closes(self) -> bool:
        return self.kind == "punctuation" and self.text in _CLOSE

    @property
    def brace(self) -> bool:
        """Of a message, not of a list."""
        return self.text in "{}<>"


def format_text(tree: Tree, indent: str = "  ") -> str | None:
    """The text with its layout put right; None for a text with syntax errors, whose structure is a guess."""
    edits = format_edits(tree, indent)
    return None if edits is None else apply_edits(tree.text, edits)


def format_edits(tree: Tree, indent: str = "  ") -> list[Edit] | None:
    """The white space to replace, in order; None for a text with syntax errors. indent: one step of a block's body."""
    if any(chunk.problems for chunk in tree.chunks):
        return None
    tokens = _tokens(tree)
    # Line breaks between the parts of a string stay, so they decide for all.
    newline = newline_of(next((token.text for token in tokens if "\n" in token.text), tree.text))
    edits = []
    last: _Token | None = None
    for token in tokens:
        start = 0 if last is None else last.start + len(last.text)
        space = tree.text[start : token.start]
        wanted = _between(last, token, space, newline, indent)
        if wanted != space:
            edits.append(Edit(start, token.start, wanted))
        last = token
    end = 0 if last is None else last.start + len(last.text)
    tail = newline if last is not None else ""
    if tree.text[end:] != tail:
        edits.append(Edit(end, len(tree.text), tail))
    return edits


def _tokens(tree: Tree) -> list[_Token]:
    """All that is not white space. Comments are cut where the white space at their end begins."""
    found: list[_Token] = []
    opened: list[_Token] = []
    breaks = 0
    for leaf in leaves(tree):
        text = tree.text[leaf.start : leaf.end]
        if leaf.kind == "space":
            breaks += len(_BREAK.findall(text))
            continue
        if leaf.kind == "comment":
            text = text.rstrip(" \t\r")
        token = _Token(text, leaf.kind, leaf.start, breaks)
        breaks = 0
        if token.closes:
            start = opened.pop()
            start.multi = token.multi = _BREAK.search(tree.text, start.start, token.start) is not None
        token.deep = len(opened)
        if token.opens:
            opened.append(token)
        found.append(token)
    return found


def _between(last: _Token | None, token: _Token, space: str, newline: str, indent: str) -> str:
    """What belongs between two tokens. space: what stands there."""
    if last is None:
        return ""
    line = newline + indent * token.deep
    if last.kind == "comment":
        empty = newline if token.breaks > 1 and not token.closes else ""
        return empty + line
    if token.kind == "comment" and token.breaks == 0:
        return space or " "
    if last.opens and token.closes:
        return line if token.multi else ""
    if token.closes:
        return line if token.multi else " " * token.brace
    if last.opens:
        return line if last.multi else " " * last.brace
    if token.kind == "punctuation" and token.text in ":,;":
        return ""
    if (last.kind == "punctuation" and last.text == ":") or (token.opens and last.kind == "key"):
        return line if token.kind == "comment" else " "
    if token.breaks or (last.closes and last.multi):
        return (newline if token.breaks > 1 else "") + line
    return " "
