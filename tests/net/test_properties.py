"""What holds for every net: no floor stumbles, and its shapes depend on what it says, not on how it is written."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from tests.net.nets import growing, harm, harmed, nets
from zoo import NAMES, ZOO, write

from prototxt_gpu_check import plan
from prototxt_gpu_check.backend import Backend
from prototxt_gpu_check.run import Options, Pass
from prototxt_gpu_check.sources import Inputs
from prototxt_grammar.comments import comments, strings
from prototxt_net.describe import describe
from prototxt_net.phases import State
from prototxt_net.shape import text as shown
from prototxt_server.analysis import Analysis, Settings, Source
from prototxt_server.engine import analyze
from prototxt_server.fixing import fix_text

SMALL = [write(name, "train_val", batch=2, size=ZOO[name].smallest, width=0.1) for name in NAMES]
ANY = st.one_of(growing(), nets(), st.sampled_from(SMALL[:4]))


def read(text: str, phase: str = "all") -> Analysis:
    return analyze(Source(text, "net.prototxt"), Settings(dialect="ssd", phase=phase))


def shapes(text: str) -> list[Any]:
    """Layer by layer the shapes of tops and parameters, unknown sizes as `?`, and what Caffe would stop at."""
    analysis = read(text)
    return [
        (
            net.phase,
            [
                (
                    node.type,
                    [shown(blob.shape) for blob in node.tops],
                    [shown(blob.shape) for blob in node.setup.params],
                    node.in_place,
                    [problem.code for problem in node.setup.problems if problem.aborts],
                )
                for node in net.nodes
            ],
            sorted(problem.code for problem in net.problems),
        )
        for net in analysis.nets
    ]


def renamed(text: str) -> str:
    """Every blob under another name, the same everywhere."""
    return re.sub(r'\b((?:bottom|top|input)\s*:\s*)"([^"\n]*)"', r'\1"of \2"', text)


def commented(text: str, remarks: list[str]) -> str:
    """A remark behind each line and a line of its own before it, as long as there are remarks."""
    lines = text.split("\n")
    for i, remark in enumerate(remarks[: len(lines)]):
        lines[i] = f"# {remark}\n{lines[i]}  # {remark}"
    return "\n".join(lines)


def laid_out(text: str, blanks: list[str]) -> str:
    """Other blanks where there are some, one after the other of `blanks`; a comment still ends with its line."""
    fixed = sorted([*strings(text), *comments(text)])
    after_comment = {end for _, end in comments(text)}
    pieces, at, turn = [], 0, 0
    for start, end in [*fixed, (len(text), len(text))]:
        between = text[at:start]
        for run in re.split(r"(\s+)", between):
            if run.isspace():
                first = at in after_comment and between.startswith(run)
                run = ("\n" if first else "") + blanks[turn % len(blanks)]
                turn += 1
            pieces.append(run)
        pieces.append(text[start:end])
        at = end
    return "".join(pieces)


REMARKS = st.lists(st.sampled_from(["x", '"', "}", "layer {", "bottom: 'b0'", "é", "{" * 5]), max_size=40)


@settings(max_examples=150)
@given(text=ANY)
def test_blobs_by_other_names(text: str) -> None:
    assert shapes(renamed(text)) == shapes(text)


@settings(max_examples=150)
@given(text=ANY, blanks=st.lists(st.sampled_from([" ", "\n", "\t", "  \n\n    ", "\r\n"]), min_size=1, max_size=6))
def test_with_other_blanks(text: str, blanks: list[str]) -> None:
    assume(not any(read(text).tree.problems()))  # how a broken text is mended depends on its lines
    assert shapes(laid_out(text, blanks)) == shapes(text)


@settings(max_examples=100)
@given(text=ANY, remarks=REMARKS)
@example(text=SMALL[0], remarks=['# layer { name: "x" }'] * 200)
def test_with_comments(text: str, remarks: list[str]) -> None:
    assert shapes(commented(text, remarks)) == shapes(text)


@settings(max_examples=150)
@given(text=st.one_of(growing(), nets()), edits=st.lists(harm(), max_size=3))
def test_no_floor_stumbles(text: str, edits: list[tuple[float, int, str]]) -> None:
    """Binding, graph, set-up and rules; the description; the plan of a forward pass; all fixes."""
    text = harmed(text, edits)
    for net in read(text).nets:
        json.dumps(describe(net), allow_nan=False)
        with_batch = plan.make(net.file, State(net.phase), Inputs(), None, 2)
        assert len(with_batch.net.nodes) == len(net.nodes)
    fix_text(Source(text, "net.prototxt"), Settings(), True)


@pytest.mark.parametrize("name", NAMES)
def test_the_zoo_in_other_manners(name: str) -> None:
    text = SMALL[NAMES.index(name)]
    for other in (renamed(text), laid_out(text, [" "]), laid_out(text, ["\n\n"]), commented(text, ["}"] * 500)):
        assert shapes(other) == shapes(text)


@settings(max_examples=40)
@given(text=growing())
def test_a_pass_gives_the_shapes_that_were_planned(text: str) -> None:
    made = plan.make(read(text).file, State("TRAIN"), Inputs(shapes={"b0": (2, 3, 9, 7)}), None, 2)
    with np.errstate(all="ignore"):
        result = Pass(made, Backend(), Inputs(shapes={"b0": (2, 3, 9, 7)}), Options(backward=True)).run()
    assert result.status == "ok" or plan.aborting(made.net) or any(not layer.checked for layer in result.layers)
    for layer, node in zip(result.layers, made.net.nodes, strict=True):
        for top, blob in zip(layer.tops, node.tops, strict=False):
            assert plan.aborting(made.net) or blob.shape is None or tuple(top.shape) == blob.shape
