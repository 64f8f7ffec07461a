"""The fast path: one regular-expression match per field, for text that protobuf accepts.

It gives exactly the fields that the Lark grammar gives (a differential test holds it to that), or None where it
cannot say: for text that is wrong, and for the few rare forms it does not know (extension names, lists of messages,
a comment between a name and its value). `strict.py` decides then.
"""

from __future__ import annotations

import re
from functools import cache

from .lexicon import skip, terminals
from .tree import Field, ListValue, Message, Scalar

_COLON, _STRING, _NUMBER, _WORD, _LIST, _OPEN, _CLOSE, _SEPARATOR, _MORE_STRING, _END = range(2, 12)
_KINDS = ("", "string", "number", "word")
_CLOSING = {"{": "}", "<": ">"}


def _scalars() -> tuple[str, str, str]:
    """(a string, a number, a word), the last two with their signs."""
    known = terminals()
    sign = f"(?:-{skip()})?+"
    return known["STRING"], f"{sign}{known['NUMBER']}", f"{sign}{known['NAME']}"


@cache
def _field_expression() -> re.Pattern[str]:
    """One field or bracket or separator, built from the grammar's terminals."""
    known, trivia = terminals(), skip()
    name, space = known["NAME"], known["WS"]
    string, number, word = _scalars()
    item = f"(?:{string}(?:{trivia}{string})*+|{number}|{word})"
    scalar_list = rf"\[{trivia}(?:{item}{trivia}(?:,{trivia}{item}{trivia})*+)?+\]"
    field = (
        rf"{trivia}(?:({name}){space}?+(?:(:){space}?+)?+"
        rf"(?:({string})|({number})|({word})|({scalar_list})|([{{<]))"
        rf"|([}}>])|([,;])|({string})|(\Z)|(.))"
    )
    return re.compile(field, re.DOTALL)


@cache
def _item_expression() -> re.Pattern[str]:
    """One item of a scalar list; few nets have one, and an expression takes a millisecond to compile."""
    trivia = skip()
    string, number, word = _scalars()
    items = f"({string}(?:{trivia}{string})*+)|({number})|({word})"
    return re.compile(f"{trivia}(?:{items}){trivia},?+")


def parse_clean(text: str) -> list[Field] | None:
    """The fields of `text`, or None where the text is wrong or merely uncommon."""
    expression = _field_expression()
    fields: list[Field] = []
    add = fields.append
    last: Field | None = None  # the field that a separator or a further string may still follow
    stack: list[tuple[Field, Message, list[Field]]] = []
    for match in expression.finditer(text):
        kind = match.lastindex or 0
        if kind < _LIST:  # a string, a number or a word
            name, value = match.group(1, kind)
            start, end = match.start(1), match.end()
            colon = name_end = start + len(name)
            if text[colon] != ":":
                colon = match.start(_COLON)
                if colon < 0:
                    return None
            last = Field(name, start, name_end, colon, Scalar(_KINDS[kind - 2], value, end - len(value), end), end)
            add(last)
        elif kind == _OPEN:
            name, bracket = match.group(1, kind)
            start, at = match.start(1), match.start(kind)
            message = Message([], at, -1, bracket, True)
            item = Field(name, start, start + len(name), match.start(2), message, -1)
            add(item)
            stack.append((item, message, fields))
            fields = message.fields
            add = fields.append
            last = None
        elif kind == _CLOSE:
            if not stack:
                return None
            last, message, fields = stack.pop()
            if _CLOSING[message.open] != match[kind]:
                return None
            message.end = last.end = match.end()
            add = fields.append
        elif kind == _SEPARATOR:
            if last is None:
                return None
            last.sep = match.start(kind)
            last = None
        elif kind == _MORE_STRING:
            if last is None or not isinstance(last.value, Scalar) or last.value.kind != "string":
                return None
            value_node = last.value
            value_node.end = last.end = match.end()
            value_node.text = text[value_node.start : value_node.end]
        elif kind == _LIST:
            name = match[1]
            start, colon = match.start(1), match.start(2)
            if colon < 0:
                return None
            at, end = match.span(kind)
            values = _list_items(text, at + 1, end - 1)
            last = Field(name, start, start + len(name), colon, ListValue(values, at, end, True), end)
            add(last)
        elif kind == _END:
            return None if stack else fields
        else:
            return None
    return None


def _list_items(text: str, start: int, end: int) -> list[Scalar | Message]:
    """The scalars between the brackets of a list that the field expression has matched as a whole."""
    items: list[Scalar | Message] = []
    expression = _item_expression()
    match = expression.match(text, start, end)
    while match:
        kind = match.lastindex or 0
        items.append(Scalar(_KINDS[kind], match[kind], *match.span(kind)))
        match = expression.match(text, match.end(), end)
    return items
