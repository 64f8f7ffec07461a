"""The schemas of all dialects are those of the facts, and every BVLC field is documented."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from prototxt_net.schema import load, overlay
from prototxt_net.schema.declaration import SCALARS


def facts_of(shared: Path, dialect: str) -> dict[str, Any]:
    return json.loads((shared / "facts" / "schema" / f"{dialect}.json").read_text(encoding="utf-8"))


def expected_field(entry: dict[str, Any], enums: dict[str, Any]) -> dict[str, object]:
    repeated = entry["label"] == "repeated"
    default = entry.get("default")
    if default is None and not repeated:
        if entry["type"] == "enum":
            default = next(iter(enums[entry["type_name"]]["values"]))
        else:
            default = SCALARS.get(entry["type"])
    return {
        "number": entry["number"],
        "kind": entry["type"],
        "type_name": entry.get("type_name", ""),
        "repeated": repeated,
        "required": entry["label"] == "required",
        "default": default,
        "has_default": "default" in entry,
        "deprecated": entry["deprecated"],
        "packed": entry["packed"],
    }


def test_dialects_are_the_trunk_and_the_overlay_files() -> None:
    files = {path.stem for path in Path(overlay.FOLDER).glob("*.json")}
    assert load.DIALECTS[0] == "bvlc"
    assert set(load.DIALECTS[1:]) == files
    assert len(load.DIALECTS) == len(files) + 1


def test_dialects_are_those_of_the_facts(shared: Path) -> None:
    files = {path.stem for path in (shared / "facts" / "schema").glob("[!_]*.json")}
    assert set(load.DIALECTS) == files


@pytest.mark.parametrize("dialect", load.DIALECTS)
def test_schema_equals_the_facts(shared: Path, dialect: str) -> None:
    facts = facts_of(shared, dialect)
    schema = load.schema(dialect)
    assert set(schema.messages) == set(facts["messages"])
    for message, fields in facts["messages"].items():
        built = {
            name: {slot: getattr(field, slot) for slot in expected_field(fields[name], facts["enums"])}
            for name, field in schema.messages[message].fields.items()
        }
        assert built == {name: expected_field(entry, facts["enums"]) for name, entry in fields.items()}, message
    assert {name: list(enum.values.items()) for name, enum in schema.enums.items()} == {
        name: list(enum["values"].items()) for name, enum in facts["enums"].items()
    }


@pytest.mark.parametrize("dialect", load.DIALECTS)
def test_layer_types_are_those_registered(shared: Path, dialect: str) -> None:
    listed = json.loads((shared / "facts" / "layers.json").read_text(encoding="utf-8"))["registered_types_by_dialect"]
    schema = load.schema(dialect)
    if dialect in listed:
        assert schema.layer_types_known
        assert schema.layer_types == set(listed[dialect])
    elif dialect != "py-faster-rcnn":  # known as another's list and five types
        assert not schema.layer_types_known
        assert schema.layer_types >= set(listed["bvlc"])


def test_unknown_dialect_is_answered_with_the_known_ones() -> None:
    with pytest.raises(KeyError, match=r"'torch'.*bvlc, nvidia-0\.17"):
        load.schema("torch")


def test_a_schema_is_built_once_and_shares_what_is_equal() -> None:
    assert load.schema("ssd") is load.schema("ssd")
    assert load.schema("ssd").message("LRNParameter") is load.schema("bvlc").message("LRNParameter")
