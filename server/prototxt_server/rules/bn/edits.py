"""Edits of whole fields and `param` blocks, which many rules of the BN, FRZ, INI and SOL groups make."""

from __future__ import annotations

from prototxt_grammar.edits import Edit
from prototxt_net.file import Layer, NetFile
from prototxt_net.finding import Applicability, Fix
from prototxt_net.message import Bound
from prototxt_net.net import Node
from prototxt_server.rules.editing import delete_entry, insert_after, insert_into, value_edit


def fix(applicability: Applicability, message: str, *edits: Edit | None) -> Fix | None:
    """A Fix of the edits that could be made; None when one could not."""
    made = tuple(edit for edit in edits if edit is not None)
    return Fix(applicability, message, made) if made and len(made) == len(edits) else None


def drop(file: NetFile, place: Layer | Node, path: str) -> Edit | None:
    """Delete the field at a dotted path, with the messages around it that it leaves empty; None when not written."""
    layer = place.layer if isinstance(place, Node) else place
    entry = layer.bound.find(path)
    while entry is not None:
        owner = path.rpartition(".")[0]
        around = layer.bound.find(owner) if owner and not owner.isdigit() else None
        if around is None or not isinstance(around.value, Bound):
            break
        if sum(len(found) for found in around.value.entries.values()) > 1:
            break
        entry, path = around, owner
    return None if entry is None else delete_entry(file.tree.text, layer.base, entry)


def put(file: NetFile, place: Layer | Node, path: str, value: str) -> Edit | None:
    """Write `value` into the field at a dotted path (two parts at most): replace it, or insert it where it belongs."""
    layer = place.layer if isinstance(place, Node) else place
    text = file.tree.text
    entry = layer.bound.find(path)
    if entry is not None:
        return value_edit(layer, entry, value)
    owner, _, name = path.rpartition(".")
    field = f"{name}: {value}" if not value.startswith("{") else f"{name} {value}"
    if not owner:
        return insert_into(text, layer.base, layer.bound, field)
    around = layer.bound.find(owner)
    if around is None:
        return put(file, layer, owner, f"{{ {field} }}")
    return insert_into(text, layer.base, around.value, field) if isinstance(around.value, Bound) else None


def drop_params(file: NetFile, place: Layer | Node, first: int = 0) -> list[Edit]:
    """Delete the `param` blocks from index `first` on."""
    layer = place.layer if isinstance(place, Node) else place
    entries = layer.bound.entries.get("param", [])[first:]
    return [delete_entry(file.tree.text, layer.base, entry) for entry in entries]


def add_params(file: NetFile, place: Layer | Node, *blocks: str) -> Edit | None:
    """Insert `param` blocks behind those there are, else behind the tops, else at the end of the layer."""
    layer = place.layer if isinstance(place, Node) else place
    written = layer.bound.entries
    if layer.definition.version != 2:
        return None  # V1 layers write blobs_lr
    field = "\n".join(blocks)
    for name in ("param", "top", "bottom"):
        if written.get(name):
            return insert_after(file.tree.text, layer.base, written[name][-1], field)
    return insert_into(file.tree.text, layer.base, layer.bound, field)


def set_params(file: NetFile, place: Layer | Node, *blocks: tuple[str, str]) -> list[Edit | None]:
    """Make the layer's `param` blocks say lr_mult and decay_mult as given, one pair a blob; adds what is missing.

    An empty string leaves that field alone. Names and other fields of the blocks stay.
    """
    layer = place.layer if isinstance(place, Node) else place
    count = len(layer.bound.entries.get("param", ()))
    edits: list[Edit | None] = []
    for index, (rate, decay) in enumerate(blocks[:count]):
        missing = ""
        for name, value in (("lr_mult", rate), ("decay_mult", decay)):
            entry = layer.bound.find(f"param.{index}.{name}")
            if not value:
                continue
            if entry is None:
                missing += f" {name}: {value}" if missing else f"{name}: {value}"
            elif entry.value != float(value):
                edits.append(value_edit(layer, entry, value))
        if missing:
            spec = layer.bound.entries["param"][index].value
            edits.append(insert_into(file.tree.text, layer.base, spec, missing))
    added = [
        "param { "
        + " ".join(f"{name}: {value}" for name, value in zip(("lr_mult", "decay_mult"), pair, strict=True) if value)
        + " }"
        for pair in blocks[count:]
    ]
    if added:
        edits.append(add_params(file, layer, *added))
    return edits
