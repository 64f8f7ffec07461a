"""The text again, piece by piece: every character of it belongs to one leaf."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from .lexicon import terminals
from .tree import Field, ListValue, Message, Scalar, Tree


class Leaf(NamedTuple):
    """A piece of the text. kind: "space" | "comment" | "key" | "value" | "punctuation" | "unknown"."""

    start: int
    end: int
    kind: str


def leaves(tree: Tree) -> Iterator[Leaf]:
    """The leaves of the whole text, in order and without gaps (offsets into `tree.text`)."""
    for start, chunk in zip(tree.starts, tree.chunks, strict=True):
        position = 0
        for leaf in _known(chunk.fields):
            yield from _between(chunk.text, position, leaf.start, start)
            yield Leaf(start + leaf.start, start + leaf.end, leaf.kind)
            position = leaf.end
        yield from _between(chunk.text, position, len(chunk.text), start)


def print_tree(tree: Tree) -> str:
    """The text of a tree; the same as `tree.text`, made from the leaves."""
    return "".join([tree.text[leaf.start : leaf.end] for leaf in leaves(tree)])


def _known(fields: list[Field]) -> Iterator[Leaf]:
    """The keys and values, in order, relative to the chunk. Not recursive: nesting may be deep."""
    todo: list[Field | Message | ListValue | Scalar] = [*reversed(fields)]
    while todo:
        node = todo.pop()
        if isinstance(node, Field):
            yield Leaf(node.start, node.name_end, "key")
            if node.value is not None:
                todo.append(node.value)
        elif isinstance(node, Scalar):
            yield Leaf(node.start, node.end, "value")
        else:
            todo += reversed(node.fields if isinstance(node, Message) else node.items)


@cache
def _trivia() -> re.Pattern[str]:
    known = terminals()
    return re.compile(rf"(?P<space>{known['WS']})|(?P<comment>{known['COMMENT']})|(?P<punctuation>[{{}}<>\[\]:,;])")


def _between(text: str, start: int, end: int, offset: int) -> Iterator[Leaf]:
    """The leaves between keys and values: white space, comments, punctuation, and what was not understood."""
    unknown = start
    while start < end:
        match = _trivia().match(text, start, end)
        if match is None:
            start += 1
            continue
        if unknown < start:
            yield Leaf(offset + unknown, offset + start, "unknown")
        yield Leaf(offset + start, offset + match.end(), match.lastgroup or "unknown")
        start = unknown = match.end()
    if unknown < start:
        yield Leaf(offset + unknown, offset + start, "unknown")
