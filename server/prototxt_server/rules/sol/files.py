"""SOL017 and SOL020: the files that a solver names."""

from __future__ import annotations

from collections.abc import Iterable
from os.path import basename
from typing import TYPE_CHECKING

from prototxt_grammar.edits import Edit
from prototxt_net.finding import Finding, Fix
from prototxt_server.linked.model import NetLink
from prototxt_server.rules.base import Example, rule
from prototxt_server.rules.bn.nets import trained
from prototxt_server.rules.sol.common import SolverRule, solver

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis
    from prototxt_server.linked.model import Linked

_NET = {"train_val.prototxt": trained()}
_FILES = {**_NET, "models/a.caffemodel": "", "models/snapshots/readme": ""}


@rule
class NetMissing(SolverRule):
    """## What it does
    Says that a net which the solver names is not found: neither from the current folder, nor from the solver's folder
    or a folder above it.

    ## Why is this bad?
    Caffe opens the path from the folder that it is started in and aborts where there is no such file. A path that fits
    another machine, or a folder that was moved or renamed, is the usual reason.

    ## Fix safety
    Unsafe: offered where a file of that name lies next to the solver; whether it is the one that was meant, and where
    Caffe will be started, is a guess.
    """

    code = "SOL017"
    name = "net-missing"
    severity = "info"
    fix_safety = "unsafe"
    GOOD = (
        Example(solver(), files=_NET),
        Example(solver(net='"models/vgg/train_val.prototxt"'), files={"models/vgg/train_val.prototxt": trained()}),
        Example(solver(net='"@NET@.prototxt"'), files={"other.prototxt": ""}),
    )
    BAD = (
        Example(solver(net='"models/vgg/train_val.prototxt"'), files=_NET, fixed=solver()),
        Example(solver(), files={"train.prototxt": trained()}),
        Example(
            solver(net=None, train_net='"/home/jane/a.prototxt"', test_net='"/home/jane/b.prototxt"'),
            files=_NET,
            count=2,
        ),
    )

    def check_linked(self, analysis: Analysis, linked: Linked) -> Iterable[Finding]:
        """One finding a path."""
        for link in linked.nets:
            if link.path and not link.moved:
                continue
            beside = " A file of that name lies next to the solver." if link.moved else ""
            yield self.on(
                analysis,
                link.field,
                f"`{link.written}` is not found from this folder, the solver's or those above it; Caffe opens it from "
                f"the folder that it is started in, and aborts without it.{beside} Fix the path.",
                index=link.index,
                fix=self._fix(analysis, link) if link.moved else None,
            )

    @staticmethod
    def _fix(analysis: Analysis, link: NetLink) -> Fix | None:
        entry = analysis.file.root.entry(link.field, link.index)
        if entry is None:
            return None
        base = analysis.file.base_of(entry)
        near = basename(link.path)
        return Fix("unsafe", f'Write "{near}"', (Edit(base + entry.start, base + entry.end, f'"{near}"'),))


@rule
class ReferenceMissing(SolverRule):
    """## What it does
    Says that the folder of `snapshot_prefix`, or a file of `weights`, is not there, although the folder above it is: so
    it is not just a path of another machine.

    ## Why is this bad?
    Caffe writes snapshots with this prefix and makes no folders: it aborts, at the start or at the first snapshot.
    Without the weights it aborts at the start.

    ## Fix safety
    There is no automatic fix: make the folder, or correct the path.
    """

    code = "SOL020"
    name = "reference-missing"
    severity = "info"
    GOOD = (
        Example(solver(snapshot_prefix='"models/snapshots/net"', weights='"models/a.caffemodel"'), files=_FILES),
        Example(solver(snapshot_prefix='"/home/jane/snapshots/net"'), files=_FILES),
    )
    BAD = (
        Example(solver(snapshot_prefix='"models/snapshot/net"'), files=_FILES),
        Example(solver(weights='"models/a.caffemodel,models/b.caffemodel"'), files=_FILES),
    )

    def check_linked(self, analysis: Analysis, linked: Linked) -> Iterable[Finding]:
        """Each of them."""
        for missing in linked.missing:
            if missing.layer >= 0:
                continue
            if missing.field == "weights":
                message = f"the weights `{missing.written}` are not there; Caffe aborts without them. Fix the path."
            else:
                message = (
                    f"the folder `{missing.written}` does not exist; Caffe makes none and aborts when it writes a "
                    "snapshot. Make it."
                )
            yield self.on(analysis, missing.field, message, index=missing.index)
