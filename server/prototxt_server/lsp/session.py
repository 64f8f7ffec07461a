"""The beginning and the end of a session, and the end of the process when the client dies without a word."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING

from lsprotocol import types

from prototxt_server.analysis import Source
from prototxt_server.engine import analyze
from prototxt_server.lsp import configuration

if TYPE_CHECKING:
    from prototxt_server.lsp.server import Server

logger = logging.getLogger(__name__)
_WATCH_SECONDS = 3.0
_WARM_UP_SECONDS = 1.0  # after the documents that the editor opens at once


def initialize(ls: Server, params: types.InitializeParams) -> None:
    """Take the settings that come with the first message."""
    options = params.initialization_options
    if isinstance(options, dict):
        ls.configure(options.get("settings", options))


def initialized(ls: Server, params: types.InitializedParams) -> None:
    """The client is ready: tell it our state, and watch over its life."""
    ls.status("idle")
    configuration.watch(ls)
    asyncio.get_running_loop().call_later(_WARM_UP_SECONDS, warm_up)
    if ls.over_pipes:
        ls.watch = asyncio.ensure_future(_watch_parent(os.getppid()))


def warm_up() -> None:
    """Load what only broken or odd text needs (the tolerant grammar, near spellings) before a keystroke asks for it."""
    analyze(Source('layer { name: "x" type: "Convolutoin" bottm: "y" '))


def shutdown(ls: Server, params: None) -> None:
    """End the worker; the process ends with `exit`."""
    ls.runs.close()


async def _watch_parent(parent: int) -> None:
    """End with the parent. Over pipes the end of the input says so first; a socket, or a pipe that some other process
    also holds open, does not.
    """
    while os.getppid() == parent:
        await asyncio.sleep(_WATCH_SECONDS)
    logger.warning("the process that started the server is gone; ending")
    os._exit(0)
