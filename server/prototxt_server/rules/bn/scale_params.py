"""BN026, BN027, BN029: how the Scale behind a batch normalisation trains, and what is frozen of the pair."""

from __future__ import annotations

from collections.abc import Iterable

from prototxt_net.batchnorm import mode
from prototxt_net.file import LayerDef
from prototxt_net.finding import Finding
from prototxt_net.flow import any_frozen, frozen, trainable, upstream
from prototxt_net.marks import mark
from prototxt_net.net import PhaseNet
from prototxt_server.rules.base import Example, Rule, related, rule
from prototxt_server.rules.bn.edits import add_params, fix, set_params
from prototxt_server.rules.bn.nets import trained
from prototxt_server.rules.bn.scale_values import pairs

_LOCKED = "param { lr_mult: 0 decay_mult: 0 }"


@mark
def _one_block(definition: LayerDef) -> bool:
    if definition.type != "Scale" or len(definition.bound.all("param")) != 1:
        return False
    return bool(definition.bound.sub("scale_param").get("bias_term"))


@rule
class ScaleOneParam(Rule):
    """## What it does
    Reports a Scale with gamma and beta but only one `param` block.

    ## Why is this bad?
    The block configures gamma; beta keeps lr_mult 1 and decay_mult 1. Where the block says `lr_mult: 0` the layer is
    meant to be frozen, but beta goes on training.

    ## Fix safety
    Unsafe: training changes.
    """

    code = "BN026"
    name = "scale-one-param"
    severity = "warning"
    fix_safety = "unsafe"
    GOOD = (Example(trained()), Example(trained(scale_lines=(_LOCKED, _LOCKED))))
    BAD = (
        Example(trained(scale_lines=(_LOCKED,)), fixed=trained(scale_lines=(_LOCKED, _LOCKED))),
        Example(
            trained(scale_lines=("param { lr_mult: 1 decay_mult: 0 }",)),
            fixed=trained(scale_lines=("param { lr_mult: 1 decay_mult: 0 }",) * 2),
        ),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """Warning where freezing is meant, hint elsewhere."""
        if not trainable(net):
            return
        for node in net.marked(_one_block):
            if len(node.bottoms) != 1:
                continue
            spec = node.layer.definition.bound.entries["param"][0].value
            freezes = spec.has("lr_mult") and spec.get("lr_mult") == 0
            text = f"param {{ lr_mult: {spec.get('lr_mult'):g} decay_mult: {spec.get('decay_mult'):g} }}"
            what = "the layer is not frozen: " if freezes else ""
            yield self.at(
                node,
                f"'{node.name}' has one param block for two blobs; {what}beta keeps lr_mult 1 and decay_mult 1. "
                "Write the block twice.",
                "param",
                severity="warning" if freezes else "hint",
                fix=fix("unsafe", "Configure beta like gamma", add_params(net.file, node, text)),
            )


@rule
class ScaleDecay(Rule):
    """## What it does
    Points out a Scale behind a BatchNorm whose gamma or beta is subject to weight decay. Off by default.

    ## Why is this bad?
    Weight decay pulls gamma towards 0, which only shrinks the output; many recipes exempt gamma and beta.

    ## Fix safety
    Unsafe: training changes.
    """

    code = "BN027"
    name = "scale-decay"
    severity = "hint"
    default_on = False
    fix_safety = "unsafe"
    _FREE = ("param { lr_mult: 1 decay_mult: 0 }",) * 2
    GOOD = (Example(trained(scale_lines=_FREE)),)
    BAD = (
        Example(trained(), fixed=trained(scale_lines=_FREE)),
        Example(trained(scale_lines=("param { lr_mult: 1 decay_mult: 1 }",) * 2), fixed=trained(scale_lines=_FREE)),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """Pairs in TRAIN."""
        if net.phase != "TRAIN" or not trainable(net):
            return
        for _, partner in pairs(net):
            count = len(partner.setup.params)
            if not any(partner.decay_mult(i) != 0 and partner.lr_mult(i) != 0 for i in range(count)):
                continue
            blocks = [(f"{partner.lr_mult(i):g}", "0") for i in range(count)]
            yield self.at(
                partner,
                f"'{partner.name}': weight decay pulls gamma towards 0, which only shrinks the output. Common "
                "practice is decay_mult: 0 for gamma and beta.",
                "param",
                fix=fix("unsafe", "Set decay_mult: 0", *set_params(net.file, partner, *blocks)),
            )


@rule
class ScaleFrozenAlone(Rule):
    """## What it does
    Points out a frozen Scale behind a BatchNorm that uses batch statistics on features that train.

    ## Why is this bad?
    The features move and are normalised anew in every batch, while gamma and beta stay what they were for other
    features. Usually both or neither should be frozen.

    ## Fix safety
    None: only the author knows which was meant.
    """

    code = "BN029"
    name = "scale-stats-collapse-lr"
    severity = "info"
    GOOD = (
        Example(trained()),
        Example(trained("batch_norm_param { use_global_stats: true }", scale_lines=(_LOCKED, _LOCKED))),
    )
    BAD = (
        Example(trained(scale_lines=(_LOCKED, _LOCKED))),
        Example(trained(scale_lines=("param { lr_mult: 0 }",) * 2), dialect="ssd"),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """Pairs in TRAIN."""
        if net.phase != "TRAIN" or not trainable(net):
            return
        if not any_frozen(net):
            return
        for node, partner in pairs(net):
            bottom = node.bottoms[0] if node.bottoms else None
            if not frozen(net, partner) or bottom is None or not mode(net, node).batch:
                continue
            if upstream(net).get(bottom) == "trainable":
                yield self.at(
                    partner,
                    f"gamma and beta of '{partner.name}' are frozen while the features under '{node.name}' train and "
                    "are normalised with every batch. Freeze both or neither.",
                    "param",
                    related=(related(node, f"'{node.name}' uses batch statistics"),),
                )
