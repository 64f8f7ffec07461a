"""What overlays/docs/*.toml say, by dialect ("" is any), message or enum, and name.

Written by net/tools/compile_schema.py; do not edit."""

from __future__ import annotations

MESSAGES: dict[tuple[str, str], str] = {
}

FIELDS: dict[tuple[str, str, str], str] = {
}

VALUES: dict[tuple[str, str, str], str] = {
}
