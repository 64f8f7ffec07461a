"""Nets as a solver makes them: each in its state, and those that stand in the solver itself exactly as written.

A net in `net_param`, `train_net_param` or `test_net_param` is not upgraded: `layers` of V1 and legacy `input` fields
are not read, and a BatchNorm's three `param` blocks stay what they are (Solver::InitTrainNet, Solver::InitTestNets).
"""

from __future__ import annotations

from collections.abc import Iterator

from prototxt_net.file import Layer, NetFile
from prototxt_net.message import Bound
from prototxt_net.net import Phase
from prototxt_net.phases import State
from prototxt_net.upgrade import input_layer, layer_def

INLINE = ("net_param", "train_net_param", "test_net_param")


def solver_state(net: Bound, phase: Phase, own: Bound | None) -> State:
    """The solver's phase, with the net's own `state` merged in, then `own`, the train_state or a test_state.

    Later phases and levels win; stages add up.
    """
    level, stages = 0, frozenset[str]()
    for source in (net.sub("state"), own):
        if source is None:
            continue
        phase = source.get("phase") if source.has("phase") else phase
        level = int(source.get("level")) if source.has("level") else level
        stages |= frozenset(source.all("stage"))
    return State(phase, level, stages)


def test_states(root: Bound) -> Iterator[tuple[str, int, Bound | None]]:
    """For each test net of a solver the field and index that it is made of, and its test_state.

    First those listed, in the order in which Caffe takes them, then one of the common net for each test_iter left.
    """
    made = [(name, index) for name in ("test_net_param", "test_net") for index in range(len(root.all(name)))]
    common = next((name for name in ("net_param", "net") if root.has(name)), "")
    if common:
        made += [(common, 0)] * (len(root.all("test_iter")) - len(made))
    states = root.all("test_state")
    for number, (name, index) in enumerate(made):
        own = states[number] if number < len(states) else None
        yield name, index, own if isinstance(own, Bound) else None


def inline_net(file: NetFile, field: str, index: int) -> NetFile | None:
    """A net that stands in a solver, as Caffe sees it; None in Caffes older than V2, where nothing is known of it.

    Places in it are places in the solver's text.
    """
    entry = file.root.entry(field, index)
    if entry is None or not isinstance(entry.value, Bound) or "V1LayerParameter" not in file.schema.messages:
        return None
    base = file.base_of(entry)
    definitions = [layer_def(block, file.schema) for block in entry.value.entries.get("layer", ())]
    if "InputParameter" not in file.schema.messages:  # then Net::Init reads the legacy fields itself
        legacy = input_layer(entry.value, file.schema)
        definitions[:0] = [legacy] if legacy is not None else []
    for definition in definitions:
        definition.upgraded = False
    layers = [Layer(definition, base, at) for at, definition in enumerate(definitions)]
    places = {id(inner.node): base for inners in entry.value.entries.values() for inner in inners}
    return NetFile(file.tree, file.schema, "net", entry.value, places, layers, [])


def inline_nets(file: NetFile) -> Iterator[tuple[NetFile, State]]:
    """The nets that a solver makes of what stands in it, the training net first."""
    root = file.root
    read: dict[tuple[str, int], NetFile | None] = {}
    wanted: list[tuple[str, int, Bound | None, Phase]] = []
    for name in ("net_param", "train_net_param"):
        if root.has(name) and not wanted:
            wanted.append((name, 0, root.sub("train_state"), "TRAIN"))
    wanted += [(name, index, own, "TEST") for name, index, own in test_states(root) if name in INLINE]
    for name, index, own, phase in wanted:
        if (name, index) not in read:
            read[name, index] = inline_net(file, name, index)
        net = read[name, index]
        if net is not None:
            yield net, solver_state(net.root, phase, own)
