"""BN039: what Intel's fusion of BatchNorm and Scale does to `param` blocks."""

from __future__ import annotations

from collections.abc import Iterable

from prototxt_net.batchnorm import engine, partners
from prototxt_net.finding import Finding
from prototxt_net.flow import dialects_of
from prototxt_net.net import PhaseNet
from prototxt_server.rules.base import Example, Rule, related, rule
from prototxt_server.rules.bn.edits import fix, set_params
from prototxt_server.rules.bn.nets import STAT, trained


@rule
class IntelFusionParams(Rule):
    """## What it does
    Reports, for Intel's Caffe, a BatchNorm without three `param` blocks whose Scale has two.

    ## Why is this bad?
    With the MKL engines the Scale directly behind a BatchNorm is fused into it, and the Scale's two `param` blocks are
    appended to the BatchNorm's list. Without three blocks of its own in front, they land on mean and variance: with
    lr_mult other than 0 that aborts, with 0 the fused gamma and beta train at rate 1 (read in source, not measured).

    ## Fix safety
    Safe: the three blocks say what the statistics are anyway.
    """

    code = "BN039"
    name = "bn-intel-fusion-params"
    severity = "warning"
    dialects = dialects_of("I")
    fix_safety = "safe"
    _TWO = ("param { lr_mult: 1 decay_mult: 0 }",) * 2
    GOOD = (
        Example(trained(), dialect="intel"),
        Example(trained(STAT, STAT, STAT, scale_lines=_TWO), dialect="intel"),
    )
    BAD = (
        Example(trained(scale_lines=_TWO), dialect="intel", fixed=trained(STAT, STAT, STAT, scale_lines=_TWO)),
        Example(trained(STAT, scale_lines=(STAT, STAT)), dialect="intel"),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """Pairs whose Scale is the first reader."""
        for node, partner in partners(net).items():
            if engine(node) == "CAFFE" or len(node.layer.bound.all("param")) >= 3:
                continue
            if partner is None or len(partner.layer.bound.all("param")) != 2:
                continue
            if not node.tops[0].readers or node.tops[0].readers[0][0] is not partner:
                continue
            yield self.at(
                node,
                f"'{node.name}': Intel's Caffe fuses '{partner.name}' into it and appends that layer's two param "
                "blocks to this one's: without three blocks of its own they land on mean and variance. Write three "
                "blocks with lr_mult: 0.",
                "param",
                related=(related(partner, f"the param blocks of '{partner.name}'", "param"),),
                fix=fix("safe", "Write three blocks", *set_params(net.file, node, *(("0", "0"),) * 3)),
            )
