"""text -> `Tree`, and the same again after an edit at the price of what the edit touched."""

from __future__ import annotations

from itertools import accumulate

from .grouping import chunks_of
from .pieces import Piece, cut
from .tree import Chunk, Tree


def parse(text: str, previous: Tree | None = None) -> Tree:
    """The tree of `text`; never raises, whatever the text.

    `previous`: the tree of an earlier version of the text. Chunks whose text is still there are reused, so what higher
    floors keep in their `cache` stays. The result is equal to that without `previous`, which is left as it was.
    """
    if previous is None:
        pieces = [Piece(part) for part in cut(text, 0, len(text))]
        joined: dict[str, list[Chunk]] = {}
    elif previous.text == text:
        return previous
    else:
        pieces = _spliced(text, previous)
        joined = _joined(previous)
    chunks = chunks_of(pieces, joined)
    starts = list(accumulate([len(chunk.text) for chunk in chunks], initial=0))
    starts.pop()
    return Tree(text, chunks, starts, pieces)


def _joined(tree: Tree) -> dict[str, list[Chunk]]:
    """The chunks of several pieces, by text."""
    if len(tree.chunks) == len(tree.pieces):
        return {}
    single = {id(piece.chunk) for piece in tree.pieces}
    joined: dict[str, list[Chunk]] = {}
    for chunk in tree.chunks:
        if id(chunk) not in single:
            joined.setdefault(chunk.text, []).append(chunk)
    return joined


def _spliced(text: str, previous: Tree) -> list[Piece]:
    """The pieces of `text`: those of the previous tree outside of the edit, new ones (or known texts) inside."""
    old, pieces = previous.text, previous.pieces
    start, old_stop = changed_range(old, text)
    # A line that begins a piece decides alone that it does, with the line feed before it. So all pieces that begin
    # above the line of the edit stay, and all that begin behind the first line feed after the edit.
    line = text.rfind("\n", 0, start) + 1
    places = list(accumulate([len(piece.text) for piece in pieces], initial=0))
    first = max(0, _before(places, line))
    last = first + 1
    while last < len(pieces) and places[last] <= old_stop:
        last += 1
    stop = places[last] + len(text) - len(old)
    known: dict[str, list[Piece]] = {}
    for piece in pieces[first:last]:
        known.setdefault(piece.text, []).append(piece)
    middle: list[Piece] = []
    for part in cut(text, places[first], stop):
        found = known.get(part)
        middle.append(found.pop() if found else Piece(part))
    return [*pieces[:first], *middle, *pieces[last:]]


def _before(places: list[int], offset: int) -> int:
    """The index of the last piece that begins before `offset`."""
    from bisect import bisect_left

    return bisect_left(places, offset) - 1


def changed_range(old: str, new: str) -> tuple[int, int]:
    """(where the texts begin to differ, where in `old` they are equal again up to the end)."""
    shorter = min(len(old), len(new))
    low, high = 0, shorter
    if old[:shorter] == new[:shorter]:
        low = shorter
    while low < high:  # invariant: equal up to low, different before high + 1
        middle = (low + high + 1) // 2
        if old[low:middle] == new[low:middle]:
            low = middle
        else:
            high = middle - 1
    start = low
    low, high = 0, shorter - start
    while low < high:
        middle = (low + high + 1) // 2
        if old[len(old) - middle : len(old) - low] == new[len(new) - middle : len(new) - low]:
            low = middle
        else:
            high = middle - 1
    return start, len(old) - low
