"""From the scanner's tokens to those of `tolerant.lark`: words become keys or values, brackets are balanced.

Which bracket is missing or too many cannot be told from the brackets alone. Where a piece has a surplus, the layout is
the evidence: a key that does not stand deeper than the line of an open bracket shows that this bracket should have been
closed, a closing bracket that stands where no opening one has its line is the one too many. In a piece whose blocks
are not indented there is no such evidence, and the brackets pair by nesting alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from .scan import MOST_PROBLEMS, Scan, Token
from .tree import SyntaxProblem

_PAIRS = {"{": "}", "<": ">", "[": "]"}
_SCALARS = {"string": "STRING", "number": "NUMBER", "bad": "BAD"}
#: What may begin a value behind a name whose colon is missing.
_VALUES = frozenset({"string", "number", "bad", "-"})
#: What shows that the word before it is a name.
_AFTER_NAME = frozenset({":", "=", "{", "<"})


class Terminal(NamedTuple):
    """A token of `tolerant.lark`; one that stands for a missing bracket has start == end."""

    type: str
    start: int
    end: int


@dataclass(slots=True, eq=False)
class _Open:
    """An open bracket; indent: the column of the first token of its line."""

    bracket: str
    token: Token
    indent: int


class Balancer:
    """`terminals` for the grammar; `problems` with their lines, those of the scan included, in no order."""

    def __init__(self, scan: Scan) -> None:
        self.text = scan.text
        self.tokens = scan.tokens
        self.problems = list(scan.problems)
        self.terminals: list[Terminal] = []
        self._stack: list[_Open] = []
        #: "field", "key" (a name was read), "value" (its colon too), "string" (another may follow), "item", "behind"
        #: (in a list, before and after an item)
        self._state = "field"
        self._key: Token | None = None
        self._separable = False
        self._indent = 0
        self._index = 0
        braces = [token.kind for token in self.tokens]
        self._surplus = sum(map(braces.count, "{<")) - sum(map(braces.count, "}>"))
        self._indented = self._is_indented()
        self._trust_closers = self._closers_are_placed()
        self._run()

    # --- evidence ----------------------------------------------------------------------------------------------------

    def _is_indented(self) -> bool:
        """Whether most blocks that go on in a new line stand deeper there."""
        deeper, indent, opener = 0, 0, None
        for token in self.tokens:
            if token.first:
                if opener is not None and opener.line != token.line and token.kind != "}":
                    deeper += 1 if token.column > indent else -1
                indent = token.column
            opener = token if token.kind in ("{", "<") else None
        return deeper >= 0

    def _closers_are_placed(self) -> bool:
        """Whether this author puts closing brackets where `_misplaced` expects them, but for the odd one."""
        odd, stack, indent = 0, [], 0
        for token in self.tokens:
            if token.first:
                indent = token.column
            if token.kind in ("{", "<"):
                stack.append(_Open(token.kind, token, indent))
            elif token.kind in ("}", ">") and stack:
                odd += _misplaced(token, stack.pop())
        return odd <= 2 + abs(self._surplus)

    # --- output ------------------------------------------------------------------------------------------------------

    def _emit(self, kind: str, start: int, end: int) -> None:
        self.terminals.append(Terminal(kind, start, end))

    def _report(self, kind: str, token: Token, expected: str, found: str, at: int = -1) -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append((token.line, SyntaxProblem(kind, token.start, token.end, expected, found, at)))

    def _source(self, token: Token) -> str:
        return self.text[token.start : token.end]

    def _unexpected(self, token: Token, expected: str) -> None:
        self._report("unexpected", token, expected, self._source(token))

    def _behind(self) -> int:
        """The offset behind the last token that was used: where something missing belongs."""
        return self.terminals[-1].end if self.terminals else 0

    def _next(self) -> Token | None:
        return self.tokens[self._index + 1] if self._index + 1 < len(self.tokens) else None

    # --- the walk ----------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        for index, token in enumerate(self.tokens):
            self._index = index
            if token.first:
                self._indent = token.column
            kind = token.kind
            if kind == "name" or kind == "extension":
                self._name(token)
            elif kind in _VALUES:
                self._value(token)
            elif kind == ":" or kind == "=":
                self._colon(token)
            elif kind in _PAIRS:
                self._open(token)
            elif kind in ",;":
                self._separate(token)
            else:
                self._close(token)
        self._finish_key(None)
        while self._stack:
            self._close_missing()

    def _name(self, token: Token) -> None:
        is_key = self._is_key(self._index)
        if self._state in ("item", "behind"):
            if not is_key:
                return self._item("WORD", token)
            self._close_lists()
        elif self._state == "value" and not is_key:
            self._emit("WORD", token.start, token.end)
            return self._complete()
        elif self._state == "key" and not is_key and self._key is not None and self._key.line == token.line:
            self._missing_colon(token)
            self._emit("WORD", token.start, token.end)
            return self._complete()
        self._finish_key(token)
        self._close_by_layout(token)
        self._emit("KEY", token.start, token.end)
        self._state, self._key = "key", token
        return None

    def _is_key(self, index: int) -> bool:
        """Whether the name `index` is that of a field, by what follows it."""
        token = self.tokens[index]
        if token.kind == "extension" or index + 1 >= len(self.tokens):
            return token.kind == "extension"
        after = self.tokens[index + 1]
        return after.kind in _AFTER_NAME and (after.line == token.line or after.first)

    def _value(self, token: Token) -> None:
        """A string, number, bad token or minus."""
        kind = _SCALARS.get(token.kind, "MINUS")
        if self._state in ("item", "behind"):
            return self._item(kind, token)
        if self._state == "string" and kind == "STRING":
            return self._emit(kind, token.start, token.end)
        if self._state == "key":
            self._missing_colon(token)
        elif self._state != "value":
            if kind != "BAD":  # a bad token has its problem already
                self._unexpected(token, "identifier")
            return None
        if kind == "MINUS":
            self._minus(token)
            return None
        self._emit(kind, token.start, token.end)
        self._complete()
        if kind == "STRING":
            self._state = "string"
        return None

    def _item(self, kind: str, token: Token) -> None:
        """A scalar in a list."""
        last = self.terminals[-1].type
        if kind == "BAD" and last == "STRING" and self.text[token.start] in "\"'":
            return None  # a further piece of a string; it has its problem
        if self._state == "behind" and last != "MINUS" and not (kind == last == "STRING"):
            self._unexpected(token, '","')
        self._state = "behind"
        if kind == "MINUS":
            return self._minus(token)
        return self._emit(kind, token.start, token.end)

    def _minus(self, token: Token) -> None:
        """A minus counts where a number or word follows it."""
        after = self._next()
        if after is None or not (
            after.kind in ("number", "bad") or (after.kind == "name" and not self._is_key(self._index + 1))
        ):
            return self._unexpected(token, "value")
        self._emit("MINUS", token.start, token.end)
        self._state = "behind" if self._state == "behind" else "value"
        return None

    def _complete(self) -> None:
        """A value has ended."""
        self._state, self._key, self._separable = "field", None, True
        if self._stack and self._stack[-1].bracket == "[":
            self._state = "behind"

    def _colon(self, token: Token) -> None:
        if self._state != "key":
            return self._unexpected(token, "value" if self._state == "value" else "identifier")
        if token.kind == "=":
            self._unexpected(token, '":"')
        self._emit("COLON", token.start, token.end)
        self._state = "value"
        return None

    def _missing_colon(self, token: Token) -> None:
        key = self._key
        if key is not None:
            self._report("missing-colon", token, '":"', self._source(token), key.end)

    def _separate(self, token: Token) -> None:
        if self._state == "item" or self._state == "behind":
            if self._state == "item":
                self._unexpected(token, "value")
            elif token.kind == ";":
                self._unexpected(token, '","')
            self._state = "item"
            return
        self._finish_key(token)
        if not self._separable:
            return self._unexpected(token, "identifier")
        self._emit("COMMA" if token.kind == "," else "SEMICOLON", token.start, token.end)
        self._state, self._separable = "field", False
        return None

    def _finish_key(self, follower: Token | None) -> None:
        """A name is not followed by a value: it was half typed, or its opening bracket is missing."""
        key = self._key
        if key is None or self._state not in ("key", "value"):
            self._state = "field" if self._state == "string" else self._state
            return
        end = self._behind()
        if follower is not None and self._lost_its_bracket(key, follower):
            self._report("missing-open", key, '"{"', self._source(follower), end)
            self._emit("LBRACE", end, end)
            self._stack.append(_Open("{", key, self._line_indent(key)))
            self._surplus += 1
            self._state, self._key, self._separable = "field", None, False
            return
        found = self._source(follower) if follower else ""
        if self._state == "value":
            whole = Token("", key.start, end, key.line, key.column, key.first)
            self._report("missing-value", whole, "value", found, end)
        else:
            self._report("lone-key", key, '":"', found, end)
        self._complete()

    def _lost_its_bracket(self, key: Token, follower: Token) -> bool:
        if self._surplus >= 0 or follower.kind not in ("name", "extension"):
            return False
        if follower.line == key.line:
            return self._state == "key"
        return follower.first and (follower.column > self._line_indent(key) or not self._indented)

    def _line_indent(self, token: Token) -> int:
        """The column of the first token of the line of `token`, which is among the last ones read."""
        at = self._index
        while at > 0 and self.tokens[at].start > token.start:
            at -= 1
        while at > 0 and not self.tokens[at].first:
            at -= 1
        return self.tokens[at].column

    # --- brackets ----------------------------------------------------------------------------------------------------

    def _open(self, token: Token) -> None:
        in_list = self._state in ("item", "behind")
        if self._state not in ("key", "value") and not (in_list and token.kind != "["):
            if token.kind != "[":
                self._surplus -= 1
            return self._unexpected(token, "value" if in_list else "identifier")
        if self._state == "behind":
            self._unexpected(token, '","')
        after = self._next()
        if token.kind == "[" and self._state == "key" and after is not None and after.kind in (*_VALUES, "name"):
            self._missing_colon(token)
        self._emit("LSQB" if token.kind == "[" else "LBRACE", token.start, token.end)
        self._stack.append(_Open(token.kind, token, self._indent))
        self._state = "item" if token.kind == "[" else "field"
        self._key, self._separable = None, False
        return None

    def _close(self, token: Token) -> None:
        self._finish_key(token)
        if token.kind == "]":
            if not self._stack or self._stack[-1].bracket != "[":
                return self._report("stray-close", token, "identifier", "]")
            if self._state == "item" and self.terminals[-1].type != "LSQB":
                self._unexpected(token, "value")
            return self._pop(token)
        self._close_lists()
        if not self._stack or self._is_stray(token):
            self._surplus += 1
            return self._report("stray-close", token, "identifier", token.kind)
        self._close_inner(token)
        top = self._stack[-1]
        wanted = _PAIRS[top.bracket]
        if token.kind != wanted:
            self._report("mismatched-close", token, f'"{wanted}"', token.kind, top.token.start)
        return self._pop(token)

    def _pop(self, token: Token) -> None:
        opened = self._stack.pop()
        self._emit("RSQB" if opened.bracket == "[" else "RBRACE", token.start, token.end)
        self._complete()

    def _close_missing(self) -> None:
        """Close the innermost bracket, whose closing one is missing."""
        top = self._stack.pop()
        end = self._behind()
        kind = "unclosed" if top.token.kind in _PAIRS else ""
        if kind:
            self._report(kind, top.token, f'"{_PAIRS[top.bracket]}"', "", end)
        self._emit("RSQB" if top.bracket == "[" else "RBRACE", end, end)
        if top.bracket != "[":
            self._surplus -= 1
        self._complete()

    def _close_lists(self) -> None:
        while self._stack and self._stack[-1].bracket == "[":
            self._close_missing()

    def _close_by_layout(self, token: Token) -> None:
        """A name that begins its line no deeper than the line of an open bracket: that one should be closed."""
        if not (token.first and self._indented):
            return
        while self._surplus > 0 and self._stack and token.column <= self._stack[-1].indent:
            self._close_missing()
            self._close_lists()

    def _close_inner(self, token: Token) -> None:
        """A closing bracket in the column of an outer block, not of the innermost: the inner ones are not closed."""
        if not (self._surplus > 0 and self._indented and token.first):
            return
        if any(opened.indent == token.column for opened in self._stack if opened.bracket != "["):
            while self._surplus > 0 and self._stack[-1].indent > token.column:
                self._close_missing()
            self._close_lists()

    def _is_stray(self, token: Token) -> bool:
        """Whether, in a piece with too many closing brackets, this is the one too many."""
        top = self._stack[-1]
        if self._surplus >= 0:
            return False
        if token.kind == ">" and not any(opened.bracket == "<" for opened in self._stack):
            return True
        if not self._indented or not self._trust_closers:
            return False
        if _misplaced(token, top):
            return True
        after = self._next()
        if after is None or after.kind != "name":
            return False
        if after.line == token.line:
            return token.first  # `}  lr_mult: 2`: it was put before a field
        return after.line == token.line + 1 and after.first and after.column > top.indent


def _misplaced(token: Token, opened: _Open) -> bool:
    """Whether a closing bracket stands neither in the line of its opening one nor, alone, in that line's column."""
    return token.line != opened.token.line and not (token.first and token.column == opened.indent)
