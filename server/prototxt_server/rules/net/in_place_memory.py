"""NET007 and NET008: an in-place layer that is right by itself, and spoils the values that somebody else needs."""

from __future__ import annotations

from collections.abc import Iterable

from prototxt_net import marks
from prototxt_net.file import LayerDef
from prototxt_net.finding import Finding
from prototxt_net.flow import shares_memory
from prototxt_net.layers.base import entry_of
from prototxt_net.net import Blob, Node, PhaseNet
from prototxt_server.rules import roles
from prototxt_server.rules.base import Example, Rule, related, rule
from prototxt_server.rules.example_nets import CONV, IMAGE, LABELLED, LOSS, SCORE
from prototxt_server.rules.net.in_place import own_top_fix

# An in-place ReLU's backward reads only the sign of the values it left; these keep every sign and every zero.
_SIGN_KEEPERS = frozenset({"ReLU", "ReLU6", "PReLU", "ELU", "SeLU", "TanH", "LRN", "Dropout", "Swish", "AbsVal"})
# Where these make a value 0 they also stop the gradient, and they leave the others as they are.
_VALUE_KEEPERS = frozenset({"ReLU"})


@rule
class InPlaceClobbersBackward(Rule):
    """## What it does
    Reports an in-place layer that overwrites values which the backward of the layer above it needs: Sigmoid, TanH, ELU,
    Exp, Softmax, LRN, MVN compute their gradient from their own output, and an in-place ReLU from its sign.

    ## Why is this bad?
    Caffe notices nothing: forward is right, and the gradient of every layer before it is silently wrong.

    ## Fix safety
    Safe: the overwriting layer gets its own top and the readers below follow it.
    """

    code = "NET007"
    name = "inplace-clobbers-backward"
    severity = "warning"
    fix_safety = "safe"
    GOOD = (
        Example(
            LABELLED
            + SCORE
            + 'layer { name: "relu" type: "ReLU" bottom: "score" top: "score" }\n'
            + 'layer { name: "drop" type: "Dropout" bottom: "score" top: "score" }\n'
            + LOSS
        ),
    )
    BAD = (
        Example(
            LABELLED
            + SCORE
            + 'layer { name: "squash" type: "Sigmoid" bottom: "score" top: "prob" }\n'
            + 'layer { name: "scale" type: "Scale" bottom: "prob" top: "prob" }\n'
            + LOSS.replace('"score"', '"prob"'),
            phase="TRAIN",
            fixed=LABELLED
            + SCORE
            + 'layer { name: "squash" type: "Sigmoid" bottom: "score" top: "prob" }\n'
            + 'layer { name: "scale" type: "Scale" bottom: "prob" top: "scale" }\n'
            + LOSS.replace('"score"', '"scale"'),
        ),
        Example(
            LABELLED
            + SCORE
            + 'layer { name: "relu" type: "ReLU" bottom: "score" top: "score" }\n'
            + 'layer { name: "shift" type: "Bias" bottom: "score" top: "score" }\n'
            + LOSS,
            phase="TRAIN",
        ),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """One finding for each overwriting layer."""
        if net.phase != "TRAIN":
            return
        for above in net.marked(_backward_reads_top):
            for old in above.tops:
                for node, index in old.readers:
                    overwrites = True in node.in_place and index == node.in_place.index(True)
                    if overwrites and self._spoils(node, above) and roles.trains_through(above, net):
                        yield self._finding(net, node, old)

    def _spoils(self, node: Node, above: Node) -> bool:
        if above.type == "ReLU":
            return node.type not in _SIGN_KEEPERS and not _is_positive_power(node)
        return node.type not in _VALUE_KEEPERS

    def _finding(self, net: PhaseNet, node: Node, old: Blob) -> Finding:
        above = old.producer
        what = "the sign of the values" if above.type == "ReLU" else "its own output"
        message = (
            f"the backward of '{above.name}' ({above.type}) needs {what} that '{node.name}' overwrites: the "
            f"gradients of all layers before it are silently wrong. Give '{node.name}' its own top."
        )
        top = node.in_place.index(True)
        notes = (related(above, f"'{above.name}' writes '{old.name}' here", "top", old.top_index),)
        return self.at(node, message, "top", index=top, fix=own_top_fix(net, node, top), related=notes)


@marks.mark
def _backward_reads_top(definition: LayerDef) -> bool:
    """Whether the layer's backward needs what it has put out (of an in-place ReLU: the signs)."""
    if definition.type == "ReLU":
        return True in definition.in_place
    known = entry_of(definition.type, definition.bound.dialect)
    return known is not None and known.backward_reads_top(definition)


def _is_positive_power(node: Node) -> bool:
    """A Power that multiplies by a positive number: it keeps every sign."""
    param = node.param("power_param")
    return node.type == "Power" and param.get("power") == 1 and param.get("shift") == 0 and param.get("scale") > 0


@rule
class InPlaceThroughAlias(Rule):
    """## What it does
    Reports an in-place layer on a blob whose memory another blob shares: the tops of Split, Reshape, Flatten, of a
    Concat with one input and of a Slice with one output are their input under another name.

    ## Why is this bad?
    Caffe accepts it. The in-place layer changes both names at once, so the layers that read the other one see the
    changed values (those that come later in the file), or compute their gradient from them (those that come before).

    ## Fix safety
    Safe: the in-place layer gets its own top and the readers below follow it.
    """

    code = "NET008"
    name = "inplace-through-alias"
    severity = "error"
    fix_safety = "safe"
    GOOD = (
        Example(
            IMAGE
            + CONV
            + 'layer { name: "flat" type: "Flatten" bottom: "conv" top: "flat" }\n'
            + 'layer { name: "relu" type: "ReLU" bottom: "flat" top: "flat" }\n'
        ),
    )
    BAD = (
        Example(
            IMAGE
            + CONV
            + 'layer { name: "flat" type: "Flatten" bottom: "conv" top: "flat" }\n'
            + 'layer { name: "relu" type: "ReLU" bottom: "flat" top: "flat" }\n'
            + 'layer { name: "tanh" type: "TanH" bottom: "conv" top: "tanh" }\n',
            phase="TEST",
            fixed=IMAGE
            + CONV
            + 'layer { name: "flat" type: "Flatten" bottom: "conv" top: "flat" }\n'
            + 'layer { name: "relu" type: "ReLU" bottom: "flat" top: "relu" }\n'
            + 'layer { name: "tanh" type: "TanH" bottom: "conv" top: "tanh" }\n',
        ),
        Example(
            IMAGE
            + CONV
            + 'layer { name: "flat" type: "Reshape" bottom: "conv" top: "flat"'
            + " reshape_param { shape { dim: 0 dim: -1 } } }\n"
            + 'layer { name: "power" type: "Power" bottom: "flat" top: "flat" power_param { scale: 2 } }\n'
            + 'layer { name: "tanh" type: "TanH" bottom: "conv" top: "tanh" }\n',
            phase="TEST",
        ),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """One finding for each overwriting layer; an error when another layer reads the changed values."""
        if not any(shares_memory(node) for node in net.of_type("Split", "Reshape", "Flatten", "Concat", "Slice")):
            return
        for node in roles.in_place(net):
            top = node.in_place.index(True)
            old = node.tops[top].previous
            if old is None:
                continue
            for other in roles.alias_class(old):
                if other is old:
                    continue
                reader = next((r for r, _ in other.readers if _reads_values(r, node)), None)
                if reader is not None:
                    yield self._finding(net, node, top, other, reader)
                    break

    def _finding(self, net: PhaseNet, node: Node, top: int, other: Blob, reader: Node) -> Finding:
        later = reader.position > node.position
        effect = f"'{reader.name}' sees the change" if later else f"the gradient of '{reader.name}' is computed from it"
        message = (
            f"'{node.tops[top].name}' and '{other.name}' share memory; '{node.name}' works in place on it, so "
            f"{effect}. "
            f"Give '{node.name}' its own top."
        )
        notes = (related(reader, f"'{reader.name}' reads '{other.name}' here", "bottom"),)
        severity = self.severity if later else "hint"
        return self.at(
            node, message, "top", index=top, severity=severity, fix=own_top_fix(net, node, top), related=notes
        )


def _reads_values(reader: Node, node: Node) -> bool:
    return reader is not node and not shares_memory(reader) and reader.type != "Silence"
