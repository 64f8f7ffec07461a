"""The tokens of text that protobuf may refuse: every character is looked at, and nothing raises.

Where the text is right, the tokens are those of `prototxt.lark`; that is what makes the brackets count. Where it is
wrong, the scanner takes what was evidently meant (`:` for a full-width colon, white space for a no-break space, the
rest of the line for an open string) and notes the problem.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from .characters import LOOKALIKES
from .lexicon import terminals
from .tree import SyntaxProblem

#: Protobuf reports one error; an author reads a few more. Binary files would have millions.
MOST_PROBLEMS = 200

OPENERS = frozenset("{<[")
CLOSERS = frozenset("}>]")
_PUNCTUATION = frozenset("{}<>[]:,;")


@dataclass(slots=True, eq=False)
class Token:
    """kind: "name" | "number" | "string" | "bad" | "extension", or the punctuation character itself, `-` and `=` too.

    line: lines counted by line feeds. column: characters before it in its line. first: only white space is before it.
    """

    kind: str
    start: int
    end: int
    line: int
    column: int
    first: bool


class Scan:
    """`tokens`; `problems` with their lines; whether a `/*` is not ended in the text, a `*/` ends nothing in it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[Token] = []
        self.problems: list[tuple[int, SyntaxProblem]] = []
        self.opens_comment = self.ends_comment = False
        self._reopened = -1
        self._line, self._line_start, self._first = 0, 0, True
        self._run()

    def _run(self) -> None:
        text, position, length = self.text, 0, len(self.text)
        match_at = _expressions().token.match
        while position < length:
            match = match_at(text, position)
            kind = match.lastgroup if match else None
            if match is None or kind is None:
                position = self._odd(position)
                continue
            end = match.end()
            if kind == "space":
                self._count_lines(position, end)
            elif kind == "name" or kind == "number":
                end = self._word(kind, position, end)
            elif kind == "punctuation":
                self._add(text[position], position, end)
            elif kind == "string" or kind == "extension":
                self._add(kind, position, end)
            elif kind == "bad_number":
                end = self._bad_number(position, end)
            elif kind == "loose_string":
                self._bad_escapes(position, end)
            elif kind == "open_string":
                end = self._open_string(position, end)
            elif kind == "line_comment":
                self._report("slash-comment", position, end, "identifier", "//")
            elif kind == "block_comment":
                end = self._block_comment(position, end)
            elif kind == "conflict":
                self._report("unexpected", position, end, "identifier", text[position : position + 7])
            position = end

    # --- bookkeeping -----------------------------------------------------------------------------------------------

    def _add(self, kind: str, start: int, end: int) -> None:
        self.tokens.append(Token(kind, start, end, self._line, start - self._line_start, self._first))
        self._first = False

    def _report(self, kind: str, start: int, end: int, expected: str = "", found: str = "", at: int = -1) -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append((self._line, SyntaxProblem(kind, start, end, expected, found, at)))

    def _count_lines(self, start: int, end: int) -> None:
        breaks = self.text.count("\n", start, end)
        if breaks:
            self._line += breaks
            self._line_start = self.text.rindex("\n", start, end) + 1
            self._first = True

    def _in_value(self) -> bool:
        """Whether the next token stands where a value should."""
        before = [token.kind for token in self.tokens[-2:]]
        if before and before[-1] == "-":
            before.pop()
        return bool(before) and before[-1] in (":", "=", "[", ",")

    def _open_in_line(self) -> int:
        """How many brackets that were opened in this line are open still."""
        depth = 0
        for token in reversed(self.tokens):
            if token.line != self._line:
                break
            depth += (token.kind in OPENERS) - (token.kind in CLOSERS)
        return max(depth, 0)

    # --- tokens that need a closer look; each method returns where to go on ------------------------------------------

    def _word(self, kind: str, start: int, end: int) -> int:
        """A name or a number; where a value should be, what is stuck to it belongs to it: `data/mean.binaryproto`."""
        if self._in_value():
            stop = self._run_end(start)
            if stop > end:
                return self._bad_word(start, stop)
        self._add(kind, start, end)
        return end

    def _run_end(self, start: int) -> int:
        """Where the run of characters that could be meant as one value ends."""
        match = _expressions().bad_word.match(self.text, start)
        return match.end() if match else start + 1

    def _bad_word(self, start: int, end: int) -> int:
        word = self.text[start:end]
        if word[-1] in "'\"" and word.count(word[-1]) == 1:  # `conv1"`: the quote before it is missing
            self._report("unterminated-string", start, end, word[-1], word, start)
        elif word.lstrip("+-.")[:1].isdecimal():
            self._report("bad-number", start, end, "number", word)
        else:
            self._report("unexpected", start, end, "value", word)
        self._add("bad", start, end)
        return end

    def _bad_number(self, start: int, end: int) -> int:
        """`100test_interval:` is two tokens with a space missing; anything else is one bad number."""
        found = _expressions()
        head = found.number_head.match(self.text, start)
        if head and head.end() < end and found.glued_key.match(self.text, head.end()):
            middle = head.end()
            self._add("number", start, middle)
            self._report("glued", middle, end, "white space", self.text[middle:end], middle)
            self._add("name", middle, end)
            return end
        return self._bad_word(start, max(end, self._run_end(start) if self._in_value() else end))

    def _bad_escapes(self, start: int, end: int) -> None:
        text, is_string = self.text, _expressions().string.fullmatch
        at = text.find("\\", start, end)
        while at >= 0:
            if not any(is_string(f'"{text[at : at + size]}"') for size in (2, 3, 6, 10)):
                self._report("bad-escape", at, at + 2, "escape sequence", text[at : at + 2])
            at = text.find("\\", at + 2, end)
        self._add("bad", start, end)

    def _open_string(self, start: int, end: int) -> int:
        """To the end of the line, less the closing brackets there that the line needs: `layer { name: "x }`.

        Unless a string before it in the line has swallowed fields: then that one lacks its quote.
        """
        index = self._swallower()
        if index >= 0:
            return self._end_after_word(index)
        written = self.text[start:end].rstrip(" \t\r")
        for _ in range(self._open_in_line()):
            if len(written) > 1 and written[-1] in CLOSERS:
                written = written[:-1].rstrip(" \t")
        end = start + len(written)
        broken = _expressions().broken_string.match(self.text, start)
        if broken:  # its other quote is in the next line
            self._report("unterminated-string", start, end, self.text[start], self.text[start:end], end)
            self._add("bad", start, broken.end())
            self._count_lines(start, broken.end())
            self._first = False
            return broken.end()
        last = self.text[end - 1]
        if end - start > 1 and LOOKALIKES.get(last) in ("'", '"'):
            self._report("bad-char", end - 1, end, LOOKALIKES[last], last)
        else:
            self._report("unterminated-string", start, end, self.text[start], self.text[start:end], end)
        self._add("bad", start, end)
        return end

    def _swallower(self) -> int:
        """The first string of the line that has fields in it, as in `name: "x type: "ReLU"`; -1 when there is none."""
        found = -1
        for index in range(len(self.tokens) - 1, -1, -1):
            token = self.tokens[index]
            if token.line != self._line or self._reopened == self._line:
                break
            if token.kind == "string" and _expressions().swallowing.match(self.text, token.start, token.end):
                found = index
        return found

    def _end_after_word(self, index: int) -> int:
        """Take the string `tokens[index]` to end behind its first word; all behind that is read again."""
        token = self.tokens[index]
        match = _expressions().swallowing.match(self.text, token.start, token.end)
        end = match.end(1) if match else token.end
        self._reopened = self._line
        del self.tokens[index:]
        self.problems = [(line, problem) for line, problem in self.problems if problem.start < token.start]
        self._report("unterminated-string", token.start, end, self.text[token.start], self.text[token.start : end], end)
        self._first = token.first
        self._add("bad", token.start, end)
        return end

    def _block_comment(self, start: int, end: int) -> int:
        """`end` is the end of the line of the `/*`."""
        stop = -1 if self.opens_comment else self.text.find("*/", start + 2)
        if stop < 0:
            self.opens_comment = True
            self._report("slash-comment", start, end, "identifier", "/*")
            return end
        self._report("slash-comment", start, stop + 2, "identifier", "/*")
        self._count_lines(start, stop)
        self._first = False
        return stop + 2

    def _odd(self, position: int) -> int:
        """A character that begins no token of the grammar."""
        text, char = self.text, self.text[position]
        if char in LOOKALIKES:
            return self._lookalike(position, char, LOOKALIKES[char])
        if char == "\0":
            self._report("nul", position, position + 1, "identifier", "NUL")
            return position + 1
        if text.startswith("*/", position):
            self.ends_comment = True
            self._report("slash-comment", position, position + 2, "identifier", "*/")
            return position + 2
        if char == "=" or (char == "-" and self._in_value()):
            self._add(char, position, position + 1)
            return position + 1
        if self._in_value():
            return self._bad_word(position, max(position + 1, self._run_end(position)))
        match = _expressions().odd.match(text, position)
        end = position + 1
        if match:
            for end in range(position + 1, match.end() + 1):
                if end == match.end() or text[end] in LOOKALIKES or text.startswith("*/", end):
                    break
        self._report("unexpected", position, end, "identifier", text[position:end])
        return end

    def _lookalike(self, position: int, char: str, meant: str) -> int:
        text, end = self.text, position + 1
        if char == "\ufeff" and position == 0:
            self._report("bom", 0, 1, "identifier", "byte-order mark")
            return 1
        if meant in "'\"":
            match = _expressions().quoted[meant].match(text, position)
            if match:
                end = match.end()
                for place in (position, end - 1):
                    if text[place] != meant:
                        self._report("bad-char", place, place + 1, meant, text[place])
                self._add("bad", position, end)
                return end
        if meant.isalnum() and self._in_value():
            end = max(end, self._run_end(position))
            self._add("bad", position, end)
        elif meant in _PUNCTUATION or meant == "=" or (meant == "-" and self._in_value()):
            self._add(meant, position, end)
        elif meant == "#":
            self._report("bad-char", position, end, meant, char)
            stop = text.find("\n", position)
            return len(text) if stop < 0 else stop
        for place in range(position, end):
            if text[place] in LOOKALIKES:
                self._report("bad-char", place, place + 1, LOOKALIKES[text[place]], text[place])
        return end


#: Lookalikes of these end a run that could be meant as one value.
_STOPS = frozenset("{}<>[]:,; ")


@dataclass(slots=True, frozen=True)
class _Expressions:
    token: re.Pattern[str]
    string: re.Pattern[str]
    number_head: re.Pattern[str]
    glued_key: re.Pattern[str]
    bad_word: re.Pattern[str]
    broken_string: re.Pattern[str]
    swallowing: re.Pattern[str]
    odd: re.Pattern[str]
    quoted: dict[str, re.Pattern[str]]


@cache
def _expressions() -> _Expressions:
    good, bad = terminals(), terminals("tolerant.lark")
    name, space = good["NAME"], good["WS"]
    extension = rf"\[{space}?+{name}{space}?+(?:[./]{space}?+{name}{space}?+)*+\](?={space}?+[:{{<])"
    kinds = {
        "space": space,
        "comment": good["COMMENT"],
        "conflict": bad["CONFLICT"],
        "extension": extension,
        "name": name,
        "number": good["NUMBER"],
        "string": good["STRING"],
        "punctuation": r"[{}<>\[\]:,;]",
        "loose_string": bad["LOOSE_STRING"],
        "open_string": bad["OPEN_STRING"],
        "line_comment": bad["LINE_COMMENT"],
        "block_comment": r"/\*[^\n]*+",
        "bad_number": bad["BAD_NUMBER"],
    }
    part = bad["BAD_WORD_PART"]
    stops = re.escape("".join(char for char, meant in LOOKALIKES.items() if meant in _STOPS))
    quotes = {meant: "".join(c for c, looks in LOOKALIKES.items() if looks == meant) + meant for meant in "'\""}
    return _Expressions(
        token=re.compile("|".join(f"(?P<{kind}>{expression})" for kind, expression in kinds.items()), re.MULTILINE),
        string=re.compile(good["STRING"]),
        number_head=re.compile(bad["NUMBER_HEAD"]),
        glued_key=re.compile(rf"{name}[ \t]*+[:{{<]"),
        bad_word=re.compile(rf"{part}(?:(?!//|/\*|[{stops}]){part})*+"),
        broken_string=re.compile(bad["BROKEN_STRING"]),
        swallowing=re.compile(rf"([\"'][\w./-]*+)[ \t]++{name}[ \t]*+[:{{<]"),
        odd=re.compile(r"[^\sA-Za-z0-9_{}<>\[\]:,;#\"'=\0]++"),
        quoted={meant: re.compile(f"[{same}][^\n{same}]*+[{same}]") for meant, same in quotes.items()},
    )
