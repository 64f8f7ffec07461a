"""The progress bar: on a terminal, after a moment, and gone when it is done."""

from __future__ import annotations

import io

from prototxt_server.cli.progress import Bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def written(stream: io.StringIO, patience_s: float) -> str:
    with Bar("one batch", stream, patience_s) as bar:
        for done in range(3):
            bar.show(done, 3, f"layer[{done}]")
    return stream.getvalue()


def test_a_file_gets_no_bar() -> None:
    assert written(io.StringIO(), 0) == ""


def test_what_is_quick_gets_no_bar() -> None:
    assert written(Terminal(), 60) == ""


def test_the_bar_names_what_is_being_done_as_it_is_written() -> None:
    shown = written(Terminal(), 0)
    assert "one batch" in shown
    assert "2/3" in shown
    assert "layer[2]" in shown  # not taken for markup
