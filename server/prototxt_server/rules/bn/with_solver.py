"""BN054: how far stored statistics get in the iterations that the solver gives."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prototxt_net.batchnorm import engine, fields, message, mode, norm_family, norms
from prototxt_net.finding import Finding, Related
from prototxt_net.flow import dialects_of, trainable
from prototxt_server.rules.base import Example, Rule, rule
from prototxt_server.rules.bn.nets import bn, conv, data, ip, loss

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis
    from prototxt_server.linked.model import Linked

_ENOUGH = 5  # times 1 / (1 - fraction): the rest is then below 0.7 %


def _solver(iterations: int, name: str = "solver.prototxt") -> dict[str, str]:
    return {name: f'net: "net.prototxt"\nbase_lr: 0.1\nlr_policy: "fixed"\nmax_iter: {iterations}\n'}


def _net(own: str = "") -> str:
    norm = f"batch_norm_param {{\n  scale_filler {{ value: 1 }}\n  {own}\n}}".replace("\n  \n", "\n")
    return data() + conv("conv1", "data") + bn("bn1", "conv1", norm, top="bn1") + ip("fc", "bn1") + loss("fc")


@rule
class SlowAverage(Rule):
    """## What it does
    Reports a training net of NVIDIA's Caffe 0.15, or with the `BN` layer of yjxiong and PSPNet, whose stored statistics
    cannot get near the truth in the `max_iter` iterations of its solver.

    ## Why is this bad?
    In these Caffes the stored statistics start at 0 and are not corrected for it: after n iterations they are
    1 - fraction^n of what they should be. TEST then divides by a deviation that is too small. BVLC's Caffe divides by
    the sum of the weights, so it has no such start.

    ## Fix safety
    There is no automatic fix: train longer, or use a smaller fraction.
    """

    code = "BN054"
    name = "bn-maf-slow"
    severity = "warning"
    dialects = dialects_of("N15", "YX")
    GOOD = (
        Example(_net(), dialect="nvidia-0.15", files=_solver(5000)),
        Example(_net("moving_average_fraction: 0.9"), dialect="nvidia-0.15", files=_solver(1000)),
        Example(_net("engine: CAFFE"), dialect="nvidia-0.15", files=_solver(1000)),
        Example(_net(), dialect="nvidia-0.15", files={**_solver(1000), **_solver(9000, "long_solver.prototxt")}),
    )
    BAD = (
        Example(_net(), dialect="nvidia-0.15", files=_solver(1000)),
        Example(_net("moving_average_fraction: 0.9999"), dialect="nvidia-0.15", files=_solver(40000)),
    )

    def check_linked(self, analysis: Analysis, linked: Linked) -> Iterable[Finding]:
        """With the longest training among the solvers; the first layer speaks for the others."""
        runs = [(int(solver.file.root.get("max_iter") or 0), solver) for solver in linked.solvers]
        if not runs or min(runs, key=lambda run: run[0])[0] <= 0:
            return
        longest, solver = max(runs, key=lambda run: run[0])
        for net in analysis.nets:
            if net.phase != "TRAIN" or not trainable(net):
                continue
            slow = []
            for node in norms(net):
                own = norm_family(node, net.dialect)
                if own not in ("N15", "YX") or (own == "N15" and engine(node) == "CAFFE") or not mode(net, node).batch:
                    continue
                name = "momentum" if node.type == "BN" else "moving_average_fraction"
                fraction = float(fields(node).get(name) or 0)
                if 0 < fraction < 1 and (1 - fraction) * longest < _ENOUGH:
                    slow.append((node, name, fraction))
            if slow:
                node, name, fraction = slow[0]
                more = f" (and {len(slow) - 1} more layers)" if len(slow) > 1 else ""
                start, end = solver.file.at_root("max_iter")
                yield self.at(
                    node,
                    f"with {name} {fraction:g}, after {longest} iterations the stored statistics of "
                    f"'{node.name}'{more} are only {100 * (1 - fraction**longest):.1f} % of the truth: they start at "
                    "0, uncorrected. Train longer, or use a smaller fraction.",
                    f"{message(node)}.{name}",
                    related=(Related("the iterations", start, end, solver.source.path),),
                    phases=("TRAIN",),
                )
