"""BN055 to BN059: what stands in front of a BatchNorm, and what behind it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prototxt_grammar.edits import Edit, newline_of
from prototxt_net.batchnorm import TYPES, mode, norms, partners
from prototxt_net.finding import Finding, Fix
from prototxt_net.flow import WEIGHTED, fine_tuned, is_loss, trainable
from prototxt_net.net import Node, PhaseNet
from prototxt_server.rules.base import Example, Rule, related, rule
from prototxt_server.rules.bn.edits import drop, drop_params, fix, put
from prototxt_server.rules.bn.nets import block, bn, conv, data, ip, layer, loss, relu, scale, trained
from prototxt_server.rules.editing import string_edit
from prototxt_server.rules.removing import delete_block, remove

MESSAGES = {
    "Convolution": "convolution_param",
    "Deconvolution": "convolution_param",
    "InnerProduct": "inner_product_param",
}

_WEIGHTED = frozenset(WEIGHTED)


def _behind(net: PhaseNet, types: frozenset[str]) -> Iterator[tuple[Node, Node]]:
    """Each batch normalisation that reads a layer of one of the types, with that layer."""
    for node in norms(net):
        blob = node.bottoms[0] if node.bottoms else None
        if blob is not None and blob.producer.layer.definition.type in types:
            yield node, blob.producer


@rule
class BiasBeforeBatchNorm(Rule):
    """## What it does
    Points out a Convolution, Deconvolution or InnerProduct with a bias directly in front of a BatchNorm that uses batch
    statistics in TRAIN.

    ## Why is this bad?
    It is harmless: the BatchNorm subtracts the mean, and the bias with it. The bias gets no gradient and costs a little
    memory and time. In front of a BatchNorm with stored statistics the bias does matter, and nothing is reported.

    ## Fix safety
    Unsafe: the layer loses a blob, so stored weights no longer fit. Not offered where the net looks fine-tuned.
    """

    code = "BN055"
    name = "conv-bias-before-bn"
    severity = "hint"
    fix_safety = "unsafe"
    _HEAD = scale("scale1", "conv1") + ip("fc", "conv1") + loss("fc")
    GOOD = (
        Example(trained()),
        Example(
            data()
            + conv("conv1", "data", "param { lr_mult: 0 }", "param { lr_mult: 0 }", bias=True)
            + bn("bn1", "conv1", "batch_norm_param { use_global_stats: true }")
            + scale("scale1", "conv1", "param { lr_mult: 0 }", "param { lr_mult: 0 }")
            + ip("fc", "conv1")
            + loss("fc")
        ),
    )
    _FILLED = "convolution_param {\n  num_output: 8\n  kernel_size: 3\n  {}\n}"
    BAD = (
        Example(
            data()
            + layer("Convolution", "conv1", "data", "conv1", _FILLED.replace("{}", "bias_filler {\n    value: 0\n  }"))
            + bn("bn1", "conv1")
            + scale("scale1", "conv1")
            + "".join(conv(f"c{i}", "conv1") for i in range(3))
            + layer("Eltwise", "sum", "c0 c1 c2", "sum")
            + ip("fc", "sum")
            + loss("fc"),
            fixed=data()
            + layer("Convolution", "conv1", "data", "conv1", _FILLED.replace("{}", "bias_term: false"))
            + bn("bn1", "conv1")
            + scale("scale1", "conv1")
            + "".join(conv(f"c{i}", "conv1") for i in range(3))
            + layer("Eltwise", "sum", "c0 c1 c2", "sum")
            + ip("fc", "sum")
            + loss("fc"),
        ),
        Example(data() + conv("conv1", "data", bias=True) + bn("bn1", "conv1") + _HEAD),
        Example(
            data()
            + conv("conv1", "data", "param { lr_mult: 1 }", "param { lr_mult: 2 }", bias=True)
            + bn("bn1", "conv1")
            + _HEAD,
            fixed=data()
            + layer(
                "Convolution",
                "conv1",
                "data",
                "conv1",
                "param { lr_mult: 1 }",
                'convolution_param { num_output: 8 kernel_size: 3 pad: 1 weight_filler { type: "msra" } '
                "bias_term: false }",
            )
            + bn("bn1", "conv1")
            + _HEAD,
        ),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """Nets that train; the blob's only reader must be the BatchNorm."""
        if net.phase != "TRAIN" or not trainable(net):
            return
        for node, maker in _behind(net, _WEIGHTED):
            name = MESSAGES[maker.type]
            if not maker.param(name).get("bias_term") or len(maker.tops[0].readers) != 1:
                continue
            if not mode(net, node).batch or any(spec.has("name") for spec in maker.layer.bound.all("param")):
                continue
            yield self.at(
                maker,
                f"the bias of '{maker.name}' is subtracted again with the mean in '{node.name}': harmless, but it "
                "never learns. Set bias_term: false.",
                related=(related(node, f"'{node.name}' subtracts the mean"),),
                fix=None if fine_tuned(net) else self._fix(net, maker, name),
            )

    @staticmethod
    def _fix(net: PhaseNet, maker: Node, name: str) -> Fix | None:
        filler = maker.layer.bound.find(f"{name}.bias_filler")
        edits: list[Edit | None]
        if filler is not None and not maker.param(name).has("bias_term"):
            base = maker.layer.base  # in one edit: the new field takes the place of the old one
            edits = [Edit(base + filler.node.start, base + filler.node.end, "bias_term: false")]
        else:
            edits = [put(net.file, maker, f"{name}.bias_term", "false")]
            if filler is not None:
                edits.append(drop(net.file, maker, f"{name}.bias_filler"))
        edits += drop_params(net.file, maker, 1)
        return fix("unsafe", "Set bias_term: false", *edits)


@rule
class BeforeLoss(Rule):
    """## What it does
    Reports a BatchNorm (with or without Scale) whose output is the prediction that a loss compares with the label.

    ## Why is this bad?
    Standardised scores have a fixed spread over the batch, so the net cannot become more confident, and a prediction
    depends on the rest of the batch.

    ## Fix safety
    Unsafe: the scores are other ones, which is the point.
    """

    code = "BN056"
    name = "bn-before-loss"
    severity = "warning"
    fix_safety = "unsafe"
    _LOSSES = frozenset(
        {"SoftmaxWithLoss", "MultinomialLogisticLoss", "SigmoidCrossEntropyLoss", "HingeLoss", "InfogainLoss"}
    )
    GOOD = (
        Example(trained()),
        Example(data() + ip("fc", "data") + bn("bn1", "fc") + relu("r", "fc") + ip("fc2", "fc") + loss("fc2")),
    )
    BAD = (
        Example(
            data() + ip("fc", "data") + bn("bn1", "fc") + loss("fc"),
            fixed=data() + ip("fc", "data") + loss("fc"),
        ),
        Example(
            data() + ip("fc", "data") + bn("bn1", "fc", top="bn1") + scale("scale1", "bn1") + loss("bn1"),
            fixed=data() + ip("fc", "data") + loss("fc"),
        ),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """Classification losses; embeddings are often normalised on purpose."""
        if net.phase != "TRAIN" or not trainable(net):
            return
        for node in norms(net):
            last = partners(net)[node] or node
            for reader, index in last.tops[0].readers if last.tops else ():
                if index == 0 and reader.type in self._LOSSES and is_loss(reader.layer.definition, net.dialect):
                    yield self.at(
                        node,
                        f"'{node.name}' standardises the scores that '{reader.name}' compares with the label: their "
                        "spread is fixed, so the net cannot become confident. Remove it, or move it before the last "
                        "layer.",
                        related=(related(reader, f"'{reader.name}' reads them", "bottom"),),
                        fix=remove(net.file, f"Delete '{node.name}'", node, partners(net)[node]),
                    )


@rule
class OnLabel(Rule):
    """## What it does
    Reports a BatchNorm that reads the label of a data layer.

    ## Why is this bad?
    Labels are class numbers. Normalised they are no integers any more, and a loss would read the wrong class, or memory
    that is not its own.

    ## Fix safety
    Unsafe: it connects the layer to the data instead.
    """

    code = "BN057"
    name = "bn-on-label"
    severity = "warning"
    fix_safety = "unsafe"
    _DATA = frozenset({"Data", "ImageData", "HDF5Data", "MemoryData", "WindowData"})
    GOOD = (Example(data() + bn("bn1", "data") + ip("fc", "data") + loss("fc")),)
    BAD = (
        Example(data() + bn("bn1", "label", top="bn1") + ip("fc", "data") + loss("fc"),
                fixed=data() + bn("bn1", "data", top="bn1") + ip("fc", "data") + loss("fc")),
        Example(data() + bn("bn1", "label") + ip("fc", "data") + loss("fc")),
    )  # fmt: skip

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """The second top of a data layer with two tops."""
        for node, source in _behind(net, self._DATA):
            if len(source.tops) != 2 or node.bottoms[0] is not source.tops[1]:
                continue
            label, image = (top.name for top in reversed(source.tops))
            entry = node.layer.bound.entry("bottom")
            wanted = entry is not None and not any(node.in_place)
            yield self.at(
                node,
                f"'{node.name}' normalises the label '{label}': class numbers would no longer be integers. "
                f"Connect it to '{image}'.",
                "bottom",
                fix=fix("unsafe", f"Read '{image}'", string_edit(node.layer, entry, image))
                if wanted and entry
                else None,
            )


@rule
class AfterDropout(Rule):
    """## What it does
    Points out a BatchNorm directly behind a Dropout.

    ## Why is this bad?
    Dropout changes the variance of its output between TRAIN and TEST, so the statistics stored in TRAIN do not fit in
    TEST.

    ## Fix safety
    Unsafe: the net computes something else. Offered where the layers stand next to each other on one blob.
    """

    code = "BN058"
    name = "bn-after-dropout"
    severity = "hint"
    fix_safety = "unsafe"
    _DROP = layer("Dropout", "drop1", "data", "drop1")
    _PLACED = layer("Dropout", "drop1", "data", "data")
    _NORM = bn("bn1", "data") + scale("scale1", "data")
    _HEAD = ip("fc", "data") + loss("fc")
    GOOD = (Example(trained()), Example(data() + _NORM + _PLACED + _HEAD))
    BAD = (
        Example(data() + _PLACED + _NORM + _HEAD, fixed=data() + _NORM + _PLACED + _HEAD),
        Example(data() + _DROP + bn("bn1", "drop1", top="bn1") + ip("fc", "bn1") + loss("fc")),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """Nets that train."""
        if net.phase != "TRAIN" or not trainable(net):
            return
        for node, dropout in _behind(net, frozenset({"Dropout"})):
            yield self.at(
                node,
                f"'{dropout.name}' in front of '{node.name}' drops values in TRAIN only, so the stored variance "
                "does not fit TEST. Put the Dropout behind it.",
                related=(related(dropout, "the Dropout"),),
                fix=self._fix(net, dropout, node, partners(net)[node] or node),
            )

    @staticmethod
    def _fix(net: PhaseNet, dropout: Node, node: Node, last: Node) -> Fix | None:
        """Move the Dropout behind the last of them, where all work in place and nothing stands between."""
        row = [dropout.layer, node.layer] if last is node else [dropout.layer, node.layer, last.layer]
        places = [layer.index for layer in row]
        if places != list(range(places[0], places[0] + len(row))):
            return None
        if not all(made.in_place and all(made.in_place) for made in (dropout, node, last)):
            return None
        text = net.file.tree.text
        start, end = dropout.layer.span()
        behind = last.layer.span()[1]
        return Fix(
            "unsafe",
            f"Put '{dropout.name}' behind '{last.name}'",
            (delete_block(net.file, dropout.layer), Edit(behind, behind, newline_of(text) + text[start:end])),
        )


@rule
class TwiceInARow(Rule):
    """## What it does
    Reports two batch normalisations with nothing between them but the first one's Scale.

    ## Why is this bad?
    The second normalises what is normalised already, and undoes the first one's gamma and beta.

    ## Fix safety
    Unsafe: stored weights of the deleted layers are lost. The second BatchNorm goes where only the first has a Scale,
    else the first one with its Scale.
    """

    code = "BN059"
    name = "bn-bn"
    severity = "warning"
    fix_safety = "unsafe"
    GOOD = (Example(trained()),)
    BAD = (
        Example(
            data() + block() + bn("a", "conv1") + bn("b", "conv1") + ip("fc", "conv1") + loss("fc"),
            fixed=data() + block() + bn("b", "conv1") + ip("fc", "conv1") + loss("fc"),
        ),
        Example(
            data()
            + conv("conv1", "data")
            + bn("a", "conv1", top="a")
            + scale("s", "a")
            + bn("b", "a", top="b")
            + ip("fc", "b")
            + loss("fc"),
            fixed=data()
            + conv("conv1", "data")
            + bn("a", "conv1", top="a")
            + scale("s", "a")
            + ip("fc", "a")
            + loss("fc"),
        ),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """Each layer whose producer is one, or one's Scale."""
        own = partners(net)
        for node, maker in _behind(net, frozenset({"Scale", *TYPES})):
            first = maker
            if first.type == "Scale" and first.bottoms and first.bottoms[0] is not None:
                first = first.bottoms[0].producer
            if first in own and own[first] in (None, maker):
                yield self.at(
                    node,
                    f"'{node.name}' normalises again what '{first.name}' has normalised, and undoes that layer's "
                    "gamma and beta. Delete one of them.",
                    related=(related(first, f"'{first.name}' is the first"),),
                    fix=remove(net.file, f"Delete '{node.name}'", node)
                    if own[first] is not None and own[node] is None
                    else remove(net.file, f"Delete '{first.name}'", first, own[first]),
                )
