"""`lsp format` as a command."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Lsp = Callable[..., Any]

UNTIDY = b'layer{name :"a"\r\n\ttype:"ReLU" # \xff\r\n}'
TIDY = b'layer {\r\n  name: "a"\r\n  type: "ReLU" # \xff\r\n}\r\n'


@pytest.fixture
def nets(tmp_path: Path) -> Path:
    """A folder with a net that is not laid out, and one that is."""
    (tmp_path / "untidy.prototxt").write_bytes(UNTIDY)
    (tmp_path / "tidy.prototxt").write_bytes(TIDY)
    return tmp_path


def test_files_are_laid_out_in_place(lsp: Lsp, nets: Path) -> None:
    done = lsp("format", ".", cwd=nets)
    assert (done.code, done.text, done.err) == (0, "", "1 file changed, 1 file left as they are\n")
    assert [path.read_bytes() for path in sorted(nets.iterdir())] == [TIDY, TIDY]
    assert lsp("format", "--check", ".", cwd=nets).code == 0


def test_check_writes_nothing(lsp: Lsp, nets: Path) -> None:
    done = lsp("format", "--check", ".", cwd=nets)
    assert (done.code, done.text) == (1, "would lay out untidy.prototxt\n")
    assert (nets / "untidy.prototxt").read_bytes() == UNTIDY


def test_diff_writes_nothing(lsp: Lsp, nets: Path) -> None:
    done = lsp("format", "--diff", "untidy.prototxt", cwd=nets)
    assert done.code == 1
    assert b"-layer{name" in done.out
    assert b"+layer {" in done.out
    assert (nets / "untidy.prototxt").read_bytes() == UNTIDY


def test_standard_input(lsp: Lsp) -> None:
    assert lsp("format", "-", stdin=b"a:1").text == "a: 1\n"


def test_what_cannot_be_laid_out_stays(lsp: Lsp, nets: Path) -> None:
    (nets / "bad.prototxt").write_text("layer { }\nlayer {")
    (nets / "wide.prototxt").write_bytes("layer { }".encode("utf-16"))
    before = (nets / "bad.prototxt").read_bytes()
    done = lsp("format", "bad.prototxt", "wide.prototxt", "gone.prototxt", "untidy.prototxt", cwd=nets)
    assert done.code == 2
    assert "lsp: bad.prototxt:2: has a syntax error" in done.err
    assert "lsp: wide.prototxt: is UTF-16" in done.err
    assert "lsp: gone.prototxt: no such file" in done.err
    assert (nets / "bad.prototxt").read_bytes() == before
    assert (nets / "untidy.prototxt").read_bytes() == TIDY
