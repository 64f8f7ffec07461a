"""What the INI rules share: which weights train, what fills them and where they lead."""

from __future__ import annotations

from prototxt_grammar.edits import Edit
from prototxt_net.finding import Fix
from prototxt_net.flow import (
    WEIGHTED,
    is_loss,
    lr,
)
from prototxt_net.message import Bound
from prototxt_net.net import Blob, Node, PhaseNet
from prototxt_net.shape import product
from prototxt_server.rules.bn.edits import fix, put
from prototxt_server.rules.bn.nets import conv, data, ip, loss, relu
from prototxt_server.rules.editing import delete_entry

_RELUS = frozenset({"ReLU", "PReLU", "ELU"})


def fan_in(node: Node) -> int | None:
    """Inputs of one weight: the blob's size without its first axis; None when unknown."""
    shape = node.setup.params[0].shape if node.setup.params else None
    if shape is None or len(shape) < 2:
        return None
    count = product(shape[1:])
    return count if isinstance(count, int) and count > 0 else None


def outputs(node: Node) -> int | None:
    """How many units or filters the layer has."""
    count = node.param(message(node)).get("num_output")
    return int(count) if isinstance(count, int) else None


def message(node: Node) -> str:
    """The name of the layer's message."""
    return "inner_product_param" if node.type == "InnerProduct" else "convolution_param"


def filler_of(node: Node) -> Bound | None:
    """The weight filler as written."""
    param = node.param(message(node))
    return param.sub("weight_filler") if param.has("weight_filler") else None


def trained_weights(net: PhaseNet) -> list[Node]:
    """Layers of these types whose weight the solver changes and no text or other layer fills."""
    found: list[Node] | None = net.facts.get("trained weights")
    if found is None:
        found = net.facts["trained weights"] = [
            node
            for node in net.of_type(*WEIGHTED)
            if node.setup.params
            and lr(net, node, 0) != 0
            and not node.layer.definition.bound.has("blobs")
            and not _borrowed(net, node)
        ]
    return found


def _borrowed(net: PhaseNet, node: Node) -> bool:
    """Whether an earlier layer owns the weight, which is then filled by that layer's filler."""
    spec = node.layer.definition.bound.entry("param")
    name = spec.value.get("name") if spec is not None else None
    if not name:
        return False
    owners: dict[str, int] | None = net.facts.get("weight owners")
    if owners is None:
        owners = net.facts["weight owners"] = {}
        for other in net.nodes:
            for entry in other.layer.definition.bound.entries.get("param", ()):
                owners.setdefault(str(entry.value.get("name")), other.position)
    return owners[str(name)] < node.position


def feeds_loss(net: PhaseNet, blob: Blob) -> bool:
    """Whether some reader is a loss, through layers without weights and without a cut-off."""
    for reader, _ in blob.readers:
        if is_loss(reader.layer.definition, net.dialect):
            return True
        passing = reader.type in (
            "Softmax",
            "Sigmoid",
            "Reshape",
            "Flatten",
            "Permute",
            "Crop",
            "Slice",
            "Concat",
            "Interp",
        )
        if passing and any(feeds_loss(net, top) for top in reader.tops):
            return True
    return False


def suggestion(node: Node) -> str:
    """Msra in front of a ReLU, xavier elsewhere."""
    readers = [reader.type for reader, _ in node.tops[0].readers] if node.tops else []
    return "msra" if any(type_ in _RELUS or type_ in ("BatchNorm", "Scale") for type_ in readers) else "xavier"


_NOT_READ = ("value", "min", "max", "mean", "std", "sparse")
"""What xavier and msra do not read of a filler."""


def fill(net: PhaseNet, node: Node, kind: str) -> Fix | None:
    """Give the weights a filler of `kind` (xavier or msra), without what another kind has needed."""
    path = f"{message(node)}.weight_filler"
    filler = node.layer.bound.find(path)
    if filler is None:
        return fix("unsafe", f"Use {kind}", put(net.file, node, path, f'{{ type: "{kind}" }}'))
    base, text = node.layer.base, net.file.tree.text
    spare = [entry for name in _NOT_READ for entry in filler.value.entries.get(name, ())]
    edits: list[Edit | None] = []
    if filler.value.has("type") or not spare:
        edits.append(put(net.file, node, f"{path}.type", f'"{kind}"'))
    else:  # the type takes the place of the first of them
        first = spare.pop(0).node
        edits.append(Edit(base + first.start, base + first.end, f'type: "{kind}"'))
    edits += [delete_entry(text, base, entry) for entry in spare]
    return fix("unsafe", f"Use {kind}", *edits)


def hidden_net(filler: str, kind: str = "conv") -> str:
    """data, a hidden layer with the given filler, ReLU, a classifier and a loss."""
    first = conv("h", "data", filler=filler) if kind == "conv" else ip("h", "data", filler=filler)
    return data() + first + relu("relu", "h") + conv("g", "h") + relu("relu2", "g") + ip("fc", "g") + loss("fc")
