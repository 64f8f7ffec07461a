"""`lsp forward` on a terminal: the same cells as in plain text, the layers at fault in colour."""

from __future__ import annotations

import io
import re

import pytest

from prototxt_net.finding import Finding
from prototxt_server.cli.forward_table import show
from prototxt_server.report.forward_text import cells

ESCAPE = re.compile("\x1b\\[[\\d;]*m")


def top(name: str, shape: list[int], **more: object) -> dict[str, object]:
    numbers = {"mean_abs": 0.5, "max_abs": 1.5, "nonfinite": 0, "zero_frac": 0.0, "channels": 3, "zero_channels": 0}
    return {"name": name, "shape": shape, **numbers, **more}


def layer(name: str, type_: str, *tops: dict[str, object], **more: object) -> dict[str, object]:
    return {
        "name": name,
        "type": type_,
        "checked": True,
        "tops": list(tops),
        "bottom_diffs": [],
        "param_diffs": [],
    } | more


DATA = {
    "layers": [
        layer("data", "Input", top("data", [2, 3, 8, 8]), top("label", [2])),
        layer("fire9/expand3x3[red]", "Convolution", top("conv", [2, 3, 4, 4], mean_abs=0.0, zero_frac=1.0)),
        layer("odd", "Exp", top("odd", [2, 3, 4, 4], mean_abs=None, max_abs=None, nonfinite=7)),
        layer("silent", "Silence"),
        layer("mine", "Python", checked=False, reason="no such layer here"),
    ]
}
FINDINGS = [
    Finding("DYN011", "layer-gain", "info", "", 0, 1, "odd"),
    Finding("DYN002", "all-zero-top", "error", "", 0, 1, "fire9/expand3x3[red]"),
    Finding("DYN001", "first-nonfinite", "warning", "", 0, 1, "odd"),
]


def shown(colour: bool, width: int, monkeypatch: pytest.MonkeyPatch, **more: object) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm-256color")
    out = io.StringIO()
    show(DATA | more, FINDINGS, out, colour)
    return out.getvalue()


def test_all_cells_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [line.split() for line in shown(False, 120, monkeypatch).splitlines()]
    _, rows = cells(DATA)
    assert lines[-len(rows) :] == [" ".join(row).split() for row in rows]


def test_a_narrow_terminal_folds_names_and_no_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(False, 64, monkeypatch)
    assert all(len(line) <= 64 for line in text.splitlines())
    for whole in ("2x3x8x8", "2x3x4x4", "0.5", "7 not finite", "100%"):
        assert whole in text
    assert "fire9/expand3x3[red]" not in text


def test_colours_say_which_layers_are_at_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    coloured = shown(True, 120, monkeypatch)
    assert ESCAPE.sub("", coloured) == shown(False, 120, monkeypatch)
    rows = {ESCAPE.sub("", line).split()[0]: line for line in coloured.splitlines() if line.strip()}
    assert rows["fire9/expand3x3[red]"].startswith("\x1b[1;31m")
    assert rows["odd"].startswith("\x1b[33m"), "the worst of its findings"
    assert "\x1b[31m" in rows["odd"], "not finite"
    assert rows["mine"].startswith("\x1b[2m")
    assert "\x1b" not in rows["data"]


def test_the_norms_of_a_backward_pass_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    norms = {"data": 3.0, "diff": 0.25}
    text = shown(False, 120, monkeypatch, backward={"l1": norms, "l2": norms})
    assert "mean |dx|" in text
    assert text.splitlines()[-1] == "all parameters (values, gradients): L1 3, 0.25; L2 3, 0.25"
