"""Which net a log belongs to: the one that has its layers."""

from __future__ import annotations

import re
from collections.abc import Iterable

from prototxt_server.log.record import Log

FIT = 0.6
"""At least so much of the log's layers must be in a net."""
_NAME = re.compile(r"""\bname\s*:\s*["']([^"'\n]*)["']""")


def layers_of(log: Log) -> set[str]:
    """The layers that a log names; the Split layers that Caffe inserts are in no file."""
    names = {slot.layer for slot in log.slots} | set(log.needs_backward) | set(log.made)
    return {name for name in names if not name.endswith("_split")}


def best(log: Log, nets: Iterable[tuple[str, str]]) -> str | None:
    """The path of the net whose layer names fit best, among (path, text); None when none fits."""
    wanted = layers_of(log)
    if not wanted:
        return None
    best_path, best_score = None, (FIT, 0.0)
    for path, text in nets:
        names = set(_NAME.findall(text))
        common = len(wanted & names)
        score = (common / len(wanted), common / max(1, len(names)))
        if score > best_score:
            best_path, best_score = path, score
    return best_path
