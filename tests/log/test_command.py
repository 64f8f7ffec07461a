"""`lsp log` as a shell calls it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.log.logs import loss, norms, param, test_pass, text, top

Run = Callable[..., Any]

DEAD = text(
    top("data", "data", 0.8),
    top("conv1", "conv1", 0),
    param("conv1", 0, 0),
    top("relu1", "conv1", 0),
    top("fc", "fc", 0.2),
    param("fc", 0, 0.1),
    top("loss", "loss", 2.3),
    norms(6, 0.1),
    loss(0, 2.3),
)
NET = """layer { name: "data" type: "Input" top: "data" top: "label"
  input_param { shape { dim: 8 dim: 3 dim: 8 dim: 8 } shape { dim: 8 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "constant" } } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "fc" type: "InnerProduct" bottom: "conv1" top: "fc"
  inner_product_param { num_output: 10 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "train.log").write_text(DEAD)
    (tmp_path / "net.prototxt").write_text(NET)
    return tmp_path


def test_it_names_the_line_of_the_log(lsp: Run, folder: Path) -> None:
    done = lsp("log", "train.log", cwd=folder)
    assert done.code == 1
    assert "error[DYN002] all-zero-top" in done.text
    assert "train.log:2:" in done.text
    assert "> conv1" in " ".join(done.text.split())


def test_with_the_net_it_names_the_line_of_the_net_and_the_fix(lsp: Run, folder: Path) -> None:
    done = lsp("log", "train.log", "--net", "net.prototxt", cwd=folder)
    assert done.code == 1
    assert "net.prototxt:3:9" in done.text
    assert "the log says so here (train.log:2:" in done.text
    assert "error[INI002]" in done.text
    assert "help: Use msra" in done.text


def test_json(lsp: Run, folder: Path) -> None:
    found = lsp("log", "train.log", "--net", "net.prototxt", "--format", "json", cwd=folder).json
    assert found["writer"]["dialect"] == "bvlc"
    assert found["loss"]["first"] == {"iteration": 0, "value": 2.3, "row": 9}
    first, cause = found["findings"]
    assert (first["code"], first["filename"], first["location"]) == ("DYN002", "net.prototxt", {"row": 3, "column": 9})
    assert first["related"][0]["filename"] == "train.log"
    assert first["related"][0]["location"]["row"] == 2
    assert (cause["code"], cause["fix"]["applicability"]) == ("INI002", "unsafe")


def test_json_has_no_nan(lsp: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(text(top("data", "data", 1), top("a", "a", "nan"), loss(0, "nan"), loss(1, "-inf")))

    def refuse(word: str) -> None:
        raise AssertionError(word)

    done = lsp("log", "a.log", "--format", "json", cwd=tmp_path)
    found = json.loads(done.out, parse_constant=refuse)
    assert found["loss"]["broken"] == {"iteration": 0, "value": None, "row": 3}


def test_standard_input(lsp: Run) -> None:
    done = lsp("log", "-", stdin=DEAD.encode())
    assert done.code == 1
    assert "<stdin>:2:" in done.text
    assert "mine.log:2:" in lsp("log", "-", "--stdin-filename", "mine.log", stdin=DEAD.encode()).text


def test_exit_codes(lsp: Run, folder: Path) -> None:
    (folder / "good.log").write_text(text(test_pass(0, accuracy=0.1), loss(0, 2.3), loss(20, 2.2)))
    assert lsp("log", "good.log", cwd=folder).code == 0
    assert lsp("log", "train.log", "--exit-zero", cwd=folder).code == 0
    (folder / "abort.log").write_text("I0804 1 net.cpp:86] Creating Layer a\nF0804 2 x.cpp:1] Check failed: b\n")
    assert lsp("log", "abort.log", cwd=folder).code == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("log", "none.log"), "none.log: no such file"),
        (("log", "."), ".: is a folder, not a file"),
        (("log", "train.log", "--net", "none.prototxt"), "none.prototxt: no such file"),
        (("log", "train.log", "--net", "train.log"), "not a net"),
        (("log", "train.log", "--format", "yaml"), "'yaml' is not one of"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(
    lsp: Run, folder: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = lsp(*arguments, cwd=folder)
    assert done.code == 2
    assert said in done.err
    assert len(done.err.splitlines()) == 1


def test_an_empty_log(lsp: Run, tmp_path: Path) -> None:
    (tmp_path / "empty.log").write_bytes(b"")
    done = lsp("log", "empty.log", cwd=tmp_path)
    assert (done.code, "Nothing of a Caffe training log" in done.text) == (0, True)


def compared(done: Any) -> tuple[str, str] | None:
    first = done.json["compared"]["first"]
    return None if first is None else (first["layer"], first["what"])


@pytest.mark.parametrize(
    ("name", "changed", "expected"),
    [
        pytest.param("bn_ok", ("", ""), None, id="the same net"),
        pytest.param("explode_nan", ("", ""), None, id="the same net, values that are not finite"),
        pytest.param("collapse_constant0", ("value: 0 ", "value: 0.1 "), ("conv2", "parameter blob 0"), id="filler"),
        pytest.param("explode_87", ("use_global_stats: true", ""), ("bn1", "parameter blob 1"), id="another mode"),
    ],
)  # fmt: skip
def test_compare_finds_the_layer_that_is_another(
    lsp: Run, shared: Path, tmp_path: Path, name: str, changed: tuple[str, str], expected: tuple[str, str] | None
) -> None:
    folder = shared / "oracle" / "logs"
    (tmp_path / "net.prototxt").write_text((folder / f"{name}.prototxt").read_text().replace(*changed))
    log = str(folder / f"{name}.log")
    done = lsp("log", log, "--net", "net.prototxt", "--compare", "--device", "cpu", "--format", "json", cwd=tmp_path)
    assert compared(done) == expected


def test_compare_needs_a_net_and_numbers(lsp: Run, folder: Path) -> None:
    assert "give it with --net" in lsp("log", "train.log", "--compare", cwd=folder).err
    (folder / "plain.log").write_text(text(loss(0, 2.3)))
    done = lsp("log", "plain.log", "--net", "net.prototxt", "--compare", cwd=folder)
    assert (done.code, "no debug_info lines to compare with" in done.err) == (2, True)


def test_the_net_that_the_log_names_is_offered(lsp: Run, folder: Path) -> None:
    solver = 'I0804 1 solver.cpp:45] Initializing solver from parameters: \nbase_lr: 0.01\nnet: "models/net.prototxt"\n'
    (folder / "named.log").write_text(solver + DEAD)
    assert "`--net net.prototxt`" in lsp("log", "named.log", cwd=folder).text
    assert "--net" not in lsp("log", "named.log", "--net", "net.prototxt", cwd=folder).text
    failed = "Check failed: ReadProtoFromTextFile(param_file, param) Failed to parse NetParameter file: net.prototxt"
    assert "`--net net.prototxt`" in lsp("log", "-", stdin=f"{failed}\n".encode(), cwd=folder).text
    (folder / "net.prototxt").unlink()
    assert "--net" not in lsp("log", "named.log", cwd=folder).text


def test_a_log_that_was_put_away(lsp: Run, folder: Path) -> None:
    packed = gzip.compress(DEAD.encode() * 20) + gzip.compress(DEAD.encode() * 20)
    (folder / "train.log.gz").write_bytes(packed)
    whole = lsp("log", "train.log.gz", "--format", "json", cwd=folder).json
    assert (whole["passes"], whole["findings"][0]["code"]) == (40, "DYN002")
    assert lsp("log", "-", "--format", "json", stdin=packed).json["passes"] == 40
    (folder / "cut.log.gz").write_bytes(packed[:-40])
    assert lsp("log", "cut.log.gz", "--format", "json", cwd=folder).json["findings"][0]["code"] == "DYN002"
    (folder / "bad.log.gz").write_bytes(packed[:20] + b"\0" * 50)
    assert lsp("log", "bad.log.gz", cwd=folder).code == 0
