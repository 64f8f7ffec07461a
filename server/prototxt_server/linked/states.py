"""The nets that a solver makes of its files, each in its state (Solver::InitTrainNet, Solver::InitTestNets)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from prototxt_net.message import Bound
from prototxt_net.net import Phase, PhaseNet
from prototxt_net.phases import State
from prototxt_net.solver import solver_state, test_states
from prototxt_server.analysis import Analysis
from prototxt_server.engine import net_in
from prototxt_server.linked.model import Linked, NetLink


class Instance(NamedTuple):
    """A net that the solver makes. number: which test net it is; -1 for the training net.

    link: the file it is made of. state: the state it is made in. net: connected and set up.
    """

    number: int
    link: NetLink
    state: State
    net: PhaseNet


def instances(analysis: Analysis, linked: Linked) -> list[Instance]:
    """The training net, then the test nets, as far as they are made of files that were found."""
    return list(_instances(analysis, linked))


def _instances(analysis: Analysis, linked: Linked) -> Iterator[Instance]:
    root = analysis.file.root
    train = next((name for name in ("net", "train_net") if root.has(name)), "")
    yield from _instance(linked.link(train, 0), root.sub("train_state"), "TRAIN", -1)
    for number, (field, index, own) in enumerate(test_states(root)):
        yield from _instance(linked.link(field, index), own, "TEST", number)


def _instance(link: NetLink | None, own: Bound | None, phase: Phase, number: int) -> Iterator[Instance]:
    if link is None or link.analysis is None:
        return
    file = link.analysis.file
    state = solver_state(file.root, phase, own)
    known = next(
        (n for n in link.analysis.nets if (n.phase, n.level, n.stages) == (state.phase, state.level, state.stages)),
        None,
    )
    yield Instance(number, link, state, known or net_in(file, state, dict(link.analysis.settings.shapes)))
