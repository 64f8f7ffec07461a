"""BN041: the mode of SegNet's `BN`."""

from __future__ import annotations

from collections.abc import Iterable

from prototxt_net.batchnorm import fields, norm_family, norms
from prototxt_net.finding import Finding
from prototxt_net.flow import dialects_of, kind, trainable
from prototxt_net.net import PhaseNet
from prototxt_server.rules.base import Example, Rule, rule
from prototxt_server.rules.bn.edits import fix, put
from prototxt_server.rules.bn.nets import bn, conv, data, ip, legacy, loss, relu

_LEARN = "bn_param { scale_filler { value: 1 } }"
_INFER = "bn_param { scale_filler { value: 1 } bn_mode: INFERENCE }"


def _deploy(param: str) -> str:
    return legacy() + conv("conv1", "data") + bn("bn1", "conv1", param, type_="BN") + relu("relu1", "conv1")


def _train(param: str) -> str:
    return data() + conv("conv1", "data") + bn("bn1", "conv1", param, type_="BN") + ip("fc", "conv1") + loss("fc")


@rule
class SegnetBnMode(Rule):
    """## What it does
    Reports a `bn_mode` of SegNet's BN that does not fit the purpose of the net: LEARN (the default) in a deploy net,
    INFERENCE in a net that trains.

    ## Why is this bad?
    This layer keeps no running statistics and ignores the phase. In LEARN mode a deployed net normalises with whatever
    images share the batch. INFERENCE takes scale and shift as final: nothing is normalised, and in place the gradient
    of the scale is wrong too (measured).

    ## Fix safety
    Unsafe: INFERENCE is right only with weights that compute_bn_statistics.py has prepared.
    """

    code = "BN041"
    name = "segnet-bn-mode"
    severity = "warning"
    dialects = dialects_of("SG")
    fix_safety = "unsafe"
    GOOD = (Example(_deploy(_INFER), dialect="segnet"), Example(_train(_LEARN), dialect="segnet"))
    BAD = (
        Example(_deploy(_LEARN), dialect="segnet", fixed=_deploy(_INFER)),
        Example(_train(_INFER), dialect="segnet"),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """Deploy nets and nets that train; files with data layers but no loss are left alone."""
        for node in norms(net):
            if norm_family(node, net.dialect) != "SG":
                continue
            learns = fields(node).get("bn_mode") != "INFERENCE"
            if learns and kind(net) == "deploy":
                yield self.at(
                    node,
                    f"'{node.name}' is in LEARN mode: it normalises with the images that happen to share the batch. "
                    "Run compute_bn_statistics.py on the weights and set bn_mode: INFERENCE.",
                    "bn_param.bn_mode",
                    fix=fix("unsafe", "Set bn_mode: INFERENCE", put(net.file, node, "bn_param.bn_mode", "INFERENCE")),
                )
            elif not learns and trainable(net):
                wrong = ", and in place the gradient of its scale is wrong" if any(node.in_place) else ""
                yield self.at(
                    node,
                    f"'{node.name}' is in INFERENCE mode in a net that trains: it normalises nothing{wrong}. "
                    "Use LEARN while training.",
                    "bn_param.bn_mode",
                )
