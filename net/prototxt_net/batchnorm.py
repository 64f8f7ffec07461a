"""Batch normalisation by dialect: one name, `BatchNorm` (or `BN`), and eight layers that behave differently.

Read in each fork's batch_norm_layer/bn_layer and, for BVLC, SSD, NVIDIA 0.15 (CAFFE engine), SegNet, PSPNet and
yjxiong, measured on CPU builds.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from prototxt_net.flow import Family, family, meant_frozen, upstream
from prototxt_net.message import Bound
from prototxt_net.net import Node, PhaseNet

TYPES = ("BatchNorm", "BN")

BVLC_LIKE: frozenset[Family] = frozenset({"B", "B0", "S", "I", "P"})
"""Families with BVLC's way of choosing between batch and stored statistics."""


def norms(net: PhaseNet) -> list[Node]:
    """The net's batch-normalisation layers, as far as the dialect's own are known."""
    found: list[Node] | None = net.facts.get("norms")
    if found is None:
        dialect = net.dialect
        found = net.facts["norms"] = [
            node for type_ in TYPES if family_of(type_, dialect) is not None for node in net.of_type(type_)
        ]
    return found


def norm_family(node: Node, dialect: str) -> Family | None:
    """Whose batch normalisation the layer is; None when it is none, or one that nobody has described."""
    return family_of(node.layer.definition.type, dialect)


@cache
def family_of(type_: str, dialect: str) -> Family | None:
    """Whose batch normalisation a layer type is in a dialect."""
    own = family(dialect)
    if type_ == "BN":
        return own if own in ("SG", "YX") else None
    if type_ != "BatchNorm":
        return None
    if own == "SG":
        return "P" if dialect == "segnet-cudnn5" else None
    if own == "YX":
        return "B0" if dialect == "pspnet" else None
    return own


def fields(node: Node) -> Bound:
    """The layer's `batch_norm_param` or `bn_param`; remembered with the layer's text."""
    definition = node.layer.definition
    found: Bound | None = definition.cache.get("norm fields")
    if found is None:
        found = definition.cache["norm fields"] = node.param(message(node))
    return found


def message(node: Node) -> str:
    """The name of the layer's message."""
    return "bn_param" if node.layer.definition.type == "BN" else "batch_norm_param"


def engine(node: Node) -> str:
    """The engine as written: "CAFFE", "CUDNN", "DEFAULT", "MKLDNN", ...; "DEFAULT" where there is no such field."""
    return str(fields(node).get("engine") or "DEFAULT")


def affine(node: Node, dialect: str) -> bool:
    """Whether the layer has gamma and beta of its own."""
    own = norm_family(node, dialect)
    if own in ("N15", "SG", "YX"):
        return True
    param = fields(node)
    if own == "N16":
        return bool(param.get("scale_bias")) or param.has("scale_filler") or param.has("bias_filler")
    if own == "I":
        return engine(node) != "CAFFE" and bool(param.get("use_weight_bias"))
    return False


def blob_count(node: Node, dialect: str) -> int | None:
    """How many parameter blobs the layer has; None when that is not known."""
    own = norm_family(node, dialect)
    if own is None:
        return None
    if own == "N15":
        return 5
    if own == "SG":
        return 2
    if own == "YX":
        return 4
    if own == "I" and affine(node, dialect):
        return 5 if fields(node).get("bias_term") else 4
    return 5 if affine(node, dialect) else 3


def gamma_filler(node: Node, dialect: str) -> str:
    """The dotted path of the filler of the layer's own gamma; "" when it has none."""
    own = norm_family(node, dialect)
    if own == "YX":
        return "bn_param.slope_filler"
    if own in ("N15", "SG", "N16"):
        return f"{message(node)}.scale_filler"
    return ""


def constant(filler: Bound) -> float | None:
    """The constant that a filler writes; None for random ones and for what cannot be read.

    Written without type it is constant, without value 0.
    """
    if not all(entry.ok for entry in filler.walk()):
        return None
    return float(filler.get("value") or 0.0) if filler.get("type") in ("constant", None) else None


def gamma_starts_at_zero(node: Node, dialect: str) -> bool:
    """Whether the layer's own gamma is 0 before training (measured on NVIDIA 0.15, SegNet and YX).

    N15, SG and YX hand an absent filler to the filler factory, whose default is the constant 0; N16 starts at 1 unless
    a filler is written.
    """
    path = gamma_filler(node, dialect)
    if not path or not affine(node, dialect):
        return False
    name = path.partition(".")[2]
    param = fields(node)
    if not param.has(name):
        return norm_family(node, dialect) != "N16"
    return constant(param.sub(name)) == 0.0


def beta_starts_at_zero(node: Node, dialect: str) -> bool:
    """Whether the layer's own beta is 0 before training, as it is without a filler (or has none)."""
    if not affine(node, dialect):
        return True
    name = "shift_filler" if norm_family(node, dialect) == "SG" else "bias_filler"
    return constant(fields(node).sub(name)) == 0.0


# -- batch or stored statistics ----------------------------------------------------------------------------------------


class Mode(NamedTuple):
    """batch: statistics of the batch (True), stored ones (False), none at all (None: SegNet's INFERENCE).

    flag: `use_global_stats` as written, where this Caffe reads it. reads_flag: whether it does.
    """

    batch: bool | None
    flag: bool | None = None
    reads_flag: bool = True


def phase_of(net: PhaseNet, node: Node) -> str:
    """The phase that the layer believes to be in: its own `phase` field before the net's."""
    bound = node.layer.definition.bound
    return str(bound.get("phase")) if bound.has("phase") else net.phase


def mode(net: PhaseNet, node: Node) -> Mode:
    """Which statistics the layer normalises with in this net."""
    key = "mode in TEST" if net.phase == "TEST" else "mode in TRAIN"
    cache = node.layer.definition.cache  # the text, the dialect and the phase tell it
    found: Mode | None = cache.get(key)
    if found is None:
        found = cache[key] = _mode(net, node)
    return found


def _mode(net: PhaseNet, node: Node) -> Mode:
    own = norm_family(node, net.dialect)
    test = phase_of(net, node) == "TEST"
    param = fields(node)
    if own == "SG":
        return Mode(True if param.get("bn_mode") != "INFERENCE" else None, reads_flag=False)
    if own == "YX":
        return Mode(not (test or bool(param.get("frozen"))), reads_flag=False)
    if own == "N16" or (own == "N15" and engine(node) != "CAFFE"):
        return Mode(not test, reads_flag=False)
    if "use_global_stats" in param.entries:
        flag = bool(param.get("use_global_stats"))
        return Mode(not flag, flag)
    return _BATCH if not test else _STORED


_BATCH, _STORED = Mode(True), Mode(False)


def per_channel(node: Node) -> int | None:
    """m, the number of values that one channel's mean is taken over: N times the axes behind the channels."""
    blob = node.bottoms[0] if node.bottoms else None
    if blob is None or blob.shape is None or len(blob.shape) < 2:
        return None
    count = 1
    for axis, dim in enumerate(blob.shape):
        if axis == 1:
            continue
        if not isinstance(dim, int):
            return None
        count *= dim
    return count


# -- the Scale behind it, and freezing ---------------------------------------------------------------------------------


def pair(node: Node) -> Node | None:
    """The one-bottom Scale that reads the layer's output, directly or through in-place Dropout."""
    blob = node.tops[0] if node.tops else None
    while blob is not None:
        following = None
        for reader, at in blob.readers:
            type_ = reader.layer.definition.type
            if type_ == "Scale" and at == 0 and len(reader.bottoms) == 1:
                return reader
            if type_ == "Dropout" and reader.in_place and reader.in_place[0]:
                following = reader.tops[0]
        blob = following
    return None


def partners(net: PhaseNet) -> dict[Node, Node | None]:
    """`pair` of each batch normalisation of the net."""
    found: dict[Node, Node | None] | None = net.facts.get("partners")
    if found is None:
        found = net.facts["partners"] = {node: pair(node) for node in norms(net)}
    return found


def in_frozen_region(net: PhaseNet, node: Node) -> bool:
    """Whether nothing around the layer trains: what feeds it is frozen (or plain data), its Scale frozen or absent."""
    blob = node.bottoms[0] if node.bottoms else None
    if blob is None or upstream(net).get(blob) not in ("frozen", "data"):
        return False
    scale = pair(node)
    return scale is None or meant_frozen(net, scale)


def behind_frozen_layer(net: PhaseNet, node: Node) -> bool:
    """`in_frozen_region`, with a frozen layer above (not only data)."""
    blob = node.bottoms[0] if node.bottoms else None
    return blob is not None and upstream(net).get(blob) == "frozen" and in_frozen_region(net, node)


def masks_statistics(node: Node) -> bool:
    """Whether the layer has (at least) three `param` blocks, the first three with lr_mult 0 written out."""
    specs = node.layer.definition.bound.all("param")
    return len(specs) >= 3 and all(spec.has("lr_mult") and spec.get("lr_mult") == 0 for spec in specs[:3])
