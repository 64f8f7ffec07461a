"""BN050, BN051, BN053: eps and moving_average_fraction."""

from __future__ import annotations

from collections.abc import Iterable

from prototxt_net.batchnorm import engine, fields, message, norm_family, norms
from prototxt_net.finding import Finding, Severity
from prototxt_net.flow import dialects_of
from prototxt_net.net import PhaseNet
from prototxt_server.rules.base import Example, Rule, rule
from prototxt_server.rules.bn.edits import fix, put
from prototxt_server.rules.bn.nets import trained


def _param(text: str) -> str:
    return trained(f"batch_norm_param {{ {text} }}")


@rule
class EpsRange(Rule):
    """## What it does
    Reports an `eps` that is negative, 0, or 0.1 and more.

    ## Why is this bad?
    eps is added to the variance under the root. With 0 a constant channel divides by zero, with a negative value the
    root of a small variance is not a number, and a large one swamps the variance, so nothing is normalised. Values in
    use lie between 1e-5 and 1e-3.

    ## Fix safety
    Unsafe: results change.
    """

    code = "BN050"
    name = "bn-eps-range"
    severity = "warning"
    fix_safety = "unsafe"
    GOOD = (Example(_param("eps: 0.001")), Example(trained()))
    BAD = (
        Example(_param("eps: 0"), fixed=_param("eps: 1e-5")),
        Example(_param("eps: 1")),
        Example(_param("eps: -0.001")),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """Written values."""
        for node in norms(net):
            param = fields(node)
            eps = param.get("eps")
            if not param.has("eps") or eps is None or 0 < eps < 0.1:
                continue
            if eps >= 0.1:
                why = "it swamps the variance, so the channels are not normalised"
            else:
                why = "channels that are constant " + (
                    "divide by zero" if eps == 0 else "give the root of a negative number"
                )
            path = f"{message(node)}.eps"
            yield self.at(
                node,
                f"'{node.name}': eps is {eps:g}: {why}. Use 1e-5.",
                path,
                fix=fix("unsafe", "Use 1e-5", put(net.file, node, path, "1e-5")),
            )


@rule
class EpsClamped(Rule):
    """## What it does
    Points out an `eps` below the floor of NVIDIA's layers, 1e-5 (1e-4 in version 0.16.1).

    ## Why is this bad?
    The value is silently raised, so results differ from those of a Caffe that uses what is written.

    ## Fix safety
    Safe: it writes the value in force.
    """

    code = "BN051"
    name = "bn-eps-clamped"
    severity = "hint"
    dialects = dialects_of("N15", "N16")
    fix_safety = "safe"
    GOOD = (
        Example(_param("eps: 1e-5"), dialect="nvidia-0.17"),
        Example(_param("eps: 1e-6 engine: CAFFE scale_filler { value: 1 }"), dialect="nvidia-0.15"),
    )
    BAD = (
        Example(_param("eps: 1e-6"), dialect="nvidia-0.17", fixed=_param("eps: 1e-5")),
        Example(_param("eps: 1e-7 scale_bias: true"), dialect="nvidia-0.16"),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """Written values in (0, 1e-5)."""
        for node in norms(net):
            own = norm_family(node, net.dialect)
            eps = fields(node).get("eps")
            if (
                own not in ("N15", "N16")
                or (own == "N15" and engine(node) == "CAFFE")
                or not eps
                or not 0 < eps < 9.9e-6
            ):
                continue
            yield self.at(
                node,
                f"'{node.name}': eps {eps:g} is silently raised to 1e-5 (version 0.16.1: to 1e-4), so results differ "
                "from BVLC's. Write 1e-5.",
                "batch_norm_param.eps",
                fix=fix("safe", "Write 1e-5", put(net.file, node, "batch_norm_param.eps", "1e-5")),
            )


@rule
class FractionRange(Rule):
    """## What it does
    Reports a `moving_average_fraction` (or `momentum` of yjxiong's and PSPNet's BN) that is no fraction, or so small
    that it looks like another framework's momentum.

    ## Why is this bad?
    The number is the weight of the OLD average; 0.999 is the default. Frameworks that name the weight of the new value
    write 0.1 or 0.01 for what is 0.9 or 0.99 here. Below 0 or above 1 the averages diverge. With 1 BVLC takes the plain
    average of all batches, while forks without its bias correction never update at all.

    ## Fix safety
    Unsafe: the stored statistics change.
    """

    code = "BN053"
    name = "bn-maf-range"
    severity = "warning"
    fix_safety = "unsafe"
    GOOD = (Example(_param("moving_average_fraction: 0.95")), Example(trained()))
    BAD = (
        Example(_param("moving_average_fraction: 0.1"), fixed=_param("moving_average_fraction: 0.9")),
        Example(_param("moving_average_fraction: 1.5")),
        Example(_param("moving_average_fraction: 1")),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """Written values."""
        for node in norms(net):
            param = fields(node)
            field = "momentum" if message(node) == "bn_param" else "moving_average_fraction"
            value = param.get(field)
            if not param.has(field) or value is None or 0.5 <= value < 1:
                continue
            severity: Severity = "warning"
            new = ""
            if value < 0 or value > 1:
                why = "it must lie between 0 and 1, otherwise the averages diverge"
            elif value == 1:
                never = norm_family(node, net.dialect) in ("N15", "N16", "YX")
                severity = "warning" if never else "info"
                why = (
                    "the stored statistics never change"
                    if never
                    else "the stored statistics are the plain average of all"
                )
            elif value == 0:
                why = "only the last batch is stored"
            else:
                new = f"{round(1 - value, 9):g}"
                why = f"it is the weight of the OLD value, unlike the momentum of other frameworks; {new} was meant?"
            path = f"{message(node)}.{field}"
            yield self.at(
                node,
                f"'{node.name}': {field} is {value:g}: {why}.",
                path,
                severity=severity,
                fix=fix("unsafe", f"Write {new}", put(net.file, node, path, new)) if new else None,
            )
