"""What a hover says of a message, a field or an enum value, in our own words (Markdown).

The texts of BVLC's schema are the comments of bvlc/*.proto; those of the forks' own messages, fields and values stand
in overlays/docs/*.toml. Both are compiled into `_generated`, which is imported when the first text is asked for. A text
for one dialect goes before BVLC's.
"""

from __future__ import annotations

_LAYERS_OF_OLD = {"bvlc-v0.99": "V0LayerParameter", "bvlc-v0.9999": "V1LayerParameter", "c3d-1.0": "V1LayerParameter"}
"""Releases whose LayerParameter is what later became the layer of V0 or V1 nets, and by which name it went on."""


def _name_in_trunk(dialect: str, message: str) -> str:
    return _LAYERS_OF_OLD.get(dialect, message) if message == "LayerParameter" else message


def message_doc(dialect: str, message: str) -> str:
    """What a message is for; one line that says whose it is where nothing is written about it."""
    from ._generated import docs, fork_docs

    own = fork_docs.MESSAGES.get((dialect, message))
    trunk = docs.MESSAGES.get(_name_in_trunk(dialect, message))
    return own or trunk or fork_docs.MESSAGES.get(("", message)) or f"Message of {dialect}."


def field_doc(dialect: str, message: str, field: str) -> str:
    """What a field does; one line that says whose it is where nothing is written about it."""
    from ._generated import docs, fork_docs

    own = fork_docs.FIELDS.get((dialect, message, field))
    if own is not None:
        return own + _own_default(own, dialect, message, field)
    trunk = docs.FIELDS.get((_name_in_trunk(dialect, message), field))
    if trunk is not None:
        return trunk + _difference(dialect, message, field)
    shared = fork_docs.FIELDS.get(("", message, field))
    return f"Field of {dialect}." if shared is None else shared + _own_default(shared, dialect, message, field)


def enum_value_doc(dialect: str, enum: str, value: str) -> str:
    """What an enum value means; one line that says whose it is where nothing is written about it."""
    from ._generated import docs, fork_docs

    own = fork_docs.VALUES.get((dialect, enum, value))
    return own or docs.VALUES.get((enum, value)) or fork_docs.VALUES.get(("", enum, value)) or f"Value of {dialect}."


def _own_default(text: str, dialect: str, message: str, field: str) -> str:
    """A last sentence where a text that serves several forks does not state this one's default."""
    from .declaration import write_value
    from .load import schema

    own = schema(dialect).messages[message].fields[field]
    default = write_value(own.kind, own.default)
    return "" if not own.has_default or f"`{default}`" in text else f" In {dialect} the default is `{default}`."


def _difference(dialect: str, message: str, field: str) -> str:
    """A last sentence for a fork whose default, or whose repetition, is not the one that BVLC's text speaks of."""
    from .declaration import write_value
    from .load import schema

    fork = schema(dialect).messages[message].fields[field]
    trunk = schema("bvlc").messages[_name_in_trunk(dialect, message)].fields[field]
    if fork is trunk:
        return ""
    if fork.repeated and not trunk.repeated:
        return f" In {dialect} it may be given several times, and the field has no default."
    if trunk.repeated and not fork.repeated:
        given = f" Default `{write_value(fork.kind, fork.default)}`." if fork.has_default else ""
        return f" In {dialect} it may be given only once.{given}"
    if (fork.has_default and fork.default != trunk.default) or fork.has_default > trunk.has_default:
        return f" In {dialect} the default is `{write_value(fork.kind, fork.default)}`."
    if trunk.has_default and not fork.has_default:
        return f" In {dialect} the field has no default."
    return ""
