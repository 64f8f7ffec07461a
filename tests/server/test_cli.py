"""The contract of the command line: exit codes, one clear line for what cannot be done, never a traceback."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
ZERO_GAMMA = (EXAMPLES / "bn_zero_gamma.prototxt").read_bytes()
COMMANDS = ("check", "describe", "dialects", "forward", "upgrade", "format", "rule", "serve", "doctor")

Lsp = Callable[..., Any]

# name -> (content, exit code of `lsp check`, a code that is reported)
CONTENTS = {
    "empty": (b"", 0, None),
    "binary": (bytes(range(256)) * 64, 1, "SYN008"),
    "a text in a foreign format": (b'{"a": [1, 2]}', 1, "SYN001"),
    "unbalanced": (b"layer {\n  name: 'x'\n" * 50, 1, "SYN002"),
    "crlf": ((EXAMPLES / "lenet_bn.prototxt").read_bytes().replace(b"\n", b"\r\n"), 0, None),
    "bom": (b'\xef\xbb\xbfname: "x"\n', 1, "SYN008"),
    "utf-16": ("name: 'x'\n".encode("utf-16"), 1, "SYN008"),
    "utf-16 without a mark": (ZERO_GAMMA.decode().encode("utf-16-be"), 1, "SYN008"),
    "invalid utf-8 in a comment": (b'name: "x" # caf\xe9\n', 0, None),
    "invalid utf-8 in a string": (b'name: "caf\xe9"\n', 1, "SYN008"),
    "a stray nul": (b'name: "x\0y"\n', 1, "SYN008"),
    "two megabytes": (b'layer { name: "r" type: "Silence" bottom: "d" }\n' * 45_000, 1, "NET002"),
    "deep": (b"layer { " * 20_000, 1, "SYN002"),
    "a terminal's escapes": (b"layer { type: \x1b[2J }", 1, "SYN001"),
}


@pytest.mark.parametrize("name", CONTENTS, ids=str)
def test_any_content_gives_findings_and_stays_as_it_is(lsp: Lsp, name: str, tmp_path: Path) -> None:
    content, code, reported = CONTENTS[name]
    (tmp_path / "net.prototxt").write_bytes(content)
    done = lsp("check", "net.prototxt", "--format", "json", cwd=tmp_path)
    assert done.code == code, done.err
    found = {row["code"] for row in done.json}
    assert not found if reported is None else reported in found
    assert (tmp_path / "net.prototxt").read_bytes() == content


@pytest.mark.parametrize("name", CONTENTS, ids=str)
@pytest.mark.parametrize("command", ["describe", "dialects", "forward"])
def test_other_commands_take_any_content(lsp: Lsp, command: str, name: str, tmp_path: Path) -> None:
    if name == "two megabytes" and command != "describe":
        return  # one command shows it; all take seconds
    (tmp_path / "net.prototxt").write_bytes(CONTENTS[name][0])
    done = lsp(command, "net.prototxt", cwd=tmp_path)
    assert done.code in (0, 2)
    assert done.out or done.err
    assert "Traceback" not in done.err
    assert "internal error" not in done.err


def test_a_binary_file_gets_one_finding(lsp: Lsp, tmp_path: Path) -> None:
    (tmp_path / "net.caffemodel").write_bytes(os.urandom(100_000))
    assert [row["code"] for row in lsp("check", "net.caffemodel", "--format", "json", cwd=tmp_path).json] == ["SYN008"]
    done = lsp("describe", "net.caffemodel", cwd=tmp_path)
    assert (done.code, done.err) == (2, "lsp: net.caffemodel: is binary data, not the text of a net\n")


STEERING = """
layer { name: "d\x1b[2J" type: "Input" top: "d\x1b[2J" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "i\\n::error::" type: "InnerProduct" bottom: "d\x1b[2J" top: "i\\n::error::" \
inner_product_param { num_output: 2 } }
"""


@pytest.mark.parametrize("text", [CONTENTS["a terminal's escapes"][0].decode(), STEERING], ids=["broken", "sound"])
@pytest.mark.parametrize(
    "command",
    [*(f"check --format {x}" for x in ("full", "concise", "pylint")), "describe", "dialects", "forward --backward",
     "forward --format debug-info"],
)  # fmt: skip
def test_what_a_file_says_cannot_steer_what_shows_it(lsp: Lsp, command: str, text: str, tmp_path: Path) -> None:
    """Neither a terminal, by escapes, nor GitHub's log, by lines that begin with `::`."""
    (tmp_path / "net.prototxt").write_text(text)
    done = lsp(*command.split(), "net.prototxt", cwd=tmp_path)
    said = done.out.decode() + done.err
    assert "\x1b" not in said
    assert not any(line.lstrip().startswith("::") for line in said.splitlines())


# arguments -> the one line that is said
REFUSED = {
    "check nowhere.prototxt": "lsp: nowhere.prototxt: no such file or folder",
    "check --nope": "lsp check: no such option '--nope'",
    "check --dialekt x": "Did you mean '--dialect'?",
    "check --dialect nvidia-015": "did you mean nvidia-0.15",
    "check --shape data": "'data' is not of the form BLOB=1,3,224,224",
    "check --select XYZ": "no rule is called 'XYZ'",
    "check --config nowhere.toml": "'nowhere.toml' does not exist",
    "chekc": "Did you mean `check`?",
    "net.prototxt": "Did you mean `lsp check net.prototxt`?",
    "rule BN31": "did you mean BN031?",
    "describe": "missing argument",
    "describe .": "lsp: .: is a folder, not a file",
    "describe solver.prototxt": "solver.prototxt: is a solver, not a net; it names the net 'net.prototxt'",
    "forward labels.prototxt": "labels.prototxt: is a label map, not a net",
    "forward broken.prototxt": "bvlc does not load this net, so there is nothing to run",
    "forward net.prototxt --input dato=x.npy": "'dato' is no blob of this net; it is fed with data, label",
    "forward net.prototxt --input ip1=x.npy": "'ip1' is computed by a layer; it is fed with data, label",
    "forward net.prototxt --input data": "'data' is not of the form BLOB=FILE.npy",
    "forward net.prototxt --input data=nowhere.npy": "nowhere.npy",
    "forward net.prototxt --weights nowhere.caffemodel": "nowhere.caffemodel: No such file",
    "forward net.prototxt --weights net.prototxt": "lsp: net.prototxt is text, not a binary caffemodel",
    "forward net.prototxt --device gpu": "'gpu'",
    "serve --tcp nonsense": "--tcp takes HOST:PORT",
}


@pytest.mark.parametrize("arguments", REFUSED, ids=str)
def test_what_cannot_be_done_is_said_in_one_line(lsp: Lsp, arguments: str, some_files: Path) -> None:
    done = lsp(*arguments.split(), cwd=some_files)
    assert done.code == 2
    assert REFUSED[arguments] in done.err.splitlines()[-1]
    assert "Traceback" not in done.err
    assert not done.out


def test_one_unreadable_path_does_not_hide_the_others(lsp: Lsp, some_files: Path) -> None:
    done = lsp("check", "nowhere.prototxt", "broken.prototxt", "--format", "concise", cwd=some_files)
    assert done.code == 2
    assert "nowhere.prototxt: no such file" in done.err
    assert "NET002" in done.text


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root reads and writes everything")
def test_files_without_permission(lsp: Lsp, tmp_path: Path) -> None:
    net = tmp_path / "net.prototxt"
    net.write_bytes(ZERO_GAMMA)
    net.chmod(0o400)
    done = lsp("check", "net.prototxt", "--fix", cwd=tmp_path)
    assert (done.code, "net.prototxt: cannot be written: permission denied" in done.err) == (2, True)
    assert net.read_bytes() == ZERO_GAMMA
    net.chmod(0)
    done = lsp("check", "net.prototxt", cwd=tmp_path)
    assert (done.code, done.err) == (2, "lsp: net.prototxt: permission denied\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(lsp: Lsp, command: str) -> None:
    done = lsp(command, "--help")
    assert done.code == 0
    assert f"Example: lsp {command}" in done.text


def test_exit_codes(lsp: Lsp, tmp_path: Path) -> None:
    (tmp_path / "hint.prototxt").write_text('input: "data"\ninput_dim: 1\ninput_dim: 3\ninput_dim: 8\ninput_dim: 8\n')
    assert lsp("check", "hint.prototxt", cwd=tmp_path).code == 0
    assert lsp("check", "hint.prototxt", "--fail-on", "hint", cwd=tmp_path).code == 1
    assert lsp("check", "hint.prototxt", "--fail-on", "hint", "--exit-zero", cwd=tmp_path).code == 0
    assert lsp("check", str(EXAMPLES / "loss_87.prototxt"), "--fail-on", "error").code == 0
    assert lsp("check", str(EXAMPLES / "loss_87.prototxt")).code == 1


# -- standard input ---------------------------------------------------------------------------------------------------
def test_standard_input_has_the_name_it_is_given(lsp: Lsp) -> None:
    done = lsp("check", "-", "--stdin-filename", "x/net.prototxt", "--format", "concise", stdin=b"layer { type: 3 }")
    assert done.code == 1
    assert done.text.startswith("x/net.prototxt:1:")


# -- folders ----------------------------------------------------------------------------------------------------------
def test_a_folder_stands_for_its_nets(lsp: Lsp, tmp_path: Path) -> None:
    bad = "layer { type: 3 }\n"
    contents = {
        "a/net.prototxt": bad,
        "a/deploy.pt": bad,
        "a/weights.pt": "PK\x03\x04\0\0",
        "a/graph.pbtxt": 'node {\n  name: "x"\n  op: "Const"\n}\n',
        "a/map.pbtxt": 'item {\n  id: 1\n  name: "dog"\n}\n',
        "a/ignored.prototxt": bad,
        "a/kept.prototxt": bad,
        "build/net.prototxt": bad,
        "node_modules/net.prototxt": bad,
        ".hidden/net.prototxt": bad,
        "readme.txt": bad,
        ".gitignore": "build/\n",
        "a/.gitignore": "*ed.prototxt\n",
        "a/reduced.prototxt": bad,
    }
    for name, content in contents.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)

    def names(*paths: str) -> list[str]:
        rows = lsp("check", *paths, "--format", "json", cwd=tmp_path).json
        return list(dict.fromkeys(row["filename"] for row in rows))

    assert names() == ["a/deploy.pt", "a/kept.prototxt", "a/net.prototxt"]
    assert names("a") == names()
    assert names("build") == []
    assert names("build/net.prototxt") == ["build/net.prototxt"], "a file that is named is read"


def test_a_folder_without_nets_is_said_to_have_none(lsp: Lsp, tmp_path: Path) -> None:
    done = lsp("check", cwd=tmp_path)
    assert (done.code, done.err) == (0, "lsp: no nets in this folder (.prototxt, .pbtxt, .pt)\n")


def test_several_processes_say_the_same(lsp: Lsp) -> None:
    assert lsp("check", "examples", "--jobs", "2").out == lsp("check", "examples", "--jobs", "1").out


# -- other commands ---------------------------------------------------------------------------------------------------
def test_a_solver_is_checked_as_a_solver(lsp: Lsp) -> None:
    rows = lsp("check", "examples/frozen_teacher_solver.prototxt", "--format", "json").json
    assert "FRZ009" in {row["code"] for row in rows}
    assert not [row for row in rows if row["code"].startswith("SCH")]


def test_describe_names_what_keeps_caffe_from_loading(lsp: Lsp, some_files: Path) -> None:
    done = lsp("describe", "broken.prototxt", cwd=some_files)
    assert done.code == 0
    assert "ReLU" in done.text
    assert "NET002" in done.err
    assert done.err.endswith("bvlc does not load this net, because of the above\n")


def test_dialects(lsp: Lsp, some_files: Path) -> None:
    row = lsp("dialects", "examples/bn_zero_gamma.prototxt", "--format", "json").json[0]
    assert (row["dialect"], "nvidia-0.15" in row["read_by"]) == ("nvidia-0.15", True)
    done = lsp("dialects", "labels.prototxt", cwd=some_files)
    assert "ssd" in done.text.partition("read by: ")[2]
    done = lsp("dialects", "-", stdin=b'layer { name: "x" \n')
    assert "no Caffe reads this text" in done.text


def test_rule_pages(lsp: Lsp) -> None:
    page = lsp("rule", "BN031").text
    assert page.startswith("# bn-gamma-zero-default (BN031)")
    assert page == lsp("rule", "bn-gamma-zero-default").text
    assert {row["code"][:3] for row in lsp("rule", "DYN", "--format", "json").json} == {"DYN"}


def test_doctor_says_what_is_missing_and_where_caches_are(
    lsp: Lsp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LSP_CACHE_DIR", str(tmp_path / "checks"))
    monkeypatch.setenv("CUPY_CACHE_DIR", str(tmp_path / "kernels"))
    said = lsp("doctor").text
    assert f"Compiled GPU kernels (safe to delete): {tmp_path / 'kernels'}, 0 files" in said
    assert f"Cache of `lsp check` (safe to delete): {tmp_path / 'checks'}, 0 files" in said
    assert re.search(r"^  numpy \d", said, re.MULTILINE)
    assert re.search(r"^  cupy-cuda13x (\d|is not installed \(extra `cuda13`\))", said, re.MULTILINE)
    assert re.search(r"^  (.* can be used|the CPU will be used\. .+)$", said, re.MULTILINE)
