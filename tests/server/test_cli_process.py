"""The command as a process of its own: pipes that close, disks that are full, interrupts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"

Lsp = Callable[..., Any]


def start(*arguments: str, **more: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "prototxt_server", *arguments], cwd=EXAMPLES, **more)


def test_a_reader_that_goes_away_is_no_error() -> None:
    process = start("rule", "--all", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(1)
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() in (0, 1)
    process.stderr.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_said() -> None:
    with open("/dev/full", "wb") as full:
        process = start("rule", "--all", stdout=full, stderr=subprocess.PIPE)
        _, err = process.communicate()
    assert (process.returncode, err) == (2, b"lsp: the output cannot be written: No space left on device\n")


@pytest.mark.skipif(os.name == "nt", reason="shells of Windows close no output")
@pytest.mark.parametrize(
    ("closed", "code", "err"),
    [(">&-", 2, "lsp: the output cannot be written: it is closed\n"), (">/dev/null 2>&-", 1, "")],
)
def test_a_closed_output_is_said(closed: str, code: int, err: str) -> None:
    line = f"{sys.executable} -m prototxt_server check bn_zero_gamma.prototxt {closed}"
    done = subprocess.run(line, shell=True, capture_output=True, text=True, cwd=EXAMPLES, check=False)
    assert (done.returncode, done.stderr) == (code, err)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no named pipes in folders")
@pytest.mark.parametrize("more", [(), ("--no-cache",), ("--diff",)])
def test_a_pipe_is_read_once(more: tuple[str, ...], tmp_path: Path) -> None:
    pipe = tmp_path / "net.prototxt"
    os.mkfifo(pipe)
    process = start("check", "--format", "concise", *more, str(pipe), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    pipe.write_bytes((EXAMPLES / "bn_zero_gamma.prototxt").read_bytes())
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert (b"BN031" in out) != ("--diff" in more)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for a child")
def test_an_interrupt_ends_it_quietly(tmp_path: Path) -> None:
    pipe = tmp_path / "net.prototxt"
    os.mkfifo(pipe)
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # tests that run in the background ignore it
    process = start("check", str(pipe), stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=heard)
    with pipe.open("wb"):  # opens when the program reads, and keeps it reading
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, b"")
    assert b"Traceback" not in err


def test_it_has_one_name_however_it_is_started() -> None:
    process = start("check", "--nope", stderr=subprocess.PIPE)
    _, err = process.communicate()
    assert err.startswith(b"lsp check: no such option")
