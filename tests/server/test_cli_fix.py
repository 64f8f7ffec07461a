"""`lsp check` that writes: fixes, diffs and ignore comments touch nothing else, on disk and on standard input."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
ZERO_GAMMA = (EXAMPLES / "bn_zero_gamma.prototxt").read_bytes()

Lsp = Callable[..., Any]


@pytest.mark.parametrize("content", [b'name: "x" // y\r\n', b'name: "x"\n', b"", b'name: "caf\xe9" // y\n'])
def test_fixing_standard_input_prints_the_text_and_reports_beside_it(lsp: Lsp, content: bytes) -> None:
    done = lsp("check", "-", "--fix", stdin=content)
    assert done.out == content.replace(b"//", b"#")
    assert "Checked 1 file" in done.err


def test_fix_writes_the_file_and_diff_does_not(lsp: Lsp, tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    text = (EXAMPLES / "slash_comment.prototxt").read_bytes()
    path.write_bytes(text)
    done = lsp("check", "net.prototxt", "--diff", cwd=tmp_path)
    assert (done.code, b"+    scale: 0.00390625 # 1/255" in done.out) == (1, True)
    assert path.read_bytes() == text
    done = lsp("check", "net.prototxt", "--fix", cwd=tmp_path)
    assert (done.code, "Fixed 1 finding." in done.err) == (0, True)
    assert path.read_bytes() == text.replace(b"// 1/255", b"# 1/255")
    assert lsp("check", "net.prototxt", "--diff", cwd=tmp_path).code == 0


KEPT = {
    "windows line ends": ZERO_GAMMA.replace(b"\n", b"\r\n"),
    "bytes that are not UTF-8": ZERO_GAMMA.replace(b"# Every", b"# caf\xe9 \xff every"),
    "no line end at the end": ZERO_GAMMA.rstrip(b"\n"),
    "a link": ZERO_GAMMA,
}


@pytest.mark.parametrize("name", KEPT, ids=str)
def test_a_fix_keeps_what_it_does_not_touch(lsp: Lsp, name: str, tmp_path: Path) -> None:
    before = KEPT[name]
    target = tmp_path / "werkstück 网.prototxt"
    target.write_bytes(before)
    target.chmod(0o640)
    path = target
    if name == "a link":
        path = tmp_path / "link.prototxt"
        path.symlink_to(target.name)
    assert lsp("check", path.name, "--fix", "--unsafe-fixes", cwd=tmp_path).code in (0, 1)
    after = target.read_bytes()
    assert b'scale_filler { type: "constant" value: 1 }' in after
    assert [line for line in after.splitlines() if line.startswith(b"#")] == [
        line for line in before.splitlines() if line.startswith(b"#")
    ]
    if name == "windows line ends":
        assert after.count(b"\n") == after.count(b"\r\n") == after.count(b"\r")
    assert after.endswith(b"\n") == before.endswith(b"\n")
    assert target.stat().st_mode & 0o777 == 0o640
    assert path.is_symlink() == (name == "a link")
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted({path.name, target.name})


def test_a_file_in_utf_16_is_not_rewritten(lsp: Lsp, tmp_path: Path) -> None:
    content = ZERO_GAMMA.decode().encode("utf-16")
    (tmp_path / "net.prototxt").write_bytes(content)
    done = lsp("check", "net.prototxt", "--fix", cwd=tmp_path)
    assert (done.code, "not fixed, because it is UTF-16" in done.err) == (2, True)
    assert (tmp_path / "net.prototxt").read_bytes() == content


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_ignore_comments_for_what_fails(lsp: Lsp, newline: str, tmp_path: Path) -> None:
    net = tmp_path / "net.prototxt"
    net.write_bytes(ZERO_GAMMA.replace(b"\n", newline.encode()))
    done = lsp("check", "net.prototxt", "--add-ignore", cwd=tmp_path)
    assert (done.code, "Silenced " in done.err) == (0, True)
    after = net.read_bytes().decode()
    lines = after.split(newline)
    assert lines[lines.index('  name: "bnorm1"') - 2].startswith("# lsp: ignore[")
    assert [line for line in lines if not line.startswith("# lsp: ignore")] == ZERO_GAMMA.decode().split("\n")
    assert lsp("check", "net.prototxt", "--add-ignore", cwd=tmp_path).code == 0
    assert net.read_bytes().decode() == after


OLD = 'layers {\n  name: "r"  # keep\u2028me\n  type: RELU\n  bottom: "d"\n}\n'
NEW = 'layer {\n  name: "r"  # keep\u2028me\n  type: "ReLU"\n  bottom: "d"\n}\n'


def test_upgrade_shows_lines_as_patch_counts_them(lsp: Lsp, tmp_path: Path) -> None:
    (tmp_path / "net.prototxt").write_text(OLD)
    done = lsp("upgrade", "net.prototxt", "--diff", cwd=tmp_path)
    assert "@@ -1,5 +1,5 @@\n-layers {\n+layer {\n" in done.out.decode()
    subprocess.run(["patch", "-p0"], input=done.out, cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "net.prototxt").read_text() == NEW


def test_upgrade_leaves_a_link_a_link_and_no_draft_behind(lsp: Lsp, tmp_path: Path) -> None:
    (tmp_path / "real.prototxt").write_text(OLD)
    (tmp_path / "net.prototxt").symlink_to("real.prototxt")
    assert lsp("upgrade", "net.prototxt", "--in-place", cwd=tmp_path).code == 0
    assert (tmp_path / "net.prototxt").is_symlink()
    assert (tmp_path / "real.prototxt").read_text() == NEW
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.prototxt", "real.prototxt"]


@pytest.mark.parametrize("old_caffe", ["bvlc-v0.99", "c3d-1.0"])
def test_upgrade_reads_what_the_configuration_says(lsp: Lsp, old_caffe: str, tmp_path: Path) -> None:
    (tmp_path / "net.prototxt").write_text(OLD)
    (tmp_path / "prototxt-lsp.toml").write_text(f'dialect = "{old_caffe}"\n')
    done = lsp("upgrade", "net.prototxt", cwd=tmp_path)
    assert (done.code, done.out) == (2, b"")
    assert f"net.prototxt:1: cannot be converted: {old_caffe} reads no `layer` blocks" in done.err
    assert lsp("upgrade", "net.prototxt", "--dialect", "bvlc", cwd=tmp_path).out.decode() == NEW
