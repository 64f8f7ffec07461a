"""Configuration: `prototxt-lsp.toml`, or `[tool.prototxt-lsp]` of a `pyproject.toml`.

The closest file above a net holds for it; files are not merged, but one may name another with `extend`. What the
command line says goes before what the file says, except that codes to ignore add up.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

from prototxt_net.schema.load import DIALECTS
from prototxt_net.shape import Shape
from prototxt_server.analysis import Settings

NAMES = ("prototxt-lsp.toml", ".prototxt-lsp.toml", "pyproject.toml")
_TABLE = "prototxt-lsp"
PHASES = ("auto", "TRAIN", "TEST", "all")


class ConfigError(Exception):
    """A configuration file that cannot be used; the text names the file, the key and what it takes, in one line."""


@dataclass(slots=True, frozen=True)
class Config:
    """One configuration file. None: the key is not given. per_file_ignores: (pattern, codes), relative to `folder`."""

    folder: Path
    dialect: str | None = None
    phase: str | None = None
    level: int | None = None
    stages: tuple[str, ...] | None = None
    shapes: tuple[tuple[str, Shape], ...] | None = None
    select: tuple[str, ...] | None = None
    extend_select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    per_file_ignores: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def applied_to(self, given: Settings, path: str) -> Settings:
        """The settings for one file: what the command line gave, and this file's values where it gave nothing."""
        name = Path(path).resolve()
        relative = name.relative_to(self.folder).as_posix() if name.is_relative_to(self.folder) else name.as_posix()
        spared = [
            code
            for pattern, codes in self.per_file_ignores
            if fnmatch(relative, pattern) or fnmatch(name.name, pattern)
            for code in codes
        ]
        return replace(
            given,
            dialect=self.dialect if self.dialect and given.dialect == "auto" else given.dialect,
            phase=self.phase if self.phase and given.phase == "auto" else given.phase,
            level=given.level or self.level or 0,
            stages=given.stages or self.stages or (),
            shapes=(*(self.shapes or ()), *given.shapes),
            select=given.select or self.select or (),
            extend_select=(*self.extend_select, *given.extend_select),
            ignore=(*self.ignore, *spared, *given.ignore),
        )


def settings_for(path: str, given: Settings, config: str | None = None, isolated: bool = False) -> Settings:
    """The settings for one file. config: this file instead of the closest one. Raises ConfigError."""
    if isolated:
        return given
    found = load(Path(config)) if config else closest(Path(path).resolve().parent)
    return found.applied_to(given, path) if found else given


def forget() -> None:
    """Read configuration files anew from now on."""
    closest.cache_clear()
    load.cache_clear()


@cache
def closest(folder: Path) -> Config | None:
    """The configuration of the nearest folder that has one, going up. Raises ConfigError."""
    for name in NAMES:
        path = folder / name
        if path.is_file() and (name != "pyproject.toml" or _TABLE in _read(path).get("tool", {})):
            return load(path)
    return closest(folder.parent) if folder != folder.parent else None


@cache
def load(path: Path) -> Config:
    """A configuration file, and below it what it extends. Raises ConfigError."""
    return _load(path, ())


def _load(path: Path, seen: tuple[Path, ...]) -> Config:
    path = path.resolve()
    if path in seen:
        raise ConfigError(f"{path}: `extend` leads back to the file itself")
    table = _read(path)
    if path.name == "pyproject.toml":
        table = table.get("tool", {}).get(_TABLE, {})
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in _KEYS:
            near = get_close_matches(key, _KEYS, 1)
            hint = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(_KEYS)}"
            raise ConfigError(f"{path}: no key is called `{key}`; {hint}")
        kind, wanted = _KEYS[key]
        try:
            values[key.replace("-", "_")] = kind(value)
        except (TypeError, ValueError):
            raise ConfigError(f"{path}: `{key}` takes {wanted}, not {value!r}") from None
    base = Config(path.parent)
    extended = values.pop("extend", None)
    if extended:
        base = replace(_load(path.parent / extended, (*seen, path)), folder=path.parent)
    return replace(base, **values)


def _read(path: Path) -> dict[str, Any]:
    import tomllib  # only where there is a file to read

    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not TOML: {error}") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _one_of(names: tuple[str, ...]) -> Callable[[object], str]:
    def check(value: object) -> str:
        if value not in names:
            raise ValueError
        return str(value)

    return check


def _integer(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError
    return tuple(map(_text, value))


def spelled(code: str) -> str:
    """A code, a prefix of codes, or a rule's name in the spelling that the rules have."""
    code = code.strip()
    return code.upper() if re.fullmatch(r"[A-Za-z]{1,3}[0-9]*", code) else code.lower()


def _codes(value: object) -> tuple[str, ...]:
    return tuple(map(spelled, _texts(value)))


def _shapes(value: object) -> tuple[tuple[str, Shape], ...]:
    if not isinstance(value, dict) or not all(isinstance(dims, list) for dims in value.values()):
        raise TypeError
    return tuple((blob, tuple(map(_integer, dims))) for blob, dims in value.items())


def _codes_by_file(value: object) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if not isinstance(value, dict):
        raise TypeError
    return tuple((pattern, _codes(codes)) for pattern, codes in value.items())


_KEYS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "extend": (_text, "the path of another configuration file"),
    "dialect": (_one_of(("auto", *DIALECTS)), "auto or a dialect (`lsp dialects` lists them)"),
    "phase": (_one_of(PHASES), "one of " + ", ".join(PHASES)),
    "level": (_integer, "an integer"),
    "stages": (_texts, "a list of stage names"),
    "shapes": (_shapes, "a table of blob names and lists of sizes, such as {data = [32, 3, 224, 224]}"),
    "select": (_codes, "a list of codes"),
    "extend-select": (_codes, "a list of codes"),
    "ignore": (_codes, "a list of codes"),
    "per-file-ignores": (_codes_by_file, "a table of file patterns and lists of codes"),
}
