"""The lossless tree: what stands in the text, without judging what it means.

A file is a sequence of *chunks* (runs of text that begin with `name {` in column 0). Every position inside a chunk
is relative to the chunk's start, so a chunk that did not change keeps its tree, and everything that higher floors
cached on it, when text above it grows or shrinks. `Tree.starts[i]` turns a relative offset of chunk i into an offset
into the whole text.

The node classes are slotted but not frozen: a keystroke builds hundreds of them, and `object.__setattr__` would
cost more than the parsing. Nothing may change a node after the parser has returned it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias


@dataclass(slots=True, eq=False)
class Scalar:
    """One scalar value: a number, a word (enum name, bool, inf, nan), or adjacent strings.

    kind: "string" | "number" | "word" | "bad" (an open string or other text that protobuf rejects).
    text: the source text from start to end, sign included (`- 1` stays `- 1`; concatenated strings keep what is
    between them). Use `string_value` for the decoded bytes of a string.
    """

    kind: str
    text: str
    start: int
    end: int


@dataclass(slots=True, eq=False)
class Message:
    """`{ ... }` or `< ... >`; `start` is the opening bracket, `end` lies behind the closing one.

    closed is False where the closing bracket is missing; `end` then lies behind the last token that belongs to the
    message. Where the opening one is missing ("missing-open"), `start` is where it belongs and `open` is "{".
    """

    fields: list[Field]
    start: int
    end: int
    open: str
    closed: bool


@dataclass(slots=True, eq=False)
class ListValue:
    """`[a, b]`; items are scalars or messages; `closed` is False where the `]` is missing."""

    items: list[Scalar | Message]
    start: int
    end: int
    closed: bool


Value: TypeAlias = Scalar | Message | ListValue


@dataclass(slots=True, eq=False)
class Field:
    """`name: value`, `name { ... }` or `name: [ ... ]`.

    start, name_end: the name. colon: offset of `:` or -1. value: None where the text stops after `name` or `name:`
    (a half-typed line). end: behind the value (or the name or colon where there is none), the optional separator
    `,`/`;` excluded; sep: offset of that separator or -1. An extension name keeps
    its text as written.
    """

    name: str
    start: int
    name_end: int
    colon: int
    value: Value | None
    end: int
    sep: int = -1


class SyntaxProblem(NamedTuple):
    """Something that protobuf's text parser refuses, at the token at fault (offsets relative to the chunk).

    kind: "unexpected" | "unclosed" | "missing-open" | "stray-close" | "mismatched-close" | "slash-comment" | "glued" |
    "unterminated-string" | "bad-char" | "missing-colon" | "missing-value" | "lone-key" | "bad-escape" |
    "bad-number" | "bom" | "nul".
    expected, found: what protobuf would say ("identifier", `":"`, ...), for the message of the rule.
    at: where something is missing, as an offset (-1 where nothing is): "unclosed" and "missing-open": where the bracket
    `expected` belongs; "missing-colon" and "missing-value": behind the name, behind the colon; "glued": where the space
    belongs; "unterminated-string": where the quote `expected` belongs, which may be before the word. For
    "mismatched-close": the opening bracket.
    """

    kind: str
    start: int
    end: int
    expected: str = ""
    found: str = ""
    at: int = -1


@dataclass(slots=True, eq=False)
class Chunk:
    """One run of text with its fields. `cache` belongs to higher floors: facts that depend on this text alone."""

    text: str
    fields: list[Field]
    problems: tuple[SyntaxProblem, ...]
    cache: dict[Any, Any] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Tree:
    """The whole file: `text == "".join(chunk.text for chunk in chunks)`; `starts[i]` is the offset of chunk i."""

    text: str
    chunks: list[Chunk]
    starts: list[int]
    #: the parser's own bookkeeping, for the next `parse(text, previous)`; nobody else looks at it
    pieces: list[Any] = field(default_factory=list, repr=False)

    def fields(self) -> Iterator[tuple[int, Field]]:
        """Top-level fields with the offset that turns their positions into positions in `text`."""
        for start, chunk in zip(self.starts, self.chunks, strict=True):
            for item in chunk.fields:
                yield start, item

    def problems(self) -> Iterator[tuple[int, SyntaxProblem]]:
        """Syntax problems with the offset of their chunk, in file order."""
        for at in [at for at, chunk in enumerate(self.chunks) if chunk.problems]:
            for problem in self.chunks[at].problems:
                yield self.starts[at], problem
