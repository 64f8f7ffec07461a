"""The keys of a configuration file: how each is read, what it takes, what it is for. Its JSON schema is made from this.

Only imported where there is a file to read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from prototxt_net.schema.load import DIALECTS
from prototxt_net.shape import Shape

PHASES = ("auto", "TRAIN", "TEST", "all")
CODE = r"^([A-Za-z]{1,3}[0-9]*|[a-z][a-z0-9-]*)$"


class Wrong(Exception):
    """A value that a key does not take. where: what follows the key's name. hint: what may have been meant."""

    def __init__(self, value: object, wanted: str, where: str = "", hint: str = "") -> None:
        super().__init__(value, wanted, where, hint)
        self.value, self.wanted, self.where, self.hint = value, wanted, where, hint

    def __str__(self) -> str:
        return f"takes {self.wanted}, not {self.value!r}" + (f"; {self.hint}" if self.hint else "")


@dataclass(slots=True, frozen=True)
class Key:
    """read: the value as `Settings` has it, or Wrong. doc: a sentence or two. schema: the JSON schema of the value."""

    read: Callable[[object], Any]
    doc: str
    schema: Mapping[str, Any]


def spelled(code: str) -> str:
    """A code, a prefix of codes, or a rule's name in the spelling that the rules have."""
    code = code.strip()
    return code.upper() if re.fullmatch(r"[A-Za-z]{1,3}[0-9]*", code) else code.lower()


def nearest(name: str, names: tuple[str, ...]) -> str:
    """`did you mean …?` for a name that is not among `names`, "" when none is near."""
    near = get_close_matches(name, names, 1) or get_close_matches(name.lower(), [n.lower() for n in names], 1)
    found = next((n for n in names if near and n.lower() == near[0].lower()), "")
    return f"did you mean `{found}`?" if found else ""


def _text(wanted: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        if not isinstance(value, str) or not value:
            raise Wrong(value, wanted)
        return value

    return read


def _one_of(names: tuple[str, ...], wanted: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        if value not in names:
            raise Wrong(value, wanted, hint=nearest(value, names) if isinstance(value, str) else "")
        return str(value)

    return read


def _integer(value: object, wanted: str = "an integer") -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise Wrong(value, wanted)
    return value


def _texts(wanted: str) -> Callable[[object], tuple[str, ...]]:
    def read(value: object) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise Wrong(value, wanted)
        return tuple(value)

    return read


def _codes(value: object) -> tuple[str, ...]:
    wanted = "a list of codes, such as ['BN', 'NET004']"
    codes = _texts(wanted)(value)
    for code in codes:
        if not re.match(CODE, code.strip()):
            raise Wrong(code, "codes, prefixes of codes, or names of rules")
    return tuple(map(spelled, codes))


def _shapes(value: object) -> tuple[tuple[str, Shape], ...]:
    if not isinstance(value, dict):
        raise Wrong(value, "a table of blob names and lists of sizes, such as {data = [32, 3, 224, 224]}")
    return tuple((blob, _sizes(blob, dims)) for blob, dims in value.items())


def _sizes(blob: str, dims: object) -> Shape:
    wanted = "a list of sizes, such as [32, 3, 224, 224]"
    if not isinstance(dims, list) or not all(type(size) is int and size >= 0 for size in dims):
        raise Wrong(dims, wanted, f".{blob}")
    return tuple(dims)


def _codes_by_file(value: object) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if not isinstance(value, dict):
        raise Wrong(value, "a table of file patterns and lists of codes, such as {'test_*.prototxt' = ['BN']}")
    found = []
    for pattern, codes in value.items():
        try:
            found.append((pattern, _codes(codes)))
        except Wrong as wrong:
            raise Wrong(wrong.value, wrong.wanted, f'."{pattern}"') from None
    return tuple(found)


_CODE_LIST = {"type": "array", "items": {"type": "string", "pattern": CODE}, "uniqueItems": True}
_STRINGS = {"type": "array", "items": {"type": "string"}}

KEYS: dict[str, Key] = {
    "extend": Key(
        _text("the path of another configuration file"),
        "Another configuration file, relative to this one; its values hold where this file gives none.",
        {"type": "string", "minLength": 1, "examples": ["../prototxt-lsp.toml"]},
    ),
    "dialect": Key(
        _one_of(("auto", *DIALECTS), "auto or a dialect (`lsp dialects` lists them)"),
        "Whose Caffe the nets are written for. auto: the one that each file's own fields and layers point to.",
        {"enum": ["auto", *DIALECTS], "default": "auto"},
    ),
    "phase": Key(
        _one_of(PHASES, "one of " + ", ".join(PHASES)),
        "The phases that are judged. auto: those a file is meant for; a named phase is judged as Caffe loads it.",
        {"enum": list(PHASES), "default": "auto"},
    ),
    "level": Key(_integer, "The level of the net's state, which `include` and `exclude` look at.", {"type": "integer"}),
    "stages": Key(
        _texts("a list of stage names"),
        "The stages of the net's state, which `include` and `exclude` look at.",
        {**_STRINGS, "examples": [["deploy"]]},
    ),
    "shapes": Key(
        _shapes,
        "Shapes of tops that no text can tell, such as those of Data layers: a blob's name and its sizes.",
        {
            "type": "object",
            "additionalProperties": {"type": "array", "items": {"type": "integer", "minimum": 0}},
            "examples": [{"data": [32, 3, 224, 224]}],
        },
    ),
    "select": Key(
        _codes,
        "Only these rules: codes, prefixes of codes, or names. Without it all rules that are on by default speak.",
        {**_CODE_LIST, "examples": [["BN", "FRZ", "NET004"]]},
    ),
    "extend-select": Key(
        _codes, "These rules too; some are off by default.", {**_CODE_LIST, "examples": [["STY"]]}
    ),
    "ignore": Key(_codes, "Not these rules. The longer prefix decides.", {**_CODE_LIST, "examples": [["STY"]]}),
    "custom-layers": Key(
        _texts("a list of layer types"),
        "Layer types that your Caffe has beside those of the dialect. What such a layer makes stays unknown, and no "
        "rule speaks about it.",
        {**_STRINGS, "examples": [["CenterLoss"]]},
    ),
    "ignore-fields": Key(
        _texts("a list of fields, such as ['center_loss_param', 'LayerParameter.center_loss_param']"),
        "Fields that your Caffe has beside those of the dialect: the field's name, or its message's name, a point and "
        "the field's name.",
        {**_STRINGS, "examples": [["LayerParameter.center_loss_param"]]},
    ),
    "per-file-ignores": Key(
        _codes_by_file,
        "Rules that are silent in some files: a pattern, matched with the file's name and with its path seen from the "
        "folder of the configuration, and codes.",
        {"type": "object", "additionalProperties": _CODE_LIST, "examples": [{"old/*.prototxt": ["BN", "SCH"]}]},
    ),
}  # fmt: skip


def json_schema() -> dict[str, Any]:
    """The JSON schema (draft 7, which TOML editors read) of `prototxt-lsp.toml` and of `[tool.prototxt-lsp]`."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": "https://github.com/prototxt-lsp/prototxt-lsp/blob/main/docs/prototxt-lsp.schema.json",
        "title": "prototxt-lsp",
        "description": "How nets are read and which rules speak. The closest file above a net holds for it.",
        "type": "object",
        "additionalProperties": False,
        "properties": {name: {"description": key.doc, **key.schema} for name, key in KEYS.items()},
    }
