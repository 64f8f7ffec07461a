"""Every planted fault is the first finding, where it was planted, with its cause in the net; sound logs say nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.log.conftest import Judge
from tests.log.planted import FAULTS, Case, Maker

from prototxt_server.analysis import Source
from prototxt_server.log.findings import report
from prototxt_server.log.reader import read_text
from prototxt_server.report.log_html import page
from prototxt_server.report.log_json import as_object
from prototxt_server.report.log_text import text as as_text
from prototxt_server.report.record import Layout

SEEDS = range(25)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_origin_and_cause(judged: Judge, fault: Callable[[Maker], Case | None]) -> None:
    cases = [(seed, case) for seed in SEEDS if (case := fault(Maker(seed))) is not None]
    assert len(cases) >= 15
    for seed, case in cases:
        for net in (None, case.net):
            report = judged(case.log, net)
            first = report.verdicts[0] if report.verdicts else None
            assert first is not None, (seed, net is not None)
            assert (first.code, first.layer) == (case.code, case.layer), (seed, net is not None, first.message)
        causes = {finding.code for finding in report.findings}
        assert causes >= set(case.causes), (seed, causes)


def test_sound_logs_say_nothing(judged: Judge) -> None:
    for seed in SEEDS:
        case = Maker(seed).case("", None)
        for net in (None, case.net):
            assert [v.message for v in judged(case.log, net).verdicts] == [], seed


@given(st.integers(0, 10_000), st.data())
@settings(deadline=None, max_examples=60)
def test_what_is_left_of_a_sound_log_says_nothing(seed: int, data: st.DataObject) -> None:
    """Cut anywhere, with pieces missing: what is not there proves nothing.

    Only the lines that name a layer for the ones below them stay: without them nobody can tell whose values those are.
    """
    case = Maker(seed).case("", None)
    lines = case.log.splitlines(keepends=True)
    kept = [line for line in lines if data.draw(st.integers(0, 9)) or re.search(r"\] Layer \S+$", line.rstrip())]
    whole = "".join(kept)
    log = whole[data.draw(st.integers(0, len(whole))) :]
    log = log[: data.draw(st.integers(0, len(log)))]
    for net in (None, Source(case.net, "net.prototxt")):
        found = report(read_text(log), "train.log", net)
        assert [(v.severity, v.message) for v in found.verdicts if v.severity in ("error", "warning")] == []


@pytest.mark.parametrize("line", ["Iteration 3, lr = 0.01", "    Train net output #0: loss = 0.01"])
def test_a_number_that_the_end_cuts_off_is_none(line: str) -> None:
    """`lr = 0.0` may be the beginning of 0.01."""
    for text, count in ((line, 0), (line[:-1], 0), (line + "\n", 1)):
        log = read_text(text)
        assert sum(track.count for track in (log.lr, *log.train.values())) == count


@given(st.integers(0, 10_000), st.sampled_from(FAULTS), st.data())
@settings(deadline=None, max_examples=50)
def test_damaged_logs_are_read(seed: int, fault: Callable[[Maker], Case | None], data: st.DataObject) -> None:
    maker = Maker(seed)
    case = fault(maker) or maker.case("", None)
    log = case.log
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(log)))
        other = data.draw(st.integers(0, len(log)))
        piece = data.draw(st.one_of(st.just(""), st.text(max_size=12), st.just(log[other : other + 400])))
        log = log[:at] + piece + log[at + data.draw(st.sampled_from([0, 3, 120])) :]
    found = report(read_text(log), "train.log", Source(case.net, "net.prototxt"))
    as_text(found, Layout())
    json.dumps(as_object(found), allow_nan=False)
    page(found)
