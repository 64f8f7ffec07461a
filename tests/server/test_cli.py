"""The contract: exit codes, one clear line for what cannot be read, never a traceback, formats that parse."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


def lsp(*arguments: str, cwd: Path = ROOT, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    environment = {k: v for k, v in os.environ.items() if k != "LSP_DEBUG"}
    return subprocess.run(
        [sys.executable, "-m", "prototxt_server", *arguments], cwd=cwd, input=stdin, capture_output=True, env=environment
    )


BAD_FILES = {
    "empty": (b"", 0),
    "binary": (bytes(range(256)) * 64, 1),
    "unbalanced": (b"layer {\n  name: 'x'\n" * 50, 1),
    "crlf": (b'name: "x"\r\nlayer {\r\n  name: "d"\r\n  type: "Input"\r\n  top: "d"\r\n}\r\n', 0),
    "bom": (b'\xef\xbb\xbfname: "x"\n', 1),
    "utf-16": ("name: 'x'\n".encode("utf-16"), 1),
    "invalid utf-8 in a comment": (b'name: "x" # caf\xe9\n', 0),
    "nul": (b'name: "x\0y"\n', 1),
    "two megabytes": (b'layer { name: "r" type: "Silence" bottom: "d" }\n' * 45_000, 1),
    "deep": (b"layer { " * 20_000, 1),
}


@pytest.mark.parametrize("name", BAD_FILES, ids=str)
def test_any_bytes_give_findings_and_no_traceback(name: str, tmp_path: Path) -> None:
    data, code = BAD_FILES[name]
    (tmp_path / "net.prototxt").write_bytes(data)
    done = lsp("check", "net.prototxt", "--format", "json", cwd=tmp_path)
    assert b"Traceback" not in done.stderr
    assert done.returncode == code, done.stderr
    assert isinstance(json.loads(done.stdout), list)
    assert (tmp_path / "net.prototxt").read_bytes() == data


UNREADABLE = {
    "a missing path": ["check", "nowhere.prototxt"],
    "an unknown option": ["check", "--nope"],
    "an unknown dialect": ["check", "--dialect", "torch"],
    "a bad shape": ["check", "--shape", "data"],
    "a folder as a net": ["describe", "."],
    "an unknown rule": ["rule", "XYZ999"],
    "an unknown command": ["chekc"],
}


@pytest.mark.parametrize("name", UNREADABLE, ids=str)
def test_usage_errors_exit_2_and_say_why(name: str, tmp_path: Path) -> None:
    done = lsp(*UNREADABLE[name], cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.strip()
    assert b"Traceback" not in done.stderr


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text("")
    path.chmod(0)
    done = lsp("check", "net.prototxt", cwd=tmp_path)
    assert (done.returncode, b"permission denied" in done.stderr) == (2, True)


@pytest.mark.parametrize("command", ["check", "describe", "dialects", "forward", "rule", "serve", "doctor"])
def test_every_command_has_help_with_an_example(command: str) -> None:
    done = lsp(command, "--help")
    assert done.returncode == 0
    assert b"Example: lsp " in done.stdout


def test_standard_input() -> None:
    done = lsp("check", "-", "--stdin-filename", "x/net.prototxt", "--format", "concise", stdin=b"layer { type: 3 }")
    assert done.returncode == 1
    assert done.stdout.startswith(b"x/net.prototxt:1:")


FAIL_ON = {"error": 1, "warning": 1, "hint": 1}


@pytest.mark.parametrize("level", FAIL_ON, ids=str)
def test_fail_on(level: str) -> None:
    assert lsp("check", str(EXAMPLES / "bn_zero_gamma.prototxt"), "--fail-on", level).returncode == FAIL_ON[level]


def test_exit_zero() -> None:
    assert lsp("check", str(EXAMPLES / "bn_zero_gamma.prototxt"), "--exit-zero").returncode == 0


def test_json_record_has_the_keys_of_the_contract() -> None:
    done = lsp("check", "examples/bn_zero_gamma.prototxt", "--format", "json")
    rows = json.loads(done.stdout)
    bn031 = next(row for row in rows if row["code"] == "BN031")
    assert list(bn031) == [
        "code", "name", "severity", "message", "filename", "location", "end_location", "layer", "phases", "dialect",
        "caffe_aborts", "fix", "related", "url",
    ]  # fmt: skip
    assert bn031["layer"] == "bnorm1"
    assert bn031["dialect"] == "nvidia-0.15"
    assert bn031["fix"]["applicability"] == "unsafe"


def test_a_solver_is_checked_as_a_solver() -> None:
    rows = json.loads(lsp("check", "examples/frozen_teacher_solver.prototxt", "--format", "json").stdout)
    assert "FRZ009" in {row["code"] for row in rows}
    assert not [row for row in rows if row["code"].startswith("SCH")]


def test_fix_writes_the_file_and_diff_does_not(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    text = (EXAMPLES / "slash_comment.prototxt").read_text()
    path.write_text(text)
    done = lsp("check", "net.prototxt", "--diff", cwd=tmp_path)
    assert b"+    scale: 0.00390625 # 1/255" in done.stdout
    assert path.read_text() == text
    lsp("check", "net.prototxt", "--fix", cwd=tmp_path)
    assert path.read_text() == text.replace("// 1/255", "# 1/255")
