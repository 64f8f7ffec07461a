"""Configuration: `prototxt-lsp.toml`, or `[tool.prototxt-lsp]` of a `pyproject.toml`.

The closest file above a net holds for it; files are not merged, but one may name another with `extend`. What the
command line or the editor says goes before what the file says, except that codes to ignore add up.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from prototxt_grammar import LineIndex
from prototxt_net.shape import Shape
from prototxt_server import files as disk
from prototxt_server.analysis import Settings

NAMES = ("prototxt-lsp.toml", ".prototxt-lsp.toml", "pyproject.toml")
_TABLE = "prototxt-lsp"


class ConfigError(Exception):
    """A configuration file that cannot be used: which file, which key ("" for the file as such), and why, in one line.

    value: what stands there, "" where the key itself is at fault.
    """

    def __init__(self, path: str, problem: str, key: str = "", value: str = "") -> None:
        super().__init__(path, problem)
        self.path, self.problem, self.key, self.value = path, problem, key, value

    def __str__(self) -> str:
        try:
            lines = LineIndex(disk.read(self.path).text)
        except disk.PathError:
            return f"{self.path}: {self.problem}"
        place = self.place(lines)
        row = f":{lines.position(place[0], 'utf-32')[0] + 1}" if place else ""
        return f"{self.path}{row}: {self.problem}"

    def place(self, lines: LineIndex) -> tuple[int, int] | None:
        """Where the key, or the value of it, stands in the text of the file; None for the file as such."""
        text = lines.text
        syntax = re.search(r"at line (\d+), column (\d+)", self.problem)
        if syntax:
            start = min(lines.offset(int(syntax[1]) - 1, int(syntax[2]) - 1, "utf-32"), max(len(text) - 1, 0))
            return start, start + 1
        table = max(0, text.find(_TABLE)) if os.path.basename(self.path) == "pyproject.toml" else 0
        pattern = re.compile(rf"""^[ \t\[]*["']?({re.escape(self.key)})\b""", re.MULTILINE)
        key = pattern.search(text, table) if self.key else None
        if key is None:
            return None
        value = text.find(self.value, key.end(1)) if self.value else -1
        return key.span(1) if value < 0 else (value, value + len(self.value))


@dataclass(slots=True, frozen=True)
class Config:
    """One configuration file. None: the key is not given. per_file_ignores: (pattern, codes), relative to `folder`.

    files: this file, and those that it extends. code_lists: the codes as given, with file and key.
    """

    folder: str
    dialect: str | None = None
    phase: str | None = None
    level: int | None = None
    stages: tuple[str, ...] | None = None
    shapes: tuple[tuple[str, Shape], ...] | None = None
    select: tuple[str, ...] | None = None
    extend_select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    per_file_ignores: tuple[tuple[str, tuple[str, ...]], ...] = ()
    custom_layers: tuple[str, ...] = ()
    ignore_fields: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    code_lists: tuple[tuple[str, str, tuple[str, ...]], ...] = ()

    def applied_to(self, given: Settings, path: str) -> Settings:
        """The settings for one file: what the command line gave, and this file's values where it gave nothing."""
        return given._replace(
            dialect=self.dialect if self.dialect and given.dialect == "auto" else given.dialect,
            phase=self.phase if self.phase and given.phase == "auto" else given.phase,
            level=given.level or self.level or 0,
            stages=given.stages or self.stages or (),
            shapes=(*(self.shapes or ()), *given.shapes),
            select=given.select or self.select or (),
            extend_select=(*self.extend_select, *given.extend_select),
            ignore=(*self.ignore, *self._spared(path), *given.ignore),
            custom_layers=self.custom_layers,
            ignore_fields=self.ignore_fields,
        )

    def _spared(self, path: str) -> Iterator[str]:
        """The codes that are silent in this file only."""
        if not self.per_file_ignores:
            return
        from fnmatch import fnmatch
        from pathlib import Path

        name = Path(path).resolve()
        relative = name.relative_to(self.folder).as_posix() if name.is_relative_to(self.folder) else name.as_posix()
        for pattern, codes in self.per_file_ignores:
            if fnmatch(relative, pattern) or fnmatch(name.name, pattern):
                yield from codes


def settings_for(path: str, given: Settings, config: str | None = None, isolated: bool = False) -> Settings:
    """The settings for one file. config: this file instead of the closest one. Raises ConfigError."""
    found = config_for(path, config, isolated)
    return found.applied_to(given, path) if found else given


def config_for(path: str, config: str | None = None, isolated: bool = False) -> Config | None:
    """The configuration that holds for one file, None where there is none. Raises ConfigError."""
    if isolated:
        return None
    return load(config) if config else closest(os.path.dirname(os.path.realpath(path)))


def forget() -> None:
    """Read configuration files anew from now on."""
    closest.cache_clear()
    load.cache_clear()
    require_known_codes.cache_clear()


@cache
def closest(folder: str) -> Config | None:
    """The configuration of the nearest folder that has one, going up. Raises ConfigError."""
    for name in NAMES:
        path = os.path.join(folder, name)
        if os.path.isfile(path) and (name != "pyproject.toml" or _is_ours(path)):
            return load(path)
    above = os.path.dirname(folder)
    return closest(above) if above != folder else None


@cache
def load(path: str) -> Config:
    """A configuration file, and below it what it extends. Raises ConfigError."""
    return _load(path, ())


@cache
def require_known_codes(config: Config) -> None:
    """Raises ConfigError for a code that no rule has. Loads the rules."""
    from prototxt_server.rules.catalogue import load_all, load_dynamic

    rules = (*load_all(), *load_dynamic())
    names = tuple(name for rule in rules for name in (rule.code, rule.name))
    for path, key, codes in config.code_lists:
        for code in codes:
            if code == "ALL" or any(rule.code.startswith(code) or rule.name == code for rule in rules):
                continue
            from prototxt_server.config_keys import nearest

            hint = nearest(code, names) or "`lsp rule` lists them"
            raise ConfigError(path, f"`{key}`: no rule is called `{code}`; {hint}", key, code)


def _load(path: str, seen: tuple[str, ...]) -> Config:
    from prototxt_server.config_keys import KEYS, Wrong, nearest

    path = os.path.realpath(path)
    if path in seen:
        raise ConfigError(seen[-1], "`extend` leads back to the file itself", "extend")
    table = _read(path)
    if os.path.basename(path) == "pyproject.toml":
        table = _own_table(table, path) or {}
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in KEYS:
            hint = nearest(key, tuple(KEYS)) or f"there are {', '.join(KEYS)}"
            raise ConfigError(path, f"no key is called `{key}`; {hint}", key)
        try:
            values[key.replace("-", "_")] = KEYS[key].read(value)
        except Wrong as wrong:
            raise ConfigError(path, f"`{key}{wrong.where}` {wrong}", key, str(wrong.value)) from None
    base = Config(os.path.dirname(path))
    extended = values.pop("extend", None)
    if extended:
        base = replace(_load(_existing(path, extended), (*seen, path)), folder=base.folder)
    lists = [(path, key, values[key.replace("-", "_")]) for key in _CODE_KEYS if key.replace("-", "_") in values]
    lists += [(path, "per-file-ignores", codes) for _, codes in values.get("per_file_ignores", ())]
    return replace(base, **values, files=(path, *base.files), code_lists=(*lists, *base.code_lists))


_CODE_KEYS = ("select", "extend-select", "ignore")


def _existing(path: str, extended: str) -> str:
    target = os.path.join(os.path.dirname(path), extended)
    if not os.path.isfile(target):
        raise ConfigError(path, f"`extend`: there is no file {target}", "extend", extended)
    return target


def _is_ours(path: str) -> bool:
    """Whether a pyproject.toml has a table for us. Most do not name us at all and need not be read as TOML."""
    try:
        if _TABLE.encode() not in disk.read_bytes(path):
            return False
    except disk.PathError as error:
        raise ConfigError(path, str(error).removeprefix(f"{path}: ")) from None
    return _own_table(_read(path), path) is not None


def _own_table(table: dict[str, Any], path: str) -> dict[str, Any] | None:
    """`[tool.prototxt-lsp]` of a pyproject.toml, None when it has none."""
    tools = table.get("tool", {})
    own = tools.get(_TABLE) if isinstance(tools, dict) else None
    if own is not None and not isinstance(own, dict):
        raise ConfigError(path, f"`tool.{_TABLE}` takes a table", _TABLE)
    return own


def _read(path: str) -> dict[str, Any]:
    import tomllib  # only where there is a file to read

    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(path, f"is not TOML: {error}") from None
    except RecursionError:
        raise ConfigError(path, "is not TOML: too deep") from None
    except OSError as error:
        raise ConfigError(path, f"{error.strerror or error}") from None
