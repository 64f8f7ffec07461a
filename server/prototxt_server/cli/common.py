"""Options that all commands share, and errors as one clear line."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import IO, Any, NoReturn, TypeVar

import click

from prototxt_net.schema.load import DIALECTS
from prototxt_net.shape import Shape
from prototxt_net.words import visible
from prototxt_server import config, files
from prototxt_server.analysis import Analysis, Settings, Source
from prototxt_server.report.record import Layout

_SURROGATE = re.compile("[\ud800-\udfff]")
F = TypeVar("F", bound=Callable[..., Any])


class ShapeType(click.ParamType[tuple[str, Shape]]):
    """`BLOB=1,3,224,224`."""

    name = "BLOB=N,C,H,W"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Shape]:
        """(blob name, shape)."""
        if isinstance(value, tuple):
            return value
        blob, equals, dims = str(value).rpartition("=")
        parts = dims.replace("x", ",").split(",")
        if not equals or not blob or not all(part.strip().isdigit() for part in parts):
            self.fail(f"{value!r} is not of the form BLOB=1,3,224,224", param, ctx)
        return blob, tuple(int(part) for part in parts)


class DialectType(click.ParamType[str]):
    """`auto` or the name of a dialect; an unknown name gets the list."""

    name = "NAME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name, checked."""
        if value == "auto" or value in DIALECTS:
            return str(value)
        from difflib import get_close_matches

        near = get_close_matches(str(value).lower(), DIALECTS, 3, 0.5)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        self.fail(f"{value!r} is no known dialect; {hint}`lsp dialects` lists them", param, ctx)


def reading_options(command: F) -> F:
    """The options of every command that reads a net."""
    for option in reversed(
        [
            click.option("--dialect", type=DialectType(), default="auto", show_default=True, help="Whose Caffe."),
            click.option(
                "--phase",
                type=click.Choice(["auto", "TRAIN", "TEST", "all"], case_sensitive=False),
                default="auto",
                show_default=True,
                metavar="auto|TRAIN|TEST|all",
                help="auto: the phases that the file is meant for; a named phase is judged exactly as Caffe loads it.",
            ),
            click.option("--level", type=int, default=0, help="NetState level."),
            click.option("--stage", "stages", multiple=True, metavar="NAME", help="NetState stage (repeatable)."),
            click.option(
                "--shape", "shapes", type=ShapeType(), multiple=True,
                help="Shape of a top that no text can tell, for example data=32,3,224,224 (repeatable).",
            ),
            click.option(
                "--config", metavar="FILE", type=click.Path(dir_okay=False, exists=True),
                help="This configuration file instead of the closest prototxt-lsp.toml or pyproject.toml.",
            ),
            click.option("--isolated", is_flag=True, help="Ignore configuration files."),
        ]
    ):  # fmt: skip
        command = option(command)
    return command


def settings_of(options: dict[str, Any], path: str = "", **more: Any) -> Settings:
    """The Settings that the shared options stand for, with what a configuration file says about `path` if one is given.

    Ends the program with exit code 2 for a configuration file that cannot be used.
    """
    phase = options["phase"]
    given = Settings(
        dialect=options["dialect"],
        phase=phase.upper() if phase.upper() in ("TRAIN", "TEST") else phase.lower(),
        level=options["level"],
        stages=tuple(options["stages"]),
        shapes=tuple(options["shapes"]),
        **more,
    )
    if not path:
        return given
    try:
        return config.settings_for(path, given, options["config"], options["isolated"])
    except config.ConfigError as error:
        fail(str(error))


def read_net(path: str, stdin_filename: str | None = None) -> Source:
    """What a command that takes one net analyses. Ends the program with exit code 2 when there is no text to read."""
    try:
        text = files.read(path, stdin_filename)
    except files.PathError as error:
        fail(str(error))
    if text.encoding_problem == files.BINARY:
        fail(f"{text.path}: is binary data, not the text of a net")
    return Source(text.text, text.path, text.encoding_problem)


KIND = {"net": "a net", "solver": "a solver", "other": "a label map"}


def require_net(analysis: Analysis) -> None:
    """Ends the program with exit code 2 when a file is no net."""
    if analysis.file.kind == "net":
        return
    path = analysis.source.path
    linked = next((v for k in ("net", "train_net") if isinstance(v := analysis.file.root.get(k), str) and v), "")
    hint = f"; it names the net {linked!r}" if linked else ""
    fail(f"{path}: is {KIND[analysis.file.kind]}, not a net{hint}")


def layout(stream: IO[str], options: dict[str, Any]) -> Layout:
    """How reports are laid out on a stream: wrapped and, unless told otherwise, coloured on a terminal."""
    terminal = stream.isatty()
    width = None
    if terminal:
        import shutil

        width = min(shutil.get_terminal_size().columns, 120)
    colour = options.get("colour")
    return Layout(
        colour=(terminal and "NO_COLOR" not in os.environ) if colour is None else colour,
        width=width,
        fail_on=options["fail_on"],
        unsafe=options.get("unsafe_fixes", False),
    )


def say(text: str, err: bool = False) -> None:
    """Print what people and programs read. Invalid bytes of a file or a path show as replacement characters."""
    click.echo(_SURROGATE.sub("\ufffd", text), err=err)


def complain(message: str) -> None:
    """One line on standard error."""
    say(f"lsp: {visible(message)}", err=True)


def fail(message: str) -> NoReturn:
    """One line on standard error, exit code 2."""
    complain(message)
    raise SystemExit(2)
