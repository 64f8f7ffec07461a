"""Starting the server."""

from __future__ import annotations

import logging

from prototxt_server.lsp.features import register
from prototxt_server.lsp.server import Server
from prototxt_server.version import VERSION


def make_server() -> Server:
    """A server with all handlers, not yet speaking to anybody."""
    server = Server(VERSION)
    register(server)
    return server


def serve(tcp: tuple[str, int] | None = None) -> None:
    """Serve one client over standard input and output, or over a socket; returns when it is gone."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("pygls").setLevel(logging.WARNING)  # it logs every message at INFO
    server = make_server()
    server.over_pipes = tcp is None
    server.housekeeping.start()
    if tcp is None:
        server.start_io()
    else:
        server.start_tcp(*tcp)
