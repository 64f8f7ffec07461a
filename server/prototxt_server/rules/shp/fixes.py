"""What the fixes of shape problems have in common: they delete or add fields of the layer's own message."""

from __future__ import annotations

from prototxt_net.finding import Applicability, Fix
from prototxt_net.net import Node
from prototxt_server.rules.editing import delete_entry, insert_after


def without(node: Node, holder: str, names: tuple[str, ...], text: str, applicability: Applicability) -> Fix | None:
    """Delete fields of a message of the layer; None when none of them is written once."""
    message = node.param(holder)
    entries = [entry for name in names for entry in message.entries.get(name, ())]
    if not entries or len({id(entry.node) for entry in entries}) != len(entries):
        return None
    shown = " and ".join(f"`{name}`" for name in names if message.has(name))
    return Fix(applicability, f"Delete {shown}", tuple(delete_entry(text, node.layer.base, e) for e in entries))


def beside(node: Node, holder: str, name: str, field: str, text: str) -> Fix | None:
    """Insert a field behind another one of the same message."""
    entry = node.param(holder).entry(name)
    if entry is None:
        return None
    return Fix("unsafe", f"Add `{field}`", (insert_after(text, node.layer.base, entry, field),))
