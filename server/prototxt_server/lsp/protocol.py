"""The protocol with our documents in the place of pygls' workspace."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from lsprotocol import types
from pygls.protocol import LanguageServerProtocol
from pygls.protocol.language_server import lsp_method

from prototxt_server.lsp.document import Document
from prototxt_server.lsp.log import LANGUAGE as LOG
from prototxt_server.lsp.log import LogDocument, closed

if TYPE_CHECKING:
    from prototxt_server.lsp.server import Server

Handling = Generator[Any, Any, None]


class Protocol(LanguageServerProtocol):
    """Keeps `Server.documents` up to date, then calls the handler of the notification."""

    _server: Server

    @lsp_method(types.TEXT_DOCUMENT_DID_OPEN)
    def lsp_text_document__did_open(self, params: types.DidOpenTextDocumentParams) -> Handling:
        """Take the text."""
        item = params.text_document
        of_document = (item.uri, item.text, item.version, self._server.encoding)
        if item.language_id == LOG:
            self._server.logs[item.uri] = LogDocument(*of_document)
        else:
            self._server.documents[item.uri] = Document(*of_document)
        yield from self._then(types.TEXT_DOCUMENT_DID_OPEN, params)

    @lsp_method(types.TEXT_DOCUMENT_DID_CHANGE)
    def lsp_text_document__did_change(self, params: types.DidChangeTextDocumentParams) -> Handling:
        """Apply the changes; of a document that was never opened there is nothing to change."""
        uri = params.text_document.uri
        document = self._server.documents.get(uri) or self._server.logs.get(uri)
        if document is not None:
            document.change(params.text_document.version, params.content_changes)
            yield from self._then(types.TEXT_DOCUMENT_DID_CHANGE, params)

    @lsp_method(types.TEXT_DOCUMENT_DID_CLOSE)
    def lsp_text_document__did_close(self, params: types.DidCloseTextDocumentParams) -> Handling:
        """Forget the text."""
        self._server.documents.pop(params.text_document.uri, None)
        closed(self._server, params.text_document.uri)
        yield from self._then(types.TEXT_DOCUMENT_DID_CLOSE, params)

    def _then(self, method: str, params: object) -> Handling:
        handler = self.fm.features.get(method)
        if handler is not None:
            yield handler, (params,), None
