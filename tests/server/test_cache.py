"""The cache of `lsp check`: it never changes what is said, whatever happened to files, settings or the cache itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prototxt_server import cache
from prototxt_server.analysis import Settings
from prototxt_server.checking import Task, check_all

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
ZERO_GAMMA = (EXAMPLES / "bn_zero_gamma.prototxt").read_bytes()
Lsp = Callable[..., Any]


@pytest.fixture(autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("LSP_CACHE_DIR", str(place))
    return place


def entries(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "CACHEDIR.TAG")


def judged(lsp: Lsp, monkeypatch: pytest.MonkeyPatch, cwd: Path, *arguments: str) -> tuple[list[str], Any]:
    """Which files were judged anew, and what was said."""
    from prototxt_server import judging

    found: list[str] = []
    real = judging.judge
    with monkeypatch.context() as patch:
        patch.setattr(judging, "judge", lambda name, task: found.append(name) or real(name, task))
        rows = lsp("check", "--format", "json", "--jobs", "1", *arguments, cwd=cwd).json
    return found, rows


# -- nothing changes ---------------------------------------------------------------------------------------------------
def test_what_is_known_is_said_in_the_same_words(lsp: Lsp, monkeypatch: pytest.MonkeyPatch) -> None:
    first, rows = judged(lsp, monkeypatch, EXAMPLES)
    assert len(first) == len(list(EXAMPLES.glob("*.prototxt")))
    assert judged(lsp, monkeypatch, EXAMPLES) == ([], rows)
    assert judged(lsp, monkeypatch, EXAMPLES, "--no-cache") == (first, rows)
    assert any(row["fix"] for row in rows)
    assert any(row["related"] for row in rows)


def test_real_nets_too(shared: Path, folder: Path) -> None:
    names = sorted(map(str, (shared / "corpus" / "BVLC__caffe").rglob("*.prototxt")))
    task = Task(Settings(), cached=True)
    cold, warm = ([(c.name, c.findings) for c in check_all(names, task, 1, keep=False)] for _ in range(2))
    assert len(entries(folder)) == len(names)
    assert warm == cold


def test_a_known_file_is_said_without_the_rules(tmp_path: Path) -> None:
    (tmp_path / "net.prototxt").write_bytes(ZERO_GAMMA)
    code = (
        "import sys; sys.argv = ['lsp', 'check', 'net.prototxt'];"
        "from prototxt_server.cli.main import main\n"
        "try: main()\n"
        "except SystemExit as end: print(end.code, *sys.modules)"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    (*cold, names), (*warm, fewer) = (run.splitlines() for run in runs)
    assert warm == cold
    assert "prototxt_server.engine" in names
    heavy = {"prototxt_server.engine", "prototxt_server.rules", "prototxt_net.setup", "prototxt_net.layers", "lark"}
    assert not heavy & set(fewer.split())


# -- something changes -------------------------------------------------------------------------------------------------
SOLVER = 'net: "net.prototxt"\nbase_lr: 0.1\nlr_policy: "fixed"\nmax_iter: 10\n'
CHANGES: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "nothing": (lambda at: None, []),
    "the time of a file": (lambda at: os.utime(at / "net.prototxt", (1, 1)), []),
    "a comment": (lambda at: (at / "alone.prototxt").write_bytes(ZERO_GAMMA + b"#"), ["alone.prototxt"]),
    "a net that a solver names": (
        lambda at: (at / "net.prototxt").write_bytes(ZERO_GAMMA + b"#"),
        ["net.prototxt", "solver.prototxt"],
    ),
    "a net that is gone": (lambda at: (at / "net.prototxt").unlink(), ["alone.prototxt", "solver.prototxt"]),
    "another net in the folder": (
        lambda at: (at / "new.prototxt").write_bytes(ZERO_GAMMA),
        ["alone.prototxt", "net.prototxt", "new.prototxt"],
    ),
    "another file in the folder": (lambda at: (at / "net_iter_1.caffemodel").write_bytes(b"x"), []),
    "a new configuration": (
        lambda at: (at / "prototxt-lsp.toml").write_text("ignore = ['BN']"),
        ["alone.prototxt", "net.prototxt", "solver.prototxt"],
    ),
    "a configuration that comes to the same": (
        lambda at: (at / "prototxt-lsp.toml").write_text("[per-file-ignores]\n'x*' = ['BN']"),
        [],
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_changed_is_judged_anew(lsp: Lsp, change: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    for name in ("net.prototxt", "alone.prototxt"):
        (tmp_path / name).write_bytes(ZERO_GAMMA)
    judged(lsp, monkeypatch, tmp_path)
    make, wanted = CHANGES[change]
    make(tmp_path)
    found, rows = judged(lsp, monkeypatch, tmp_path)
    assert found == wanted
    assert rows == judged(lsp, monkeypatch, tmp_path, "--no-cache")[1]


@pytest.mark.parametrize("option", ["--dialect=nvidia-0.15", "--phase=TEST", "--ignore=BN", "--shape=data=1,3,9,9"])
def test_settings_make_other_entries(lsp: Lsp, option: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "net.prototxt").write_bytes(ZERO_GAMMA)
    for _ in range(2):
        assert judged(lsp, monkeypatch, tmp_path, option)[0] == (["net.prototxt"] if not _ else [])
    assert judged(lsp, monkeypatch, tmp_path)[0] == ["net.prototxt"]


def test_another_version_begins_anew(lsp: Lsp, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "net.prototxt").write_bytes(ZERO_GAMMA)
    judged(lsp, monkeypatch, tmp_path)
    monkeypatch.setattr(cache, "_program", lambda: "9.9")
    assert judged(lsp, monkeypatch, tmp_path)[0] == ["net.prototxt"]


# -- the cache itself --------------------------------------------------------------------------------------------------
DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "half": lambda data: data[: len(data) // 2],
    "one byte": lambda data: data[:40] + bytes([data[40] ^ 1]) + data[41:],
    "junk": lambda data: b"junk",
    "another layout": lambda data: zlib.compress(b"[2, [], []]"),
    "no list": lambda data: zlib.compress(b"3"),
    "short rows": lambda data: zlib.compress(b'[1, [], [["BN001"]]]'),
    "no fix": lambda data: zlib.compress(json.dumps([1, [], [["a"] * 10 + [["safe"], [], ""]]]).encode()),
    "deep": lambda data: zlib.compress(b"[" * 100_000),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_entry_is_no_entry(
    lsp: Lsp, damage: str, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "net.prototxt").write_bytes(ZERO_GAMMA)
    _, rows = judged(lsp, monkeypatch, tmp_path)
    (entry,) = entries(folder)
    entry.write_bytes(DAMAGE[damage](entry.read_bytes()))
    assert judged(lsp, monkeypatch, tmp_path) == (["net.prototxt"], rows)
    assert judged(lsp, monkeypatch, tmp_path) == ([], rows)


@pytest.mark.parametrize("arguments", [["--no-cache"], ["--fix"], ["--diff"], ["--add-ignore"], ["-"]])
def test_what_is_not_cached(lsp: Lsp, arguments: list[str], folder: Path, tmp_path: Path) -> None:
    (tmp_path / "net.prototxt").write_bytes(ZERO_GAMMA)
    lsp("check", *arguments, cwd=tmp_path, stdin=ZERO_GAMMA)
    assert not entries(folder)


def test_a_cache_that_cannot_be_written_is_none(lsp: Lsp, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "net.prototxt").write_bytes(ZERO_GAMMA)
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", "/dev/null/x"):
        monkeypatch.setenv("LSP_CACHE_DIR", str(place))
        assert judged(lsp, monkeypatch, tmp_path)[0] == ["net.prototxt"]


def test_what_was_used_last_stays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [f"a{number:031x}" for number in range(40)]
    for age, key in enumerate(keys):
        cache.store(key, [], ())
        os.utime(cache._path(key), (1000 - age, 1000 - age))
    entry = Path(cache._path(keys[0])).stat().st_size
    monkeypatch.setattr(cache, "LARGEST", 10 * entry * cache._SHARDS)
    assert cache.load(keys[20]) == []  # a use makes it young
    cache.trim(keys[:1])
    assert [key for key in keys if cache.load(key) is not None] == [*keys[:9], keys[20]]
    assert cache.size() == (10, 10 * entry)


PLACES = [
    ("linux", {"XDG_CACHE_HOME": "/c", "HOME": "/h"}, "/c/prototxt-lsp"),
    ("linux", {"XDG_CACHE_HOME": "relative", "HOME": "/h"}, "/h/.cache/prototxt-lsp"),
    ("linux", {"HOME": "/h"}, "/h/.cache/prototxt-lsp"),
    ("darwin", {"HOME": "/h"}, "/h/Library/Caches/prototxt-lsp"),
    ("linux", {"LSP_CACHE_DIR": "/x", "HOME": "/h"}, "/x"),
]


@pytest.mark.parametrize(("system", "environment", "place"), PLACES)
def test_where_it_is(system: str, environment: dict[str, str], place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LSP_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", system)
    assert cache.folder() == place
