"""What worker and client say to each other: UTF-8 JSON, one message a line. Imports neither NumPy nor CuPy.

To the worker: {"id", "op": "check" | "warm" | "probe" | "ping" | "cancel" | "quit", ...}. From it: {"hello": 1, ...}
once, then for an id any number of {"id", "progress": [done, total, layer]} and one of {"id", "result"},
{"id", "error": {"code", "message"}}, {"id", "cancelled": true}.
"""

from __future__ import annotations

import json
from typing import Any

from prototxt_net.finding import Finding, Related

PROTOCOL = 1
EXIT_OK = 0
EXIT_DEVICE_FAULT = 70
EXIT_PROTOCOL = 71


def encode(message: dict[str, Any]) -> bytes:
    """One line of ASCII, which passes bytes that are no UTF-8 too. Raises ValueError for a NaN or an infinity."""
    return (json.dumps(message, allow_nan=False) + "\n").encode()


def finding_to_json(finding: Finding) -> dict[str, Any]:
    """All fields; verdicts of a forward pass carry no fix."""
    out = finding._asdict()
    out["related"] = [related._asdict() for related in finding.related]
    del out["fix"]
    return out


def finding_from_json(data: dict[str, Any]) -> Finding:
    """The inverse of finding_to_json."""
    related = tuple(Related(**r) for r in data["related"])
    rest = {k: v for k, v in data.items() if k not in ("related", "phases")}
    return Finding(**rest, phases=tuple(data["phases"]), related=related)
