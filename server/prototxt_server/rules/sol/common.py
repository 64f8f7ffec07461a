"""What solver rules share: the file's root message, edits of its fields, and a solver that is in order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from prototxt_grammar.edits import Edit
from prototxt_net.finding import Applicability, Finding, Fix, Related, Severity
from prototxt_net.message import Bound
from prototxt_net.net import Node
from prototxt_server.rules.base import Rule
from prototxt_server.rules.editing import delete_entry, insert_after

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis
    from prototxt_server.linked.model import NetLink

TYPES = ("SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam")
OLD_TYPES = dict(zip(("SGD", "NESTEROV", "ADAGRAD", "RMSPROP", "ADADELTA", "ADAM"), TYPES, strict=True))

_FIELDS = {
    "net": '"train_val.prototxt"',
    "test_iter": "100",
    "test_interval": "500",
    "base_lr": "0.01",
    "lr_policy": '"fixed"',
    "momentum": "0.9",
    "weight_decay": "0.0005",
    "display": "20",
    "max_iter": "10000",
    "snapshot": "5000",
    "snapshot_prefix": '"net"',
}


def solver(**changes: str | None) -> str:
    """A solver's text; fields given as None are left out, new ones come last."""
    fields: dict[str, str | None] = {**_FIELDS, **changes}
    return "".join(f"{name}: {value}\n" for name, value in fields.items() if value is not None)


class SolverRule(Rule):
    """A rule about solver files: override `check_solver`. whole: it asks for fields, which may still be typed."""

    whole: ClassVar[bool] = False

    def check_solver(self, analysis: Analysis, root: Bound) -> Iterable[Finding]:
        """Findings about the solver whose fields are `root`."""
        return ()

    def check_file(self, analysis: Analysis) -> Iterable[Finding]:
        """Solver files only; what a file lacks is not asked while it has syntax errors."""
        if self.whole and next(iter(analysis.tree.problems()), None) is not None:
            return
        if analysis.file.kind == "solver" and analysis.file.root.entries:
            yield from self.check_solver(analysis, analysis.file.root)

    def on(
        self,
        analysis: Analysis,
        field: str,
        message: str,
        *,
        index: int = 0,
        severity: Severity | None = None,
        aborts: bool = False,
        fix: Fix | None = None,
        related: tuple[Related, ...] = (),
    ) -> Finding:
        """A finding at a field of the solver, or at the file's first field when it is not written."""
        file = analysis.file
        if file.root.entry(field, index) is not None:
            start, end = file.at_root(field, index)
        else:
            start, end = min(file.at_root(name) for name in file.root.entries)
        return self.in_file(
            file, message, start, end, severity=severity, aborts=aborts, fix=fix, related=related
        )  # fmt: skip


def related_in(link: NetLink, node: Node, message: str, path: str = "") -> Related:
    """A pointer to a layer of a net that the solver names."""
    start, end = node.layer.at(path)
    return Related(message, start, end, link.path)


def number(root: Bound, field: str) -> float:
    """A numeric field's value in force; 0 where the dialect does not have it."""
    value: Any = root.get(field)
    return float(value) if isinstance(value, int | float) else 0.0


def kind_of(root: Bound) -> str:
    """The solver's type as a name; "" when it cannot be read."""
    if root.has("type"):
        return str(root.get("type"))
    return OLD_TYPES.get(str(root.get("solver_type")), "SGD") if root.has("solver_type") else "SGD"


def write(analysis: Analysis, applicability: Applicability, field: str, value: str, after: str = "") -> Fix | None:
    """Write a field of the solver: replace its value, or insert it behind `after` or as the last field."""
    file = analysis.file
    entry = file.root.entry(field)
    if entry is not None:
        base = file.base_of(entry)
        edit = Edit(base + entry.start, base + entry.end, value)
    else:
        anchor = file.root.entry(after) if after else None
        if anchor is None:
            written = [e for entries in file.root.entries.values() for e in entries]
            anchor = max(written, key=lambda e: file.base_of(e) + e.node.end)
        edit = insert_after(analysis.source.text, file.base_of(anchor), anchor, f"{field}: {value}")
    return Fix(applicability, f"Set {field}: {value}", (edit,))


def erase(analysis: Analysis, applicability: Applicability, field: str) -> Fix | None:
    """Delete a field of the solver."""
    file = analysis.file
    entries = file.root.entries.get(field, [])
    edits = tuple(delete_entry(analysis.source.text, file.base_of(entry), entry) for entry in entries)
    return Fix(applicability, f"Delete {field}", edits) if edits else None
