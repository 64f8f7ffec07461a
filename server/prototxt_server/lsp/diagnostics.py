"""Diagnostics: pushed with the version they belong to, or pulled with a name for the result.

Pushing waits a little, so that changes which are already in the pipe are taken together; it waits as long as the last
analysis took, so that a burst of changes never makes the server spend more than half its time on texts that are gone.
"""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial
from typing import TYPE_CHECKING

from lsprotocol import types
from pygls.uris import to_fs_path

from prototxt_server.lsp import convert, links
from prototxt_server.lsp.document import Document

if TYPE_CHECKING:
    from prototxt_server.lsp.server import Server

logger = logging.getLogger(__name__)
MANY = 1000
"""At most so many diagnostics a file: a binary file opened by mistake must not drown the editor."""
_SHORTEST, _LONGEST = 0.002, 0.2  # seconds


class Publisher:
    """Pushes diagnostics of documents that changed."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._pending: dict[str, asyncio.TimerHandle] = {}
        self._cost = _SHORTEST

    def schedule(self, document: Document) -> None:
        """Push soon, unless the client asks by itself or it is already planned."""
        if self._server.pulls or document.uri in self._pending:
            return
        delay = min(max(self._cost, _SHORTEST), _LONGEST)
        self._pending[document.uri] = asyncio.get_running_loop().call_later(delay, self._push, document.uri)

    def clear(self, uri: str) -> None:
        """Take back what was pushed about a document that is closed."""
        pending = self._pending.pop(uri, None)
        if pending is not None:
            pending.cancel()
        if not self._server.pulls:
            self._server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, []))

    def _push(self, uri: str) -> None:
        self._pending.pop(uri, None)
        document = self._server.document(uri)
        if document is None:
            return
        begun = time.perf_counter()
        try:
            found = diagnostics(self._server, document)
        except Exception:  # a bug of ours: what is shown stays, and the user is told
            logger.exception("the diagnostics of %s failed", uri)
            self._server.trouble("Judging a file")
            return
        self._cost = time.perf_counter() - begun
        self._server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, found, document.version))


def diagnostics(server: Server, document: Document) -> list[types.Diagnostic]:
    """All diagnostics of the present text: of the rules, then of the last forward run over this text."""
    place = partial(links.location, server, document)
    found = [
        convert.diagnostic(document, finding, place=place) for finding in server.analysis(document).findings[:MANY]
    ]
    found += [convert.diagnostic(document, finding, convert.FORWARD_SOURCE) for finding in document.forward[:MANY]]
    return found


def did_open(ls: Server, params: types.DidOpenTextDocumentParams) -> None:
    """Look at a new document, and at those that are judged beside it."""
    ls.housekeeping.opened()
    ls.configuration.look_again()
    _schedule(ls, params.text_document.uri)
    _schedule_linked(ls)


def did_change(ls: Server, params: types.DidChangeTextDocumentParams) -> None:
    """Look at it again, and at those that are judged beside it."""
    ls.housekeeping.changed()
    _schedule(ls, params.text_document.uri)
    _schedule_dependents(ls, params.text_document.uri)


def did_save(ls: Server, params: types.DidSaveTextDocumentParams) -> None:
    """A file may have come into being that another document names."""
    ls.configuration.look_again()
    _schedule(ls, params.text_document.uri)
    _schedule_linked(ls)


def did_close(ls: Server, params: types.DidCloseTextDocumentParams) -> None:
    """Diagnostics do not outlive the document."""
    ls.publisher.clear(params.text_document.uri)
    ls.runs.closed(params.text_document.uri)
    ls.configuration.forget(params.text_document.uri)
    ls.housekeeping.opened()


def _schedule(ls: Server, uri: str) -> None:
    document = ls.document(uri)
    if document is not None:
        ls.publisher.schedule(document)


def _schedule_dependents(ls: Server, uri: str) -> None:
    """Push again what is judged beside a document. A client that pulls does so by itself (inter-file dependencies)."""
    path = to_fs_path(uri) or uri
    for document in ls.documents.values():
        if document.linked is not None and document.uri != uri and path in document.linked.paths():
            ls.publisher.schedule(document)


def _schedule_linked(ls: Server) -> None:
    """Push again what names other files: one of them may have come into being, or be gone."""
    for document in ls.documents.values():
        if document.linked is not None:
            ls.publisher.schedule(document)


def files_changed(ls: Server) -> None:
    """Nets were written, renamed or deleted outside of the editor."""
    if not ls.pulls:
        _schedule_linked(ls)
    elif any(document.linked is not None for document in ls.documents.values()):
        refresh(ls)


def pull(ls: Server, params: types.DocumentDiagnosticParams) -> types.DocumentDiagnosticReport:
    """The diagnostics, or that they are the ones the client has."""
    document = ls.document(params.text_document.uri)
    if document is None:
        return types.RelatedFullDocumentDiagnosticReport(items=[])
    ls.analysis(document)
    run = document.forward_run if document.forward else 0
    name = f"{ls.session}-{ls.settings_revision}-{run}-{document.beside}-{document.hash}"
    if params.previous_result_id == name:
        return types.RelatedUnchangedDocumentDiagnosticReport(result_id=name)
    return types.RelatedFullDocumentDiagnosticReport(items=diagnostics(ls, document), result_id=name)


def refresh(ls: Server) -> None:
    """Show again what depends on settings or on a forward run."""
    if not ls.pulls:
        for document in ls.documents.values():
            ls.publisher.schedule(document)
    elif ls.can("workspace.diagnostics.refresh_support"):
        ls.workspace_diagnostic_refresh(None)
    if ls.can("workspace.inlay_hint.refresh_support"):
        ls.workspace_inlay_hint_refresh(None)
    if ls.can("workspace.code_lens.refresh_support"):
        ls.workspace_code_lens_refresh(None)


def configure(ls: Server, params: types.DidChangeConfigurationParams) -> None:
    """New settings: everything is judged again. A client that sends none is asked for them."""
    if params.settings:
        _take(ls, params.settings)
    elif ls.can("workspace.configuration"):
        question = types.ConfigurationParams([types.ConfigurationItem(section="prototxt")])
        ls.workspace_configuration(question, callback=lambda answer: _take(ls, answer[0] if answer else None))


def _take(ls: Server, raw: object) -> None:
    ls.configure(raw)
    for document in ls.documents.values():
        document.forget_run()  # it may have been another dialect's
    refresh(ls)
