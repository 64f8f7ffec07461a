"""`lsp`, also installed as `prototxt-lsp`. Commands are imported when they are called, so `check` starts fast."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from io import TextIOWrapper

import click

from prototxt_server.version import VERSION

COMMANDS = {
    "check": "diagnostics for nets and solvers",
    "describe": "layers, blob shapes, parameters, counts",
    "dialects": "which forks of Caffe read a file, and what rules the others out",
    "forward": "run one batch and find the layer where outputs collapse",
    "log": "a training log: where it went wrong first, and the line of the net at fault",
    "rule": "the documentation of a rule",
    "config": "which configuration holds for a file; the schema of configuration files",
    "graph": "a net as a graph: for Graphviz, Mermaid, programs, or as a page",
    "upgrade": "older ways of writing a net as today's, comments and layout kept",
    "format": "indentation and spaces put right, everything else as it is",
    "serve": "the language server",
    "doctor": "versions and the device probe, with a hint for each failure",
}
_INTERRUPTED = 130  # what a shell reports for a program that Ctrl-C ended


class LazyGroup(click.Group):
    """A group whose commands live in modules of their own, imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names, in the order in which a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, or None."""
        if cmd_name not in COMMANDS:
            return None
        gc.disable()  # importing leaves nothing to collect
        module = importlib.import_module(f"prototxt_server.cli.{cmd_name}")
        gc.enable()
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, with a hint for a misspelled command and for a file given in a command's place."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(name.lower(), COMMANDS, 1)
            hint = f" Did you mean `lsp check {name}`?" if os.path.exists(name) else ""
            hint = hint or (f" Did you mean `{near[0]}`?" if near else f" There are {', '.join(COMMANDS)}.")
            ctx.fail(f"no command is called {name!r}.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Help without importing any command."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: lsp check train_val.prototxt solver.prototxt",
)
@click.version_option(VERSION, prog_name="prototxt-lsp")
def group() -> None:
    """Read a Caffe net the way Caffe reads it, and say what will go wrong before it trains."""


def main() -> None:
    """Entry point. No traceback ever reaches a user; LSP_DEBUG=1 shows it."""
    if not _set_up_output():
        raise SystemExit(2)
    try:
        code = group.main(prog_name="lsp", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        raise SystemExit(_usage_error(error)) from None
    except (click.Abort, KeyboardInterrupt):
        raise SystemExit(_INTERRUPTED) from None
    except BrokenPipeError:
        # The reader of our output went away (`lsp check | head`): not an error of ours.
        _drop_output()
        raise SystemExit(1) from None
    except Exception as error:
        if os.environ.get("LSP_DEBUG") == "1":
            raise
        raise SystemExit(_failed(error)) from None
    finally:
        gc.freeze()  # the process ends: what it still holds need not be looked through
    raise SystemExit(code if isinstance(code, int) else 0)


def _usage_error(error: click.ClickException) -> int:
    """One line for what was typed wrong; the whole help where nothing was typed."""
    from prototxt_net.words import visible

    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return error.exit_code
    context = error.ctx if isinstance(error, click.UsageError) else None
    name = context.command_path if context else "lsp"
    text = visible(" ".join(error.format_message().split()))
    text = text[:1].lower() + text[1:]
    click.echo(f"{name}: {text} (`{name} --help` tells more)", err=True)
    return error.exit_code


def _failed(error: Exception) -> int:
    if isinstance(error, OSError) and error.filename is None:
        _drop_output()
        click.echo(f"lsp: the output cannot be written: {error.strerror or error}", err=True)
        return 2
    kind = type(error).__name__
    click.echo(f"lsp: internal error: {kind}: {error} (LSP_DEBUG=1 shows where; please report it)", err=True)
    return 2


def _set_up_output() -> bool:
    """UTF-8 for programs whatever the locale; a terminal that lacks a character gets its escape.

    False where there is nowhere to write to; that is said where it can be.
    """
    if sys.stderr is None:  # `2>&-`
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 (for the life of the process)
    if sys.stdout is None:
        click.echo("lsp: the output cannot be written: it is closed", err=True)
        return False
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors="backslashreplace")
    return True


def _drop_output() -> None:
    """What is still buffered goes nowhere, so that the interpreter's own flush at exit does not fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
