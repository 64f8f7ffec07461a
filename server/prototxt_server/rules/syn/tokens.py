"""SYN001, SYN004 to SYN007, SYN009: tokens that the text format does not have, or not there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from prototxt_grammar.characters import INVISIBLE, LOOKALIKES
from prototxt_grammar.edits import Edit
from prototxt_grammar.tree import SyntaxProblem
from prototxt_net.finding import Fix
from prototxt_server.rules.base import Example, rule
from prototxt_server.rules.example_nets import CONV, IMAGE
from prototxt_server.rules.syn.base import SyntaxRule

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis

_PLUS = re.compile(r"\+[0-9.]")
_RELU = 'layer { name: "relu" type: "ReLU" bottom: "data" top: "relu" }\n'


@rule
class ParseError(SyntaxRule):
    """A token that the text format does not allow here.

    ## What it does
    Reports what no other syntax rule explains: a missing value, a name where a number must stand, an unknown escape in
    a string, a number that cannot be read.

    ## Why is this bad?
    Caffe stops at the first such token and refuses the file; what comes after it is not read at all.

    ## Fix safety
    Safe for a `+` before a number, which is deleted; there is no other automatic fix.
    """

    code = "SYN001"
    name = "parse-error"
    severity = "error"
    fix_safety = "safe"
    kinds = frozenset(
        {"unexpected", "missing-open", "missing-value", "lone-key", "bad-escape", "bad-number", "bad-char"}
    )
    GOOD = (Example(IMAGE + _RELU),)
    BAD = (
        Example(IMAGE + _RELU.replace('top: "relu"', 'top: "relu";;')),
        Example(IMAGE + _RELU.replace('top: "relu"', "top:")),
        Example(
            IMAGE + _RELU.replace(" }", " relu_param { negative_slope: +0.1 } }"),
            fixed=IMAGE + _RELU.replace(" }", " relu_param { negative_slope: 0.1 } }"),
        ),
    )

    def takes(self, problem: SyntaxProblem, text: str) -> bool:
        """Not the characters that only look wrong (SYN007)."""
        return problem.kind != "bad-char" or not is_lookalike(text)

    def words(self, analysis: Analysis, problem: SyntaxProblem, base: int, text: str) -> str:
        """The message."""
        if problem.kind == "bad-escape":
            return f"`{text}` is no escape of the text format, so Caffe refuses the file. Write `\\\\` for a backslash."
        if problem.kind == "missing-open":
            return f"`{problem.expected}` is missing after `{text.strip()}`, so Caffe stops reading here. Insert it."
        if problem.kind in ("missing-value", "lone-key"):
            return f"`{text.strip()}` has no value, so Caffe stops reading the file here. Give it one, or delete it."
        wanted = f"expected {problem.expected}, " if problem.expected else ""
        found = f"found `{problem.found or text}`" if (problem.found or text).strip() else "the text ends"
        return f"{wanted}{found}: Caffe stops reading the file here and reports only this first error. Correct it."

    def cure(self, analysis: Analysis, problem: SyntaxProblem, base: int) -> Fix | None:
        """A number takes no plus."""
        start = base + problem.start
        if problem.kind != "bad-number" or not _PLUS.match(analysis.tree.text, start, base + problem.end):
            return None
        return Fix("safe", "Delete the plus", (Edit(start, start + 1, ""),))


@rule
class SlashComment(SyntaxRule):
    """A comment in the style of another language.

    ## What it does
    Reports `//` and `/*` outside of strings.

    ## Why is this bad?
    Protobuf's text format knows `#` comments only. Caffe stops reading the file at the slash.

    ## Fix safety
    Safe: the text stays, behind a `#` on every line.
    """

    code = "SYN004"
    name = "slash-comment"
    severity = "error"
    fix_safety = "safe"
    kinds = frozenset({"slash-comment"})
    GOOD = (
        Example("# the input\n" + IMAGE),
        Example(IMAGE.replace('name: "data"', 'name: "http://data"')),
    )
    BAD = (
        Example("// the input\n" + IMAGE, fixed="# the input\n" + IMAGE),
        Example("/* the\n   input */\n" + IMAGE),
    )

    def words(self, analysis: Analysis, problem: SyntaxProblem, base: int, text: str) -> str:
        """The message."""
        return f"`{text[:2]}` does not start a comment in protobuf text, so Caffe stops reading here. Write `#`."

    def cure(self, analysis: Analysis, problem: SyntaxProblem, base: int) -> Fix | None:
        """Replace `//`, or comment out every line of a block."""
        text = analysis.tree.text
        start = base + problem.start
        if text.startswith("//", start):
            return Fix("safe", "Write `#`", (Edit(start, start + 2, "#"),))
        end = text.find("*/", start + 2)
        if not text.startswith("/*", start) or end < 0 or text[end + 2 :].split("\n", 1)[0].strip():
            return None  # something follows the comment on its last line
        body = text[start + 2 : end].rstrip(" \t")
        return Fix("safe", "Comment with `#`", (Edit(start, end + 2, "#" + body.replace("\n", "\n#")),))


@rule
class GluedToken(SyntaxRule):
    """A number and a name with nothing between them.

    ## What it does
    Reports a number directly followed by a name, as in `max_iter: 100test_interval: 10`.

    ## Why is this bad?
    Caffe refuses the file: protobuf needs a space between a number and a name. (A string needs none, and the `f` of
    `0.1f` belongs to the number.)

    ## Fix safety
    Safe: one space is inserted.
    """

    code = "SYN005"
    name = "glued-token"
    severity = "error"
    fix_safety = "safe"
    kinds = frozenset({"glued"})
    GOOD = (Example(IMAGE + _RELU.replace("}", "relu_param { negative_slope: 0.1f } }")),)
    BAD = (
        Example(
            IMAGE + _RELU.replace('top: "relu" ', 'loss_weight: 0top: "relu" '),
            fixed=IMAGE + _RELU.replace('top: "relu" ', 'loss_weight: 0 top: "relu" '),
        ),
        Example(IMAGE + CONV.replace("num_output: 4 ", "num_output: 4"), fixed=IMAGE + CONV),
    )

    def words(self, analysis: Analysis, problem: SyntaxProblem, base: int, text: str) -> str:
        """The message."""
        return "a space is missing between a number and the name behind it, so Caffe refuses the file. Insert it."

    def cure(self, analysis: Analysis, problem: SyntaxProblem, base: int) -> Fix | None:
        """Insert a space before the name."""
        at = base + problem.at
        return Fix("safe", "Insert a space", (Edit(at, at, " "),))


@rule
class UnterminatedString(SyntaxRule):
    """A string that does not end on its line.

    ## What it does
    Reports a quoted string that the line ends before its closing quote.

    ## Why is this bad?
    Strings cannot span lines: Caffe refuses the file. (Two strings on two lines are allowed; they are joined.)

    ## Fix safety
    Unsafe: the quote is put at the end of the line, which may not be where the string was meant to end.
    """

    code = "SYN006"
    name = "unterminated-string"
    severity = "error"
    fix_safety = "unsafe"
    kinds = frozenset({"unterminated-string"})
    GOOD = (Example(IMAGE),)
    BAD = (
        Example(IMAGE.replace('top: "data"', 'top: "data'), fixed=IMAGE),
        Example(IMAGE.replace('name: "data"', "name: 'data")),
    )

    def words(self, analysis: Analysis, problem: SyntaxProblem, base: int, text: str) -> str:
        """The message."""
        return "the string opened here does not end on this line, so Caffe refuses the file. Close the quote."

    def cure(self, analysis: Analysis, problem: SyntaxProblem, base: int) -> Fix | None:
        """Insert the quote where the string must have ended."""
        quote = analysis.tree.text[base + problem.start]
        if quote not in ('"', "'"):
            return None
        at = base + problem.at
        return Fix("unsafe", f"Insert `{quote}`", (Edit(at, at, quote),))


def is_lookalike(text: str) -> bool:
    """Whether all of it are characters that look like ASCII, or like nothing."""
    return bool(text) and all(c in LOOKALIKES for c in text)


@rule
class FullwidthChar(SyntaxRule):
    """A character that looks like another one.

    ## What it does
    Reports full-width punctuation, typographic quotes, no-break spaces and zero-width characters outside of strings and
    comments.

    ## Why is this bad?
    They come with text copied from web pages and input methods and look right, but Caffe's parser refuses the file.

    ## Fix safety
    Safe: the character is replaced by the ASCII one that it looks like.
    """

    code = "SYN007"
    name = "fullwidth-char"
    severity = "error"
    fix_safety = "safe"
    kinds = frozenset({"bad-char"})
    GOOD = (Example("# ：\n" + IMAGE),)
    BAD = (
        Example(IMAGE.replace('top: "data"', 'top： "data"'), fixed=IMAGE),
        Example(IMAGE.replace('top: "data"', 'top:\u00a0"data"'), fixed=IMAGE),
    )

    def takes(self, problem: SyntaxProblem, text: str) -> bool:
        """Only what has an ASCII twin."""
        return is_lookalike(text)

    def words(self, analysis: Analysis, problem: SyntaxProblem, base: int, text: str) -> str:
        """The message."""
        twin = LOOKALIKES[text[0]]
        shown = (
            f"`{text[0]}` (U+{ord(text[0]):04X})"
            if text[0].isprintable() and text[0].strip()
            else f"U+{ord(text[0]):04X}"
        )
        looks = "a space" if twin == " " else f"`{twin}`"
        return f"{shown} looks like {looks} but is another character, and Caffe refuses the file. Replace it."

    def cure(self, analysis: Analysis, problem: SyntaxProblem, base: int) -> Fix | None:
        """Replace each character; those without width are deleted."""
        start, end = base + problem.start, base + problem.end
        text = analysis.tree.text[start:end]
        new = "".join("" if c in INVISIBLE else LOOKALIKES[c] for c in text)
        return Fix("safe", "Replace it by the ASCII character", (Edit(start, end, new),))


@rule
class MissingColon(SyntaxRule):
    """A plain value without the colon before it.

    ## What it does
    Reports a field with a plain value and no colon, as in `name "conv1"`. Messages need none: `layer {` and `layer: {`
    are both legal.

    ## Why is this bad?
    Caffe refuses the file.

    ## Fix safety
    Safe: the colon is inserted.
    """

    code = "SYN009"
    name = "missing-colon"
    severity = "error"
    fix_safety = "safe"
    kinds = frozenset({"missing-colon"})
    GOOD = (Example(IMAGE),)
    BAD = (
        Example(IMAGE.replace('top: "data"', 'top "data"'), fixed=IMAGE),
        Example(IMAGE.replace("dim: 2", "dim 2"), fixed=IMAGE),
    )

    def words(self, analysis: Analysis, problem: SyntaxProblem, base: int, text: str) -> str:
        """The message."""
        return "a plain value needs a colon before it, so Caffe refuses the file here. Write `name: value`."

    def cure(self, analysis: Analysis, problem: SyntaxProblem, base: int) -> Fix | None:
        """Insert the colon behind the name."""
        at = base + problem.at
        return Fix("safe", "Insert a colon", (Edit(at, at, ":"),))
