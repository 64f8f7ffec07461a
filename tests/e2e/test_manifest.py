"""What package.json of the extension says twice must be what the server says."""

from __future__ import annotations

import json
import re
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


def test_what_the_walkthrough_leads_to_is_there(manifest: dict[str, Any]) -> None:
    commands = {command["command"] for command in manifest["contributes"]["commands"]}
    for step in manifest["contributes"]["walkthroughs"][0]["steps"]:
        for command in re.findall(r"\(command:([\w.]+)", step["description"]):
            assert command in commands or command.startswith("workbench.action.")
        name = Path(step["media"]["image"]).name
        assert (ROOT / "docs" / "images" / name).is_file(), "package.sh copies it from there"
        for event in step.get("completionEvents", ()):
            kind, _, what = event.partition(":")
            known = {"onCommand": commands, "onContext": {"prototxt.ready"}, "onLanguage": {"prototxt", "caffe-log"}}
            assert what in known[kind]


def test_every_command_has_a_category_and_every_setting_a_description(
    manifest: dict[str, Any], properties: dict[str, dict[str, Any]]
) -> None:
    assert {command["category"] for command in manifest["contributes"]["commands"]} == {"Prototxt"}
    assert [
        name for name, entry in properties.items() if not entry.keys() & {"description", "markdownDescription"}
    ] == []
    assert (ROOT / "vscode-extension" / manifest["icon"]).is_file()
