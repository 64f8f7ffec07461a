"""Invariant 6: what a process must not import, because it would pay for it on every start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CLEAN_NET = Path(__file__).parents[2] / "examples" / "lenet_bn.prototxt"

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
