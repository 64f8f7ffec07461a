"""`lsp forward --solver` and the solvers beside a net: whose rate the gradients are judged at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prototxt_server.rules.dyn.nets import conv, layer, net

Lsp = Callable[..., Any]
NET = net(conv("data", "conv") + layer("relu", "ReLU", "conv", "x"))
SOLVER = 'net: "net.prototxt" base_lr: {} lr_policy: "fixed" max_iter: 9\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "net.prototxt").write_text(NET)
    return tmp_path


def run(lsp: Lsp, folder: Path, *more: str) -> Any:
    return lsp("forward", "net.prototxt", "--device", "cpu", "--isolated", *more, cwd=folder)


@pytest.mark.parametrize("named", [(), ("--solver", "elsewhere/s.prototxt")])
def test_a_rate_that_destroys_the_weights(named: tuple[str, ...], lsp: Lsp, folder: Path) -> None:
    (folder / "elsewhere").mkdir()
    beside = "elsewhere/s.prototxt" if named else "solver.prototxt"
    (folder / beside).write_text(SOLVER.format(50))
    done = run(lsp, folder, *(named or ("--backward",)))
    assert done.code == 1
    assert "DYN032" in done.text
    assert f"With the rate of {Path(beside).name} (50) the first update changes" in done.text


def test_the_named_solver_goes_before_those_beside_the_net(lsp: Lsp, folder: Path) -> None:
    (folder / "solver.prototxt").write_text(SOLVER.format(50))
    (folder / "mild.prototxt").write_text(SOLVER.format(0.01))
    done = run(lsp, folder, "--solver", "mild.prototxt")
    assert (done.code, "DYN032" in done.text) == (0, False)


def test_a_solver_whose_updates_are_not_known(lsp: Lsp, folder: Path) -> None:
    (folder / "adam.prototxt").write_text(SOLVER.format(50) + 'type: "Adam"\n')
    done = run(lsp, folder, "--solver", "adam.prototxt")
    assert done.code == 0
    assert "adam.prototxt: its first update is not known exactly (only SGD and Nesterov are)" in done.err


@pytest.mark.parametrize(("path", "words"), [("net.prototxt", "is a net, not a solver"), ("nope", "no such file")])
def test_what_is_no_solver(path: str, words: str, lsp: Lsp, folder: Path) -> None:
    done = run(lsp, folder, "--solver", path)
    assert done.code == 2
    assert words in done.err
