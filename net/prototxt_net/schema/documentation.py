"""What a hover says of a message, a field or an enum value, in our own words (Markdown).

The texts of BVLC's schema are the comments of bvlc/*.proto; those of the forks' own messages, fields and values stand
in overlays/docs/*.toml. Both are compiled into `_generated`, which is imported when the first text is asked for. A text
for one dialect goes before BVLC's.
"""

from __future__ import annotations


def message_doc(dialect: str, message: str) -> str:
    """What a message is for; one line that says whose it is where nothing is written about it."""
    from ._generated import docs, fork_docs

    own = fork_docs.MESSAGES.get((dialect, message))
    return own or docs.MESSAGES.get(message) or fork_docs.MESSAGES.get(("", message)) or f"Message of {dialect}."


def field_doc(dialect: str, message: str, field: str) -> str:
    """What a field does; one line that says whose it is where nothing is written about it."""
    from ._generated import docs, fork_docs

    own = fork_docs.FIELDS.get((dialect, message, field))
    if own is not None:
        return own
    trunk = docs.FIELDS.get((message, field))
    if trunk is not None:
        return trunk + _difference(dialect, message, field)
    return fork_docs.FIELDS.get(("", message, field)) or f"Field of {dialect}."


def enum_value_doc(dialect: str, enum: str, value: str) -> str:
    """What an enum value means; one line that says whose it is where nothing is written about it."""
    from ._generated import docs, fork_docs

    own = fork_docs.VALUES.get((dialect, enum, value))
    return own or docs.VALUES.get((enum, value)) or fork_docs.VALUES.get(("", enum, value)) or f"Value of {dialect}."


def _difference(dialect: str, message: str, field: str) -> str:
    """A last sentence for a fork whose default, or whose repetition, is not the one that BVLC's text speaks of."""
    from .declaration import write_value
    from .load import schema

    fork = schema(dialect).messages[message].fields[field]
    trunk = schema("bvlc").messages[message].fields[field]
    if fork is trunk:
        return ""
    if trunk.repeated and not fork.repeated:
        given = f" Default `{write_value(fork.kind, fork.default)}`." if fork.has_default else ""
        return f" In {dialect} it may be given only once.{given}"
    if (fork.has_default and fork.default != trunk.default) or fork.has_default > trunk.has_default:
        return f" In {dialect} the default is `{write_value(fork.kind, fork.default)}`."
    if trunk.has_default and not fork.has_default and not fork.repeated:
        return f" In {dialect} the field has no default."
    return ""
