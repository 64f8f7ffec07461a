"""`lsp`, also installed as `prototxt-lsp`. Commands are imported when they are called, so `check` starts fast."""

from __future__ import annotations

import importlib
import os
import sys

import click

from prototxt_server.version import VERSION

_COMMANDS = {
    "check": "diagnostics for nets and solvers",
    "describe": "layers, blob shapes, parameters, counts",
    "dialects": "which forks of Caffe read a file, and what rules the others out",
    "forward": "run one batch and find the layer where outputs collapse",
    "rule": "the documentation of a rule",
    "serve": "the language server",
    "doctor": "versions and the device probe, with a hint for each failure",
}


class LazyGroup(click.Group):
    """A group whose commands live in modules of their own, imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names, in the order in which a newcomer meets them."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, or None."""
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"prototxt_server.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Help without importing any command."""
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


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
    try:
        group.main(standalone_mode=True)
    except BrokenPipeError:
        # The reader of our output went away (`lsp check | head`): not an error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except (SystemExit, KeyboardInterrupt):
        raise
    except Exception as error:
        if os.environ.get("LSP_DEBUG") == "1":
            raise
        kind = type(error).__name__
        click.echo(f"lsp: internal error: {kind}: {error} (LSP_DEBUG=1 shows where; please report it)", err=True)
        raise SystemExit(2) from None
