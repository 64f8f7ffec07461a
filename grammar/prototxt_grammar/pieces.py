"""Pieces: where the text is cut before anything is parsed.

A piece begins where a line begins with `name {`, `name: {` or `name <` in column 0 (the text before the first such
line is a piece too). In nearly every net that people write these lines are the layers, so an edit touches one piece
and a missing bracket cannot swallow the layers below it. `grouping.py` joins the pieces of a block that has nested
blocks in column 0.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise

from .fast import parse_clean
from .lexicon import terminals
from .tree import Chunk, Field


class Piece:
    """A run of text with what can be said about it alone.

    fields: its fields where protobuf accepts it alone, else None. chunk: the chunk made of it, once there is one.
    depth: how many brackets it leaves open (negative: closes). balanced: each of its brackets has its partner here.
    name: the name of the block that it begins with. flat: the first line of that block stands in column 0.
    opens_comment: it has a `/*` without an end. ends_comment: it has a `*/` that ends nothing here.
    """

    __slots__ = ("balanced", "chunk", "depth", "ends_comment", "fields", "flat", "name", "opens_comment", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.fields: list[Field] | None = parse_clean(text)
        self.chunk: Chunk | None = None if self.fields is None else Chunk(text, self.fields, ())
        self.depth = 0
        self.balanced = True
        self.name = ""
        self.flat = self.opens_comment = self.ends_comment = False
        if self.fields is None:
            self._look_closer()

    def _look_closer(self) -> None:
        # Imported here, because a file whose pieces are all in order needs neither.
        from .scan import CLOSERS, OPENERS, Scan
        from .strict import Rejection, parse_strict

        scan = Scan(self.text)
        lowest = 0
        for token in scan.tokens:
            if token.kind in OPENERS:
                self.depth += 1
            elif token.kind in CLOSERS:
                self.depth -= 1
                lowest = min(lowest, self.depth)
        self.opens_comment, self.ends_comment = scan.opens_comment, scan.ends_comment
        self.balanced = self.depth == 0 and lowest == 0
        if self.balanced:
            result = parse_strict(self.text)
            if not isinstance(result, Rejection):
                self.fields = result
                self.chunk = Chunk(self.text, result, ())
                return
        opener = _expressions()[1].match(self.text)
        if opener:
            self.name = opener[1]
            self.flat = opener[2] is not None


@cache
def _expressions() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """(where a piece begins, its first line and the word with which a later line begins in column 0, if one does)."""
    known = terminals()
    name, comment = known["NAME"], known["COMMENT"]
    opener = rf"{name}[ \t]*+:?+[ \t]*+[{{<]"
    head = rf"({name})[ \t]*+:?+[ \t]*+[{{<](?:[ \t\r]*+{comment}?+\n)++({name})?+"
    return re.compile("^" + opener, re.MULTILINE), re.compile(head)


def cut(text: str, start: int, stop: int) -> list[str]:
    """The texts of the pieces of text[start:stop], where `start` begins a piece and `stop` ends one."""
    places = [match.start() for match in _expressions()[0].finditer(text, start, stop)]
    if not places or places[0] != start:
        places.insert(0, start)
    places.append(stop)
    return [text[a:b] for a, b in pairwise(places)]
