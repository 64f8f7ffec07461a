"""What is wrong with text that protobuf refuses, and what of it can be read nevertheless."""

from __future__ import annotations

from bisect import bisect_right
from functools import cache
from typing import TYPE_CHECKING, Any

from .balance import Balancer
from .lexicon import grammar_text
from .scan import MOST_PROBLEMS, Scan
from .strict import Rejection, TreeBuilder, fill_text, parse_strict
from .tree import Field, Scalar, SyntaxProblem

if TYPE_CHECKING:
    from lark import Lark

#: One of these on a line is enough: the others there are mostly its consequences.
_SOFT = frozenset({"unexpected", "lone-key", "missing-value", "missing-colon", "unterminated-string", "bad-number"})


def explain(text: str) -> tuple[list[Field], tuple[SyntaxProblem, ...]]:
    """(the fields that can be read, at least one problem) of text that the strict grammar refuses; never raises."""
    scan = Scan(text)
    balanced = Balancer(scan)
    fields = _build(text, balanced)
    problems = _tidy(balanced.problems)
    refused = parse_strict(text)
    if isinstance(refused, Rejection) and not any(problem.start <= _reach(scan, refused) for problem in problems):
        # The tolerant grammar took something that protobuf does not: say what protobuf says.
        problems.insert(0, _as_problem(refused))
    return fields, tuple(problems[:MOST_PROBLEMS])


def _reach(scan: Scan, refused: Rejection) -> int:
    """Where the refused token ends: the strict lexer stops at its beginning, its fault may be further in."""
    at = bisect_right(scan.tokens, refused.start, key=lambda token: token.start) - 1
    return max(refused.end, scan.tokens[at].end if at >= 0 else 0)


def _tidy(found: list[tuple[int, SyntaxProblem]]) -> list[SyntaxProblem]:
    """In file order, at most one soft problem a line, and none beside a harder one of the same line's tokens."""
    soft_lines: set[int] = set()
    kept: list[SyntaxProblem] = []
    for line, problem in sorted(found, key=lambda pair: (pair[1].start, pair[1].end)):
        if problem.kind in _SOFT:
            if line in soft_lines:
                continue
            soft_lines.add(line)
        kept.append(problem)
    return kept


_WORDS = {
    "NAME": "identifier",
    "COLON": '":"',
    "LBRACE": '"{"',
    "RBRACE": '"}"',
    "MORE": '">"',
    "RSQB": '"]"',
    "COMMA": '","',
}


def _as_problem(refused: Rejection) -> SyntaxProblem:
    expected = [word for name, word in _WORDS.items() if name in refused.expected]
    return SyntaxProblem("unexpected", refused.start, refused.end, " or ".join(expected[:2]), refused.found)


class _TolerantBuilder(TreeBuilder):
    """The callbacks of the rules that only `tolerant.lark` has."""

    def field_without_colon(self, children: list[Any]) -> Field:
        """`name "x"`."""
        return self.field(children)

    def field_without_value(self, children: list[Any]) -> Field:
        """`name:`."""
        key, colon, separator = children
        return Field(
            "", key.start_pos, key.end_pos, colon.start_pos, None, colon.end_pos, -1 if separator is None else separator
        )

    def lone_key(self, children: list[Any]) -> Field:
        """`name`."""
        key, separator = children
        return Field("", key.start_pos, key.end_pos, -1, None, key.end_pos, -1 if separator is None else separator)

    def field(self, children: list[Any]) -> Field:
        """The name is a token here, not a rule."""
        key = children[0]
        name = self.name([key])
        return super().field([name, *children[1:]])

    def bad(self, children: list[Any]) -> Scalar:
        """A value that protobuf refuses."""
        return self._scalar("bad", children)


@cache
def _lark() -> Lark:
    from lark import Lark, Transformer

    class Callbacks(_TolerantBuilder, Transformer[Any, Any]):
        pass

    return Lark(
        grammar_text("tolerant.lark"), parser="lalr", maybe_placeholders=True, transformer=Callbacks(visit_tokens=False)
    )


def _build(text: str, balanced: Balancer) -> list[Field]:
    from lark import Token

    parser = _lark().parse_interactive("")
    for kind, start, end in balanced.terminals:
        parser.feed_token(Token(kind, text[start:end], start_pos=start, end_pos=end))
    fields: list[Field] = parser.feed_eof()  # type: ignore[no-untyped-call]
    fill_text(fields, text)
    return fields
