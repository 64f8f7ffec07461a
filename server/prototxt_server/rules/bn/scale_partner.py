"""BN020, BN021, BN025 and BN028: the Scale that belongs, or does not belong, behind a BatchNorm."""

from __future__ import annotations

from collections.abc import Iterable

from prototxt_grammar.edits import Edit, newline_of
from prototxt_net.batchnorm import affine, norm_family, pair, partners
from prototxt_net.file import LayerDef
from prototxt_net.finding import Finding, Fix
from prototxt_net.flow import dialects_of, trainable, upstream
from prototxt_net.marks import mark
from prototxt_net.net import Node, PhaseNet
from prototxt_server.rules.base import Example, Rule, related, rule
from prototxt_server.rules.bn.edits import fix, put
from prototxt_server.rules.bn.nets import block, bn, conv, data, image, ip, layer, loss, relu, scale, trained
from prototxt_server.rules.bn.placement import MESSAGES
from prototxt_server.rules.removing import remove

NON_LINEAR = frozenset(
    {"ReLU", "PReLU", "ELU", "Sigmoid", "TanH", "BNLL", "AbsVal", "Power", "Exp", "Swish", "ReLU6", "SeLU", "CReLU"}
)
_NEEDS_AFFINE = (NON_LINEAR - {"Power"}) | {"Pooling", "Eltwise"}


_INSIDE_ELSEWHERE = (
    "Intel's Caffe (with its MKL engines) and NVIDIA's 0.14 and 0.15 have gamma and beta inside this layer. If the net "
    "is theirs, check with --dialect intel or --dialect nvidia-0.15."
)


def _plain(node: Node, net: PhaseNet) -> bool:
    """Whether the layer only standardises in this dialect."""
    return norm_family(node, net.dialect) in ("B", "B0", "S", "P", "N16", "I") and not affine(node, net.dialect)


def _unpaired(net: PhaseNet) -> list[Node]:
    """Layers that only standardise and have no Scale."""
    return [node for node, partner in partners(net).items() if partner is None and _plain(node, net)]


@mark
def _no_beta(definition: LayerDef) -> bool:
    return definition.type == "Scale" and not definition.bound.sub("scale_param").get("bias_term")


def _absorbs(reader: Node) -> bool:
    """Whether the layer's own bias can be what the missing beta would have been."""
    name = MESSAGES.get(reader.type, "")
    return bool(name) and bool(reader.param(name).get("bias_term"))


def _readers(node: Node) -> list[Node]:
    return [reader for top in node.tops[:1] for reader, _ in top.readers]


def insert_layer_after(net: PhaseNet, node: Node, text: str) -> Edit:
    """Insert a layer block behind another one, in the file's line ending."""
    source = net.file.tree.text
    _, end = node.layer.span()
    line = newline_of(source)
    block_text = text.rstrip("\n").replace("\n", line)
    return Edit(end, end, line + block_text)


def scale_block(name: str, blob: str) -> str:
    """A Scale with gamma 1 and beta 0, in place."""
    return scale(name, blob).rstrip("\n")


@rule
class WithoutScale(Rule):
    """## What it does
    Reports a BatchNorm whose output goes into a non-linearity, pooling or Eltwise without a Scale behind it, in Caffes
    whose BatchNorm has no gamma and beta of its own.

    ## Why is this bad?
    Caffe's BatchNorm only subtracts the mean and divides by the standard deviation. The learnable scale and shift of
    the published method are a layer of their own, Scale with `bias_term: true`. Without it every channel enters the
    activation with mean 0 and variance 1, whatever would be best.

    ## In other Caffes
    NVIDIA's 0.14 and 0.15, the `BN` of SegNet, PSPNet and yjxiong, and Intel's MKL engines have gamma and beta inside,
    and NVIDIA's 0.16 and 0.17 with `scale_bias: true`; a Scale behind them is one too many (BN028).

    ## Fix safety
    Unsafe: the new layer starts as the identity, but adds two blobs that stored weights do not have.
    """

    code = "BN020"
    name = "bn-without-scale"
    severity = "warning"
    dialects = dialects_of("B", "B0", "S", "P", "N16", "I", "SG", "YX")
    fix_safety = "unsafe"
    _NO_SCALE = data() + conv("conv1", "data") + bn("bn1", "conv1") + relu("relu1", "conv1")
    _POOL = layer("Pooling", "pool1", "bn1", "pool1", "pooling_param { pool: MAX kernel_size: 2 stride: 2 }")
    GOOD = (
        Example(trained()),
        Example(
            data()
            + conv("conv1", "data")
            + bn("bn1", "conv1", top="bn1")
            + conv("conv2", "bn1", bias=True)
            + ip("fc", "conv2")
            + loss("fc")
        ),
        Example(trained(), dialect="ssd"),
    )
    BAD = (
        Example(
            _NO_SCALE + ip("fc", "conv1") + loss("fc"),
            fixed=data()
            + conv("conv1", "data")
            + bn("bn1", "conv1")
            + scale("bn1_scale", "conv1")
            + relu("relu1", "conv1")
            + ip("fc", "conv1")
            + loss("fc"),
        ),
        Example(
            data() + conv("conv1", "data") + bn("bn1", "conv1", top="bn1") + _POOL + ip("fc", "pool1") + loss("fc")
        ),
        Example(image() + conv("conv1", "data") + bn("bn1", "conv1") + relu("relu1", "conv1"), dialect="nvidia-0.16"),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """Warning in nets that train, hint in others."""
        # The text alone does not tell BVLC's Caffe from others; where that matters is said once.
        notes = net.dialect == "bvlc"
        for node in _unpaired(net):
            if not node.bottoms:
                continue
            readers = _readers(node)
            if not any(reader.type in _NEEDS_AFFINE for reader in readers):
                continue
            if any(reader.type in ("Scale", "Bias") for reader in readers) or self._scaled_later(readers):
                continue
            bottom = node.bottoms[0]
            if bottom is None or upstream(net).get(bottom) == "data":
                continue
            blob = node.layer.tops[0]
            name = f"{node.name}_scale" if f"{node.name}_scale" not in net.by_name else f"{node.name}_gamma_beta"
            about = (related(node, _INSIDE_ELSEWHERE, "type"),) if notes else ()
            notes = False
            yield self.at(
                node,
                f"'{node.name}' only standardises: this Caffe's BatchNorm has no gamma and beta, and no Scale "
                "follows it. The layer behind it always sees mean 0 and variance 1. Add a Scale with bias_term: true.",
                severity="warning" if trainable(net) else "hint",
                fix=self._fix(net, node, scale_block(name, blob)),
                related=about,
            )

    @staticmethod
    def _scaled_later(readers: list[Node]) -> bool:
        """BN025 speaks about a Scale behind the activation."""
        return any(pair(reader) is not None for reader in readers if reader.type in NON_LINEAR)

    @staticmethod
    def _fix(net: PhaseNet, node: Node, text: str) -> Fix | None:
        written = node.layer.bound.entries
        rules = [entry for name in ("include", "exclude") for entry in written.get(name, ())]
        if rules or len(node.layer.tops) != 1 or node.layer.definition.version != 2:
            return None
        top = node.tops[0]
        # A reader that works in place may come before others; the new layer must stand before all of them.
        if any(reader.position <= node.position for reader, _ in top.readers):
            return None
        return Fix("unsafe", "Insert a Scale with bias_term: true", (insert_layer_after(net, node, text),))


@rule
class ScaleNoBias(Rule):
    """## What it does
    Reports the Scale behind a BatchNorm when it has no bias (`bias_term` defaults to false).

    ## Why is this bad?
    Without beta the mean of every channel stays 0: a ReLU behind it always cuts at the channel's mean, and nothing can
    learn to shift that. A Bias layer behind the Scale does the same as its bias, and a convolution with a bias that
    reads it directly makes up for it; nothing is reported there.

    ## Fix safety
    Unsafe: the layer gets a second blob, which stored weights do not have.
    """

    code = "BN021"
    name = "scale-no-bias-after-bn"
    severity = "warning"
    dialects = dialects_of("B", "B0", "S", "P", "N16", "I")
    fix_safety = "unsafe"
    _START = data() + conv("conv1", "data") + bn("bn1", "conv1")
    _END = relu("relu1", "conv1") + ip("fc", "conv1") + loss("fc")
    GOOD = (
        Example(trained()),
        Example(_START + layer("Scale", "scale1", "conv1", "conv1") + layer("Bias", "bias1", "conv1", "conv1") + _END),
        Example(_START + layer("Scale", "scale1", "conv1", "conv1") + ip("fc", "conv1") + loss("fc")),
    )
    BAD = (
        Example(_START + scale("scale1", "conv1", param="bias_term: false") + _END, fixed=trained()),
        Example(_START + layer("Scale", "scale1", "conv1", "conv1") + _END),
        Example(_START + scale("scale1", "conv1", param="axis: 1") + _END, dialect="ssd"),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """Pairs without beta that no Bias layer follows."""
        bare = set(net.marked(_no_beta))
        for node, partner in partners(net).items() if bare else ():
            if partner is None or partner not in bare or not _plain(node, net):
                continue
            readers = _readers(partner)
            if any(reader.type == "Bias" for reader in readers) or (readers and all(map(_absorbs, readers))):
                continue
            yield self.at(
                partner,
                f"'{partner.name}' has no beta (bias_term defaults to false): behind '{node.name}' every channel keeps "
                "mean 0, so a ReLU always cuts at the mean. Set bias_term: true.",
                "scale_param.bias_term",
                related=(related(node, f"'{node.name}' subtracts the mean"),),
                fix=fix("unsafe", "Set bias_term: true", put(net.file, partner, "scale_param.bias_term", "true")),
            )


@rule
class ScaleNotAdjacent(Rule):
    """## What it does
    Reports a Scale that stands behind the activation instead of between BatchNorm and activation.

    ## Why is this bad?
    Gamma and beta are there to give the activation the right input. Behind a ReLU they cannot shift its threshold
    any more.

    ## Fix safety
    Unsafe: the net computes something else; stored weights were trained for the old order.
    """

    code = "BN025"
    name = "scale-not-adjacent"
    severity = "warning"
    dialects = dialects_of("B", "B0", "S", "P", "N16", "I")
    fix_safety = "unsafe"
    _LATE = data() + conv("conv1", "data") + bn("bn1", "conv1") + relu("relu1", "conv1") + scale("scale1", "conv1")
    GOOD = (Example(trained()),)
    BAD = (
        Example(_LATE + ip("fc", "conv1") + loss("fc"), fixed=trained()),
        Example(
            data()
            + conv("conv1", "data")
            + bn("bn1", "conv1", top="bn1")
            + layer("TanH", "act1", "bn1", "act1")
            + scale("scale1", "act1", top="scaled")
            + ip("fc", "scaled")
            + loss("fc")
        ),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """BN -> non-linearity -> Scale."""
        for node in _unpaired(net):
            readers = _readers(node)
            if len(readers) != 1 or readers[0].type not in NON_LINEAR:
                continue
            act = readers[0]
            late = pair(act)
            if late is None:
                continue
            yield self.at(
                late,
                f"'{late.name}' scales and shifts behind '{act.name}', where it cannot move the activation's threshold "
                f"any more; the BatchNorm '{node.name}' is left without gamma and beta. Put the Scale between them.",
                related=(related(node, "the BatchNorm that it belongs to"), related(act, "the activation between")),
                fix=self._fix(net, node, act, late),
            )

    @staticmethod
    def _fix(net: PhaseNet, node: Node, act: Node, late: Node) -> Fix | None:
        """Swap the two blocks, where all three work in place on one blob and stand next to each other."""
        if not (all(act.in_place) and all(late.in_place)) or late.layer.index != act.layer.index + 1:
            return None
        text = net.file.tree.text
        first, second = act.layer.span(), late.layer.span()
        return Fix(
            "unsafe",
            f"Swap '{act.name}' and '{late.name}'",
            (Edit(*first, text[slice(*second)]), Edit(*second, text[slice(*first)])),
        )


@rule
class DoubleAffine(Rule):
    """## What it does
    Points out a Scale directly behind a batch normalisation that has gamma and beta of its own in this dialect.

    ## Why is this bad?
    Scale and shift are applied twice. It works, but one of the two is superfluous; in NVIDIA 0.15 it usually means that
    the file was written for BVLC, whose BatchNorm needs the Scale.

    ## Fix safety
    Unsafe: stored weights of the Scale are lost.
    """

    code = "BN028"
    name = "double-affine"
    severity = "hint"
    dialects = dialects_of("N15", "N16", "SG", "YX")
    fix_safety = "unsafe"
    _FILLED = "batch_norm_param { scale_filler { value: 1 } engine: CAFFE }"
    _MASK = (
        *("param { lr_mult: 1 decay_mult: 0 }",) * 2,
        *("param { lr_mult: 0 decay_mult: 0 }",) * 2,
        "param { lr_mult: 0 }",
    )
    GOOD = (
        Example(
            data()
            + conv("conv1", "data")
            + bn("bn1", "conv1", *_MASK, _FILLED)
            + relu("relu1", "conv1")
            + ip("fc", "conv1")
            + loss("fc"),
            dialect="nvidia-0.15",
        ),
        Example(trained()),
    )
    BAD = (
        Example(
            trained(*_MASK, _FILLED),
            dialect="nvidia-0.15",
            fixed=data()
            + conv("conv1", "data")
            + bn("bn1", "conv1", *_MASK, _FILLED)
            + relu("relu1", "conv1")
            + ip("fc", "conv1")
            + loss("fc"),
        ),
        Example(image() + block("batch_norm_param { scale_bias: true }"), dialect="nvidia-0.17", phase="TEST"),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """Pairs whose first half is affine."""
        for node, partner in partners(net).items():
            if partner is None or norm_family(node, net.dialect) == "I" or not affine(node, net.dialect):
                continue
            yield self.at(
                partner,
                f"'{node.name}' has gamma and beta of its own in {net.dialect}, so '{partner.name}' scales and "
                "shifts a second time. Drop the Scale.",
                related=(related(node, f"'{node.name}' scales and shifts already"),),
                fix=remove(net.file, f"Delete '{partner.name}'", partner),
            )
