"""A dynamic rule: no procedure of its own; its examples are run through one batch by the tests."""

from __future__ import annotations

from typing import TypeVar

from prototxt_server.rules.base import Rule

_DYNAMIC: dict[str, Rule] = {}


class DynamicRule(Rule):
    """Found by `lsp forward`, `lsp check --forward` and the editor's action."""


D_ = TypeVar("D_", bound=type[DynamicRule])


def dynamic(cls: D_) -> D_:
    """Register a dynamic rule."""
    _DYNAMIC[cls.code] = cls()
    return cls


def registered() -> tuple[Rule, ...]:
    """All that were imported, by code."""
    return tuple(_DYNAMIC[code] for code in sorted(_DYNAMIC))
