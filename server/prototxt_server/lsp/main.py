"""Starting the server."""

from __future__ import annotations

import logging
import os
import sys
from typing import BinaryIO

from pygls.exceptions import JsonRpcException

from prototxt_server.lsp.features import register
from prototxt_server.lsp.server import Server
from prototxt_server.version import VERSION


def make_server() -> Server:
    """A server with all handlers, not yet speaking to anybody."""
    server = Server(VERSION)
    register(server)
    return server


def serve(tcp: tuple[str, int] | None = None) -> None:
    """Serve one client over standard input and output, or over a socket; returns when it is gone.

    Raises SystemExit(2), after one line that says why, when the socket cannot be opened.
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("pygls").setLevel(logging.WARNING)  # it logs every message at INFO
    logging.getLogger("pygls.protocol.json_rpc").addFilter(_is_news)
    server = make_server()
    server.over_pipes = tcp is None
    server.housekeeping.start()
    if tcp is None:
        server.start_io(stdout=_private_stdout())
    else:
        try:
            server.start_tcp(*tcp)
        except OSError as error:
            print(f"lsp: cannot listen on {tcp[0]}:{tcp[1]}: {error.strerror or error}", file=sys.stderr)
            raise SystemExit(2) from None


def _is_news(record: logging.LogRecord) -> bool:
    """Not what the client is told anyway, nor what every session has: cancellations of what is answered already."""
    told = record.exc_info is not None and isinstance(record.exc_info[1], JsonRpcException)
    return not told and not record.getMessage().startswith("Cancel notification for unknown")


def _private_stdout() -> BinaryIO:
    """A copy of standard output for the protocol; what anything prints goes to standard error from now on."""
    copy = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return copy
