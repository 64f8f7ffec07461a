"""The committed pages are those that `make docs` writes."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_rule_pages_are_current(generate: ModuleType) -> None:
    committed = {path.name: path.read_text() for path in (DOCS / "rules").glob("*.md")}
    assert committed == generate.pages()


def test_the_keys_of_the_configuration_are_current(generate: ModuleType) -> None:
    page = (DOCS / "configuration.md").read_text()
    assert page == generate.configuration(page)
    assert "| `extend-select` |" in page


def test_the_index_by_symptom_is_current(generate: ModuleType) -> None:
    assert (DOCS / "symptoms.md").read_text() == generate.symptoms()
