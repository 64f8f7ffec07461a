"""Taking layers out of a net: what read their result reads what they read."""

from __future__ import annotations

from prototxt_grammar.edits import Edit
from prototxt_net.file import Layer, NetFile
from prototxt_net.finding import Fix
from prototxt_net.net import Node
from prototxt_server.rules.editing import string_edit


def delete_block(file: NetFile, layer: Layer) -> Edit:
    """Delete the text of a layer, with the line end behind it."""
    text = file.tree.text
    start, end = layer.span()
    end += 2 if text[end : end + 2] == "\r\n" else text[end : end + 1] == "\n"
    return Edit(start, end, "")


def remove(file: NetFile, message: str, *nodes: Node | None) -> Fix | None:
    """Delete a chain of layers of one bottom and one top each, first to last; unsafe, since the net changes.

    None where names alone cannot close the gap: a layer has phase rules, or something behind the chain works in place
    on one of the two names.
    """
    chain = [node.layer for node in nodes if node is not None]
    if not chain or any(len(layer.bottoms) != 1 or len(layer.tops) != 1 for layer in chain):
        return None
    if any(layer.bound.has("include") or layer.bound.has("exclude") for layer in chain):
        return None
    edits = [delete_block(file, layer) for layer in chain]
    before, after = chain[0].bottoms[0], chain[-1].tops[0]
    users = file.users()
    if any(
        user not in chain
        for layer in chain
        for name in layer.tops
        if name not in (before, after)
        for user in users[name]
    ):
        return None
    if before != after:
        if any(user.index > chain[0].index and before in user.tops and user not in chain for user in users[before]):
            return None
        for user in users[after]:
            if user.index <= chain[-1].index:
                continue
            if after in user.tops:
                return None
            for index, name in enumerate(user.bottoms):
                entry = user.bound.entry("bottom", index)
                if name == after and entry is not None:
                    edits.append(string_edit(user, entry, before))
    return Fix("unsafe", message, tuple(edits))
