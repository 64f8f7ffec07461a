"""A baseline hides what a project had when it began to check, survives edits elsewhere, and can be pruned."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ZERO_GAMMA = (Path(__file__).parents[2] / "examples" / "bn_zero_gamma.prototxt").read_bytes()
Lsp = Callable[..., Any]
CHECK = ("check", ".", "--baseline", "known.json", "--format", "json")


@pytest.fixture
def project(lsp: Lsp, tmp_path: Path) -> Path:
    """A folder with a net and its baseline."""
    (tmp_path / "net.prototxt").write_bytes(ZERO_GAMMA)
    done = lsp(*CHECK, cwd=tmp_path)
    assert (done.code, done.json) == (0, [])
    assert " to known.json." in done.err
    return tmp_path


def known(project: Path) -> dict[str, dict[str, dict[str, int]]]:
    return json.loads((project / "known.json").read_text())["findings"]


def test_it_holds_each_finding_by_file_code_and_layer(lsp: Lsp, project: Path) -> None:
    rows = lsp("check", ".", "--format", "json", cwd=project).json
    assert known(project).keys() == {"net.prototxt"}
    held = {(c, layer): n for c, layers in known(project)["net.prototxt"].items() for layer, n in layers.items()}
    assert held == {
        (row["code"], row["layer"] or ""): sum((r["code"], r["layer"]) == (row["code"], row["layer"]) for r in rows)
        for row in rows
    }


EDITS: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda net: net,
    "a comment above": lambda net: b"# a line above\n" + net,
    "windows line ends": lambda net: net.replace(b"\n", b"\r\n"),
    "a layer below": lambda net: net + b'layer { name: "s" type: "Silence" bottom: "loss" }\n',
    "a layer above": lambda net: net.replace(
        b"layer {",
        b'layer { name: "i" type: "Input" top: "i" }\nlayer { name: "j" type: "Silence" bottom: "i" }\nlayer {',
        1,
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_it_survives_edits_elsewhere(lsp: Lsp, edit: str, project: Path) -> None:
    (project / "net.prototxt").write_bytes(EDITS[edit](ZERO_GAMMA))
    assert not [row for row in lsp(*CHECK, cwd=project).json if row["layer"] in ("bnorm1", "scale1", "conv1")]


def test_a_new_finding_is_reported(lsp: Lsp, project: Path) -> None:
    (project / "net.prototxt").write_bytes(ZERO_GAMMA + b"layer { type: 3 }\n")
    found = {row["code"] for row in lsp(*CHECK, cwd=project).json}
    assert "SYN010" in found
    assert "BN031" not in found


def test_the_same_fault_in_one_more_place_is_new(lsp: Lsp, project: Path) -> None:
    twice = ZERO_GAMMA.replace(b"bnorm1", b"bnorm2").replace(b"scale1", b"scale2").replace(b'"conv1"', b'"conv2"')
    (project / "other.prototxt").write_bytes(twice)
    rows = lsp(*CHECK, cwd=project).json
    assert {row["filename"] for row in rows} == {"other.prototxt"}
    assert "BN031" in {row["code"] for row in rows}


def test_what_is_gone_is_taken_out_when_asked(lsp: Lsp, project: Path) -> None:
    before = known(project)
    assert lsp("check", "net.prototxt", "--fix", "--select", "BN032", cwd=project).code == 0
    done = lsp(*CHECK, cwd=project)
    assert (done.json, known(project)) == ([], before)
    assert "1 finding of known.json gone: --prune-baseline takes them out." in done.err
    done = lsp(*CHECK, "--prune-baseline", cwd=project)
    assert done.json == []
    assert "Took 1 finding out of known.json." in done.err
    del before["net.prototxt"]["BN032"]
    assert known(project) == before
    assert "gone" not in lsp(*CHECK, "--prune-baseline", cwd=project).err


def test_files_that_are_not_checked_stay_until_they_are_gone(lsp: Lsp, project: Path) -> None:
    (project / "other.prototxt").write_bytes(ZERO_GAMMA)
    (project / "known.json").unlink()
    lsp(*CHECK, cwd=project)
    one = ("check", "net.prototxt", *CHECK[2:], "--prune-baseline")
    assert "Took" not in lsp(*one, cwd=project).err
    (project / "other.prototxt").unlink()
    assert "Took" in lsp(*one, cwd=project).err
    assert known(project).keys() == {"net.prototxt"}


def test_names_are_seen_from_the_folder_of_the_baseline(lsp: Lsp, project: Path) -> None:
    (project / "deep").mkdir()
    at = ("--baseline", "../known.json", "--format", "json", "--prune-baseline")
    done = lsp("check", "../net.prototxt", *at, cwd=project / "deep")
    assert (done.json, done.err) == ([], "")


REFUSED = {
    ("--prune-baseline",): "--prune-baseline needs --baseline FILE",
    ("--prune-baseline", "--baseline", "known.json", "--select", "BN"): "--prune-baseline excludes --select",
    ("--baseline", "net.prototxt"): "net.prototxt: is no baseline; delete it to have one written",
    ("--baseline", "nowhere/known.json"): "nowhere/known.json: cannot be written: No such file or directory",
    ("--baseline", "."): ".: is a folder, not a file",
}


@pytest.mark.parametrize("arguments", REFUSED)
def test_what_cannot_be_done_is_said(lsp: Lsp, arguments: tuple[str, ...], project: Path) -> None:
    done = lsp("check", "net.prototxt", *arguments, cwd=project)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert REFUSED[arguments] in done.err
