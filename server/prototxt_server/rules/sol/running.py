"""SOL008 to SOL013: solver types, display, snapshots."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from prototxt_net.batchnorm import mode, norms
from prototxt_net.finding import Finding
from prototxt_net.message import Bound
from prototxt_server.linked.states import instances
from prototxt_server.rules.base import Example, rule
from prototxt_server.rules.bn.nets import trained
from prototxt_server.rules.sol.common import SolverRule, erase, kind_of, number, related_in, solver, write

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis
    from prototxt_server.linked.model import Linked

GLOBAL = "batch_norm_param { use_global_stats: true }"


@rule
class MomentumConflict(SolverRule):
    """## What it does
    Reports `momentum` with the solver types AdaGrad and RMSProp, and an `rms_decay` outside of [0, 1).

    ## Why is this bad?
    These types use no momentum, and Caffe aborts when one is given; so it does for an impossible rms_decay.

    ## Fix safety
    Safe: the type never used it.
    """

    code = "SOL008"
    name = "momentum-conflict"
    severity = "error"
    fix_safety = "safe"
    GOOD = (Example(solver(momentum=None, type='"RMSProp"', rms_decay="0.98")), Example(solver(type='"Adam"')))
    BAD = (
        Example(solver(type='"AdaGrad"'), fixed=solver(momentum=None, type='"AdaGrad"')),
        Example(solver(solver_type="RMSPROP"), fixed=solver(momentum=None, solver_type="RMSPROP")),
        Example(solver(momentum=None, type='"RMSProp"', rms_decay="1")),
    )

    def check_solver(self, analysis: Analysis, root: Bound) -> Iterable[Finding]:
        """By type."""
        kind = kind_of(root)
        momentum = number(root, "momentum")
        if kind in ("AdaGrad", "RMSProp") and momentum != 0:
            yield self.on(
                analysis,
                "momentum",
                f"{kind} does not use momentum; with {momentum:g} Caffe aborts. Delete it.",
                aborts=True,
                fix=erase(analysis, "safe", "momentum"),
            )
        if kind == "RMSProp" and root.has("rms_decay") and not 0 <= number(root, "rms_decay") < 1:
            yield self.on(
                analysis,
                "rms_decay",
                f"rms_decay must be at least 0 and less than 1, not {number(root, 'rms_decay'):g}; Caffe aborts. Use "
                "0.99.",
                aborts=True,
            )


@rule
class DebugWithoutDisplay(SolverRule):
    """## What it does
    Reports `debug_info: true` without a `display`.

    ## Why is this bad?
    Caffe prints the train net's debug lines only on the iterations that it displays. Without display there are none, so
    the train net prints nothing (test nets still do).

    ## Fix safety
    Safe: only the log changes.
    """

    code = "SOL009"
    name = "debug-without-display"
    severity = "warning"
    fix_safety = "safe"
    GOOD = (Example(solver(debug_info="true")), Example(solver(display=None)))
    BAD = (
        Example(solver(display=None, debug_info="true"), fixed=solver(display=None, debug_info="true\ndisplay: 1")),
        Example(solver(display="0", debug_info="true"), fixed=solver(display="1", debug_info="true")),
    )

    def check_solver(self, analysis: Analysis, root: Bound) -> Iterable[Finding]:
        """Display 0 or absent."""
        if root.get("debug_info") and number(root, "display") <= 0:
            what = "0" if root.has("display") else "absent"
            yield self.on(
                analysis,
                "debug_info",
                f"debug_info prints only on displayed iterations and display is {what}: the train net prints "
                "nothing. Set display: 1.",
                fix=write(analysis, "safe", "display", "1", after="debug_info"),
            )


@rule
class SnapshotPrefix(SolverRule):
    """## What it does
    Reports `snapshot` without `snapshot_prefix`.

    ## Why is this bad?
    Caffes before 2017, and most forks, abort. Later ones write the files next to the solver, under its name.

    ## Fix safety
    Safe: it writes the value that later Caffes derive.
    """

    code = "SOL010"
    name = "snapshot-prefix"
    severity = "warning"
    fix_safety = "safe"
    GOOD = (Example(solver()), Example(solver(snapshot=None, snapshot_prefix=None)))
    BAD = (
        Example(solver(snapshot_prefix=None), filename="solver.prototxt", fixed=solver(snapshot_prefix='"solver"')),
        Example(solver(snapshot="100", snapshot_prefix=None), filename="solver.prototxt", dialect="ssd"),
    )

    def check_solver(self, analysis: Analysis, root: Bound) -> Iterable[Finding]:
        """A snapshot interval without a prefix."""
        if number(root, "snapshot") > 0 and not root.get("snapshot_prefix"):
            path = analysis.source.path
            stem = os.path.splitext(os.path.basename(path))[0] if path not in ("", "-") else ""
            yield self.on(
                analysis,
                "snapshot",
                "snapshot is on without snapshot_prefix: Caffes before 2017 abort, later ones write next to the solver "
                "file. Set it.",
                fix=write(analysis, "safe", "snapshot_prefix", f'"{stem}"', after="snapshot") if stem else None,
            )


@rule
class RegularizationType(SolverRule):
    """## What it does
    Reports a `regularization_type` other than L1 and L2.

    ## Why is this bad?
    Caffe aborts at the first update that applies weight decay: "Unknown regularization type".

    ## Fix safety
    Unsafe: L2, the default, is a guess.
    """

    code = "SOL011"
    name = "regularization-type"
    severity = "error"
    fix_safety = "unsafe"
    GOOD = (
        Example(solver(regularization_type='"L1"')),
        Example(solver(weight_decay="0", regularization_type='"none"')),
    )
    BAD = (
        Example(solver(regularization_type='"l2"'), fixed=solver(regularization_type='"L2"')),
        Example(solver(regularization_type='"ridge"')),
    )

    def check_solver(self, analysis: Analysis, root: Bound) -> Iterable[Finding]:
        """Not asked without weight decay."""
        value = str(root.get("regularization_type") or "L2")
        if value not in ("L1", "L2") and number(root, "weight_decay") != 0:
            new = value.upper() if value.upper() in ("L1", "L2") else "L2"
            yield self.on(
                analysis,
                "regularization_type",
                f"regularization_type `{value}` is unknown; Caffe aborts at the first update. Use L1 or L2.",
                aborts=True,
                fix=write(analysis, "unsafe", "regularization_type", f'"{new}"'),
            )


@rule
class AverageLoss(SolverRule):
    """## What it does
    Reports an `average_loss` below 1 (an error), and mentions an `iter_size` above 1 for a net whose BatchNorms
    normalise with each batch (a hint).

    ## Why is this bad?
    Caffe aborts when it makes the solver: average_loss is the number of losses that a displayed one is the mean of.
    iter_size adds up the gradients of several batches, but BatchNorm still sees one batch at a time: its statistics are
    as noisy as with the small batch.

    ## Fix safety
    Safe: without average_loss the last loss is displayed. There is no fix for iter_size.
    """

    code = "SOL012"
    name = "iter-size-average"
    severity = "error"
    fix_safety = "safe"
    GOOD = (
        Example(solver(average_loss="20")),
        Example(solver(iter_size="4"), files={"train_val.prototxt": trained(GLOBAL)}),
        Example(solver(iter_size="1"), files={"train_val.prototxt": trained()}),
    )
    BAD = (
        Example(solver(average_loss="0"), fixed=solver()),
        Example(solver(average_loss="-1", display="100"), fixed=solver(display="100")),
        Example(solver(iter_size="4"), files={"train_val.prototxt": trained()}),
    )

    def check_solver(self, analysis: Analysis, root: Bound) -> Iterable[Finding]:
        """Written values."""
        if root.has("average_loss") and number(root, "average_loss") < 1:
            yield self.on(
                analysis,
                "average_loss",
                f"average_loss is {number(root, 'average_loss'):g} and must be at least 1; Caffe aborts. Delete it.",
                aborts=True,
                fix=erase(analysis, "safe", "average_loss"),
            )

    def check_linked(self, analysis: Analysis, linked: Linked) -> Iterable[Finding]:
        """A BatchNorm in batch mode in the training net."""
        times = number(analysis.file.root, "iter_size")
        if times <= 1:
            return
        for made in instances(analysis, linked):
            own = [node for node in norms(made.net) if mode(made.net, node).batch]
            if made.number >= 0 or not own:
                continue
            shape = own[0].bottoms[0].shape if own[0].bottoms and own[0].bottoms[0] is not None else None
            size = f"batches of {shape[0]}" if shape and isinstance(shape[0], int) else "one batch at a time"
            yield self.on(
                analysis,
                "iter_size",
                f"iter_size {times:g} adds up gradients, but BatchNorm still sees {size}: its statistics do not "
                "improve.",
                severity="hint",
                related=(related_in(made.link, own[0], f"'{own[0].name}' normalises with the batch"),),
            )
