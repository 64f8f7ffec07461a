"""SYN002 and SYN003: brackets that are not in pairs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from prototxt_grammar.edits import Edit, field_removal, indent_of, line_start, newline_of
from prototxt_grammar.tree import SyntaxProblem
from prototxt_net.finding import Finding, Fix
from prototxt_server.rules.base import Example, rule
from prototxt_server.rules.example_nets import CONV, IMAGE
from prototxt_server.rules.syn.base import SyntaxRule, problems_of

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis

_OPEN_CONV = CONV.removesuffix("}\n")


@rule
class UnclosedMessage(SyntaxRule):
    """A bracket that is opened and never closed, or closed by the wrong kind.

    ## What it does
    Reports a `{` or `<` without its closing bracket. Indentation decides which of several open brackets is the one at
    fault.

    ## Why is this bad?
    Everything up to the end of the file is read as part of the open message, so Caffe refuses the file, usually with a
    complaint about a line far below.

    ## Fix safety
    Unsafe: the bracket is inserted where the indentation says that the message ends.
    """

    code = "SYN002"
    name = "unclosed-message"
    severity = "error"
    fix_safety = "unsafe"
    kinds = frozenset({"unclosed", "mismatched-close"})
    GOOD = (Example(IMAGE + CONV),)
    BAD = (
        Example(IMAGE + _OPEN_CONV, fixed=IMAGE + CONV),
        Example('layer < name: "x" type: "Input" top: "x" }\n'),
    )

    def check_file(self, analysis: Analysis) -> Iterable[Finding]:
        """One finding for the messages that are open at the same place: at the innermost, whose name comes first."""
        groups: dict[int, list[tuple[int, SyntaxProblem]]] = {}
        for base, problem in problems_of(analysis):
            if problem.kind == "unclosed":
                groups.setdefault(base + problem.at, []).append((base, problem))
            elif problem.kind in self.kinds:
                yield self._one(analysis, problem, base, ())
        for group in groups.values():
            base, innermost = group.pop()
            yield self._one(analysis, innermost, base, tuple(reversed(group)))

    def _one(
        self, analysis: Analysis, problem: SyntaxProblem, base: int, around: tuple[tuple[int, SyntaxProblem], ...]
    ) -> Finding:
        text = analysis.tree.text
        start, end = base + problem.start, base + problem.end
        message = self.words(analysis, problem, base, text[start:end])
        fix = self.cure(analysis, problem, base)
        for outer_base, outer in around:
            more = self.cure(analysis, outer, outer_base)
            if fix is not None and more is not None:
                closers = fix.edits[0].content + more.edits[0].content
                edit = Edit(base + problem.at, base + problem.at, closers)
                fix = Fix("unsafe", f"Close all {len(around) + 1}", (edit,))
        if around:
            names = " and ".join(self._name(text, outer_base + outer.start) for outer_base, outer in around)
            message = message.replace(" is never closed,", f" is never closed, nor {names} around it,", 1)
        return self.in_file(analysis.file, message, start, end, aborts=True, fix=fix)

    @staticmethod
    def _name(text: str, here: int) -> str:
        """The field before a bracket, or what to call it. Only a little is looked at: this runs at every keystroke."""
        name = re.search(r"(\w+)\s*:?\s*\Z", text[max(0, here - 200) : here])
        return f"`{name.group(1)}`" if name else "this message"

    def words(self, analysis: Analysis, problem: SyntaxProblem, base: int, text: str) -> str:
        """The message."""
        if problem.kind == "mismatched-close":
            return (
                f"`{text}` closes a message that another kind of bracket opened: expected {problem.expected}, so Caffe "
                "refuses the file. Use the same pair."
            )
        what = self._name(analysis.tree.text, base + problem.start)
        close = problem.expected.strip('"') or "}"
        return (
            f"{what} opened here is never closed, so everything after it is read as part of it and Caffe refuses the "
            f"file. Add `{close}` where it ends."
        )

    def cure(self, analysis: Analysis, problem: SyntaxProblem, base: int) -> Fix | None:
        """Insert the bracket where the parser's own repair has put it."""
        text = analysis.tree.text
        if problem.kind == "mismatched-close":
            opener = text[base + problem.at : base + problem.at + 1]
            wanted = {"<": ">", "{": "}", "[": "]"}.get(opener, "}")
            edit = Edit(base + problem.start, base + problem.end, wanted)
            return Fix("unsafe", f"Write `{wanted}`", (edit,))
        close, at = problem.expected.strip('"') or "}", base + problem.at
        one_line = "\n" not in text[line_start(text, base + problem.start) : at].strip("\n")
        if one_line:
            return Fix("unsafe", f"Close it with `{close}`", (Edit(at, at, f" {close}"),))
        edit = Edit(at, at, newline_of(text) + indent_of(text, base + problem.start) + close)
        return Fix("unsafe", f"Close it with `{close}`", (edit,))


@rule
class StrayClose(SyntaxRule):
    """A closing bracket that closes nothing.

    ## What it does
    Reports a `}` or `>` where no message is open.

    ## Why is this bad?
    Caffe stops reading there and refuses the file. The surplus bracket may stand above: then an earlier message was
    closed too soon, and its last fields are read as fields of the file.

    ## Fix safety
    Unsafe: deleting this bracket is right only if it is the surplus one.
    """

    code = "SYN003"
    name = "stray-close"
    severity = "error"
    fix_safety = "unsafe"
    kinds = frozenset({"stray-close"})
    GOOD = (Example(IMAGE + CONV),)
    BAD = (
        Example(IMAGE + CONV + "}\n", fixed=IMAGE + CONV),
        Example(IMAGE.replace("8 } }", "8 } } }")),
    )

    def words(self, analysis: Analysis, problem: SyntaxProblem, base: int, text: str) -> str:
        """The message."""
        return (
            f"this `{text}` closes nothing, so Caffe stops reading here: an earlier message was closed one bracket too "
            "soon. Delete it, or the surplus one above."
        )

    def cure(self, analysis: Analysis, problem: SyntaxProblem, base: int) -> Fix | None:
        """Delete it, with its line when it stands alone."""
        text = analysis.tree.text
        start, end = base + problem.start, base + problem.end
        return Fix("unsafe", f"Delete the `{text[start:end]}`", (field_removal(text, start, end),))
