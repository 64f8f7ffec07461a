"""BN022 to BN024: what a Scale behind a batch normalisation starts at, and what it spans."""

from __future__ import annotations

from collections.abc import Iterable

from prototxt_net.batchnorm import constant, partners
from prototxt_net.file import LayerDef
from prototxt_net.finding import Finding, Fix, Severity
from prototxt_net.flow import frozen, trainable
from prototxt_net.marks import mark
from prototxt_net.net import Node, PhaseNet
from prototxt_net.zeros import fate
from prototxt_server.rules.base import Example, Rule, rule
from prototxt_server.rules.bn.edits import drop, fix, put
from prototxt_server.rules.bn.nets import bn, conv, data, ip, layer, loss, relu, scale, trained
from prototxt_server.rules.initial import InitialValueRule


def scaled(param: str, *lines: str, norm: str = "") -> str:
    """A net with a BatchNorm and a Scale behind it, for examples."""
    return (
        data()
        + conv("conv1", "data")
        + bn("bn1", "conv1", *([norm] if norm else []))
        + scale("scale1", "conv1", *lines, param=param)
        + relu("relu1", "conv1")
        + ip("fc", "conv1")
        + loss("fc")
    )


def pairs(net: PhaseNet, only: set[Node] | None = None) -> Iterable[tuple[Node, Node]]:
    """Each batch normalisation with the Scale behind it; those with one of the given Scales, if any are given."""
    if only is not None and not only:
        return
    for node, partner in partners(net).items():
        if partner is not None and (only is None or partner in only):
            yield node, partner


@mark
def _fills(definition: LayerDef) -> bool:
    return definition.type == "Scale" and "filler" in definition.bound.sub("scale_param").entries


@mark
def _spans(definition: LayerDef) -> bool:
    param = definition.bound.sub("scale_param")
    return definition.type == "Scale" and (param.get("axis"), param.get("num_axes")) != (1, 1)


@rule
class ScaleZeroFiller(InitialValueRule):
    """## What it does
    Reports a Scale whose `filler` is written without a `value` (or with value 0).

    ## Why is this bad?
    Without any filler gamma starts at 1. With an empty `filler { }` the filler's own default counts, the constant 0:
    the layer outputs beta alone. Where beta is 0 too and a ReLU follows, that blocks every gradient: gamma stays 0, and
    no layer that leads only here ever learns (an error). Elsewhere gamma gets a gradient and leaves 0 (a warning).

    ## Fix safety
    Unsafe: it restores the usual start, which changes the initial values.
    """

    code = "BN022"
    name = "scale-zero-filler"
    severity = "error"
    fix_safety = "unsafe"
    GOOD = (
        Example(trained()),
        Example(scaled("filler { value: 1 } bias_term: true")),
        Example(
            data()
            + conv("conv1", "data")
            + conv("conv2", "conv1")
            + bn("bn2", "conv2")
            + scale("scale2", "conv2")
            + layer("Eltwise", "sum", "conv1 conv2", "sum")
            + ip("fc", "sum")
            + loss("fc")
        ),
    )
    BAD = (
        Example(scaled("filler { } bias_term: true"), fixed=scaled("filler { value: 1 } bias_term: true")),
        Example(scaled("filler { } bias_term: true bias_filler { value: 1 }")),
        Example(
            scaled('bias_term: true filler { type: "constant" value: 0 }'),
            fixed=scaled('bias_term: true filler { type: "constant" value: 1 }'),
        ),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """Error only where the zero provably blocks every gradient."""
        for node in net.marked(_fills):
            param = node.param("scale_param")
            if len(node.bottoms) != 1 or constant(param.sub("filler")) != 0 or node.layer.bound.has("blobs"):
                continue
            beta = bool(param.get("bias_term")) and constant(param.sub("bias_filler")) != 0
            end = fate(net, node.tops[0]) if node.tops and not beta else "alive"
            severity, then = _verdict(end, trainable(net) and not frozen(net, node))
            what = "this filler" if param.sub("filler").has("value") else "a filler without a value"
            yield self.at(
                node,
                f"'{node.name}': {what} starts gamma at 0 (no filler at all would start it at 1), so the layer outputs "
                f"a constant{then} Write value: 1.",
                "scale_param.filler",
                severity=severity,
                fix=fix("unsafe", "Start gamma at 1", put(net.file, node, "scale_param.filler.value", "1")),
            )


def _verdict(end: str, learns: bool) -> tuple[Severity, str]:
    if not learns:
        return "info", " until weights are loaded."
    if end == "added":
        return "info", ": the branch that it ends starts switched off, which may be meant."
    if end == "dead":
        return (
            "error",
            "; the ReLU behind it blocks every gradient: gamma stays 0, and what leads only here never learns.",
        )
    return "warning", "."


@rule
class ScaleRandomFiller(InitialValueRule):
    """## What it does
    Reports a Scale behind a BatchNorm whose gamma starts at random values around 0.

    ## Why is this bad?
    Gamma should start at 1. With random signs it flips half of the channels and shrinks most of them, which undoes the
    normalisation.

    ## Fix safety
    Unsafe: the initial values change.
    """

    code = "BN023"
    name = "scale-random-filler"
    severity = "warning"
    fix_safety = "unsafe"
    GOOD = (Example(scaled('filler { type: "gaussian" mean: 1 std: 0.02 } bias_term: true')), Example(trained()))
    BAD = (
        Example(scaled('filler { type: "xavier" } bias_term: true'), fixed=trained()),
        Example(scaled('bias_term: true filler { type: "gaussian" std: 0.01 }'), fixed=trained()),
        Example(scaled('bias_term: true filler { type: "uniform" min: -1 max: 1 }')),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """Pairs with a random filler whose mean is 0."""
        for _, partner in pairs(net, set(net.marked(_fills))):
            param = partner.param("scale_param")
            filler = param.sub("filler")
            kind = filler.get("type")
            centred = (
                kind in ("xavier", "msra")
                or (kind == "gaussian" and abs(filler.get("mean")) < 0.5)
                or (kind == "uniform" and filler.get("min") < 0 < filler.get("max"))
            )
            if centred:
                yield self.at(
                    partner,
                    f"'{partner.name}': filler `{kind}` starts gamma at random values around 0, which flips and "
                    "shrinks the channels that the BatchNorm has just normalised. Start gamma at 1: delete the filler.",
                    "scale_param.filler",
                    fix=fix("unsafe", "Delete the filler", drop(net.file, partner, "scale_param.filler")),
                )


@rule
class ScaleWrongAxis(Rule):
    """## What it does
    Reports a Scale behind a BatchNorm that does not hold one gamma for each channel.

    ## Why is this bad?
    A BatchNorm normalises axis 1, so its gamma belongs to axis 1. With axis 0 there is one for each image of the batch
    and the weights fit no other batch size; over all axes their number depends on the image size; with num_axes 0
    there is only one.

    ## Fix safety
    Unsafe: the shape of the blobs changes.
    """

    code = "BN024"
    name = "scale-wrong-axis"
    severity = "warning"
    fix_safety = "unsafe"
    GOOD = (Example(scaled("axis: 1 bias_term: true")), Example(trained()))
    BAD = (
        Example(scaled("axis: 0 bias_term: true")),
        Example(scaled("bias_term: true num_axes: -1"), fixed=scaled("bias_term: true num_axes: 1")),
        Example(scaled("num_axes: 0 bias_term: true"), fixed=scaled("num_axes: 1 bias_term: true")),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """Pairs; a negative axis needs the number of axes."""
        for node, partner in pairs(net, set(net.marked(_spans))):
            param = partner.param("scale_param")
            axis, count = param.get("axis"), param.get("num_axes")
            if axis is None:  # this dialect has no Scale
                continue
            shape = partner.bottoms[0].shape if partner.bottoms[0] is not None else None
            if axis < 0:
                if shape is None:
                    continue
                axis += len(shape)
            whole = shape is not None and len(shape) == 2 and count == -1
            if axis == 1 and (count == 1 or whole):
                continue
            if count == 0:
                what = "one gamma for the whole blob"
            elif axis == 0:
                what = "a gamma for each image of the batch, so its shape depends on the batch size"
            elif axis == 1:
                what = "a gamma for each element, so its shape depends on the image size"
            else:
                what = f"gammas along axis {axis}, so their shape depends on the image size"
            yield self.at(
                partner,
                f"'{partner.name}' has {what}; '{node.name}' normalises channels. Use axis: 1 and num_axes: 1.",
                "scale_param.num_axes" if axis == 1 or count == 0 else "scale_param.axis",
                fix=self._fix(net, partner),
            )

    @staticmethod
    def _fix(net: PhaseNet, node: Node) -> Fix | None:
        edits = [
            put(net.file, node, f"scale_param.{name}", "1")
            for name in ("axis", "num_axes")
            if node.param("scale_param").get(name) != 1
        ]
        return fix("unsafe", "One gamma for each channel", *edits)
