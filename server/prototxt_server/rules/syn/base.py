"""What the syntax rules share: they put the parser's problems into words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from prototxt_grammar.tree import SyntaxProblem
from prototxt_net.finding import Finding, Fix
from prototxt_server.rules.base import Rule

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis


class SyntaxRule(Rule):
    """Speaks for the syntax problems of some kinds. Override `words`, and `cure` where an edit is evident."""

    kinds: ClassVar[frozenset[str]] = frozenset()

    def words(self, analysis: Analysis, problem: SyntaxProblem, base: int, text: str) -> str:
        """The message. base: as for `cure`. text: what the problem's span covers."""
        raise NotImplementedError

    def cure(self, analysis: Analysis, problem: SyntaxProblem, base: int) -> Fix | None:
        """The fix; `base` turns the problem's offsets into offsets in the whole text."""
        return None

    def takes(self, problem: SyntaxProblem, text: str) -> bool:
        """Whether the rule speaks for this problem of one of its kinds."""
        return True

    def check_file(self, analysis: Analysis) -> Iterable[Finding]:
        """One finding a problem."""
        source = analysis.tree.text
        for base, problem in problems_of(analysis):
            if problem.kind in self.kinds:
                start, end = base + problem.start, base + problem.end
                if self.takes(problem, source[start:end]):
                    message = self.words(analysis, problem, base, source[start:end])
                    fix = self.cure(analysis, problem, base)
                    yield self.in_file(analysis.file, message, start, end, aborts=True, fix=fix)


def problems_of(analysis: Analysis) -> list[tuple[int, SyntaxProblem]]:
    """The parser's problems, each with the offset that its own count from."""
    found = analysis.cache.get("syntax problems")
    if not isinstance(found, list):
        found = analysis.cache["syntax problems"] = list(analysis.tree.problems())
    return found
