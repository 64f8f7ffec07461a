"""Which layers belong to the net of a phase (Net::FilterNet, Net::StateMeetsRule)."""

from __future__ import annotations

from typing import NamedTuple

from prototxt_net.file import Layer, LayerDef, NetFile
from prototxt_net.message import Bound
from prototxt_net.net import Phase


class State(NamedTuple):
    """The NetState that rules are held against."""

    phase: Phase
    level: int = 0
    stages: frozenset[str] = frozenset()


def merged_state(file: NetFile, asked: State) -> State:
    """The state in force: the file's own `state { }` is merged on top of what was asked for, and its phase wins."""
    own = file.root.sub("state")
    if not own.entries:
        return asked
    phase: Phase = own.get("phase") if own.has("phase") else asked.phase
    level = int(own.get("level")) if own.has("level") else asked.level
    return State(phase, level, asked.stages | frozenset(own.all("stage")))


def meets(rule: Bound, state: State) -> bool:
    """Whether a NetStateRule holds: every part that is written must; an empty rule always holds."""
    if not rule.entries:
        return True
    if rule.has("phase") and rule.get("phase") != state.phase:
        return False
    if rule.has("min_level") and state.level < rule.get("min_level"):
        return False
    if rule.has("max_level") and state.level > rule.get("max_level"):
        return False
    if any(stage not in state.stages for stage in rule.all("stage")):
        return False
    return all(stage not in state.stages for stage in rule.all("not_stage"))


def included(definition: LayerDef, state: State) -> bool:
    """Whether the layer is part of the net. With both kinds of rule Caffe aborts (NET001); include is followed here."""
    entries = definition.bound.entries
    if "include" in entries:
        return any(meets(entry.value, state) for entry in entries["include"])
    if "exclude" in entries:
        return not any(meets(entry.value, state) for entry in entries["exclude"])
    return True


def filtered(file: NetFile, state: State) -> list[Layer]:
    """The layers of the net in that state, in file order."""
    left_out = {id(layer) for layer in file.conditional if not included(layer.definition, state)}
    return [layer for layer in file.layers if id(layer) not in left_out] if left_out else list(file.layers)


def active_phases(file: NetFile, level: int, stages: frozenset[str]) -> list[Phase]:
    """The phases that the file is meant for: those in which it has an input (a layer without bottoms).

    A phase in which every unresolved bottom is the top of a source that the phase filters out does not count: the file
    is for the other phase, or needs a stage. A file without any source counts for both, so that its errors show.
    """
    own = file.root.sub("state")
    both: tuple[Phase, ...] = ("TRAIN", "TEST")
    if own.has("phase"):
        return [own.get("phase")]
    if not file.conditional:
        return list(both)
    active: list[Phase] = []
    for phase in both:
        state = merged_state(file, State(phase, level, stages))
        kept = filtered(file, state)
        if any(not layer.bottoms for layer in kept) and not _meant_for_another(file, kept):
            active.append(phase)
    return active or list(both)


def _meant_for_another(file: NetFile, kept: list[Layer]) -> bool:
    """Whether some bottoms dangle and every dangling one is made by a source layer that was filtered out."""
    made: set[str] = set()
    dangling: set[str] = set()
    for layer in kept:
        dangling.update(name for name in layer.bottoms if name not in made)
        made.update(layer.tops)
    if not dangling:
        return False
    kept_layers = {id(layer) for layer in kept}
    elsewhere = {
        top for layer in file.layers if id(layer) not in kept_layers and not layer.bottoms for top in layer.tops
    }
    return dangling <= elsewhere
