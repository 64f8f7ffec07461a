"""Helpers that read as sentences: `net("layer { ... }", "TRAIN")`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from prototxt_grammar import parse
from prototxt_net.graph import connect
from prototxt_net.net import Phase, PhaseNet
from prototxt_net.phases import State
from prototxt_net.read import read
from prototxt_net.setup import set_up, share_params
from prototxt_net.shape import Shape

NetOf = Callable[..., PhaseNet]


def build(text: str, phase: Phase = "TRAIN", dialect: str = "bvlc", shapes: dict[str, Shape] | None = None) -> PhaseNet:
    """The net of one phase, set up."""
    net = set_up(connect(read(parse(text), dialect), State(phase), shapes or {}))
    share_params(net)
    return net


@pytest.fixture
def net() -> NetOf:
    return build
