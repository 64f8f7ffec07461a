"""BN030: `use_global_stats` in a Caffe that does not read it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prototxt_net.batchnorm import behind_frozen_layer, fields, mode, norm_family, phase_of
from prototxt_net.finding import Finding
from prototxt_net.flow import dialects_of, trainable
from prototxt_net.net import Node, PhaseNet
from prototxt_server.rules.base import Example, Rule, rule
from prototxt_server.rules.bn.by_phase import FLAG, by_phase
from prototxt_server.rules.bn.edits import drop, fix
from prototxt_server.rules.bn.nets import STAT, block, image, trained
from prototxt_server.rules.bn.pick import flagged

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis

_LOCKED = "param { lr_mult: 0 decay_mult: 0 }"
_TRUE = "batch_norm_param { use_global_stats: true }"


@rule
class FlagIgnored(Rule):
    """## What it does
    Reports `use_global_stats` in NVIDIA 0.16 and 0.17, and in 0.14 and 0.15 unless `engine: CAFFE` is written.

    ## Why is this bad?
    These layers decide by the phase alone: TRAIN uses the batch, TEST the stored statistics. Where the flag asks for
    something else it silently does nothing; in particular a frozen BatchNorm goes on using and updating batch
    statistics. `false` in a net that trains and tests is a hint: the phase does what was wanted.

    ## Fix safety
    Safe where the phase gives what is wanted anyway. In a frozen part the layer can be told that it is in TEST
    (`phase: TEST` is a field of every layer), which is unsafe: it is right only while nothing in front of the layer
    trains and none of its own blobs does. Elsewhere none: this Caffe has no field that fulfils the wish.
    """

    code = "BN030"
    name = "bn-flag-ignored"
    severity = "warning"
    dialects = dialects_of("N15", "N16")
    fix_safety = "safe"
    GOOD = (
        Example(trained(), dialect="nvidia-0.17"),
        Example(
            trained("batch_norm_param { use_global_stats: false engine: CAFFE scale_filler { value: 1 } }"),
            dialect="nvidia-0.15",
            phase="TRAIN",
        ),
    )
    BAD = (
        Example(trained(_TRUE), dialect="nvidia-0.16"),
        Example(
            trained(_TRUE, conv_lines=(_LOCKED,), scale_lines=(_LOCKED, _LOCKED)),
            dialect="nvidia-0.17",
            fixed=trained(STAT, STAT, STAT, "phase: TEST", conv_lines=(_LOCKED,), scale_lines=(_LOCKED, _LOCKED)),
        ),
        Example(image() + block(_TRUE), dialect="nvidia-0.17", phase="TEST", fixed=image() + block()),
        Example(trained("batch_norm_param { use_global_stats: false }"), dialect="nvidia-0.17", fixed=trained()),
    )

    def check_file(self, analysis: Analysis) -> Iterable[Finding]:
        """One finding a layer, naming the phases in which the flag asks for something else."""
        seen: dict[int, list[tuple[PhaseNet, Node]]] = {}
        for net in analysis.nets:
            for node in net.marked(flagged):
                if norm_family(node, net.dialect) in ("N15", "N16") and not mode(net, node).reads_flag:
                    seen.setdefault(node.layer.index, []).append((net, node))
        for places in seen.values():
            yield self._finding(places)

    def _finding(self, places: list[tuple[PhaseNet, Node]]) -> Finding:
        node = places[0][1]
        flag = bool(fields(node).get("use_global_stats"))
        net = places[0][0]
        against = [n.phase for n, at in places if flag != (phase_of(n, at) == "TEST")]
        delete = fix("safe", "Delete use_global_stats", drop(net.file, node, FLAG))
        if not against:
            return self.at(
                node,
                f"'{node.name}': {net.dialect} decides by the phase alone and does not read use_global_stats. Here it "
                "agrees with the phase; delete it.",
                FLAG,
                severity="hint",
                phases=tuple(n.phase for n, _ in places),
                fix=delete,
            )
        # Beside a TRAIN net, `false` is a habit (NVIDIA's own recipes have it), and what happens is what is wanted.
        habit = not flag and len(against) < len(places)
        kept = "use batch statistics and overwrite the stored ones" if flag else "use the stored statistics"
        then, advice = f"in {' and '.join(against)} it goes on to {kept}", "Delete the line."
        cure = delete if habit else None
        if flag and trainable(net):
            stuck = next(((n, at) for n, at in places if behind_frozen_layer(n, at)), None)
            if stuck is not None:
                then += ", although everything around it is frozen"
                advice, cure = by_phase(*stuck)
        return self.at(
            node,
            f"'{node.name}': {net.dialect} decides by the phase alone and does not read use_global_stats: "
            f"{str(flag).lower()}; {then}{', as it should' if habit else ''}. {advice}",
            FLAG,
            severity="hint" if habit else "warning",
            phases=tuple(against),
            fix=cure,
        )
