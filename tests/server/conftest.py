"""Files for the tests of commands."""

from __future__ import annotations

from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def some_files(tmp_path: Path) -> Path:
    """A folder with a net that loads, its solver, a label map and a net that does not load."""
    (tmp_path / "net.prototxt").write_bytes((EXAMPLES / "lenet_bn.prototxt").read_bytes())
    (tmp_path / "solver.prototxt").write_text('net: "net.prototxt"\nbase_lr: 0.1\n')
    (tmp_path / "labels.prototxt").write_text('item { name: "dog" label: 1 }\n')
    (tmp_path / "broken.prototxt").write_text('layer { name: "a" type: "ReLU" bottom: "b" top: "a" }\n')
    return tmp_path
