"""`lsp serve`: the language server."""

from __future__ import annotations

import click

from prototxt_server.cli.common import fail


@click.command("serve", epilog="Example: lsp serve --tcp 127.0.0.1:2087")
@click.option("--stdio", is_flag=True, help="Speak over standard input and output (the default).")
@click.option("--tcp", "tcp", metavar="HOST:PORT", help="Listen on a socket; the host is loopback unless named.")
def command(stdio: bool, tcp: str | None) -> None:
    """Start the language server."""
    from prototxt_server.lsp.main import serve  # pygls costs 0.3 s: only this command pays

    if tcp is None:
        serve()
        return
    host, _, port = tcp.rpartition(":")
    if stdio or not port.isdigit() or not 0 <= int(port) < 65536:
        fail(f"--tcp takes HOST:PORT (and not --stdio), got {tcp!r}")
    serve(tcp=(host or "127.0.0.1", int(port)))
