"""Writes schema/overlays/<dialect>.json from a folder of facts about the forks.

    python net/tools/make_overlays.py FACTS

FACTS/schema/<dialect>.json holds each fork's messages and enums as protoc read them, FACTS/layers.json the layer types
each registers. What is written is only how a fork differs from BVLC (form: prototxt_net/schema/overlay.py), and
schema/bvlc/layer_types.txt. BVLC's own schema is kept by hand, in schema/bvlc/*.proto; a test compares it with them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from prototxt_net.schema import declaration
from prototxt_net.schema.overlay import DIALECTS, FOLDER, LayerTypes, Overlay

Facts = dict[str, Any]
Messages = dict[str, dict[str, declaration.Declared]]

PINNED = {"py-faster-rcnn": ("faster-rcnn", ("BatchNorm", "BatchReindex", "Bias", "ELU", "Scale"))}
"""A commit whose registry was listed only as another's plus these types (FACTS/layers.json, `_about`)."""


def fields_of(facts: Facts) -> Messages:
    """Every field of a dialect as a declaration, with the default that is in force when it is absent."""
    return {
        message: {name: _declared(name, entry, facts) for name, entry in fields.items()}
        for message, fields in facts["messages"].items()
    }


def _declared(name: str, entry: Facts, facts: Facts) -> declaration.Declared:
    kind, type_name = entry["type"], entry.get("type_name", "")
    repeated = entry["label"] == "repeated"
    default = entry.get("default")
    if default is None and not repeated:
        if kind == "enum":
            default = next(iter(facts["enums"][type_name]["values"]))
        else:
            default = declaration.SCALARS.get(kind)
    flags = ("default" in entry, entry["deprecated"], entry["packed"])
    return (name, entry["number"], kind, type_name, repeated, entry["label"] == "required", default, *flags)


def difference(trunk: Facts, fork: Facts, layer_types: LayerTypes) -> Overlay:
    """The overlay that turns the trunk's schema into the fork's."""
    old, new = fields_of(trunk), fields_of(fork)
    removed_fields = {}
    messages = {}
    for message, fields in new.items():
        before = old.get(message, {})
        gone = [name for name in before if name not in fields]
        if gone:
            removed_fields[message] = gone
        changed = [declaration.write(field) for name, field in fields.items() if before.get(name) != field]
        if changed or message not in old:
            messages[message] = changed
    trunk_enums = {name: enum["values"] for name, enum in trunk["enums"].items()}
    fork_enums = {name: enum["values"] for name, enum in fork["enums"].items()}
    source = fork["source"]
    return Overlay(
        dialect=fork["dialect"],
        source=f"{source['repo']} {source['ref']} {source['commit']}",
        remove={
            "messages": [name for name in old if name not in new],
            "enums": [name for name in trunk_enums if name not in fork_enums],
            "fields": removed_fields,
        },
        enums={
            name: values
            for name, values in fork_enums.items()
            if list(trunk_enums.get(name, {}).items()) != list(values.items())
        },
        messages=messages,
        layer_types=layer_types,
    )


def layer_types_of(dialect: str, layers: Facts) -> LayerTypes:
    """How the registry differs from BVLC's. Where nobody listed it: BVLC's and the types whose entry names the fork."""
    listed = layers["registered_types_by_dialect"]
    trunk = set(listed["bvlc"])
    known = True
    if dialect in listed:
        own = set(listed[dialect])
    elif dialect in PINNED:
        base, more = PINNED[dialect]
        own = {*listed[base], *more}
    else:
        known = False
        named = (entry for entry in layers["layers"] if dialect in entry["registered_in"] or dialect == entry["origin"])
        own = trunk | {entry["type"] for entry in named if entry["type"].isidentifier()}
    return LayerTypes(known=known, added=sorted(own - trunk), removed=sorted(trunk - own))


def outputs(facts: Path) -> dict[Path, str]:
    """Each file to write and its text: one overlay a dialect, and BVLC's layer types."""
    layers = json.loads((facts / "layers.json").read_text(encoding="utf-8"))
    trunk = json.loads((facts / "schema" / "bvlc.json").read_text(encoding="utf-8"))
    types = sorted(layers["registered_types_by_dialect"]["bvlc"])
    place = Path(FOLDER)
    written = {place.parent / "bvlc" / "layer_types.txt": "\n".join(types) + "\n"}
    for dialect in DIALECTS[1:]:
        fork = json.loads((facts / "schema" / f"{dialect}.json").read_text(encoding="utf-8"))
        overlay = difference(trunk, fork, layer_types_of(dialect, layers))
        written[place / f"{dialect}.json"] = json.dumps(overlay, indent=1) + "\n"
    return written


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for path, text in outputs(Path(sys.argv[1])).items():
        path.write_text(text, encoding="utf-8")
