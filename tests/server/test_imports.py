"""Invariant 6: what a process must not import, since each start would pay for it; where each package is at home."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLEAN_NET = ROOT / "examples" / "lenet_bn.prototxt"

CASES = {
    "lsp check on a file without syntax errors": (
        f"import sys; sys.argv = ['lsp', 'check', {str(CLEAN_NET)!r}]\n"
        "from prototxt_server.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n",
        {"lark", "numpy", "pygls", "lsprotocol", "google.protobuf", "rich", "cupy", "prototxt_gpu_check"},
    ),
    "the language server": ("import prototxt_server.lsp.main", {"numpy", "cupy"}),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_is_not_imported(case: str) -> None:
    code, forbidden = CASES[case]
    code += "\nimport sys; print('MODULES', *sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.rpartition("MODULES")[2].split())
    assert not loaded & forbidden


FLOORS = ("grammar", "net", "gpu_check", "server")

IMPORT = re.compile(r"^\s*(?:import|from) (\w+)", re.MULTILINE)

# module -> where it may be imported, at all
HOMES = {
    "lark": {"grammar/prototxt_grammar"},
    "lsprotocol": {"server/prototxt_server/lsp"},
    "pygls": {"server/prototxt_server/lsp"},
    "numpy": {"gpu_check/prototxt_gpu_check"},
    "cupy": {f"gpu_check/prototxt_gpu_check/{name}.py" for name in ("backend", "kernels", "probe")},
    "cupy_backends": {"gpu_check/prototxt_gpu_check/probe.py"},
    "click": {"server/prototxt_server/cli"},
    "rich": {"server/prototxt_server/cli"},
}


def imported(path: Path) -> set[str]:
    """The packages that a file imports, anywhere in it."""
    return set(IMPORT.findall(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("module", HOMES)
def test_is_imported_at_home_only(module: str) -> None:
    files = [path for floor in FLOORS for path in sorted((ROOT / floor).rglob("*.py"))]
    users = {path.relative_to(ROOT).as_posix() for path in files if module in imported(path)}
    assert users
    assert [user for user in sorted(users) if not any(user.startswith(home) for home in HOMES[module])] == []
