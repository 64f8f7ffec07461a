"""The judge: the Lark grammar of `prototxt.lark`, LALR. What it refuses, protobuf refuses, and the reverse.

Lark is imported on the first call only, because clean text of the usual forms never gets here (see `fast.py`).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from .lexicon import grammar_text
from .tree import Field, ListValue, Message, Scalar

if TYPE_CHECKING:
    from lark import Lark, Token


class Rejection(NamedTuple):
    """Where the grammar stops: the offset, the token found there ("" at the end), and the tokens it would take."""

    start: int
    end: int
    found: str
    expected: frozenset[str]


class Name(NamedTuple):
    """A field name with its place."""

    text: str
    start: int
    end: int


class TreeBuilder:
    """Lark's callbacks: every rule of the grammar makes its node at once, so that no Lark tree is built.

    Scalars of several tokens get their text afterwards (`fill_text`), because a callback does not see the source.
    """

    def start(self, children: list[Any]) -> list[Field]:
        """All fields of the text."""
        return children

    def name(self, children: list[Token]) -> Name:
        """A plain field name."""
        (token,) = children
        return Name(str(token), token.start_pos or 0, token.end_pos or 0)

    def extension(self, children: list[Token]) -> Name:
        """`[package.extension]`; its text is filled in afterwards."""
        return Name("", children[0].start_pos or 0, children[-1].end_pos or 0)

    def separator(self, children: list[Token]) -> int:
        """The offset of `,` or `;`."""
        return children[0].start_pos or 0

    def field(self, children: list[Any]) -> Field:
        """A name, perhaps a colon, a value, perhaps a separator."""
        name, separator = children[0], children[-1]
        value = children[-2]
        colon = children[1].start_pos if len(children) == 4 else -1
        return Field(name.text, name.start, name.end, colon, value, value.end, -1 if separator is None else separator)

    def string(self, children: list[Token]) -> Scalar:
        """One string or several adjacent ones."""
        return self._scalar("string", children)

    def number(self, children: list[Token | None]) -> Scalar:
        """A number with or without a minus."""
        return self._scalar("number", children)

    def word(self, children: list[Token | None]) -> Scalar:
        """A word with or without a minus (`-inf`)."""
        return self._scalar("word", children)

    def _scalar(self, kind: str, children: list[Token] | list[Token | None]) -> Scalar:
        tokens = [token for token in children if token is not None]
        text = str(tokens[0]) if len(tokens) == 1 else ""
        return Scalar(kind, text, tokens[0].start_pos or 0, tokens[-1].end_pos or 0)

    def message(self, children: list[Any]) -> Message:
        """`{ ... }` or `< ... >`."""
        opening, closing = children[0], children[-1]
        closed = closing.end_pos > closing.start_pos
        return Message(children[1:-1], opening.start_pos, closing.end_pos, str(opening) or "{", closed)

    def list(self, children: list[Any]) -> ListValue:
        """`[a, b]`."""
        items = [item for item in children[1:-1] if item is not None]
        closing = children[-1]
        return ListValue(items, children[0].start_pos, closing.end_pos, closing.end_pos > closing.start_pos)

    message_list = list


def fill_text(fields: list[Field], text: str) -> None:
    """Give every node that was made without its source text that text. Not recursive: nesting may be deep."""
    todo = [fields]
    while todo:
        for item in todo.pop():
            if not item.name:
                item.name = text[item.start : item.name_end]
            value = item.value
            for node in value.items if isinstance(value, ListValue) else (value,):
                if isinstance(node, Message):
                    todo.append(node.fields)
                elif isinstance(node, Scalar) and not node.text:
                    node.text = text[node.start : node.end]


@cache
def _lark() -> Lark:
    from lark import Lark, Transformer

    class Callbacks(TreeBuilder, Transformer[Any, Any]):
        pass

    return Lark(
        grammar_text("prototxt.lark"),
        parser="lalr",
        lexer="basic",
        maybe_placeholders=True,
        transformer=Callbacks(visit_tokens=False),
    )


def parse_strict(text: str) -> list[Field] | Rejection:
    """The fields of `text`, or where protobuf would stop reading it. Never raises."""
    from lark.exceptions import UnexpectedCharacters, UnexpectedToken

    try:
        fields: list[Field] = _lark().parse(text)  # type: ignore[assignment]
    except UnexpectedCharacters as error:
        at = error.pos_in_stream or 0
        return Rejection(at, at + 1, text[at : at + 1], frozenset())
    except UnexpectedToken as error:
        token = error.token
        if token.type == "$END":
            return Rejection(len(text), len(text), "", frozenset(error.expected))
        return Rejection(token.start_pos, token.end_pos, str(token), frozenset(error.expected))
    fill_text(fields, text)
    return fields
