"""`lsp log --format html`: a page that needs nothing from anywhere, with a curve for every number."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from tests.log.logs import bottom_diff, loss, norms, param, param_diff, test_pass, text, top

from prototxt_server.report.log_plot import Curve, plot

Run = Callable[..., Any]
VOID = {"meta", "line", "circle", "path", "rect", "br", "input"}


class Balanced(HTMLParser):
    """Fails on an element that is closed in the wrong order; collects the texts of h2."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.titles: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "h2":
            self.titles.append(data)


def iteration(number: int, size: object) -> list[str]:
    return [
        top("data", "data", 0.5),
        top("<conv>", "conv", size),
        param("<conv>", 0, 0.1),
        top("relu", "conv", 0.2),
        top("loss", "loss", 2.3),
        bottom_diff("relu", "conv", 0.01),
        param_diff("<conv>", 0, 0.02),
        norms(5, 0.1),
        *loss(number, 2.3),
    ]


@pytest.fixture
def page(lsp: Run, tmp_path: Path) -> str:
    sizes = [0.5, 0.4, "nan", 0, 0.3]
    log = text(test_pass(0, accuracy=0.1), *(iteration(20 * i, size) for i, size in enumerate(sizes)))
    (tmp_path / "a.log").write_text(log)
    done = lsp("log", "a.log", "--format", "html", cwd=tmp_path)
    assert done.code == 1
    return str(done.text)


def test_it_is_well_formed_and_has_its_parts(page: str) -> None:
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    assert parser.titles == [
        "2 findings",
        "Losses and outputs",
        "From layer to layer, mean |x|",
        "Outputs, mean |x|, over the iterations",
        "Weights, mean |w|, over the iterations",
        "Gradients of inputs, mean |dx|, over the iterations",
        "Gradients of weights, mean |dw|, over the iterations",
        "All layers, first and last sample",
    ]


def test_it_loads_and_runs_nothing(page: str) -> None:
    assert "<script" not in page
    assert re.findall(r"(?:src|href)=|url\(|@import", page) == []
    assert "default-src &#x27;none&#x27;" in page


def test_names_are_escaped(page: str) -> None:
    assert "&lt;conv&gt;" in page
    assert "<conv>" not in page


def test_zeros_and_nan_have_spots_of_their_own() -> None:
    svg = plot([Curve("a", [(float(i), v) for i, v in enumerate((1.0, 0.0, float("nan"), 1e-30, 1e30))], 0)], "a", "x")
    assert svg.count("spot zero") == 1
    assert svg.count("spot bad") == 1
    assert "nan" not in svg.lower().replace("not a number", "")


def test_one_pass_has_a_depth_plot_and_no_curves_over_time(lsp: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(text(iteration(0, 0.5)[:5]))
    done = lsp("log", "a.log", "--format", "html", cwd=tmp_path)
    assert "From layer to layer" in done.text
    assert "over the iterations" not in done.text
