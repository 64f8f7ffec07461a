"""Every name of BVLC's schema is documented, with its default; the forks' own names are where it matters."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from prototxt_net.schema import load
from prototxt_net.schema._generated import docs, fork_docs
from prototxt_net.schema.declaration import write_value

ROOT = Path(__file__).resolve().parents[2]
BVLC = load.schema("bvlc")
FIELDS = [(message.name, field) for message in BVLC.messages.values() for field in message.fields.values()]


def tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "net" / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where its dataclasses look for their own module
    spec.loader.exec_module(module)
    return module


def test_generated_modules_are_what_the_sources_give() -> None:
    for path, text in tool("compile_schema").outputs().items():
        assert path.read_text(encoding="utf-8") == text, f"run net/tools/compile_schema.py for {path.name}"


def test_overlays_are_what_the_facts_give(shared: Path, tmp_path: Path) -> None:
    for path, text in tool("make_overlays").outputs(shared / "facts").items():
        assert path.read_text(encoding="utf-8") == text, f"run net/tools/make_overlays.py for {path.name}"


def test_every_field_of_bvlc_is_documented() -> None:
    assert [(message, field.name) for message, field in FIELDS if not docs.FIELDS[message, field.name].strip()] == []


def test_every_message_and_enum_value_of_bvlc_is_documented() -> None:
    assert [name for name in BVLC.messages if not docs.MESSAGES[name].strip()] == []
    values = [(enum.name, value) for enum in BVLC.enums.values() for value in enum.values]
    assert [key for key in values if not docs.VALUES.get(key, "").strip()] == []


def test_a_stated_default_is_mentioned() -> None:
    silent = [
        f"{message}.{field.name}"
        for message, field in FIELDS
        if field.has_default
        and f"efault `{write_value(field.kind, field.default)}`" not in docs.FIELDS[message, field.name]
    ]
    assert silent == []


def test_no_default_is_mentioned_where_there_is_none() -> None:
    loud = [
        f"{message}.{field.name}"
        for message, field in FIELDS
        if not field.has_default and "Default `" in docs.FIELDS[message, field.name]
    ]
    assert loud == []


@pytest.mark.parametrize(
    ("message", "field", "phrase"),
    [
        ("FillerParameter", "value", "all weights zero"),
        ("BatchNormParameter", "moving_average_fraction", "Weight of the **old** average"),
        ("LayerParameter", "phase", "Not a filter"),
        ("DataParameter", "scale", "read by nobody"),
        ("SolverParameter", "solver_mode", "only where this field is written"),
    ],
)
def test_traps_are_named(message: str, field: str, phrase: str) -> None:
    assert phrase in load.field_doc("bvlc", message, field)


@pytest.mark.parametrize("dialect", load.DIALECTS)
def test_every_field_of_every_dialect_has_a_text(dialect: str) -> None:
    schema = load.schema(dialect)
    for message in schema.messages.values():
        assert load.message_doc(dialect, message.name)
        for field in message.fields.values():
            assert load.field_doc(dialect, message.name, field.name)


def test_fork_texts_are_about_names_that_exist() -> None:
    def dialects(scope: str) -> tuple[str, ...]:
        return (scope,) if scope else load.DIALECTS

    def exists(scope: str, owner: str, name: str) -> bool:
        return any(name in load.schema(dialect).messages[owner].fields for dialect in owners(scope, owner))

    def owners(scope: str, owner: str) -> list[str]:
        return [dialect for dialect in dialects(scope) if owner in load.schema(dialect).messages]

    assert [key for key in fork_docs.MESSAGES if not owners(*key)] == []
    assert [key for key in fork_docs.FIELDS if not exists(*key)] == []
    values = [
        (scope, enum, value)
        for scope, enum, value in fork_docs.VALUES
        if not set(dialects(scope)) & set(load.dialects_with_enum_value(enum, value))
    ]
    assert values == []


def test_texts_of_forks_state_the_default_last() -> None:
    wrong = []
    for dialect in load.DIALECTS[1:]:
        for message in load.schema(dialect).messages.values():
            for field in message.fields.values():
                text = load.field_doc(dialect, message.name, field.name)
                if text == f"Field of {dialect}.":
                    continue
                mentioned = re.findall(r"[Dd]efault(?: is)? `([^`]*)`", text)
                stated = [write_value(field.kind, field.default)] if field.has_default else []
                if mentioned[-1:] != stated and not text.endswith("the field has no default."):
                    wrong.append(f"{dialect} {message.name}.{field.name} {stated}: {text}")
    assert wrong == []


def test_a_text_for_any_fork_is_not_hidden_by_one_of_bvlc() -> None:
    assert [key for scope, *key in fork_docs.FIELDS if not scope and tuple(key) in docs.FIELDS] == []
    assert [key for scope, *key in fork_docs.MESSAGES if not scope and key[0] in docs.MESSAGES] == []


@pytest.mark.parametrize(
    ("dialect", "message", "field", "sentence"),
    [
        ("happynear-windows", "BatchNormParameter", "moving_average_fraction", "the default is `0.99`."),
        ("nvidia-0.17", "SolverParameter", "test_initialization", "the default is `false`."),
        ("pspnet", "SolverParameter", "rms_decay", "the field has no default."),
        ("segnet", "ConvolutionParameter", "pad", "it may be given only once. Default `0`."),
        ("segnet", "LossParameter", "normalize", "the default is `true`."),
    ],
)
def test_a_difference_is_said_after_the_text_of_bvlc(dialect: str, message: str, field: str, sentence: str) -> None:
    assert load.field_doc(dialect, message, field) == (
        f"{load.field_doc('bvlc', message, field)} In {dialect} {sentence}"
    )


def test_the_layers_of_old_releases_are_described_as_such() -> None:
    assert load.field_doc("bvlc-v0.9999", "LayerParameter", "type") == (
        load.field_doc("bvlc", "V1LayerParameter", "type")
    )
    assert load.field_doc("bvlc-v0.99", "LayerParameter", "kernelsize") == (
        load.field_doc("bvlc", "V0LayerParameter", "kernelsize")
    )


def test_an_equal_field_has_the_same_text_everywhere() -> None:
    assert load.field_doc("ssd", "LRNParameter", "alpha") == load.field_doc("bvlc", "LRNParameter", "alpha")


def test_a_name_nobody_wrote_about_says_whose_it_is() -> None:
    assert load.field_doc("synopsys", "RNNv2Parameter", "direction") == "Field of synopsys."
