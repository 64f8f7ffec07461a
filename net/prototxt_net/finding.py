"""What every check hands back: one class from the parser's problems to the numbers of a forward pass."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from prototxt_grammar.edits import Edit

Severity: TypeAlias = Literal["error", "warning", "info", "hint"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info", "hint")
Applicability: TypeAlias = Literal["safe", "unsafe"]


class Fix(NamedTuple):
    """An edit that removes a finding. Offsets are into the whole text.

    safe: the fixed file loads the same weights and computes what the original computes or evidently means.
    unsafe: behaviour, initial values or blob layout change; offered, never applied without being asked for.
    """

    applicability: Applicability
    message: str
    edits: tuple[Edit, ...]


class Related(NamedTuple):
    """Another place that explains a finding.

    filename: empty for the file of the finding itself, else a path that opens from the current folder. start, end:
    offsets into the text of that file.
    """

    message: str
    start: int
    end: int
    filename: str = ""


SIZES = frozenset({"differ", "sizes", "shrunk", "rank"})
"""Keys of `Problem.data` that name the sizes at fault, so that the layers which set them can be looked up.

differ: (bottom, bottom, axis that need not agree or None). sizes: (bottom, axis) pairs, axis None for all of them.
shrunk: the spatial axes of the first bottom that became too small. rank: the bottom that has another number of axes
than the layer takes.
"""


@dataclass(slots=True, frozen=True)
class Problem:
    """A contradiction found while reading the net (schema, graph, shapes), before a rule gives it words of its own.

    start, end: offsets relative to the layer's chunk when it comes from one layer, else into the whole text.
    aborts: Caffe of this dialect refuses the file or aborts because of it. data: facts for the rule's fix; `SIZES`;
    missing: fields that are not written, so that the problem only follows where one of them is misspelt.
    """

    code: str
    message: str
    start: int
    end: int
    aborts: bool = True
    severity: Severity = "error"
    related: tuple[Related, ...] = ()
    data: dict[str, object] = field(default_factory=dict, compare=False)

    def shifted(self, base: int) -> Problem:
        """The same problem with offsets into the whole text."""
        related = tuple([Related(r.message, r.start + base, r.end + base, r.filename) for r in self.related])
        start, end = self.start + base, self.end + base
        return Problem(self.code, self.message, start, end, self.aborts, self.severity, related, self.data)


class Finding(NamedTuple):
    """One diagnosis. start, end: offsets into the whole text (half open).

    Invariant 7: severity "error" means that Caffe refuses the file or aborts on it (`caffe_aborts`), or that the net
    provably computes nothing, whatever the data. phases: the phases in which it holds, empty for the file as such.
    """

    code: str
    name: str
    severity: Severity
    message: str
    start: int
    end: int
    layer: str | None = None
    phases: tuple[str, ...] = ()
    dialect: str = "bvlc"
    caffe_aborts: bool = False
    fix: Fix | None = None
    related: tuple[Related, ...] = ()
    url: str = ""
