"""Compiles the schema's sources into the Python tables that the program imports.

    python net/tools/compile_schema.py [--check]

Reads   schema/bvlc/*.proto            messages, fields, enums of BVLC Caffe; a comment before each is its documentation
        schema/bvlc/layer_types.txt    the layer types that BVLC Caffe registers, one a line
        schema/overlays/docs/*.toml    documentation of the forks' own messages, fields and enum values
Writes  schema/_generated/bvlc.py      tables without documentation: imported on every run
        schema/_generated/docs.py      BVLC's documentation: imported when a hover asks
        schema/_generated/fork_docs.py the forks' documentation: likewise

The .proto files keep to a part of the language that a few lines can read, while protoc reads them too: one declaration
a line, `//` comments on lines of their own before what they describe, enums nested one level deep at most. With --check
nothing is written; the exit status is 1 when an output is not what the sources give.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prototxt_net.schema import declaration

SCHEMA = Path(__file__).resolve().parents[1] / "prototxt_net" / "schema"
NET = ("common", "net", "layers", "weights", "normalization", "activations", "shape", "losses", "data")
FILES = (*NET, "solver", "legacy")  # in the order of the compiled schema
ENUM_VALUE = re.compile(r"(\w+) = (-?\d+)")
WRAPPED = re.compile(r"(?<!\n)\n(?!\n|- )")  # a line break that is neither a paragraph's end nor before a list item
HEAD = '"""{}\n\nWritten by net/tools/compile_schema.py; do not edit."""\n\nfrom __future__ import annotations\n'


@dataclass(slots=True)
class Sources:
    """What the .proto files say. Field declarations are kept as text until every enum is known."""

    messages: dict[str, dict[str, str]] = field(default_factory=dict)
    enums: dict[str, dict[str, int]] = field(default_factory=dict)
    message_docs: dict[str, str] = field(default_factory=dict)
    field_docs: dict[tuple[str, str], str] = field(default_factory=dict)
    value_docs: dict[tuple[str, str], str] = field(default_factory=dict)


def read_proto(text: str, into: Sources) -> None:
    """Adds what one .proto file declares. Raises ValueError with the line that is none of the known forms."""
    comment: list[str] = []
    scopes: list[tuple[str, str]] = []  # (keyword, dotted name) of the messages and enums that are open
    for line in map(str.strip, text.splitlines()):
        if line.startswith("//"):
            comment.append(line[2:].removeprefix(" "))
            continue
        doc, comment = WRAPPED.sub(" ", "\n".join(comment)), []
        if not line or line.startswith(("syntax ", "package ", "import ")):
            continue
        if line == "}":
            scopes.pop()
        elif line.endswith(" {"):
            keyword, name = line[:-2].split(" ")
            dotted = ".".join([scope for _, scope in scopes[-1:]] + [name])
            scopes.append((keyword, dotted))
            if keyword == "message":
                into.messages[dotted] = {}
                into.message_docs[dotted] = doc
            elif keyword == "enum":
                into.enums[dotted] = {}
            else:
                raise ValueError(f"neither message nor enum: {line}")
        elif scopes and line.endswith(";"):
            _member(line[:-1], doc, *scopes[-1], into)
        else:
            raise ValueError(f"not understood: {line}")


def _member(text: str, doc: str, keyword: str, owner: str, into: Sources) -> None:
    if keyword == "enum":
        match = ENUM_VALUE.fullmatch(text)
        if match is None:
            raise ValueError(f"not an enum value: {text}")
        into.enums[owner][match[1]] = int(match[2])
        into.value_docs[owner, match[1]] = doc
        return
    name = text.split(" ", 3)[2]
    into.messages[owner][name] = text
    into.field_docs[owner, name] = doc


def declared(owner: str, text: str, enums: dict[str, dict[str, int]]) -> declaration.Declared:
    """The field, its enum's name made dotted where the enum is nested in the same message, its default filled in."""
    label, type_name, rest = text.split(" ", 2)
    nested = f"{owner}.{type_name}"
    result = declaration.parse(f"{label} {nested if nested in enums else type_name} {rest}", enums)
    name, number, kind, type_name, repeated, required, default, has_default, deprecated, packed = result
    if kind == "enum" and default is None and not repeated:
        default = next(iter(enums[type_name]))
    return (name, number, kind, type_name, repeated, required, default, has_default, deprecated, packed)


def tables(sources: Sources, layer_types: list[str]) -> str:
    """The text of _generated/bvlc.py."""
    lines = [HEAD.format("BVLC Caffe's messages (arguments of model.FieldType, in order), enums and layer types.")]
    lines.append("MESSAGES: dict[str, tuple[tuple[str, int, str, str, bool, bool, object, bool, bool, bool], ...]] = {")
    for message, fields in sources.messages.items():
        lines.append(f"    {message!r}: (")
        lines += [f"        {declared(message, text, sources.enums)!r}," for text in fields.values()]
        lines.append("    ),")
    lines += ["}", "", "ENUMS: dict[str, dict[str, int]] = {"]
    lines += [f"    {enum!r}: {values!r}," for enum, values in sources.enums.items()]
    lines += ["}", "", "LAYER_TYPES: tuple[str, ...] = (", *(f"    {name!r}," for name in layer_types), ")", ""]
    return "\n".join(lines)


def documentation(sources: Sources) -> str:
    """The text of _generated/docs.py."""
    lines = [HEAD.format("What the comments of bvlc/*.proto say.")]
    lines += _table("MESSAGES", "str", sources.message_docs)
    lines += _table("FIELDS", "tuple[str, str]", sources.field_docs)
    lines += _table("VALUES", "tuple[str, str]", {key: doc for key, doc in sources.value_docs.items() if doc})
    return "\n".join(lines)


def fork_documentation(files: list[Path]) -> str:
    """The text of _generated/fork_docs.py. A table is ["dialect,dialect"."Message or Enum"], or [any.…] for every fork.

    Its keys are fields, `_` for the message itself, "=NAME" for a value of an enum. Raises ValueError on a repetition.
    """
    messages: dict[tuple[str, ...], str] = {}
    fields: dict[tuple[str, ...], str] = {}
    values: dict[tuple[str, ...], str] = {}
    for path in files:
        for dialect, owner, name, doc in _entries(tomllib.loads(path.read_text(encoding="utf-8"))):
            key: tuple[str, ...] = ("" if dialect == "any" else dialect, owner)
            table = messages if name == "_" else values if name.startswith("=") else fields
            if table is not messages:
                key = (*key, name.removeprefix("="))
            if key in table:
                raise ValueError(f"{path.name} repeats {key}")
            table[key] = doc.strip()
    lines = [HEAD.format('What overlays/docs/*.toml say, by dialect ("" is any), message or enum, and name.')]
    lines += _table("MESSAGES", "tuple[str, str]", messages)
    lines += _table("FIELDS", "tuple[str, str, str]", fields)
    lines += _table("VALUES", "tuple[str, str, str]", values)
    return "\n".join(lines)


def _entries(parsed: dict[str, dict[str, dict[str, str]]]) -> Iterator[tuple[str, str, str, str]]:
    for dialects, owners in parsed.items():
        for owner, entries in owners.items():
            for name, doc in entries.items():
                for dialect in dialects.split(","):
                    yield dialect, owner, name, doc


def _table(name: str, key: str, entries: Mapping[Any, str]) -> list[str]:
    return [f"{name}: dict[{key}, str] = {{", *(f"    {k!r}: {doc!r}," for k, doc in entries.items()), "}", ""]


def outputs() -> dict[Path, str]:
    """Each generated file and the text that the sources give it."""
    sources = Sources()
    for name in FILES:
        read_proto((SCHEMA / "bvlc" / f"{name}.proto").read_text(encoding="utf-8"), sources)
    layer_types = (SCHEMA / "bvlc" / "layer_types.txt").read_text(encoding="utf-8").split()
    forks = sorted((SCHEMA / "overlays" / "docs").glob("*.toml"))
    generated = SCHEMA / "_generated"
    return {
        generated / "bvlc.py": tables(sources, layer_types),
        generated / "docs.py": documentation(sources),
        generated / "fork_docs.py": fork_documentation(forks),
    }


def main(check: bool) -> int:
    """Writes the outputs, or with `check` only compares them; the exit status."""
    stale = [path for path, text in outputs().items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        if check:
            print(f"{path.relative_to(SCHEMA)} is not what its sources give: run net/tools/compile_schema.py")
        else:
            path.write_text(outputs()[path], encoding="utf-8")
            print(f"wrote {path.relative_to(SCHEMA)}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
