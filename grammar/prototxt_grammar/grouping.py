"""Which pieces are one chunk: the answer for blocks whose nested blocks begin in column 0.

A piece that protobuf accepts alone is a chunk. For a piece that it does not, in this order:

1. It opens a `/*` that a later piece ends: joined up to there, so that the whole comment is one problem.
2. It leaves brackets open, and a later piece ends at the depth at which it began: joined if the whole is accepted.
   In a text that protobuf accepts as a whole the depths are the true ones, so this finds exactly its top-level
   blocks: an accepted text never gets a problem from having been cut.
3. The same, but the whole is refused: joined unless a line among them opens a block of the same name, for a layer
   inside a layer tells that a bracket is missing and that the depths are wrong.
4. The first line of its block stands in column 0, so its author does not indent: joined up to the next block of the
   same name.
5. Else it stands alone, broken, and what follows is read as if it were whole.

The rules see the pieces only, never the edit that made them: the result depends on the text alone.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property

from .fast import parse_clean
from .pieces import Piece
from .tree import Chunk


def chunks_of(pieces: list[Piece], known: dict[str, list[Chunk]]) -> list[Chunk]:
    """The chunks that the pieces make. `known`: joined chunks of an earlier tree by text; those used are removed."""
    broken = [index for index, piece in enumerate(pieces) if piece.fields is None]
    if not broken:
        return [piece.chunk for piece in pieces if piece.chunk is not None]
    plan = _Plan(pieces, broken)
    chunks: list[Chunk] = []
    done = 0
    for index in broken:
        if index < done:
            continue
        chunks += [piece.chunk for piece in pieces[done:index] if piece.chunk is not None]
        chunk, done = plan.chunk_at(index, known)
        chunks.append(chunk)
    chunks += [piece.chunk for piece in pieces[done:] if piece.chunk is not None]
    return chunks


class _Plan:
    """What the rules need to know of all pieces, gathered in one pass each so that the whole stays linear."""

    def __init__(self, pieces: list[Piece], broken: list[int]) -> None:
        self.pieces = pieces
        self.broken = broken
        #: Refused, and not for its brackets: no join that reaches over such a piece is accepted.
        self.faulty = [index for index in broken if pieces[index].balanced]
        self.comment_ends = [index for index in broken if pieces[index].ends_comment]
        #: A join that reaches over this piece was refused at it. So would be every join that begins between the start
        #: of that one and this piece and reaches over it too; trying those as well would take quadratic time.
        self.culprit = -1

    @cached_property
    def partner(self) -> dict[int, int]:
        """See `_partners`."""
        return _partners(self.pieces, self.broken)

    @cached_property
    def sibling(self) -> dict[int, int]:
        """See `_siblings`."""
        return _siblings(self.pieces, self.broken)

    def chunk_at(self, index: int, known: dict[str, list[Chunk]]) -> tuple[Chunk, int]:
        """The chunk that begins with the broken piece `index`, and the index of the piece behind it."""
        piece = self.pieces[index]
        if piece.opens_comment:
            at = bisect_right(self.comment_ends, index)
            if at < len(self.comment_ends):
                stop = self.comment_ends[at] + 1
                return self._join(index, stop, known), stop
        partner = self.partner.get(index) if piece.depth > 0 else None
        if partner is not None and not self._is_refused(index, partner):
            chunk = self._accepted(index, partner + 1, known)
            if chunk is not None:
                return chunk, partner + 1
        stop = index + 1
        if partner is not None or (piece.flat and piece.depth > 0):
            sibling = self.sibling.get(index, len(self.pieces))
            if partner is not None and partner < sibling:
                stop = partner + 1
            elif piece.flat:
                stop = sibling
        if stop > index + 1:
            return self._join(index, stop, known), stop
        if piece.chunk is None:
            from .explain import explain

            piece.chunk = Chunk(piece.text, *explain(piece.text))
        return piece.chunk, index + 1

    def _is_refused(self, index: int, partner: int) -> bool:
        """Whether it is known without parsing that the pieces from `index` to `partner` are not accepted."""
        at = bisect_right(self.faulty, index)
        return index < self.culprit <= partner or (at < len(self.faulty) and self.faulty[at] < partner)

    def _text(self, start: int, stop: int) -> str:
        return "".join([piece.text for piece in self.pieces[start:stop]])

    def _accepted(self, start: int, stop: int, known: dict[str, list[Chunk]]) -> Chunk | None:
        """The joined pieces as a chunk if protobuf accepts them, else None; `culprit` is where it stopped then."""
        text = self._text(start, stop)
        again = _take(known, text)
        if again is not None:
            if not again.problems:
                return again
            known.setdefault(text, []).append(again)
        fields = parse_clean(text)
        if fields is not None:
            return Chunk(text, fields, ())
        from .strict import Rejection, parse_strict

        result = parse_strict(text)
        if not isinstance(result, Rejection):
            return Chunk(text, result, ())
        self.culprit, offset = start, result.start
        while self.culprit < stop - 1 and offset >= len(self.pieces[self.culprit].text):
            offset -= len(self.pieces[self.culprit].text)
            self.culprit += 1
        return None

    def _join(self, start: int, stop: int, known: dict[str, list[Chunk]]) -> Chunk:
        from .explain import explain

        text = self._text(start, stop)
        return _take(known, text) or Chunk(text, *explain(text))


def _take(known: dict[str, list[Chunk]], text: str) -> Chunk | None:
    found = known.get(text)
    return found.pop() if found else None


def _partners(pieces: list[Piece], broken: list[int]) -> dict[int, int]:
    """For each piece that leaves brackets open: the first later piece that ends at the depth at which it began.

    None where the depth falls below that before. Accepted pieces leave no bracket open, so only broken ones count.
    """
    partners: dict[int, int] = {}
    waiting: list[tuple[int, int]] = []  # (depth before the piece, index), depths rising
    depth = 0
    for index in broken:
        before = depth
        depth += pieces[index].depth
        while waiting and waiting[-1][0] >= depth:
            level, opener = waiting.pop()
            if level == depth:
                partners[opener] = index
        if depth > before:
            waiting.append((before, index))
    return partners


def _siblings(pieces: list[Piece], broken: list[int]) -> dict[int, int]:
    """For each broken piece: the next piece that begins with a block of the same name."""
    siblings: dict[int, int] = {}
    nearest: dict[str, int] = {}
    wanted = set(broken)
    for index in range(len(pieces) - 1, broken[0] - 1, -1):
        piece = pieces[index]
        name = piece.name or (piece.fields[0].name if piece.fields else "")
        if index in wanted and name in nearest:
            siblings[index] = nearest[name]
        if name:
            nearest[name] = index
    return siblings
