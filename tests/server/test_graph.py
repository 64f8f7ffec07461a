"""`lsp graph`: one node a layer, one edge from a top to each of its readers, whatever the names are."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.server.pages import Page

from prototxt_server.analysis import Settings, Source
from prototxt_server.engine import analyze
from prototxt_server.report import graph
from prototxt_server.report.graph_html import page

EVIL = '<b>"x"\\\\ #|;]\x1b-->'
NET = """name: "small"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 9 dim: 9 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { pool: AVE global_pooling: true } }
layer { name: "sum" type: "Eltwise" bottom: "conv" bottom: "conv" top: "sum" }
layer { name: "lost" type: "TanH" bottom: "nowhere" top: "lost" }
"""
EDGES = [
    # from, to, blob, shape: an in-place layer stands between the writer and the readers below it
    ("data", "conv", "data", [2, 3, 9, 9]),
    ("conv", "relu", "conv", [2, 4, 7, 7]),
    ("relu", "pool", "conv", [2, 4, 7, 7]),
    ("relu", "sum", "conv", [2, 4, 7, 7]),
    ("relu", "sum", "conv", [2, 4, 7, 7]),
    (None, "lost", "nowhere", None),
]
LABEL = r'"((?:[^"\\]|\\.)*)"'  # of Graphviz: a string with escapes

Lsp = Callable[..., Any]


def net(text: str) -> Any:
    return analyze(Source(text, "net.prototxt"), Settings(dialect="bvlc")).nets[-1]


def renamed(text: str) -> str:
    """Every name holds what the formats give a meaning of their own."""
    written = EVIL.replace("\\", "\\\\").replace('"', '\\"')
    return re.sub(r'(name|top|bottom): "(\w+)"', lambda m: f'{m[1]}: "{m[2]}{written}"', text)


def test_edges_of_json() -> None:
    found = graph.as_json(net(NET), "net.prototxt")
    names = [node["name"] for node in found["nodes"]]
    edges = [
        (None if e["from"] is None else names[e["from"]], names[e["to"]], e["blob"], e["shape"]) for e in found["edges"]
    ]
    assert edges == EDGES
    assert [node["row"] for node in found["nodes"]] == [2, 3, 4, 5, 6, 7]
    assert (found["name"], found["inputs"], found["outputs"]) == ("small", ["data"], ["lost", "pool", "sum"])


@pytest.mark.parametrize("text", [NET, renamed(NET)], ids=["plain", "odd names"])
def test_dot(text: str) -> None:
    lines = graph.as_dot(net(text), "net.prototxt").splitlines()
    assert re.fullmatch(rf"digraph {LABEL} {{", lines[0])
    assert lines[-1] == "}"
    nodes = [found for line in lines if (found := re.fullmatch(rf'  n\d+ \[label={LABEL}, fillcolor="#\w+"\];', line))]
    edges = [found for line in lines if (found := re.fullmatch(rf"  (\w+) -> n(\d+) \[label={LABEL}\];", line))]
    assert len(nodes) == 6
    assert [(found[1], int(found[2])) for found in edges] == [
        ("n0", 1), ("n1", 2), ("n2", 3), ("n2", 4), ("n2", 4), ("missing5", 5)
    ]  # fmt: skip
    assert edges[0][3].endswith("\\n2x3x9x9")
    assert len(lines) == 4 + 6 + 6 + 1, "nothing else than the head, nodes, edges, and what stands for the missing one"


@pytest.mark.parametrize("text", [NET, renamed(NET)], ids=["plain", "odd names"])
def test_mermaid(text: str) -> None:
    lines = graph.as_mermaid(net(text), "net.prototxt").splitlines()
    words = r"[\w /.;#?-]+"
    shapes = [
        rf'n\d+\["{words}<br/>{words}"\]:::\w+',
        rf'\w+ -->\|"{words}"\| n\d+',
        r'missing\d+\["\?"\]',
        r"classDef \w+ fill:#\w{6},color:#222",
    ]
    counts = [sum(re.fullmatch("  " + shape, line) is not None for line in lines) for shape in shapes]
    assert counts == [6, 6, 1, 5]
    assert len(lines) == 1 + sum(counts)


@pytest.mark.parametrize("text", [NET, renamed(NET)], ids=["plain", "odd names"])
def test_the_page_holds_every_layer_and_loads_nothing(text: str) -> None:
    written = page(net(text), "net.prototxt")
    found = Page(written)
    assert len(found.of("g", "layer")) == 6
    assert len(found.of("path", "edge")) == 3, "a stack holds the ReLU, and what is read twice is drawn once"
    assert not re.search(r'(src|href)="(?!#)', written)
    assert "\x1b" not in written
    names = json.loads(next(script for script in found.scripts if script.startswith("[")))
    assert [text.split("\n")[0].rpartition(", ")[2] for text in names] == [f"line {row}" for row in range(2, 8)]


def test_the_command(lsp: Lsp, tmp_path: Path) -> None:
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "solver.prototxt").write_text('net: "net.prototxt"\nbase_lr: 0.1\n')
    assert lsp("graph", "net.prototxt", cwd=tmp_path).text.startswith('digraph "small" {\n')
    both = lsp("graph", "net.prototxt", "--phase", "all", "--format", "json", cwd=tmp_path).json
    assert [row["phase"] for row in both] == ["TRAIN", "TEST"]
    assert lsp("graph", "-", "--format", "html", stdin=NET.encode()).text.startswith("<!DOCTYPE html>")
    for arguments in (
        ("solver.prototxt",),
        ("nowhere.prototxt",),
        ("net.prototxt", "--phase", "all", "--format", "html"),
    ):
        done = lsp("graph", *arguments, cwd=tmp_path)
        assert (done.code, done.out, done.err.count("\n")) == (2, b"", 1)
