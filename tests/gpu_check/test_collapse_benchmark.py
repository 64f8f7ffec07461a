"""The benchmark of planted faults runs, and names the layer of each; clean nets raise no alarm."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("nets", ["lenet", pytest.param("mobilenet,squeezenet", marks=pytest.mark.slow)])
def test_each_fault_is_named_and_clean_nets_are_left_alone(nets: str) -> None:
    command = [sys.executable, str(ROOT / "benchmarks/collapse"), "--nets", nets, "--sites", "1"]
    done = subprocess.run([*command, "--seeds", "1", "--verbose"], capture_output=True, text=True, check=True)
    rows = re.findall(r"^\| ([^|*]+) \| (\d+) \| (\d+) \| (\d+) \|", done.stdout, re.MULTILINE)
    assert len(rows) == 15
    assert [name for name, planted, found, placed in rows if not planted == found == placed] == []
    assert sum(int(planted) for _, planted, _, _ in rows) >= 10 * len(nets.split(","))
    assert ", 0 with a warning." in done.stdout
