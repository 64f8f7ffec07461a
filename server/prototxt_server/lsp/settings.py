"""What an editor may set, read with patience: a wrong value is reported and its default used."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from prototxt_net.schema.load import DIALECTS
from prototxt_server.analysis import Settings
from prototxt_server.config_keys import KEYS, PHASES, Wrong

_DEVICE = re.compile(r"auto|cpu|cuda(?::\d+)?")


@dataclass(slots=True, frozen=True)
class ServerSettings:
    """analysis: how nets are judged. device, batch: where and how large one batch runs (None: the net's own size).

    shape_hints: show shapes behind tops. configuration: this file instead of the closest one.
    complaints: one line for each value that could not be used.
    """

    analysis: Settings = field(default_factory=Settings)
    device: str = "auto"
    batch: int | None = None
    shape_hints: bool = True
    configuration: str = ""
    complaints: tuple[str, ...] = ()


def read_settings(raw: object) -> ServerSettings:
    """Settings from `{dialect, phase, select, ignore, configuration, forward: {device, batch}, inlayHints: {shapes}}`.

    Also inside `{prototxt: …}`.
    """
    if isinstance(raw, Mapping) and isinstance(raw.get("prototxt"), Mapping):
        raw = raw["prototxt"]
    complaints: list[str] = []

    def value(path: str, default: object, holds: Callable[[object], bool]) -> object:
        found: object = raw
        for name in path.split("."):
            found = found.get(name) if isinstance(found, Mapping) else None
        if found is None:
            return default
        if not holds(found):
            complaints.append(f"the setting prototxt.{path} cannot be {found!r}; {default!r} is used")
            return default
        return found

    def codes(key: str) -> tuple[str, ...]:
        found = value(key, [], lambda v: True)
        try:
            read: tuple[str, ...] = KEYS[key].read(found)
            return read
        except Wrong as wrong:
            complaints.append(f"the setting prototxt.{key} {wrong}; none are used")
            return ()

    dialect = value("dialect", "auto", lambda v: v == "auto" or v in DIALECTS)
    phase = value("phase", "auto", lambda v: v in PHASES)
    device = value("forward.device", "auto", lambda v: isinstance(v, str) and _DEVICE.fullmatch(v) is not None)
    batch = value("forward.batch", None, lambda v: isinstance(v, int) and not isinstance(v, bool) and v > 0)
    configuration = value("configuration", "", lambda v: isinstance(v, str))
    hints = value("inlayHints.shapes", True, lambda v: isinstance(v, bool))
    return ServerSettings(
        Settings(dialect=str(dialect), phase=str(phase), select=codes("select"), ignore=codes("ignore")),
        str(device),
        batch if isinstance(batch, int) else None,
        bool(hints),
        str(configuration),
        tuple(complaints),
    )
