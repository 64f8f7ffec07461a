"""Shared fixtures: where the reference data is, with the skip that says so when it is not; the command line."""

from __future__ import annotations

import gc
import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import pytest

# How long an example takes says nothing on a machine that has other work.
hypothesis.settings.register_profile(
    "any",
    deadline=None,
    derandomize="CI" in os.environ,  # a gate gives one answer for one commit; everywhere else each run looks further
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("any")

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of oracle answers and real nets beside the checkout; tests that need it skip without it."""
    if not SHARED.is_dir():
        pytest.skip("../shared is not here: the oracle and the corpus are not part of a clone")
    return SHARED


@dataclass(slots=True, frozen=True)
class Done:
    """What a command left: exit code, standard output, standard error."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture(autouse=True, scope="session")
def no_cache_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the tests check does not go into the user's cache, nor come from it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LSP_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def lsp(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    """Runs `lsp ARGUMENTS` in this process as a shell would, in folder `cwd`, with `stdin` as standard input."""
    from prototxt_server import config, files
    from prototxt_server.cli.main import main

    monkeypatch.delenv("LSP_DEBUG", raising=False)
    monkeypatch.setattr(gc, "disable", lambda: None)  # the command line is a process of its own; this one goes on

    def run(*arguments: str, cwd: Path = ROOT, stdin: bytes = b"") -> Done:
        out, err = io.TextIOWrapper(io.BytesIO()), io.TextIOWrapper(io.BytesIO())
        files._standard_input.cache_clear()
        config.forget()
        with monkeypatch.context() as patch:
            patch.chdir(cwd)
            patch.setattr(sys, "argv", ["lsp", *arguments])
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            with pytest.raises(SystemExit) as ended:
                main()
        written = []
        for stream in (out, err):
            stream.flush()
            written.append(stream.buffer.getvalue())  # type: ignore[attr-defined]
        code = ended.value.code
        return Done(code if isinstance(code, int) else 0, written[0], written[1].decode())

    return run
