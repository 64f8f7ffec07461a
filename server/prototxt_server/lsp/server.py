"""The server object: open documents, settings, and what the client can do."""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import Any

from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from prototxt_server.analysis import Analysis
from prototxt_server.lsp.configuration import Configuration
from prototxt_server.lsp.diagnostics import Publisher
from prototxt_server.lsp.document import Document
from prototxt_server.lsp.forward import Runs
from prototxt_server.lsp.housekeeping import Housekeeping
from prototxt_server.lsp.links import OpenFiles
from prototxt_server.lsp.log import LogDocument
from prototxt_server.lsp.protocol import Protocol
from prototxt_server.lsp.settings import ServerSettings, read_settings

logger = logging.getLogger(__name__)
STATUS = "prototxt/status"


class Server(LanguageServer):
    """A session with one client. Handlers run one after the other on the event loop; the forward check does not."""

    def __init__(self, version: str) -> None:
        super().__init__("prototxt-lsp", version, protocol_cls=Protocol)
        self.documents: dict[str, Document] = {}
        self.logs: dict[str, LogDocument] = {}
        self.settings = ServerSettings()
        self.configuration = Configuration(self)
        self.reader = OpenFiles(self)
        self.publisher = Publisher(self)
        self.session = secrets.token_hex(4)
        self.settings_revision = 0
        self.runs = Runs()
        self.housekeeping = Housekeeping()
        self.over_pipes = False
        self.watch: asyncio.Future[None] | None = None

    # -- documents -------------------------------------------------------------------------------------------------
    def document(self, uri: str) -> Document | None:
        """The open document of that name, None when the client has not opened it."""
        return self.documents.get(uri)

    def analysis(self, document: Document) -> Analysis:
        """The analysis of a document under the present settings and its configuration file."""
        return document.analysis(self.configuration.settings(document), self.reader)

    # -- what the client can do ------------------------------------------------------------------------------------
    def can(self, path: str) -> bool:
        """Whether a dotted path of the client's capabilities is there and not false."""
        found: Any = self.client_capabilities
        for name in path.split("."):
            found = getattr(found, name, None)
            if found is None or found is False:
                return False
        return True

    @property
    def pulls(self) -> bool:
        """Whether the client asks for diagnostics by itself; then none are pushed, or each would be shown twice."""
        return self.can("text_document.diagnostic")

    @property
    def encoding(self) -> str:
        """How the client counts columns, as negotiated."""
        return str(getattr(self.server_capabilities.position_encoding, "value", "utf-16"))

    # -- telling the client ----------------------------------------------------------------------------------------
    def configure(self, raw: object) -> None:
        """Take new settings and tell the client which of them could not be used."""
        self.settings = read_settings(raw)
        self.settings_revision += 1
        self.configuration.reload()
        for complaint in self.settings.complaints:
            logger.warning("%s", complaint)

    def status(self, state: str, device: str = "", message: str = "") -> None:
        """Tell the editor's status item. state: "idle" | "running" | "error" | "trouble" (a defect of ours)."""
        self.protocol.notify(STATUS, {"state": state, "device": device, "message": message})

    def trouble(self, what: str) -> None:
        """Something failed that should not: the editor says so, and the log has the rest."""
        self.status("trouble", message=f"{what} failed; the log says how")

    def report_server_error(self, error: Exception, source: Any) -> None:
        """A handler failed: to the log, not into the user's face. What is meant for the user is no failure."""
        if isinstance(error, JsonRpcException):
            return
        logger.error("%s: %s", getattr(source, "__name__", source), error)
