"""BN013 to BN015: a BatchNorm or Scale that is written once for each phase, or for one phase only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from prototxt_grammar.edits import Edit
from prototxt_net.batchnorm import BVLC_LIKE, mode, norm_family
from prototxt_net.file import NetFile
from prototxt_net.finding import Finding
from prototxt_net.flow import trainable
from prototxt_net.net import Node, PhaseNet
from prototxt_server.rules.base import Example, Rule, related, rule
from prototxt_server.rules.bn.edits import fix
from prototxt_server.rules.bn.nets import bn, conv, data, ip, loss, relu, scale, trained
from prototxt_server.rules.editing import delete_entry, string_edit

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis

_TYPES = ("BatchNorm", "BN", "Scale")


def _pair(analysis: Analysis) -> tuple[PhaseNet, PhaseNet] | None:
    """The TRAIN net and the TEST net of a file that is meant to be trained."""
    nets = {net.phase: net for net in analysis.nets}
    if len(nets) != 2 or not trainable(nets["TRAIN"]):
        return None
    return nets["TRAIN"], nets["TEST"]


def _only_in(net: PhaseNet, other: PhaseNet) -> Iterator[Node]:
    """Layers of the types in question that have rules of their own and are not in the other phase."""
    there: set[int] | None = None
    for node in net.of_type(*_TYPES):
        entries = node.layer.definition.bound.entries
        if "include" in entries or "exclude" in entries:
            if there is None:
                there = {n.layer.index for n in other.of_type(*_TYPES)}
            if node.layer.index not in there:
                yield node


def twins(train: PhaseNet, test: PhaseNet) -> Iterator[tuple[Node, Node]]:
    """Layers of the same type between the same blobs, one in TRAIN only and one in TEST only."""
    by_place: dict[tuple[object, ...], Node] = {}
    for node in _only_in(test, train):
        by_place.setdefault((node.type, node.layer.bottoms, node.layer.tops), node)
    if not by_place:
        return
    for node in _only_in(train, test):
        twin = by_place.get((node.type, node.layer.bottoms, node.layer.tops))
        if twin is not None:
            yield node, twin


_TRAIN, _TEST = "include { phase: TRAIN }", "include { phase: TEST }"
_FALSE = "batch_norm_param { use_global_stats: false }"
_TRUE = "batch_norm_param { use_global_stats: true }"


def _twin_net(first: str, second: str, *, flags: bool = True, eps: str = "") -> str:
    one = _FALSE if flags else f"batch_norm_param {{ {eps}}}"
    two = _TRUE if flags else "batch_norm_param { eps: 0.001 }"
    return (
        data()
        + conv("conv1", "data")
        + bn(first, "conv1", _TRAIN, one)
        + bn(second, "conv1", _TEST, two)
        + scale("scale1", "conv1")
        + relu("relu1", "conv1")
        + ip("fc", "conv1")
        + loss("fc")
    )


@rule
class PhaseTwinName(Rule):
    """## What it does
    Reports a BatchNorm (or Scale) that is written twice, once for TRAIN and once for TEST, under different names.

    ## Why is this bad?
    The test net takes its weights from the train net by layer name, and a saved model stores them by layer name. Under
    two names the test layer keeps empty statistics: it multiplies its input by 316 however well training went.

    ## Fix safety
    Unsafe: pretrained weights are found by name too.
    """

    code = "BN013"
    name = "bn-phase-twin-name"
    severity = "warning"
    fix_safety = "unsafe"
    GOOD = (Example(_twin_net("bn1", "bn1")), Example(trained()))
    BAD = (
        Example(_twin_net("bn1", "bn1_test"), fixed=_twin_net("bn1", "bn1")),
        Example(
            data()
            + conv("conv1", "data")
            + bn("bn1", "conv1")
            + scale("scale_train", "conv1", _TRAIN)
            + scale("scale_test", "conv1", _TEST)
            + relu("relu1", "conv1")
            + ip("fc", "conv1")
            + loss("fc")
        ),
    )

    def check_file(self, analysis: Analysis) -> Iterable[Finding]:
        """One finding for each pair, at the TEST layer's name."""
        both = _pair(analysis)
        for a, b in twins(*both) if both else ():
            if a.name == b.name:
                continue
            entry = b.layer.bound.entry("name")
            edit = string_edit(b.layer, entry, a.name) if entry is not None else None
            yield self.at(
                b,
                f"'{b.name}' stands for '{a.name}' in TEST, but weights and statistics go from the train net to the "
                f"test net by layer name: '{b.name}' gets none and tests with its initial ones. Give both the name "
                f"'{a.name}'.",
                "name",
                related=(related(a, f"'{a.name}' is its twin in TRAIN", "name"),),
                phases=("TEST",),
                fix=fix("unsafe", f"Rename to '{a.name}'", edit),
            )


@rule
class PhaseTwinNeedless(Rule):
    """## What it does
    Points out a BatchNorm that is written twice, once per phase, where the two differ only in a `use_global_stats` that
    repeats the default.

    ## Why is this bad?
    It works, but says in two blocks what one block without the flag says, and the two can drift apart.

    ## Fix safety
    Safe: the remaining layer has the same name and computes the same in each phase.
    """

    code = "BN014"
    name = "bn-phase-twin-needless"
    severity = "hint"
    fix_safety = "safe"
    GOOD = (Example(trained()), Example(_twin_net("bn1", "bn1", flags=False)))
    BAD = (
        Example(_twin_net("bn1", "bn1"), fixed=trained()),
        Example(
            data()
            + conv("conv1", "data")
            + bn("bn1", "conv1", _TEST, "batch_norm_param { use_global_stats: true }")
            + bn("bn1", "conv1", _TRAIN)
            + ip("fc", "conv1")
            + loss("fc")
        ),
    )

    def check_file(self, analysis: Analysis) -> Iterable[Finding]:
        """One finding for each pair, at the TEST layer."""
        both = _pair(analysis)
        for a, b in twins(*both) if both else ():
            dialect = analysis.file.dialect
            if a.name != b.name or norm_family(a, dialect) not in BVLC_LIKE or not _same_but_flag(a, b):
                continue
            train, test = mode(both[0], a) if both else None, mode(both[1], b) if both else None
            if train is None or test is None or not train.batch or test.batch is not False:
                continue
            text = analysis.file.tree.text
            edits = [
                delete_entry(text, a.layer.base, entry)
                for name in ("include", "exclude")
                for entry in a.layer.bound.entries.get(name, ())
            ]
            flag = a.layer.bound.find("batch_norm_param.use_global_stats")
            if flag is not None:
                holder = a.layer.bound.find("batch_norm_param")
                alone = holder is not None and len(holder.value.entries) == 1
                edits.append(delete_entry(text, a.layer.base, holder if alone and holder is not None else flag))
            start, end = b.layer.span()
            after = len(text) if end >= len(text) else end + (text[end : end + 1] == "\n")
            yield self.at(
                b,
                f"'{b.name}' is written once per phase with the values that each phase uses anyway. One layer without "
                "include and without use_global_stats does the same.",
                "include",
                related=(related(a, "its twin in TRAIN", "include"),),
                fix=fix("safe", "Merge the two", *edits, Edit(start, after, "")),
            )


def _same_but_flag(a: Node, b: Node) -> bool:
    def said(node: Node) -> list[tuple[str, str]]:
        return sorted(
            (entry.type.name, repr(entry.value))
            for entry in node.layer.bound.walk()
            if entry.type.kind != "message" and entry.type.name not in ("use_global_stats", "phase")
        )

    return said(a) == said(b)


@rule
class MissingInAPhase(Rule):
    """## What it does
    Reports a BatchNorm or Scale that is part of one phase only and has no twin in the other, while the layers before
    and behind it are in both.

    ## Why is this bad?
    The two phases compute different functions: what was trained behind a normalisation is tested without it.

    ## Fix safety
    Unsafe: the other phase computes something else afterwards, which is the point.
    """

    code = "BN015"
    name = "bn-missing-in-a-phase"
    severity = "warning"
    fix_safety = "unsafe"
    GOOD = (Example(trained()), Example(_twin_net("bn1", "bn1")))
    BAD = (
        Example(trained(_TRAIN), fixed=trained()),
        Example(trained(scale_lines=(_TEST,)), fixed=trained()),
    )

    def check_file(self, analysis: Analysis) -> Iterable[Finding]:
        """In-place layers that one phase lacks; others would leave their readers without a bottom (NET002)."""
        both = _pair(analysis)
        if both is None:
            return
        paired = {node for couple in twins(*both) for node in couple}
        for net, other in (both, both[::-1]):
            there = {node.layer.index for node in other.nodes} if net.of_type(*_TYPES) else set()
            for node in _only_in(net, other):
                if node in paired or not any(node.in_place) or not self._between_shared(node, there):
                    continue
                yield self.at(
                    node,
                    f"'{node.name}' is part of {net.phase} only, although the layers before and behind it are in both "
                    f"phases: {other.phase} computes a different function, without it. Put it in both.",
                    "include" if node.layer.bound.has("include") else "exclude",
                    phases=(net.phase,),
                    fix=fix("unsafe", "Put it in both phases", *self._rules(analysis.file, node)),
                )

    @staticmethod
    def _rules(file: NetFile, node: Node) -> Iterator[Edit]:
        """Delete the layer's phase rules, where they speak of nothing else."""
        for name in ("include", "exclude"):
            for entry in node.layer.bound.entries.get(name, ()):
                if entry.value.entries.keys() <= {"phase"}:
                    yield delete_entry(file.tree.text, node.layer.base, entry)

    @staticmethod
    def _between_shared(node: Node, there: set[int]) -> bool:
        """Whether what stands before and behind it is in both phases, looking past other such layers."""
        bottom = node.bottoms[0] if node.bottoms else None
        while bottom is not None and bottom.producer.type in _TYPES and bottom.producer.layer.index not in there:
            bottom = bottom.previous
        readers = [reader for top in node.tops for reader, _ in top.readers]
        while len(readers) == 1 and readers[0].type in _TYPES and readers[0].layer.index not in there:
            readers = [reader for top in readers[0].tops for reader, _ in top.readers]
        return (
            bottom is not None
            and bottom.producer.layer.index in there
            and bool(readers)
            and all(reader.layer.index in there for reader in readers)
        )
