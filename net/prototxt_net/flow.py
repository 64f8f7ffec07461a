"""What a net is for and what it will train: the vocabulary that rules share, computed once per net and kept in
`PhaseNet.facts`. Everything is linear in the size of the net.

Batch-normalisation layers have a module of their own (`batchnorm`), and so has the question which layers get a
gradient (`backward`).
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from prototxt_net.file import LayerDef
from prototxt_net.layers.base import entry_of
from prototxt_net.marks import mark, source
from prototxt_net.message import Bound
from prototxt_net.net import Blob, Node, PhaseNet
from prototxt_net.schema.load import DIALECTS

Family: TypeAlias = Literal["B", "B0", "S", "N15", "N16", "I", "SG", "YX", "P"]

_FAMILIES: dict[str, Family] = {
    "bvlc": "B",
    "bvlc-1.0": "B",
    "bvlc-windows": "B",
    "bvlc-opencl": "B",
    "py-faster-rcnn": "B0",
    "ssd": "S",
    "nvidia-0.14": "N15",
    "nvidia-0.15": "N15",
    "nvidia-0.16": "N16",
    "nvidia-0.17": "N16",
    "jacinto-0.17": "N16",
    "intel": "I",
    "segnet": "SG",
    "segnet-cudnn5": "SG",
    "pspnet": "YX",
    "yjxiong-tsn": "YX",
}


def family(dialect: str) -> Family:
    """The group of forks whose batch normalisation works alike.

    B: BVLC since 2016-09. B0: BVLC before 2016-08-29. S: SSD. N15, N16: NVIDIA 0.14/0.15 and 0.16/0.17 (with
    Jacinto's). I: Intel.
    SG: SegNet's `BN`. YX: yjxiong's and PSPNet's `BN`. P: BVLC's layer in a fork of unknown age, of which only what
    never changed is claimed.
    """
    return _FAMILIES.get(dialect, "P")


def dialects_of(*families: Family) -> frozenset[str]:
    """The dialects of some families."""
    return frozenset(name for name in DIALECTS if family(name) in families)


# -- losses and the purpose of a net -----------------------------------------------------------------------------------

NetKind: TypeAlias = Literal["trainable", "deploy", "features", "fragment"]

_FED_FROM_OUTSIDE = frozenset({"Input", "DummyData", "Python"})


def is_loss(definition: LayerDef, dialect: str) -> bool:
    """Whether the type belongs to the losses, whose first top has loss_weight 1 when none is written."""
    entry = entry_of(definition.type, dialect)
    return entry.loss if entry is not None else definition.type.endswith("Loss")


def carries_loss(definition: LayerDef, dialect: str) -> bool:
    """Whether some top of the layer has a loss weight other than 0."""
    written = definition.bound.entries.get("loss_weight")
    if written:
        return any(entry.value != 0 for entry in written)
    return is_loss(definition, dialect)


def loss_weights(node: Node, dialect: str) -> tuple[float, ...]:
    """The loss weight in force of each top: as written, else 1 for the first top of a loss and 0 for the others."""
    written = node.layer.definition.bound.all("loss_weight")
    count = len(node.tops)
    if written:
        return tuple(float(written[i]) if i < len(written) else 0.0 for i in range(count))
    if is_loss(node.layer.definition, dialect):
        return (1.0,) + (0.0,) * (count - 1)
    return (0.0,) * count


def _in_train(definition: LayerDef) -> bool:
    """Whether the layer's rules let it into some TRAIN net, whatever the level and the stages."""
    entries = definition.bound.entries
    if "include" in entries:
        return any(not rule.value.has("phase") or rule.value.get("phase") == "TRAIN" for rule in entries["include"])
    if "exclude" in entries:
        return not any(
            rule.value.entries.keys() <= {"phase"} and rule.value.get("phase") == "TRAIN"
            for rule in entries["exclude"]
            if rule.value.has("phase")
        )
    return True


@mark
def has_weighted_loss(definition: LayerDef) -> bool:
    """`carries_loss` as a mark."""
    return carries_loss(definition, definition.bound.dialect)


@mark
def _loss_in_train(definition: LayerDef) -> bool:
    dialect = definition.bound.dialect
    return (carries_loss(definition, dialect) or is_loss(definition, dialect)) and _in_train(definition)


def kind(net: PhaseNet) -> NetKind:
    """What the net's file is for; the same answer for its TRAIN and its TEST net.

    trainable: a layer that training sees carries a loss, be it with weight 0. deploy: no loss, and all inputs are given
    by the caller. features: no loss, but data layers (feature extraction; weights are loaded). fragment: no source.
    """
    known: NetKind | None = net.facts.get("kind")
    if known is None:
        known = net.facts["kind"] = _kind(net)
    return known


def _kind(net: PhaseNet) -> NetKind:
    if net.file.marked(_loss_in_train):
        return "trainable"
    sources = {layer.definition.type for layer in net.file.marked(source)}
    if not sources:
        return "fragment"
    return "deploy" if sources <= _FED_FROM_OUTSIDE else "features"


def trainable(net: PhaseNet) -> bool:
    """Whether the net's file is meant to be trained."""
    return kind(net) == "trainable"


# -- learnable parameters ----------------------------------------------------------------------------------------------

STATISTICS = frozenset({"mean", "variance", "factor", "spare"})

WEIGHTED = ("Convolution", "InnerProduct", "Deconvolution")
"""The layers whose weights start at constant 0 when no weight_filler is written."""


def weights(node: Node) -> list[int]:
    """Indices of the parameter blobs that are weights: statistics are none, also where a dialect does not mask them."""
    return [i for i, blob in enumerate(node.setup.params) if not blob.statistic and blob.role not in STATISTICS]


def lr(net: PhaseNet, node: Node, index: int) -> float:
    """The lr_mult in force: forced, as written, else what a layer sharing the blob's name writes, else 1."""
    spec = _spec(node, index)
    if spec is None or node.setup.params[index].lr_mult is not None:
        return node.lr_mult(index)
    if not spec.has("lr_mult") and spec.get("name"):
        return _shared_rates(net).get(str(spec.get("name")), 1.0)
    return node.lr_mult(index)


def _spec(node: Node, index: int) -> Bound | None:
    entry = node.layer.definition.bound.entry("param", index)
    return entry.value if entry is not None and isinstance(entry.value, Bound) else None


def _shared_rates(net: PhaseNet) -> dict[str, float]:
    rates: dict[str, float] | None = net.facts.get("rates")
    if rates is None:
        rates = net.facts["rates"] = {}
        for node in net.nodes:
            for entry in node.layer.definition.bound.entries.get("param", ()):
                spec = entry.value
                if spec.has("name") and spec.has("lr_mult"):
                    rates.setdefault(str(spec.get("name")), float(spec.get("lr_mult")))
    return rates


def frozen(net: PhaseNet, node: Node) -> bool:
    """Whether the layer has weights and every one of them has lr_mult 0."""
    if "param" not in node.layer.definition.bound.entries:
        for blob in node.setup.params:
            if blob.lr_mult == 0:
                break
        else:
            return False
    own = weights(node)
    return bool(own) and all(lr(net, node, i) == 0 for i in own)


def meant_frozen(net: PhaseNet, node: Node) -> bool:
    """Whether the layer is frozen, or would be if its author had not left out blocks (FRZ002).

    All blocks that are given say 0. What stands around such a layer is judged by the evident intention.
    """
    if frozen(net, node):
        return True
    given = len(node.layer.definition.bound.entries.get("param", ()))
    own = [i for i in weights(node) if i < given]
    return bool(own) and all(lr(net, node, i) == 0 for i in own)


def _asks_for_zero(node: Node) -> bool:
    """Whether some rate of the layer may be 0, by its own text or by force; remembered with the text."""
    definition = node.layer.definition
    asks: bool | None = definition.cache.get("asks for zero")
    if asks is None:
        specs = definition.bound.all("param")
        forced = definition.type == "BN" and definition.bound.sub("bn_param").get("frozen")
        asks = bool(forced) or any(spec.get("lr_mult") == 0 or not spec.has("lr_mult") for spec in specs)
        definition.cache["asks for zero"] = asks
    return asks


def any_frozen(net: PhaseNet) -> bool:
    """Whether some layer of the net is frozen, or meant to be."""
    known: bool | None = net.facts.get("any frozen")
    if known is None:
        known = net.facts["any frozen"] = any(_asks_for_zero(node) and meant_frozen(net, node) for node in net.nodes)
    return known


# -- what stands above a blob ------------------------------------------------------------------------------------------

Upstream: TypeAlias = Literal["frozen", "trainable", "data", "unknown"]


def upstream(net: PhaseNet) -> dict[Blob, Upstream]:
    """For each blob version, the nearest layers with weights above it, looking through layers without.

    frozen: all of them are frozen, or meant to be; trainable: one is not; data: there are none; unknown: a layer that
    nobody has described stands between.
    """
    table: dict[Blob, Upstream] | None = net.facts.get("upstream")
    if table is None:
        table = net.facts["upstream"] = {}
        for node in net.nodes:
            state = _upstream_of(net, node, table)
            for top in node.tops:
                table[top] = state
    return table


def _upstream_of(net: PhaseNet, node: Node, table: dict[Blob, Upstream]) -> Upstream:
    for param in node.setup.params:
        if not param.statistic and param.role not in STATISTICS:
            return "frozen" if meant_frozen(net, node) else "trainable"
    if not node.bottoms:
        return "data"
    if entry_of(node.layer.definition.type, net.dialect) is None:
        return "unknown"
    if len(node.bottoms) == 1:
        below = node.bottoms[0]
        return "data" if below is None else table[below]
    above = {table[blob] for blob in node.bottoms if blob is not None}
    for state in ("trainable", "unknown", "frozen"):
        if state in above:
            return state
    return "data"


# -- evidence for training from scratch or from stored weights ---------------------------------------------------------

FINE_TUNE_SHARE = 0.35  # 166 nets of the studied ones stand at 0, 99 at 0.4 and above, 3 between


def without_filler(net: PhaseNet) -> list[Node]:
    """Convolution, Deconvolution and InnerProduct layers that train but write no weight_filler."""
    found: list[Node] | None = net.facts.get("without filler")
    if found is None:
        found = net.facts["without filler"] = []
        count = 0
        for node in net.of_type(*WEIGHTED):
            if frozen(net, node):
                continue
            count += 1
            params = node.setup.params
            path = params[0].filler if params else ""
            if path and node.layer.definition.bound.find(path) is None and not _loads_own_blobs(node):
                found.append(node)
        net.facts["without filler of"] = count
    return found


def _loads_own_blobs(node: Node) -> bool:
    return "blobs" in node.layer.definition.bound.entries


def missing_share(net: PhaseNet) -> float:
    """The share of `without_filler` among the trainable layers of those types; 0 when there are none."""
    missing = len(without_filler(net))
    count: int = net.facts["without filler of"]
    return missing / count if count else 0.0


def fine_tuned(net: PhaseNet) -> bool:
    """Whether the file looks written for stored weights: a frozen layer, or too many layers without a filler."""
    return any_frozen(net) or missing_share(net) >= FINE_TUNE_SHARE


# -- shared memory -----------------------------------------------------------------------------------------------------


def shares_memory(node: Node) -> bool:
    """Whether the layer's tops are its bottom's memory: Split, Reshape, Flatten, Concat of one, Slice into one."""
    type_ = node.layer.definition.type
    if type_ in ("Split", "Reshape", "Flatten"):
        return True
    return (type_ == "Concat" and len(node.bottoms) == 1) or (type_ == "Slice" and len(node.tops) == 1)


def aliases(net: PhaseNet) -> dict[Blob, Blob]:
    """For each blob version the first one on the same memory, through in-place layers and `shares_memory`."""
    table: dict[Blob, Blob] | None = net.facts.get("aliases")
    if table is None:
        table = net.facts["aliases"] = {}
        for node in net.nodes:
            first = node.bottoms[0] if node.bottoms else None
            through = first is not None and shares_memory(node)
            for blob in node.tops:
                below = blob.previous or (first if through else None)
                table[blob] = blob if below is None else table.get(below, below)
    return table
