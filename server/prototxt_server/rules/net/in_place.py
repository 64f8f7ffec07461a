"""NET006 and NET009: layer types that cannot work in place, or only with some of their fields."""

from __future__ import annotations

from collections.abc import Iterable

from prototxt_net import marks
from prototxt_net.backward import backward
from prototxt_net.file import LayerDef
from prototxt_net.finding import Finding, Fix, Severity
from prototxt_net.layers.base import InPlace, entry_of
from prototxt_net.net import Node, PhaseNet
from prototxt_net.shape import same_shape, text
from prototxt_server.rules import roles
from prototxt_server.rules.base import Example, Rule, rule
from prototxt_server.rules.editing import own_top
from prototxt_server.rules.example_nets import CONV, IMAGE, LABELLED, LOSS, SCORE

_BNLL = 'layer { name: "log" type: "BNLL" bottom: "score" top: "score" }\n'


# BN032 and BN041 say what in place does to a batch normalisation, dialect by dialect; NET009 what it does to a ReLU.
_OWN_RULES = ("BatchNorm", "BN", "ReLU")


def _verdict(definition: LayerDef) -> InPlace:
    known = entry_of(definition.type, definition.bound.dialect)
    return "unknown" if known is None else known.in_place_verdict(definition)


@marks.mark
def _unsafe_in_place(definition: LayerDef) -> bool:
    return True in definition.in_place and _verdict(definition) not in ("safe", "unknown", "no-backward")


def own_top_fix(net: PhaseNet, node: Node, top: int) -> Fix | None:
    """The safe fix of all in-place rules: a top of its own."""
    edits = own_top(net.file, node.layer, top)
    return Fix("safe", f"Give '{node.name}' a top of its own", edits) if edits else None


@rule
class InPlaceUnsupported(Rule):
    """## What it does
    Reports a layer whose top overwrites its bottom although its type needs the bottom's values: for its output, for the
    gradient of the layers before it, or for that of its own weights; and the types that refuse to work in place.

    ## Why is this bad?
    Caffe aborts for AbsVal, Flatten, Reshape and Split only. Everything else it accepts silently: Pooling, Eltwise SUM
    and MAX, Concat, LRN across channels, InnerProduct, Reduction and SPP then give wrong outputs in every phase (an
    error); BNLL, Clip, Log, MVN, Power, LRN within channels, Eltwise PROD, Crop and Im2col are right forward and wrong
    backward; Convolution and Deconvolution get a wrong gradient of their own weights. What is wrong backward only is a
    warning where a training step runs it, otherwise a hint. Measured against the same layer out of place.

    ## Fix safety
    Safe: the layer gets its own top and the readers below follow it.
    """

    code = "NET006"
    name = "inplace-unsupported"
    severity = "error"
    fix_safety = "safe"
    GOOD = (
        Example(
            IMAGE
            + CONV
            + 'layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }\n'
            + 'layer { name: "drop" type: "Dropout" bottom: "conv" top: "conv" }\n'
            + 'layer { name: "flat" type: "Flatten" bottom: "conv" top: "flat" }\n'
        ),
        Example(  # what in place does to a batch normalisation is BN032's to say
            IMAGE + CONV + 'layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" }\n',
            dialect="nvidia-0.15",
            phase="TEST",
        ),
    )
    BAD = (
        Example(
            IMAGE
            + CONV
            + 'layer { name: "norm" type: "LRN" bottom: "conv" top: "conv" }\n'
            + 'layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }\n',
            phase="TEST",
            fixed=IMAGE
            + CONV
            + 'layer { name: "norm" type: "LRN" bottom: "conv" top: "norm" }\n'
            + 'layer { name: "relu" type: "ReLU" bottom: "norm" top: "norm" }\n',
        ),
        Example(IMAGE + CONV + 'layer { name: "flat" type: "Flatten" bottom: "conv" top: "conv" }\n', phase="TEST"),
        Example(
            LABELLED + SCORE + _BNLL + LOSS,
            phase="TRAIN",
            fixed=LABELLED
            + SCORE
            + _BNLL.replace('top: "score"', 'top: "log"')
            + LOSS.replace('bottom: "score"', 'bottom: "log"'),
        ),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """One finding for each in-place top of a layer that does not bear it."""
        for node in net.marked(_unsafe_in_place):
            verdict = _verdict(node.layer.definition)
            if node.type in _OWN_RULES and verdict != "refused":
                continue
            top = node.in_place.index(True)
            what, severity, aborts = self._consequence(verdict, node, net)
            message = f"{node.type} '{node.name}' overwrites its input '{node.tops[top].name}' {what}"
            message += " Give it its own top."
            fix = own_top_fix(net, node, top)
            yield self.at(node, message, "top", index=top, severity=severity, aborts=aborts, fix=fix)

    def _consequence(self, verdict: str, node: Node, net: PhaseNet) -> tuple[str, Severity, bool]:
        if verdict == "refused":
            return "and refuses to: Caffe aborts when it sets the layer up.", "error", True
        if verdict == "forward-wrong":
            return (
                "while it still reads it: Caffe says nothing and the output is wrong, in every phase.",
                "error",
                False,
            )
        bottom, top = node.bottoms[0], node.tops[0]
        if verdict == "weight-gradient-wrong" and bottom is not None:
            if same_shape(bottom.shape, top.shape) is False:
                return (
                    f"with another shape ({text(bottom.shape)} becomes {text(top.shape)}): "
                    "it is set up, and Caffe aborts at the first forward.",
                    "error",
                    False,
                )
            trained = net.phase == "TRAIN" and roles.learns(node) and node in backward(net).layers
            whose = "of its own weights"
        else:
            trained = roles.trains_through(node, net)
            whose = "of every layer before it"
        note = "" if trained else " Nothing trains through it here, so only the backward of another use suffers."
        text_ = f"but its backward still needs it: the gradient {whose} is silently wrong.{note}"
        return text_, "warning" if trained else "hint", False


@rule
class InPlaceNegativeSlope(Rule):
    """## What it does
    Reports an in-place ReLU with a negative `negative_slope`.

    ## Why is this bad?
    Working in place, ReLU's backward tells from the sign of its output whether the input was negative. With a negative
    slope every output is positive or zero, so the gradient of the negative part is wrong. A slope of 0 or more keeps
    the sign and is right in place.

    ## Fix safety
    Safe: the layer gets its own top and the readers below follow it.
    """

    code = "NET009"
    name = "inplace-relu-neg-slope"
    severity = "warning"
    fix_safety = "safe"
    GOOD = (
        Example(
            IMAGE
            + 'layer { name: "leaky" type: "ReLU" bottom: "data" top: "data" relu_param { negative_slope: 0.1 } }\n'
        ),
    )
    BAD = (
        Example(
            IMAGE + 'layer { name: "abs" type: "ReLU" bottom: "data" top: "data" relu_param { negative_slope: -1 } }\n',
            fixed=IMAGE
            + 'layer { name: "abs" type: "ReLU" bottom: "data" top: "abs" relu_param { negative_slope: -1 } }\n',
        ),
        Example(
            IMAGE
            + CONV
            + 'layer { name: "leak" type: "ReLU" bottom: "conv" top: "conv" relu_param { negative_slope: -0.5 } }\n'
        ),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """One finding a layer."""
        for node in net.by_type.get("ReLU", ()):
            if "relu_param" not in node.layer.definition.bound.entries or not any(node.in_place):
                continue
            slope = node.param("relu_param").get("negative_slope")
            if slope is not None and slope < 0:
                message = (
                    f"with negative_slope {slope:g} the sign of the output no longer tells the sign of the input, "
                    f"which the backward of the in-place ReLU '{node.name}' relies on: its gradient is wrong. "
                    "Give it its own top."
                )
                yield self.at(
                    node, message, "relu_param.negative_slope", fix=own_top_fix(net, node, node.in_place.index(True))
                )
