"""Helpers of this folder are importable by name; the nets of the corpus as fixtures."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def corpus(shared: Path) -> dict[str, str]:
    """Path -> text of every file; bytes that are not UTF-8 become lone surrogates."""
    folder = shared / "corpus"
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".prototxt", ".pt"))
    assert files, "the corpus is there but holds no net"
    return {str(path.relative_to(folder)): path.read_bytes().decode("utf-8", "surrogateescape") for path in files}
