"""SYN012: a solver where a net is expected, or the reverse."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath
from typing import TYPE_CHECKING

from prototxt_net.finding import Finding
from prototxt_server.rules.base import Example, Rule, rule
from prototxt_server.rules.example_nets import IMAGE

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis

_SOLVER = 'net: "train_val.prototxt"\nbase_lr: 0.01\nlr_policy: "fixed"\nmax_iter: 100\n'


@rule
class WrongFileKind(Rule):
    """The name says net, the fields say solver, or the reverse.

    ## What it does
    Reports a file named like a net (train_val, deploy, train, test) whose fields are a solver's, and a file named like
    a solver whose fields are a net's. The fields decide how the file is checked.

    ## Why is this bad?
    A program that opens the file by its name reads it as the wrong message and Caffe refuses its first field.

    ## Fix safety
    There is no automatic fix: rename the file, or correct the reference to it.
    """

    code = "SYN012"
    name = "wrong-file-kind"
    severity = "warning"
    GOOD = (Example(IMAGE, filename="deploy.prototxt"), Example(_SOLVER, filename="solver.prototxt"))
    BAD = (Example(_SOLVER, filename="train_val.prototxt"), Example(IMAGE, filename="solver.prototxt"))

    def check_file(self, analysis: Analysis) -> Iterable[Finding]:
        """At most one finding, at the first field."""
        name = PurePath(analysis.source.path).stem.lower().replace("-", "_")
        parts = set(name.split("_"))
        kind = analysis.file.kind
        if kind == "solver" and "solver" not in name and parts & {"deploy", "trainval", "train", "test", "net"}:
            found, expected = "solver", "net"
        elif kind == "net" and parts == {"solver"} and analysis.file.layers:
            found, expected = "net", "solver"
        else:
            return
        for base, field in analysis.tree.fields():
            message = (
                f"this looks like a {found} file but is named like a {expected}: read as a {expected}, Caffe stops at "
                f"`{field.name}`. Rename it, or correct what refers to it."
            )
            yield self.in_file(analysis.file, message, base + field.start, base + field.name_end)
            return
