"""Options that all commands share, and errors as one clear line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import click

from prototxt_net.schema.load import DIALECTS
from prototxt_net.shape import Shape
from prototxt_server import files
from prototxt_server.analysis import Settings

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
        self.fail(f"{value!r} is no known dialect; known: auto, {', '.join(DIALECTS)}", param, ctx)


def reading_options(command: F) -> F:
    """The options of every command that reads a net."""
    for option in reversed(
        [
            click.option("--dialect", type=DialectType(), default="auto", show_default=True, help="Which Caffe is meant."),
            click.option(
                "--phase",
                type=click.Choice(["auto", "TRAIN", "TEST", "all"], case_sensitive=False),
                default="auto",
                show_default=True,
                help="auto: the phases that the file is meant for; a named phase is judged exactly as Caffe loads it.",
            ),
            click.option("--level", type=int, default=0, help="NetState level."),
            click.option("--stage", "stages", multiple=True, help="NetState stage (repeatable)."),
            click.option(
                "--shape", "shapes", type=ShapeType(), multiple=True,
                help="Shape of a top that no text can tell, for example data=32,3,224,224 (repeatable).",
            ),
            click.option("--config", type=click.Path(dir_okay=False), help="Configuration file."),
            click.option("--isolated", is_flag=True, help="Ignore configuration files."),
        ]
    ):  # fmt: skip
        command = option(command)
    return command


def settings_of(options: dict[str, Any], **more: Any) -> Settings:
    """The Settings that the shared options stand for."""
    phase = options["phase"]
    return Settings(
        dialect=options["dialect"],
        phase=phase.upper() if phase.upper() in ("TRAIN", "TEST") else phase.lower(),
        level=options["level"],
        stages=tuple(options["stages"]),
        shapes=tuple(options["shapes"]),
        **more,
    )


def read_text(path: str, stdin_filename: str | None = None) -> files.Text:
    """The text of a path; `-` reads standard input. Ends the program with exit code 2 when it cannot be read."""
    if path == "-":
        return files.decode(sys.stdin.buffer.read(), stdin_filename or "<stdin>")
    try:
        return files.read(path)
    except files.UnreadableError as error:
        fail(str(error))


def fail(message: str) -> NoReturn:
    """One line on standard error, exit code 2."""
    click.echo(f"lsp: {message}", err=True)
    raise SystemExit(2)
