"""NET001, NET011, NET016: rules that decide which phases a layer is part of, and what is mistaken for one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prototxt_grammar.edits import Edit
from prototxt_net.file import Layer, LayerDef
from prototxt_net.finding import Finding, Fix
from prototxt_net.message import Bound
from prototxt_server.rules.base import Example, ProblemRule, rule
from prototxt_server.rules.example_nets import CONV, IMAGE, LABELLED, LOSS, SCORE
from prototxt_server.rules.local import LayerRule

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis


@rule
class IncludeAndExclude(ProblemRule):
    """## What it does
    Reports a layer with both include and exclude rules.

    ## Why is this bad?
    Caffe accepts one kind only on a layer and aborts, in every phase.

    ## Fix safety
    There is no automatic fix: which of the two says what was meant is the author's to know.
    """

    code = "NET001"
    name = "include-and-exclude"
    severity = "error"
    GOOD = (Example(IMAGE + CONV.replace('top: "conv"', 'top: "conv"\n  include { phase: TEST }')),)
    BAD = (
        Example(
            IMAGE + CONV.replace('top: "conv"', 'top: "conv"\n  include { phase: TEST }\n  exclude { phase: TRAIN }')
        ),
        Example(
            IMAGE
            + 'layer { name: "d" type: "ReLU" bottom: "data" top: "d" exclude { stage: "a" } include { stage: "b" } }\n'
        ),
    )


# Layer types that read their phase, so that a layer-level `phase` has a sense of its own there.
_FILTERED = frozenset(
    {"Data", "ImageData", "HDF5Data", "WindowData", "MemoryData", "DummyData", "AnnotatedData", "Accuracy"}
)


@rule
class LayerPhaseNotFilter(LayerRule):
    """## What it does
    Reports `phase:` written directly in a data, loss or Accuracy layer that has no include or exclude rule.

    ## Why is this bad?
    That field tells the layer its phase; it does not choose the nets that the layer is part of. The layer stays in
    both, where its tops may collide with those of its twin. On BatchNorm and Dropout the field has a use (it fixes
    their mode), so they are not reported.

    ## Fix safety
    Unsafe: wrapping the phase in an include rule takes the layer out of the other phase.
    """

    code = "NET011"
    name = "layer-phase-not-filter"
    severity = "warning"
    fix_safety = "unsafe"
    GOOD = (Example(LABELLED.replace('top: "data"', 'top: "data"\n  include { phase: TRAIN }') + SCORE + LOSS),)
    BAD = (
        Example(
            LABELLED.replace('top: "data"', 'top: "data"\n  phase: TRAIN') + SCORE + LOSS,
            fixed=LABELLED.replace('top: "data"', 'top: "data"\n  include { phase: TRAIN }') + SCORE + LOSS,
        ),
        Example(LABELLED + SCORE + LOSS.replace('top: "loss"', 'top: "loss"\n  phase: TRAIN')),
    )

    def suspects(self, layer: LayerDef) -> bool:
        """A data, loss or Accuracy layer with a bare phase."""
        entries = layer.bound.entries
        if "phase" not in entries or "include" in entries or "exclude" in entries:
            return False
        return layer.type in _FILTERED or layer.type.endswith("Loss")

    def check_layer(self, layer: Layer, analysis: Analysis) -> Iterable[Finding]:
        """Silent in a net that Caffe has printed: there every layer has its phase written out."""
        if all(other.bound.has("phase") for other in analysis.file.layers):
            return
        entry = layer.bound.entry("phase")
        if entry is None:
            return
        message = (
            f"`phase: {entry.value}` directly in '{layer.name}' does not restrict it to {entry.value}: the layer "
            "stays in "
            f"both nets. Write `include {{ phase: {entry.value} }}`."
        )
        edit = Edit(layer.base + entry.node.start, layer.base + entry.end, f"include {{ phase: {entry.value} }}")
        yield self.at(layer, message, "phase", fix=Fix("unsafe", "Make it an include rule", (edit,)))


@rule
class RuleNeverMet(LayerRule):
    """## What it does
    Reports include rules that contradict themselves: min_level above max_level, or a stage that is both asked for and
    excluded.

    ## Why is this bad?
    The layer is never part of the net, in no phase, level or stage. Everything that reads its tops fails.

    ## Fix safety
    There is no automatic fix: which half of the rule is wrong is the author's to know.
    """

    code = "NET016"
    name = "rule-never-met"
    severity = "warning"
    GOOD = (Example(IMAGE + CONV.replace('top: "conv"', 'top: "conv"\n  include { min_level: 1 max_level: 2 }')),)
    BAD = (
        Example(IMAGE + CONV.replace('top: "conv"', 'top: "conv"\n  include { min_level: 2 max_level: 1 }')),
        Example(IMAGE + CONV.replace('top: "conv"', 'top: "conv"\n  include { stage: "fit" not_stage: "fit" }')),
    )

    def suspects(self, layer: LayerDef) -> bool:
        """All of its include rules contradict themselves."""
        rules = layer.bound.entries.get("include")
        return bool(rules) and all(_contradiction(entry.value) for entry in rules or ())

    def check_layer(self, layer: Layer, analysis: Analysis) -> Iterable[Finding]:
        """One finding, at the first rule."""
        why = _contradiction(layer.bound.entries["include"][0].value)
        yield self.at(layer, f"'{layer.name}' can never be part of the net: {why}. Correct the rule.", "include")


def _contradiction(rule_: Bound) -> str:
    if rule_.has("min_level") and rule_.has("max_level") and rule_.get("min_level") > rule_.get("max_level"):
        low, high = rule_.get("min_level"), rule_.get("max_level")
        return f"its rule asks for a level of at least {low} and at most {high}"
    both = sorted(set(rule_.all("stage")) & set(rule_.all("not_stage")))
    return f"its rule asks for stage '{both[0]}' and excludes it" if both else ""
