"""NET010 and NET018: names that two things have, or that Caffe will give to something else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from prototxt_net import marks
from prototxt_net.file import LayerDef
from prototxt_net.finding import Finding, Fix
from prototxt_net.graph import explicit_loss_weight
from prototxt_net.net import Blob, Node, PhaseNet
from prototxt_server.rules.base import Example, Rule, related, rule
from prototxt_server.rules.editing import string_edit
from prototxt_server.rules.example_nets import CONV, IMAGE


@rule
class DuplicateLayerName(Rule):
    """## What it does
    Reports two layers with one name in the same phase. A warning when one of them has weights, otherwise a hint.

    ## Why is this bad?
    Caffe accepts it, and finds layers by name ever after: weights from a file, and the weights that the test net takes
    from the training net, go to the first layer of that name only. The second stays at its initial values.

    ## Fix safety
    Unsafe: a pretrained file knows the layer by its present name.
    """

    code = "NET010"
    name = "duplicate-layer-name"
    severity = "warning"
    fix_safety = "unsafe"
    GOOD = (Example(IMAGE + CONV + CONV.replace('"conv"', '"conv2"')),)
    BAD = (
        Example(
            IMAGE + CONV + CONV.replace('top: "conv"', 'top: "conv2"'),
            phase="TEST",
            fixed=IMAGE + CONV + CONV.replace('top: "conv"', 'top: "conv2"').replace('name: "conv"', 'name: "conv_2"'),
        ),
        Example(IMAGE + CONV + 'layer { name: "conv" type: "ReLU" bottom: "conv" top: "conv" }\n', phase="TEST"),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """One finding for each further layer of a name."""
        if len(net.by_name) == len(net.nodes):
            return
        counts = Counter(node.name for node in net.nodes)
        first: dict[str, Node] = {}
        with_weights = {node.name for node in net.nodes if node.setup.params}
        taken = {layer.name for layer in net.file.layers}
        numbers: Counter[str] = Counter()
        for node in net.nodes:
            if not node.name or counts[node.name] == 1:
                continue
            if node.name not in first:
                first[node.name] = node
                continue
            weights = node.name in with_weights
            message = f"two layers are named '{node.name}': "
            message += (
                "weights from a file, and the trained weights for the test net, go to the first only, so the second "
                "keeps its initial values. Rename one."
                if weights
                else "logs and tools cannot tell them apart (no weights are involved). Rename one."
            )
            yield self.at(
                node, message, "name", severity=self.severity if weights else "hint",
                fix=self._fix(node, taken, numbers),
                related=(related(first[node.name], "the first of that name", "name"),),
            )  # fmt: skip

    def _fix(self, node: Node, taken: set[str], numbers: Counter[str]) -> Fix | None:
        """The next free name; numbers: the last one given for each name, so that all fixes together clash nowhere."""
        entry = node.layer.bound.entry("name")
        if entry is None:
            return None
        number = max(numbers[node.name], 1) + 1
        while f"{node.name}_{number}" in taken:
            number += 1
        numbers[node.name] = number
        new = f"{node.name}_{number}"
        return Fix("unsafe", f"Rename it to '{new}'", (string_edit(node.layer, entry, new),))


@rule
class AutoSplitCollision(Rule):
    """## What it does
    Reports a blob whose name is the one that Caffe will give to the output of an automatic Split in this very net.

    ## Why is this bad?
    Caffe puts a Split behind every blob that is read more than once and names its outputs
    `<blob>_<layer>_<index>_split_<k>`. A blob of that name makes it abort with "produced by multiple sources" about a
    blob that the author did not write. A net that Caffe has printed itself has the Splits written out and no clash.

    ## Fix safety
    Safe: the blob and its readers are renamed.
    """

    code = "NET018"
    name = "auto-split-collision"
    severity = "warning"
    fix_safety = "safe"
    _READERS = (
        'layer { name: "a" type: "TanH" bottom: "data" top: "a" }\n'
        'layer { name: "b" type: "Sigmoid" bottom: "data" top: "b" }\n'
    )
    GOOD = (Example(IMAGE + _READERS + 'layer { name: "c" type: "ReLU" bottom: "a" top: "data_split" }\n'),)
    BAD = (
        Example(
            IMAGE + _READERS + 'layer { name: "c" type: "ReLU" bottom: "a" top: "data_data_0_split_0" }\n',
            fixed=IMAGE + _READERS + 'layer { name: "c" type: "ReLU" bottom: "a" top: "data_data_0_split_0_own" }\n',
        ),
        Example(
            IMAGE
            + CONV
            + _READERS.replace('"data"', '"conv"')
            + 'layer { name: "c" type: "ReLU" bottom: "a" top: "conv_conv_0_split_1" }\n'
        ),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """One finding for each colliding top."""
        suspects = [
            (node, index)
            for node in net.marked(_named_like_a_split)
            for index, name in enumerate(node.layer.definition.tops)
            if "_split_" in name
        ]
        if not suspects:
            return
        automatic = {name for node in net.nodes for blob in node.tops for name in _split_names(blob)}
        for node, index in suspects:
            name = node.tops[index].name
            if name in automatic:
                message = (
                    f"the top '{name}' of '{node.name}' has the name that Caffe gives to an output of the Split it "
                    'inserts here; Caffe aborts with "produced by multiple sources" about a blob that is not in this '
                    "file. Rename it."
                )
                fix = self._fix(net, node, index)  # the clash is there, not only its form: no warning any more
                yield self.at(node, message, "top", index=index, severity="error", aborts=True, fix=fix)

    def _fix(self, net: PhaseNet, node: Node, index: int) -> Fix:
        name = node.tops[index].name
        edits = [
            string_edit(layer, entry, f"{name}_own")
            for layer in net.file.layers
            for entry in (*layer.bound.entries.get("top", ()), *layer.bound.entries.get("bottom", ()))
            if entry.value == name
        ]
        return Fix("safe", f"Rename the blob to '{name}_own'", tuple(edits))


@marks.mark
def _named_like_a_split(definition: LayerDef) -> bool:
    return any("_split_" in name for name in definition.tops)


def _split_names(blob: Blob) -> list[str]:
    """The names that Caffe gives to the outputs of the Split behind this version, none when it makes no Split."""
    uses = len(blob.readers) + (explicit_loss_weight(blob.producer, blob.top_index) != 0)
    if uses < 2:
        return []
    return [f"{blob.name}_{blob.producer.name}_{blob.top_index}_split_{k}" for k in range(uses)]
