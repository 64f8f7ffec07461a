"""SYN012: a solver where a net is expected, or the reverse; a text that is neither."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from prototxt_net.finding import Finding
from prototxt_server.rules.base import Example, Rule, rule
from prototxt_server.rules.example_nets import IMAGE

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis

_MANY = 20
"""Fewer errors than these are told one by one."""
_SOLVER = 'net: "train_val.prototxt"\nbase_lr: 0.01\nlr_policy: "fixed"\nmax_iter: 100\n'


@rule
class WrongFileKind(Rule):
    """The name says net, the fields say solver, or the reverse.

    ## What it does
    Reports a file named like a net (train_val, deploy, train, test) whose fields are a solver's, and a file named like
    a solver whose fields are a net's. The fields decide how the file is checked. A text in which hardly anything is a
    field of either (a README, a program, another format) is an error, and nothing else is said about it.

    ## Why is this bad?
    A program that opens the file by its name reads it as the wrong message and Caffe refuses its first field. What is
    no net at all it refuses in the first line.

    ## Fix safety
    There is no automatic fix: rename the file, or correct the reference to it.
    """

    code = "SYN012"
    name = "wrong-file-kind"
    severity = "warning"
    GOOD = (Example(IMAGE, filename="deploy.prototxt"), Example(_SOLVER, filename="solver.prototxt"))
    BAD = (
        Example(_SOLVER, filename="train_val.prototxt"),
        Example(IMAGE, filename="solver.prototxt"),
        Example("# A model\n\n" + "Train it, test it; then deploy it.\n" * 10, filename="README.prototxt"),
    )

    def check_file(self, analysis: Analysis) -> Iterable[Finding]:
        """At most one finding, at the first field."""
        foreign = _refused(analysis)
        if foreign is not None:
            start, end, number = foreign
            message = (
                f"this is no text of Caffe's: {number} errors, and hardly a field of a net or a solver. Caffe refuses "
                "the file here. Choose another file, or begin a net with `layer {`."
            )
            yield self.in_file(analysis.file, message, start, end, severity="error", aborts=True)
            return
        name = os.path.splitext(os.path.basename(analysis.source.path))[0].lower().replace("-", "_")
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


def _refused(analysis: Analysis) -> tuple[int, int, int] | None:
    """Of a text that is hardly Caffe's: where the first of its errors stands, and how many there are. Else None.

    A net whose author has just begun has few errors; one that lost a bracket, or that a fork reads with many fields of
    its own, has many known fields beside them.
    """
    if analysis.file.kind == "other":
        return None
    places = [
        (base + problem.start, base + problem.end)
        for base, problem in analysis.tree.problems()
        if problem.kind != "unclosed"  # brackets that are left open are told of as such
    ]
    places += [
        (problem.start, problem.end)
        for problem in analysis.file.problems
        if problem.code == "SCH001" and not problem.data["owners"] and not problem.data["dialects"]
    ]  # no field of any message of any Caffe
    if len(places) < _MANY:
        return None
    known = sum(map(len, analysis.file.root.entries.values()))
    known += sum(len(found) for layer in analysis.file.layers for found in layer.bound.entries.values())
    return None if 2 * known > len(places) else (*min(places), len(places))
