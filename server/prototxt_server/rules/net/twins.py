"""NET021 and BN052: a deploy net beside the training net that its weights come from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import isclose
from typing import TYPE_CHECKING, Any

from prototxt_net.batchnorm import fields, message, norms
from prototxt_net.finding import Finding, Fix, Related
from prototxt_net.message import Bound
from prototxt_net.net import Node, PhaseNet
from prototxt_net.shape import text
from prototxt_server.rules import roles
from prototxt_server.rules.base import Example, Rule, rule
from prototxt_server.rules.bn.edits import fix, put
from prototxt_server.rules.bn.nets import bn, conv, image, ip, layer, relu, trained
from prototxt_server.rules.editing import value_edit

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis
    from prototxt_server.linked.model import Linked

_SAME_NET = 0.5  # of the layers with weights have a namesake, or the two are no twins
_FREE = frozenset({"Reshape", "Python", "Dropout", "DetectionOutput", "Silence", "Accuracy", "Split", "Slice"})
"""Types whose fields differ between training and use for good reasons, or mean nothing to the result."""
_IGNORED = frozenset({"engine", "use_global_stats", "moving_average_fraction", "momentum", "frozen", "bn_mode", "eps"})
_NOT_OWN = frozenset({"transform_param", "loss_param"})
_PAIRS = {"kernel_size": "kernel", "stride": "stride", "pad": "pad", "dilation": "dilation"}


def _twin(linked: Linked) -> PhaseNet | None:
    """The other net, in TEST where it has one."""
    if linked.twin is None or not linked.twin.nets:
        return None
    return next((net for net in linked.twin.nets if net.phase == "TEST"), linked.twin.nets[0])


def _path(linked: Linked) -> str:
    return linked.twin.source.path if linked.twin is not None else ""


def _own(analysis: Analysis, other: PhaseNet) -> PhaseNet | None:
    """The net in TEST, if it shares enough names with the other."""
    net = next((net for net in analysis.nets if net.phase == "TEST"), None)
    if net is None:
        return None
    weighted = [node for node in net.nodes if node.setup.params]
    known = sum(node.name in other.by_name for node in weighted)
    return net if weighted and known >= _SAME_NET * len(weighted) else None


def _shared(net: PhaseNet, other: PhaseNet) -> Iterator[tuple[Node, Node]]:
    for node in net.nodes:
        twin = other.by_name.get(node.name) if node.name else None
        if twin is not None and node is net.by_name[node.name]:
            yield node, twin


_DEPLOY = (
    image()
    + conv("conv1", "data")
    + bn("bn1", "conv1")
    + layer("Scale", "scale1", "conv1", "conv1", "scale_param { bias_term: true }")
    + relu("relu1", "conv1")
)
_FC = ip("fc", "conv1")
_TRAIN = {"train_val.prototxt": trained()}


@rule
class DeployTrainDrift(Rule):
    """## What it does
    Compares a deploy net with the training net beside it (`deploy.prototxt` and `train_val.prototxt`, or the file named
    by `--twin`): a layer of the same name must be of the same type, and its blobs and fields must agree. Fillers,
    learning rates, phase rules, sizes of batches and what only training reads may differ.

    ## Why is this bad?
    Weights are loaded by layer name. Where a shape differs loading aborts; where another field does (a stride, a
    padding, a pooling method), it loads, and computes something else than what was trained.

    ## Fix safety
    Unsafe: it copies the values of the training net, where both write them; which of the two is right is a guess.
    """

    code = "NET021"
    name = "deploy-train-drift"
    severity = "warning"
    fix_safety = "unsafe"
    GOOD = (
        Example(_DEPLOY + _FC, filename="deploy.prototxt", files=_TRAIN),
        Example(_DEPLOY + _FC.replace("num_output: 10", "num_output: 5"), files={"train_val.prototxt": trained()}),
        Example(image() + ip("other", "data"), filename="deploy.prototxt", files=_TRAIN),
    )
    BAD = (
        Example(
            _DEPLOY + _FC.replace("num_output: 10", "num_output: 5"),
            filename="deploy.prototxt",
            files=_TRAIN,
            fixed=_DEPLOY + _FC,
        ),
        Example((_DEPLOY + _FC).replace(" pad: 1", ""), filename="deploy.prototxt", files=_TRAIN),
        Example(_DEPLOY + conv("fc", "conv1", bias=True), filename="deploy.prototxt", files=_TRAIN),
    )

    def check_linked(self, analysis: Analysis, linked: Linked) -> Iterable[Finding]:
        """One finding a layer."""
        other = _twin(linked)
        net = None if other is None else _own(analysis, other)
        if other is None or net is None:
            return
        path = _path(linked)
        shapes_agree = True  # a shape that differs makes others differ behind it
        for node, twin in _shared(net, other):
            different = list(_differences(net, node, twin))
            if not different and shapes_agree:
                different = list(_shapes(node, twin))
            if not different:
                continue
            shapes_agree = False
            place, _, _ = different[0]
            said = "; ".join(f"{what} here and {there} there" for _, what, there in different)
            start, end = twin.layer.at(place)
            yield self.at(
                node,
                f"'{node.name}' differs from the one in {path}: {said}. Weights trained there do not load, or the "
                "result changes. Make them equal.",
                place,
                fix=_copied(node, twin, other, [place for place, _, _ in different]),
                related=(Related("the other one", start, end, path),),
                phases=(net.phase,),
            )


_Difference = tuple[str, str, str]
"""Where it stands, what it is here, what it is there."""


def _differences(net: PhaseNet, node: Node, twin: Node) -> Iterator[_Difference]:
    """Fields of the two layers' own messages that differ in the values in force."""
    if node.type != twin.type:
        if node.setup.params or twin.setup.params:
            yield "type", f"type {node.type}", twin.type
        return
    if not node.bottoms or node.type in _FREE or roles.is_loss(node, net):
        return
    names = {name for side in (node, twin) for name in side.layer.bound.entries if name.endswith("_param")}
    for name in sorted(names - _NOT_OWN):
        here, there = node.param(name), twin.param(name)
        for field, type_ in here.type.fields.items():
            if field in _IGNORED or field.endswith(("_h", "_w")) or type_.kind == "message":
                continue
            if field not in there.type.fields:
                continue  # one of the two is read for another Caffe
            values = [_value(side, field, type_.repeated, _PAIRS.get(field, "")) for side in (here, there)]
            if not _same(*values):
                yield f"{name}.{field}", f"{field} {_said(values[0])}", _said(values[1])


def _same(here: Any, there: Any) -> bool:
    """Whether two values are equal in single precision."""
    if isinstance(here, tuple) and isinstance(there, tuple) and len(here) == len(there):
        return all(map(_same, here, there))
    if isinstance(here, float) and isinstance(there, float):
        return isclose(here, there, rel_tol=1e-6)
    return bool(here == there)


def _value(message_: Bound, field: str, repeated: bool, stem: str) -> Any:
    """The value in force; a size of two axes as a pair, however it is written."""
    if stem and message_.get("global_pooling"):
        return "the whole map" if stem == "kernel" else None
    if stem and (message_.has(f"{stem}_h") or message_.has(f"{stem}_w")):
        pair = message_.get(f"{stem}_h") or 0, message_.get(f"{stem}_w") or 0
        return pair[0] if pair[0] == pair[1] else pair
    if not repeated:
        value = message_.get(field)
        return value
    values = tuple(message_.all(field))
    if stem and not values:
        return {"stride": 1, "pad": 0, "dilation": 1}.get(stem)
    return values[0] if stem and len(set(values)) == 1 else values


def _shapes(node: Node, twin: Node) -> Iterator[_Difference]:
    """Parameter blobs whose known shapes differ, of layers that learn."""
    if node.type != twin.type or len(node.setup.params) != len(twin.setup.params):
        return
    for here, there in zip(node.setup.params, twin.setup.params, strict=True):
        if here.shape is None or there.shape is None or here.shape == there.shape:
            continue
        if all(isinstance(dim, int) for dim in (*here.shape, *there.shape)):
            yield "name", f"the {here.role} has shape {text(here.shape)}", text(there.shape)
            return


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return " x ".join(map(str, value)) or "none"
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _copied(node: Node, twin: Node, other: PhaseNet, places: list[str]) -> Fix | None:
    """The twin's values in the place of ours; None unless both write each of them, once."""
    edits = []
    for place in places:
        own, theirs = node.layer.bound.find(place), twin.layer.bound.find(place)
        name, _, field = place.rpartition(".")
        if not name or own is None or theirs is None:
            return None
        if len(node.param(name).all(field)) != 1 or len(twin.param(name).all(field)) != 1:
            return None
        start, end = twin.layer.base + theirs.start, twin.layer.base + theirs.end
        edits.append(value_edit(node.layer, own, other.file.tree.text[start:end]))
    return Fix("unsafe", "Copy the values of the training net", tuple(edits)) if edits else None


@rule
class EpsMismatch(Rule):
    """## What it does
    Reports a BatchNorm whose `eps` is not that of the layer of the same name in the training net beside it (or in the
    net named by `--twin`).

    ## Why is this bad?
    The stored variance was used with the other eps: where a channel's variance is small, the two nets normalise
    differently.

    ## Fix safety
    Unsafe: it writes the eps of the training net.
    """

    code = "BN052"
    name = "bn-eps-mismatch"
    severity = "warning"
    fix_safety = "unsafe"
    _EPS = "batch_norm_param {\n    eps: %s\n  }"
    GOOD = (
        Example(_DEPLOY + _FC, filename="deploy.prototxt", files=_TRAIN),
        Example(
            _DEPLOY.replace('type: "BatchNorm"', 'type: "BatchNorm"\n  ' + _EPS % "1e-5") + _FC,
            filename="deploy.prototxt",
            files=_TRAIN,
        ),
    )
    BAD = (
        Example(
            _DEPLOY.replace('type: "BatchNorm"', 'type: "BatchNorm"\n  ' + _EPS % "0.001") + _FC,
            filename="deploy.prototxt",
            files=_TRAIN,
            fixed=_DEPLOY.replace('type: "BatchNorm"', 'type: "BatchNorm"\n  ' + _EPS % "1e-05") + _FC,
        ),
        Example(_DEPLOY + _FC, filename="x_deploy.prototxt", files={"x_train.prototxt": trained(_EPS % "2e-5")}),
    )

    def check_linked(self, analysis: Analysis, linked: Linked) -> Iterable[Finding]:
        """The values in force."""
        other = _twin(linked)
        net = None if other is None else _own(analysis, other)
        if other is None or net is None:
            return
        theirs = {node.name: node for node in norms(other)}
        for node in norms(net):
            twin = theirs.get(node.name)
            if twin is None or node is not net.by_name[node.name]:
                continue
            here, there = fields(node).get("eps"), fields(twin).get("eps")
            if here is None or there is None or _same(here, there):
                continue
            start, end = twin.layer.at(f"{message(twin)}.eps")
            yield self.at(
                node,
                f"eps of '{node.name}' is {here:g} here and {there:g} in {_path(linked)}: the two nets normalise "
                "differently. Use one value.",
                f"{message(node)}.eps",
                fix=fix("unsafe", f"Write eps: {there:g}", put(net.file, node, f"{message(node)}.eps", f"{there:g}")),
                related=(Related("the other one", start, end, _path(linked)),),
                phases=(net.phase,),
            )
