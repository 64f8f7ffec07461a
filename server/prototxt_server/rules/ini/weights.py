"""INI001 and INI002: weights that all start at the same value."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

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
from prototxt_net.zeros import fate, no_bias
from prototxt_server.linked.weights import StoredLayer
from prototxt_server.rules.base import Example, rule
from prototxt_server.rules.bn.edits import fix
from prototxt_server.rules.bn.nets import conv, data, ip, loss, relu, trained
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
from prototxt_server.rules.initial import InitialValueRule

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis
    from prototxt_server.linked.model import Linked


def _bare(names: str) -> str:
    """A net of convolutions without fillers, as it is written for stored weights."""
    layers = [
        conv(name, below, filler="") + relu(f"relu_{name}", name)
        for below, name in zip(("data", *names), names, strict=False)
    ]
    return data() + "".join(layers) + ip("fc", names[-1]) + loss("fc")


def _solver(*lines: str) -> dict[str, str]:
    fields = ('net: "net.prototxt"', "base_lr: 0.1", 'lr_policy: "fixed"', "max_iter: 9000", *lines)
    return {"solver.prototxt": "\n".join(fields) + "\n"}


@rule
class NoWeightFiller(InitialValueRule):
    """## What it does
    Reports a Convolution, Deconvolution or InnerProduct that trains but writes no `weight_filler`, in a net whose other
    layers have one.

    ## Why is this bad?
    Caffe's default filler is the constant 0: the layer outputs only its bias, and where that is 0 too, a ReLU behind it
    blocks every gradient. With several such layers in a row nothing but the last bias learns, and the loss stays at
    ln K (measured).
    Nets written for stored weights often leave all fillers out. Beside a solver that names no weights this is
    mentioned once; with `--weights` given, the layers that the file does not have are reported.

    ## Fix safety
    Unsafe: it restores the usual start, which changes the initial values.
    """

    code = "INI001"
    name = "no-weight-filler"
    severity = "warning"
    fix_safety = "unsafe"
    GOOD = (
        Example(hidden_net('type: "msra"')),
        Example(trained()),
        Example(_bare("gh")),
        Example(_bare("gh"), files=_solver('weights: "vgg.caffemodel"')),
        Example(hidden_net(""), stored={"h": StoredLayer("Convolution", ((8, 3, 3, 3),))}),
    )
    BAD = (
        Example(
            hidden_net(""),
            fixed=hidden_net('type: "msra"'),
        ),
        Example(hidden_net("", "ip")),
        Example(
            _bare("gh"),
            files=_solver(),
            fixed=_bare("gh").replace("bias_term: false }", 'bias_term: false weight_filler { type: "msra" } }'),
        ),
        Example(_bare("gh"), stored={"g": StoredLayer("Convolution", ((8, 3, 3, 3),))}),
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
            unbiased = no_bias(node, message(node))
            what = (
                "its weights and output start at 0"
                if unbiased
                else "its weights start at 0 and it outputs only its bias"
            )
            severity: Severity = "info" if any_frozen(net) else "warning"
            dead = end == "dead" and unbiased
            then = "the ReLU behind it blocks every gradient" if dead else "all its units start alike"
            yield self.at(
                node,
                f"'{node.name}' has no weight_filler; the default is the constant 0, so {what}, and {then}. "
                f'Add weight_filler {{ type: "{kind}" }}.',
                severity=severity,
                fix=fill(net, node, kind),
            )

    def check_linked(self, analysis: Analysis, linked: Linked) -> Iterable[Finding]:
        """Nets without most of their fillers, where other files tell whether weights are loaded."""
        stored = linked.weights
        if stored is None and not linked.without_weights:
            return
        for net in analysis.nets:
            if net.phase != "TRAIN" or not trainable(net) or missing_share(net) < FINE_TUNE_SHARE:
                continue
            if stored is None and net.by_type.get("Python"):
                continue  # started by a script, which gives the weights
            bare = [
                node
                for node in trained_weights(net)
                if node in without_filler(net) and node.tops and not feeds_loss(net, node.tops[0])
            ]
            if stored is not None:
                bare = [node for node in bare if node.name not in stored.layers]
            elif any_frozen(net):
                return
            if bare:
                yield self._together(net, bare, "" if stored is None else stored.path)

    def _together(self, net: PhaseNet, bare: list[Node], path: str) -> Finding:
        """One finding for all: the first layer speaks for the others."""
        first = bare[0]
        more = f" (and {len(bare) - 1} more)" if len(bare) > 1 else ""
        kind = suggestion(first)
        if path:
            why, cure = f"{path} does not have it", f'Add weight_filler {{ type: "{kind}" }}.'
        else:
            why = "the solver names no weights"
            cure = f'Start with `caffe train -weights`, or add weight_filler {{ type: "{kind}" }}.'
        cures = [fill(net, node, suggestion(node)) for node in bare]
        return self.at(
            first,
            f"'{first.name}'{more} has no weight_filler and {why}: its weights and output start at the constant 0. "
            f"{cure}",
            severity="warning" if path else "info",
            phases=("TRAIN",),
            fix=fix("unsafe", "Add the fillers", *(edit for one in cures if one for edit in one.edits)),
        )


@rule
class ConstantWeights(InitialValueRule):
    """## What it does
    Reports a `weight_filler` of type constant on a layer with several outputs that trains.

    ## Why is this bad?
    With the constant 0 in front of a ReLU the layer outputs 0, the ReLU blocks every gradient, and neither this layer
    nor what leads only to it can ever learn: that is an error. With another constant all units of the layer start equal
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
        Example(hidden_net('type: "constant" value: 0', "ip"), fixed=hidden_net('type: "msra"', "ip")),
        Example(hidden_net("value: 0.01"), fixed=hidden_net('type: "msra"')),
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
            if zero and (end != "dead" or not no_bias(node, message(node))):
                continue
            if not zero and (feeds_loss(net, node.tops[0]) or end == "added"):
                continue
            kind = suggestion(node)
            what = (
                "starts with all weights 0: it outputs 0, the ReLU behind it blocks every gradient, and neither it "
                "nor what leads only to it can ever learn"
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
