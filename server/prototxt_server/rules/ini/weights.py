"""INI001 and INI002: weights that all start at the same value."""

from __future__ import annotations

from collections.abc import Iterable

from prototxt_net.batchnorm import constant
from prototxt_net.finding import Finding, Severity
from prototxt_net.flow import (
    FINE_TUNE_SHARE,
    any_frozen,
    missing_share,
    trainable,
    without_filler,
)
from prototxt_net.net import Node, PhaseNet
from prototxt_net.zeros import fate
from prototxt_server.rules.base import Example, Rule, rule
from prototxt_server.rules.bn.nets import conv, data, ip, loss, trained
from prototxt_server.rules.ini.common import (
    feeds_loss,
    fill,
    filler_of,
    hidden_net,
    message,
    outputs,
    suggestion,
    trained_weights,
)


@rule
class NoWeightFiller(Rule):
    """## What it does
    Reports a Convolution, Deconvolution or InnerProduct that trains but writes no `weight_filler`, in a net whose other
    layers have one.

    ## Why is this bad?
    Caffe's default filler is the constant 0: the layer outputs only its bias, all its units stay identical, and a ReLU
    behind it blocks every gradient (measured: the loss stays at ln K and only the last bias gets a gradient).
    Nets written for stored weights often leave all fillers out; nothing is said there.

    ## Fix safety
    Unsafe: it restores the usual start, which changes the initial values.
    """

    code = "INI001"
    name = "no-weight-filler"
    severity = "warning"
    fix_safety = "unsafe"
    GOOD = (Example(hidden_net('type: "msra"')), Example(trained()))
    BAD = (
        Example(
            hidden_net(""),
            fixed=hidden_net('type: "msra"'),
        ),
        Example(hidden_net("", "ip")),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """Warning where no layer is frozen and few fillers are missing; info behind a frozen part."""
        if net.phase != "TRAIN" or not trainable(net):
            return
        missing = without_filler(net)
        if not missing or missing_share(net) >= FINE_TUNE_SHARE:
            return
        candidates = set(trained_weights(net))
        for node in missing:
            if node not in candidates or not node.tops or feeds_loss(net, node.tops[0]):
                continue
            end = fate(net, node.tops[0])
            if end == "added":
                continue
            kind = suggestion(node)
            severity: Severity = "info" if any_frozen(net) else "warning"
            then = ", and the ReLU behind it blocks every gradient" if end == "dead" else ""
            yield self.at(
                node,
                f"'{node.name}' has no weight_filler; the default is the constant 0, so its weights and output start "
                "at 0 "
                f'and all its units stay identical{then}. Add weight_filler {{ type: "{kind}" }}.',
                severity=severity,
                fix=fill(net, node, kind),
            )


@rule
class ConstantWeights(Rule):
    """## What it does
    Reports a `weight_filler` of type constant on a layer with several outputs that trains.

    ## Why is this bad?
    With the constant 0 in front of a ReLU the layer outputs 0, the ReLU blocks every gradient, and neither this layer
    nor any layer before it can ever learn: that is an error. With another constant all units of the layer start equal
    and compute the same; what tells them apart later is only what stands behind them. A last layer in front of the loss
    may start at 0: it learns.

    ## Fix safety
    Unsafe: the initial values change.
    """

    code = "INI002"
    name = "constant-weights"
    severity = "error"
    fix_safety = "unsafe"
    GOOD = (
        Example(hidden_net('type: "msra"')),
        Example(data() + ip("fc", "data", filler='type: "constant"') + loss("fc")),
        Example(data() + conv("h", "data", "param { lr_mult: 0 }", filler="value: 0.1") + ip("fc", "h") + loss("fc")),
    )
    BAD = (
        Example(hidden_net('type: "constant"'), fixed=hidden_net('type: "msra"')),
        Example(hidden_net('type: "constant" value: 0', "ip")),
        Example(hidden_net("value: 0.01")),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """Error only where the zero provably stays."""
        if not trainable(net):
            return
        for node in trained_weights(net):
            filler = filler_of(node)
            value = constant(filler) if filler is not None else None
            if value is None or (outputs(node) or 0) < 2 or not node.tops:
                continue
            end = fate(net, node.tops[0])
            zero = value == 0
            if zero and (end != "dead" or not self._no_bias(node)):
                continue
            if not zero and (feeds_loss(net, node.tops[0]) or end == "added"):
                continue
            kind = suggestion(node)
            what = (
                "starts with all weights 0: it outputs 0, the ReLU behind it blocks every gradient, and no layer "
                "up to this one can ever learn"
                if zero
                else f"starts with all weights {value:g}: all its units compute the same"
            )
            yield self.at(
                node,
                f"'{node.name}' {what}. Use {kind}.",
                f"{message(node)}.weight_filler",
                severity="error" if zero else "warning",
                fix=fill(net, node, kind),
            )

    @staticmethod
    def _no_bias(node: Node) -> bool:
        param = node.param(message(node))
        return not param.get("bias_term") or constant(param.sub("bias_filler")) == 0
