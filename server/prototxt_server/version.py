"""The version, stated in pyproject.toml and read from the installed metadata only when somebody asks."""

from __future__ import annotations

VERSION = "0.1.0"
