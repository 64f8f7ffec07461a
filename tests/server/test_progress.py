"""A bar is drawn on a terminal only, and only after a second; the items come through as they are."""

from __future__ import annotations

import io
import sys

import pytest

from prototxt_server.cli import progress
from prototxt_server.cli.progress import Bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


CASES = {
    "slow, on a terminal": (Terminal, -1.0, 5, True),
    "quick": (Terminal, 1e9, 5, False),
    "no terminal": (io.StringIO, -1.0, 5, False),
    "one item": (Terminal, -1.0, 1, False),
    "no item": (Terminal, -1.0, 0, False),
}


@pytest.mark.parametrize("case", CASES)
def test_when_a_bar_is_drawn(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stream, patience, total, drawn = CASES[case]
    err = stream()
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.setattr(progress, "PATIENCE_S", patience)
    monkeypatch.setenv("TERM", "xterm")
    assert list(progress.shown(iter(range(total)), total, "Checking")) == list(range(total))
    assert ("Checking" in err.getvalue()) == drawn
    assert (f"{total}/{total}" in err.getvalue()) == drawn


def test_a_failure_comes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(progress, "PATIENCE_S", -1.0)

    def broken():
        yield 1
        yield 2
        raise KeyError("x")

    with pytest.raises(KeyError):
        list(progress.shown(broken(), 9, "Checking"))


def written(stream: io.StringIO, patience_s: float) -> str:
    with Bar("one batch", stream, patience_s) as bar:
        for done in range(3):
            bar.show(done, 3, f"layer[{done}]")
    return stream.getvalue()


def test_a_file_gets_no_bar() -> None:
    assert written(io.StringIO(), 0) == ""


def test_what_is_quick_gets_no_bar() -> None:
    assert written(Terminal(), 60) == ""


def test_the_bar_names_what_is_being_done_as_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    shown = written(Terminal(), 0)
    assert "one batch" in shown
    assert "2/3" in shown
    assert "layer[2]" in shown  # not taken for markup
