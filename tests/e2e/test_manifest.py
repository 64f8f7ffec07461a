"""What package.json of the extension says twice must be what the server says."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from prototxt_net.schema.load import DIALECTS
from prototxt_server.lsp.settings import PHASES, ServerSettings, read_settings

ROOT = Path(__file__).resolve().parents[2]
NOT_THE_SERVERS = {"prototxt.interpreter", "prototxt.server.path", "prototxt.trace.server"}


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    return json.loads((ROOT / "vscode-extension" / "package.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def properties(manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return manifest["contributes"]["configuration"]["properties"]


def test_one_version(manifest: dict[str, Any]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert manifest["version"] == project["version"]


def test_every_dialect_can_be_set(properties: dict[str, dict[str, Any]]) -> None:
    assert properties["prototxt.dialect"]["enum"] == ["auto", *DIALECTS]


def test_every_phase_can_be_set(properties: dict[str, dict[str, Any]]) -> None:
    assert properties["prototxt.phase"]["enum"] == list(PHASES)


def test_the_defaults_of_the_editor_are_those_of_the_server(properties: dict[str, dict[str, Any]]) -> None:
    raw: dict[str, Any] = {}
    for name in properties.keys() - NOT_THE_SERVERS:
        *groups, last = name.removeprefix("prototxt.").split(".")
        place = raw
        for group in groups:
            place = place.setdefault(group, {})
        place[last] = properties[name]["default"]
    assert read_settings(raw) == ServerSettings()
