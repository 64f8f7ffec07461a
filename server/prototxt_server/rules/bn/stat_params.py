"""BN001 to BN005: `param` blocks on a BatchNorm, whose first three blobs are statistics and not weights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prototxt_net.batchnorm import engine, norm_family, norms
from prototxt_net.file import LayerDef
from prototxt_net.finding import Finding, Fix, Problem
from prototxt_net.flow import dialects_of, family, trainable
from prototxt_net.marks import mark
from prototxt_net.message import Bound
from prototxt_net.net import Node, PhaseNet
from prototxt_server.rules.base import Example, ProblemRule, Rule, related, rule
from prototxt_server.rules.bn.edits import drop_params, fix, set_params
from prototxt_server.rules.bn.nets import STAT, bn, conv, data, ip, loss, trained

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis
    from prototxt_server.linked.model import Linked

MASKED = (("0", "0"),) * 3


def _specs(node: Node) -> list[Bound]:
    return [spec for spec in node.layer.definition.bound.all("param") if isinstance(spec, Bound)]


@rule
class StatLrFatal(ProblemRule):
    """## What it does
    Reports a BatchNorm with `param` blocks that do not say `lr_mult: 0`.

    ## Why is this bad?
    A BatchNorm's blobs are mean, variance and their weight: statistics, which no gradient reaches. Caffe checks every
    block that is written and aborts: "Cannot configure batch normalization statistics as layer parameters." An omitted
    lr_mult means 1. Exactly three blocks are the exception: they are rewritten to 0 while the file is read (BN002), but
    not in a net that stands inside a solver, and not in Intel's Caffe.

    ## In other Caffes
    BVLC's from before September 2016 takes the blocks as they are, and weight decay shrinks the statistics (BN004).
    In NVIDIA's 0.14 and 0.15 the first blocks are gamma's and beta's, which do train (BN034). NVIDIA's 0.16 and 0.17
    overwrite what the blocks say.

    ## Fix safety
    Safe: without any block Caffe masks all three statistics itself.
    """

    code = "BN001"
    name = "bn-stat-lr-fatal"
    severity = "error"
    dialects = dialects_of("B", "S", "I")
    fix_safety = "safe"
    GOOD = (Example(trained()), Example(trained("param { lr_mult: 0 }")), Example(trained(STAT, STAT, STAT)))
    BAD = (
        Example(trained("param { lr_mult: 1 }"), fixed=trained()),
        Example(trained("param { lr_mult: 0 }", "param { decay_mult: 0 }"), fixed=trained()),
        Example(trained("param { lr_mult: 1 }", STAT, STAT, STAT), dialect="ssd", fixed=trained()),
    )

    def fix(self, analysis: Analysis, node: Node | None, problem: Problem) -> Fix | None:
        """Delete the blocks."""
        if node is None:
            return None
        return fix("safe", f"Delete the param blocks of '{node.name}'", *drop_params(analysis.file, node))

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """Intel's MKL engines, whose set-up does not say so itself: they check without rewriting three blocks."""
        if family(net.dialect) != "I":
            return
        for node in norms(net):
            if engine(node) == "CAFFE":
                continue
            index = next((i for i, spec in enumerate(_specs(node)[:3]) if spec.get("lr_mult") != 0), None)
            if index is None:
                continue
            yield self.at(
                node,
                f"{node.name}: param block {index} does not say lr_mult: 0; mean and variance are statistics, not "
                "weights, and the MKL engines abort. Delete the param blocks of this layer, or write lr_mult: 0.",
                "param",
                index=index,
                aborts=True,
                fix=fix("safe", f"Delete the param blocks of '{node.name}'", *drop_params(net.file, node)),
            )


@mark
def _three_rewritten(definition: LayerDef) -> bool:
    specs = definition.bound.all("param") if definition.upgraded else ()
    return definition.type == "BatchNorm" and len(specs) == 3 and any(_rewritten(spec) for spec in specs)


def _rewritten(spec: Bound) -> bool:
    return spec.get("lr_mult") != 0 or (spec.has("decay_mult") and spec.get("decay_mult") != 0)


@rule
class StatParamsRewritten(Rule):
    """## What it does
    Points out three `param` blocks on a BatchNorm that ask for a learning rate or decay other than 0.

    ## Why is this bad?
    With exactly three blocks Caffe's loader silently replaces what they say by `lr_mult: 0 decay_mult: 0`. The net
    works, but it does not do what the text says.

    ## In other Caffes
    One, two or four blocks are not rewritten: there anything but lr_mult 0 aborts (BN001). SSD's loader drops the three
    blocks altogether, names included (BN003). Before September 2016 nothing was rewritten (BN004).

    ## Fix safety
    Safe: the text then says what Caffe does.
    """

    code = "BN002"
    name = "bn-stat-params-rewritten"
    severity = "hint"
    dialects = dialects_of("B", "S")
    fix_safety = "safe"
    GOOD = (Example(trained(STAT, STAT, STAT)), Example(trained("param { lr_mult: 0 }", STAT, STAT)))
    BAD = (
        Example(trained("param { lr_mult: 1 decay_mult: 0 }", STAT, STAT), fixed=trained(STAT, STAT, STAT)),
        Example(trained("param { lr_mult: 0 decay_mult: 1 }", STAT, STAT), fixed=trained(STAT, STAT, STAT)),
        Example(trained("param { decay_mult: 0 }", STAT, STAT), dialect="ssd"),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """Layers with exactly three blocks."""
        for node in net.marked(_three_rewritten):
            if norm_family(node, net.dialect) not in ("B", "S"):
                continue
            index = next(i for i, spec in enumerate(_specs(node)) if _rewritten(spec))
            yield self.at(
                node,
                f"'{node.name}': Caffe silently rewrites these three param blocks to lr_mult 0 and decay_mult 0, "
                "because the blobs are statistics; what stands here is not used. Write 0, or delete the blocks.",
                "param",
                index=index,
                fix=fix("safe", "Write 0 into all three", *set_params(net.file, node, *MASKED)),
            )


_NAMED = [f'param {{ name: "{n}" lr_mult: 0 decay_mult: 0 }}' for n in "mvk"]


@rule
class SharedNamesErased(Rule):
    """## What it does
    Reports BatchNorm layers that share their statistics by `param { name: ... }` in SSD's Caffe.

    ## Why is this bad?
    That Caffe (like BVLC's of 2016-09 to 2017-01) throws the three `param` blocks of a BatchNorm away while it reads
    the file, names included. The two layers then keep statistics of their own, and a branch that is meant to reuse the
    other's runs on different ones.

    ## Fix safety
    None: use one BatchNorm fed by a Concat of the branches, or a newer Caffe.
    """

    code = "BN003"
    name = "bn-shared-names-erased"
    severity = "warning"
    dialects = dialects_of("S")
    GOOD = (Example(trained('param { name: "m" lr_mult: 0 decay_mult: 0 }', STAT, STAT), dialect="ssd"),)
    BAD = (
        Example(
            data()
            + bn("bn1", "data", *_NAMED, top="a")
            + bn("bn2", "a", *_NAMED, top="b")
            + ip("fc", "b")
            + loss("fc"),
            dialect="ssd",
        ),
        Example(
            data()
            + conv("conv1", "data")
            + bn("bn1", "conv1", *_NAMED)
            + conv("conv2", "conv1")
            + bn("bn2", "conv2", *_NAMED)
            + ip("fc", "conv2")
            + loss("fc"),
            dialect="ssd",
        ),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """Second and later users of a name."""
        owner: dict[str, Node] = {}
        for node in norms(net):
            specs = _specs(node)
            if len(specs) != 3:
                continue
            for index, spec in enumerate(specs):
                name = str(spec.get("name") or "")
                if not name:
                    continue
                first = owner.setdefault(name, node)
                if first is node:
                    continue
                yield self.at(
                    node,
                    f"'{node.name}': this Caffe clears the three param blocks of a BatchNorm while it reads the "
                    f"file, so '{name}' is not shared with '{first.name}' and both keep statistics of their own. "
                    "Feed one BatchNorm from a Concat instead.",
                    "param",
                    index=index,
                    related=(related(first, f"'{first.name}' names its blob '{name}' too", "param"),),
                )
                break


@rule
class StatDecay(Rule):
    """## What it does
    Reports a BatchNorm whose statistics this Caffe does not mask and the file does not either.

    ## Why is this bad?
    Older Caffes (and Intel's with `engine: CAFFE`) treat the statistics as ordinary parameters. No gradient reaches
    them, but weight decay does: it shrinks mean and variance every step. Beside solvers without weight_decay nothing is
    reported.

    ## In other Caffes
    BVLC's since September 2016, SSD's, NVIDIA's 0.16 and 0.17 and the `BN` of PSPNet and yjxiong keep the solver away
    from statistics themselves. NVIDIA's 0.14 and 0.15 do not (BN033), and have gamma and beta in front of them.

    ## Fix safety
    Safe: `lr_mult: 0` keeps the solver away from blobs that it was never meant to change.
    """

    code = "BN004"
    name = "bn-stat-decay"
    severity = "warning"
    dialects = dialects_of("B0", "I", "YX")
    fix_safety = "safe"
    GOOD = (Example(trained(STAT, STAT, STAT), dialect="py-faster-rcnn"),)
    BAD = (
        Example(trained(), dialect="py-faster-rcnn", fixed=trained(STAT, STAT, STAT)),
        Example(
            trained("param { lr_mult: 1 }", "batch_norm_param { engine: CAFFE }"),
            dialect="intel",
            fixed=trained("param { lr_mult: 0 decay_mult: 0 }", STAT, STAT, "batch_norm_param { engine: CAFFE }"),
        ),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """Layers of families that do not mask."""
        if not trainable(net):
            return
        for node in norms(net):
            own = norm_family(node, net.dialect)
            if own != "B0" and not (own == "I" and engine(node) == "CAFFE"):
                continue
            specs = _specs(node)
            rates = [
                (specs[i].get("lr_mult"), specs[i].get("decay_mult")) if i < len(specs) else (1, 1) for i in range(3)
            ]
            if all(rate == 0 or decay == 0 for rate, decay in rates):
                continue
            yield self.at(
                node,
                f"'{node.name}': this Caffe does not mask statistics, so weight decay shrinks mean and variance every "
                "step. Give it three param blocks with lr_mult 0 and decay_mult 0.",
                fix=fix("safe", "Mask the three statistics", *set_params(net.file, node, *MASKED)),
            )

    def stands(self, finding: Finding, linked: Linked) -> bool:
        """Not beside solvers that all have weight_decay 0."""
        return not linked.without_decay


@rule
class TooManyParams(ProblemRule):
    """## What it does
    Reports a batch-normalisation layer with more `param` blocks than it has blobs in this dialect: 3 in BVLC and SSD,
    5 in NVIDIA 0.15, 3 or 5 in NVIDIA 0.16, 2 in SegNet, 4 in yjxiong's and PSPNet's `BN`.

    ## Why is this bad?
    Caffe aborts while it builds the net: "Too many params specified for layer". Files written for another fork are the
    usual reason.

    ## Fix safety
    Safe: the surplus blocks stand for blobs that do not exist.
    """

    code = "BN005"
    name = "bn-too-many-params"
    severity = "error"
    fix_safety = "safe"
    GOOD = (
        Example(trained(STAT, STAT, STAT)),
        Example(trained(*[STAT] * 3, "param { }", "param { }"), dialect="intel"),
    )
    BAD = (
        Example(trained(STAT, STAT, STAT, STAT), fixed=trained(STAT, STAT, STAT)),
        Example(trained(STAT, STAT, STAT, STAT, STAT), fixed=trained(STAT, STAT, STAT)),
    )

    def fix(self, analysis: Analysis, node: Node | None, problem: Problem) -> Fix | None:
        """Delete the surplus."""
        have = problem.data.get("have")
        if node is None or not isinstance(have, int):
            return None
        return fix("safe", "Delete the surplus param blocks", *drop_params(analysis.file, node, have))
