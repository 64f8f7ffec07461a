"""Configuration files: which one holds, what a wrong one says, and the schema that editors read."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from prototxt_server.config_keys import KEYS, json_schema
from prototxt_server.report.rule_docs import as_dict
from prototxt_server.rules.catalogue import load_all, load_dynamic

ROOT = Path(__file__).parents[2]
ZERO_GAMMA = (ROOT / "examples" / "bn_zero_gamma.prototxt").read_bytes()
Lsp = Callable[..., Any]


def codes(lsp: Lsp, folder: Path, *arguments: str) -> set[str]:
    return {row["code"] for row in lsp("check", "--format", "json", *arguments, cwd=folder).json}


# -- which file holds --------------------------------------------------------------------------------------------------
def test_the_closest_configuration_holds(lsp: Lsp, tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "net.prototxt").write_bytes(ZERO_GAMMA.partition(b"\n")[2])
    assert "BN031" not in codes(lsp, deep)
    (tmp_path / "pyproject.toml").write_text('[tool.prototxt-lsp]\ndialect = "nvidia-0.15"\n')
    assert {"BN031", "BN055"} <= codes(lsp, deep)
    assert "BN031" not in codes(lsp, deep, "--isolated")
    assert "BN031" not in codes(lsp, deep, "--dialect", "bvlc")
    (tmp_path / "a" / "prototxt-lsp.toml").write_text('extend = "../pyproject.toml"\nignore = ["BN055"]\n')
    assert codes(lsp, deep) & {"BN031", "BN055"} == {"BN031"}
    assert codes(lsp, deep, "--select", "bn-gamma-zero-default") == {"BN031"}
    (tmp_path / "other.toml").write_text('select = ["BN"]\n[per-file-ignores]\n"net*" = ["BN011", "bn03"]\n')
    assert codes(lsp, deep, "--config", "../../other.toml") == {"BN027", "BN055"}


@pytest.mark.parametrize("passed_over", ['[project]\nname = "x"\n', "tool = 3\n", "[tool.ruff]\n"])
def test_a_configuration_without_our_table_is_passed_over(lsp: Lsp, passed_over: str, tmp_path: Path) -> None:
    (tmp_path / "prototxt-lsp.toml").write_text('ignore = ["BN"]\n')
    deep = tmp_path / "a"
    deep.mkdir()
    (deep / "pyproject.toml").write_text(passed_over)
    (deep / "net.prototxt").write_bytes(ZERO_GAMMA)
    assert not codes(lsp, deep)


@pytest.mark.parametrize("pattern", ["net.prototxt", "a/*.prototxt", "a/*", "*/net.*"])
def test_patterns_are_matched_with_the_name_and_with_the_path(lsp: Lsp, pattern: str, tmp_path: Path) -> None:
    (tmp_path / "prototxt-lsp.toml").write_text(f"[per-file-ignores]\n'{pattern}' = ['BN']\n")
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "net.prototxt").write_bytes(ZERO_GAMMA)
    rows = lsp("check", "--format", "json", cwd=tmp_path).json
    heard = {row["filename"] for row in rows if row["code"] == "BN031"}
    assert "a/net.prototxt" not in heard
    assert ("b/net.prototxt" in heard) == pattern.startswith("a/")


OWN = """\
input: "data"
input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }
layer { name: "own" type: "CenterLoss" bottom: "data" top: "own" center_loss_param { num_output: 3 } }
layer { name: "conv" type: "Convolution" bottom: "own" top: "conv" convolution_param { num_output: 4 kernel_size: 3 } }
"""


@pytest.mark.parametrize(
    ("content", "heard"),
    [
        ("", {"SCH001", "SCH003"}),
        ("custom-layers = ['CenterLoss']", {"SCH001"}),
        ("ignore-fields = ['center_loss_param']", {"SCH003"}),
        ("ignore-fields = ['LayerParameter.center_loss_param']\ncustom-layers = ['Other', 'CenterLoss']", set()),
        ("ignore-fields = ['NetParameter.center_loss_param']\ncustom-layers = ['centerloss']", {"SCH001", "SCH003"}),
    ],
)
def test_layers_and_fields_of_ones_own_are_known(lsp: Lsp, content: str, heard: set[str], tmp_path: Path) -> None:
    (tmp_path / "net.prototxt").write_text(OWN)
    (tmp_path / "prototxt-lsp.toml").write_text(content)
    rows = lsp("check", "--format", "json", "--dialect", "bvlc", cwd=tmp_path).json
    assert {row["code"] for row in rows if row["severity"] == "error"} == heard


def test_the_command_shows_what_holds(lsp: Lsp, tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text("shapes = {data = [1, 3, 8, 8]}\nlevel = 2\nselect = ['BN']\n")
    (tmp_path / "prototxt-lsp.toml").write_text("extend = 'base.toml'\nselect = ['bn', 'NET']\n")
    done = lsp("config", "net.prototxt", cwd=tmp_path)
    assert done.code == 0
    shown = tomllib.loads(done.text)
    assert {**shown, "phase": "auto"} == {
        "dialect": "auto", "phase": "auto", "level": 2, "stages": [], "shapes": {"data": [1, 3, 8, 8]},
        "select": ["BN", "NET"], "extend-select": [], "ignore": [], "custom-layers": [], "ignore-fields": [],
    }  # fmt: skip
    comments = [line.split() for line in done.text.splitlines() if line.startswith("#")]
    assert comments == [
        ["#", "from", str(tmp_path / "prototxt-lsp.toml")],
        ["#", "extends", str(tmp_path / "base.toml")],
    ]


# -- files that cannot be used -----------------------------------------------------------------------------------------
WRONG = {
    "dialekt = 'bvlc'": "no key is called `dialekt`; did you mean `dialect`?",
    "extend_select = ['BN']": "no key is called `extend_select`; did you mean `extend-select`?",
    "colour = true": "no key is called `colour`; there are extend, dialect, phase",
    "dialect = 'torch'": "`dialect` takes auto or a dialect (`lsp dialects` lists them), not 'torch'",
    "dialect = 'nvidia-015'": "not 'nvidia-015'; did you mean `nvidia-0.15`?",
    "phase = 'train'": "`phase` takes one of auto, TRAIN, TEST, all, not 'train'; did you mean `TRAIN`?",
    "level = true": "`level` takes an integer, not True",
    "stages = 'deploy'": "`stages` takes a list of stage names, not 'deploy'",
    "ignore = 'BN'": "`ignore` takes a list of codes, such as ['BN', 'NET004'], not 'BN'",
    "ignore = ['no such', 'BN']": "`ignore` takes codes, prefixes of codes, or names of rules, not 'no such'",
    "select = ['QQ7']": "`select`: no rule is called `QQ7`; `lsp rule` lists them",
    "extend-select = ['bn-gamma-zero']": "no rule is called `bn-gamma-zero`; did you mean `bn-gamma-zero-default`?",
    "per-file-ignores = {'a*' = 'BN'}": '`per-file-ignores."a*"` takes a list of codes',
    "per-file-ignores = {'a*' = ['QQ']}": "`per-file-ignores`: no rule is called `QQ`",
    "shapes = 3": "`shapes` takes a table of blob names and lists of sizes",
    "shapes = {data = [1, 'x']}": "`shapes.data` takes a list of sizes, such as [32, 3, 224, 224], not [1, 'x']",
    "shapes = {data = [-1]}": "`shapes.data` takes a list of sizes",
    "custom-layers = 'A'": "`custom-layers` takes a list of layer types, not 'A'",
    "ignore-fields = [3]": "`ignore-fields` takes a list of fields",
    "extend = 'prototxt-lsp.toml'": "`extend` leads back to the file itself",
    "extend = 'nowhere.toml'": "`extend`: there is no file",
    "extend = ''": "`extend` takes the path of another configuration file, not ''",
    "[[[": "is not TOML",
    "x = '\xff'": "is not TOML",
}
OF_CODES = [content for content in WRONG if "no rule is called" in WRONG[content]]


@pytest.mark.parametrize("content", WRONG, ids=str)
@pytest.mark.parametrize("command", ["check", "describe", "config"])
def test_a_wrong_configuration_names_its_key(lsp: Lsp, command: str, content: str, tmp_path: Path) -> None:
    if command == "describe" and content in OF_CODES:
        pytest.skip("describe asks no rules")
    (tmp_path / "net.prototxt").write_bytes(ZERO_GAMMA)
    (tmp_path / "prototxt-lsp.toml").write_bytes(content.encode("latin-1"))
    done = lsp(command, "net.prototxt", cwd=tmp_path)
    assert done.code == 2
    row = "" if "\xff" in content else ":1"
    assert done.err.startswith(f"lsp: {tmp_path / 'prototxt-lsp.toml'}{row}: ")
    assert WRONG[content] in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "content", "row"),
    [
        ("prototxt-lsp.toml", "level = 1\n\n[shapes]\ndata = [1]\nlabel = [-1]\n", 5),
        ("prototxt-lsp.toml", "level = 1\nignore = [\n  'BN',\n  'QQ7',\n]\n", 4),
        ("prototxt-lsp.toml", "level = 1\r\nphase = 'train'\r\n", 2),
        ("prototxt-lsp.toml", "level = 1\n= 3\n", 2),
        ("pyproject.toml", "[project]\nlevel = 'x'\n[tool.prototxt-lsp]\nlevel = 'x'\n", 4),
    ],
)
def test_a_wrong_configuration_names_the_line(lsp: Lsp, name: str, content: str, row: int, tmp_path: Path) -> None:
    (tmp_path / "net.prototxt").write_bytes(ZERO_GAMMA)
    (tmp_path / name).write_bytes(content.encode())
    assert lsp("check", "net.prototxt", cwd=tmp_path).err.startswith(f"lsp: {tmp_path / name}:{row}: ")


def test_the_file_that_is_extended_is_named(lsp: Lsp, tmp_path: Path) -> None:
    (tmp_path / "prototxt-lsp.toml").write_text("extend = 'base.toml'")
    (tmp_path / "base.toml").write_text("levle = 1")
    assert lsp("config", cwd=tmp_path).err.startswith(f"lsp: {tmp_path / 'base.toml'}:1: no key is called `levle`")


# -- the schema --------------------------------------------------------------------------------------------------------
VALIDATOR = jsonschema.Draft7Validator(json_schema())
GOOD = """
extend = "../base.toml"
dialect = "nvidia-0.17"
phase = "TRAIN"
level = 1
stages = ["deploy"]
select = ["ALL", "BN", "NET004", "bn-gamma-zero-default"]
extend-select = ["STY"]
ignore = []
custom-layers = ["CenterLoss"]
ignore-fields = ["center_loss_param", "LayerParameter.other_param"]
[shapes]
data = [32, 3, 224, 224]
label = []
[per-file-ignores]
"old/*.prototxt" = ["BN"]
"""
# What the schema cannot know: which rules, files and other configurations there are.
BEYOND = {*OF_CODES, *(content for content in WRONG if "leads back" in WRONG[content] or "no file" in WRONG[content])}


def test_the_committed_schema_is_the_one_of_the_keys(lsp: Lsp) -> None:
    jsonschema.Draft7Validator.check_schema(json_schema())
    committed = (ROOT / "docs" / "prototxt-lsp.schema.json").read_text()
    assert json.loads(committed) == json_schema(), "make docs"
    assert lsp("config", "--schema").text == committed


def test_the_schema_takes_what_is_right() -> None:
    table = tomllib.loads(GOOD)
    assert table.keys() == KEYS.keys()
    VALIDATOR.validate(table)
    for key in KEYS.values():
        for example in key.schema.get("examples", ()):
            key.read(example)


@pytest.mark.parametrize("content", [content for content in WRONG if "TOML" not in WRONG[content]], ids=str)
def test_the_schema_refuses_what_is_wrong(content: str) -> None:
    assert VALIDATOR.is_valid(tomllib.loads(content)) == (content in BEYOND)


def test_every_code_and_name_of_a_rule_can_be_written() -> None:
    for rule in map(as_dict, (*load_all(), *load_dynamic())):
        VALIDATOR.validate({"ignore": [rule["code"], rule["name"]]})
        assert KEYS["ignore"].read([rule["code"].lower()]) == (rule["code"],)
