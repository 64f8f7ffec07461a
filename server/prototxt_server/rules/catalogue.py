"""All rules: every module in the folders beside this file is imported once, which registers its rules."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from prototxt_server.rules import base

GROUPS = ("bn", "frz", "syn", "sch", "net", "shp", "ini", "sol", "dat", "los", "sty")


@cache
def load_all() -> tuple[base.Rule, ...]:
    """Every rule, by code."""
    for group in GROUPS:
        package = importlib.import_module(f"prototxt_server.rules.{group}")
        for info in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{package.__name__}.{info.name}")
    return tuple(base.registered())


@cache
def load_dynamic() -> tuple[base.Rule, ...]:
    """The rules that a forward pass speaks for, by code."""
    from prototxt_server.rules.dyn import (  # noqa: F401  (importing registers)
        collapse,
        gradients,
        log_only,
        magnitude,
        norms,
        outputs,
        units,
        weights,
    )
    from prototxt_server.rules.dyn.base import registered

    return registered()
