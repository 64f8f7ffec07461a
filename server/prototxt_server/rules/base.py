"""What a rule is: a class whose attributes are its facts, whose docstring is its documentation, whose examples are
its tests.

A rule file holds a docstring with the headings *What it does / Why is this bad? / Example / Use instead / Fix safety*
on each class, `GOOD` and `BAD` nets, and one `check`. Tests and docs are made from the class (tests/server/test_rules,
`lsp rule`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, TypeVar

from prototxt_net.file import Layer, NetFile
from prototxt_net.finding import Finding, Fix, Problem, Related, Severity
from prototxt_net.net import Node, PhaseNet

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis
    from prototxt_server.linked.model import Linked
    from prototxt_server.linked.weights import StoredLayer


@dataclass(slots=True, eq=False)
class Example:
    """A net as documentation and as test. `text` may leave out what `wrap` supplies.

    dialect, phase: how it is read. fixed: for a BAD example, the text after applying the rule's fix ("" = not stated).
    count: how many findings of the rule it gives (BAD only). shapes: as given by `--shape`. files: the files beside it,
    by name. stored: what a weights file holds, by layer.
    """

    text: str
    dialect: str = "bvlc"
    phase: str = "auto"
    fixed: str = ""
    count: int = 1
    filename: str = "net.prototxt"
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    stored: dict[str, StoredLayer] | None = None


class Rule:
    """Base of all rules. Override one of the `check_*` methods (or none, for a rule fed by `problems`).

    code, name: as in the catalogue; the name reads as a sentence about the defect. severity: the default.
    dialects: those it speaks about, empty for all. default_on: False for rules that are off unless selected.
    fix_safety: "safe" | "unsafe" | "none", of the default fix.
    """

    code: ClassVar[str] = ""
    name: ClassVar[str] = ""
    severity: ClassVar[Severity] = "warning"
    dialects: ClassVar[frozenset[str]] = frozenset()
    default_on: ClassVar[bool] = True
    fix_safety: ClassVar[str] = "none"
    GOOD: ClassVar[tuple[Example, ...]] = ()
    BAD: ClassVar[tuple[Example, ...]] = ()

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """Findings in the net of one phase. Called once per active phase; equal findings are merged."""
        return ()

    def check_file(self, analysis: Analysis) -> Iterable[Finding]:
        """Findings about the file as such, or about several phases together."""
        return ()

    def check_linked(self, analysis: Analysis, linked: Linked) -> Iterable[Finding]:
        """Findings that need other files beside this one. Called only where these were looked for."""
        return ()

    def stands(self, finding: Finding, linked: Linked) -> bool:
        """Whether a finding about this file alone holds beside the other files too."""
        return True

    # -- making findings -------------------------------------------------------------------------------------------
    def at(
        self,
        layer: Layer | Node,
        message: str,
        path: str = "",
        *,
        index: int = 0,
        severity: Severity | None = None,
        aborts: bool = False,
        fix: Fix | None = None,
        related: tuple[Related, ...] = (),
        phases: tuple[str, ...] = (),
    ) -> Finding:
        """A finding at a field (dotted path) of a layer."""
        place = layer.layer if isinstance(layer, Node) else layer
        start, end = place.at(path, index)
        return Finding(
            self.code, self.name, severity or self.severity, message, start, end, place.name, phases,
            caffe_aborts=aborts, fix=fix, related=related,
        )  # fmt: skip

    def in_file(
        self,
        file: NetFile,
        message: str,
        start: int,
        end: int,
        *,
        severity: Severity | None = None,
        aborts: bool = False,
        fix: Fix | None = None,
        related: tuple[Related, ...] = (),
    ) -> Finding:
        """A finding at a place of the file that belongs to no layer."""
        return Finding(
            self.code, self.name, severity or self.severity, message, start, end, None, (),
            caffe_aborts=aborts, fix=fix, related=related,
        )  # fmt: skip


class ProblemRule(Rule):
    """A rule whose trigger lies where the net is read: it gives documentation, severity and fix to `Problem`s.

    The engine turns every problem with this code (see `takes`) into a finding. Override `fix`; override `takes` to
    claim only some of the problems of another code, given in `source_code`.
    """

    source_code: ClassVar[str] = ""

    def takes(self, analysis: Analysis, problem: Problem) -> bool:
        """Whether this rule speaks for the problem (its code is already `source_code or code`)."""
        return True

    def fix(self, analysis: Analysis, node: Node | None, problem: Problem) -> Fix | None:
        """The fix for a problem (its offsets are already those of the whole text). node: the layer it came from."""
        return None

    def severity_of(self, analysis: Analysis, problem: Problem) -> Severity:
        """The severity of one problem; the problem's own unless the rule knows better."""
        return problem.severity


R_ = TypeVar("R_", bound=type[Rule])
_RULES: dict[str, Rule] = {}


def rule(cls: R_) -> R_:
    """Register a rule."""
    _RULES[cls.code] = cls()
    return cls


def registered() -> Iterator[Rule]:
    """All rules that were imported, by code."""
    for code in sorted(_RULES):
        yield _RULES[code]


def find(code: str) -> Rule | None:
    """The rule of that code, or None."""
    return _RULES.get(code)


def related(node: Node | Layer, message: str, path: str = "", index: int = 0) -> Related:
    """A pointer to another layer that explains a finding."""
    place = node.layer if isinstance(node, Node) else node
    start, end = place.at(path, index)
    return Related(message, start, end)


Check = Callable[[PhaseNet], Iterable[Finding]]
