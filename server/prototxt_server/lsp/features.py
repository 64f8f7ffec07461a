"""Which handler serves which method, and the guard around each: a failure of one feature is logged, never fatal."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from prototxt_server.lsp import (
    code_actions,
    code_lens,
    completion,
    configuration,
    diagnostics,
    formatting,
    forward,
    hover,
    inlay_hints,
    links,
    log,
    navigation,
    rename,
    session,
)
from prototxt_server.lsp.server import Server

logger = logging.getLogger(__name__)
Handler = Callable[[Server, Any], Any]

DIAGNOSTIC_OPTIONS = types.DiagnosticOptions(
    inter_file_dependencies=True, workspace_diagnostics=False, identifier="prototxt"
)
HANDLERS: tuple[tuple[str, Handler, Any], ...] = (
    (types.INITIALIZE, session.initialize, None),
    (types.INITIALIZED, session.initialized, None),
    (types.SHUTDOWN, session.shutdown, None),
    (types.WORKSPACE_DID_CHANGE_CONFIGURATION, diagnostics.configure, None),
    (types.WORKSPACE_DID_CHANGE_WATCHED_FILES, configuration.did_change_watched_files, None),
    (types.TEXT_DOCUMENT_DID_OPEN, diagnostics.did_open, None),
    (types.TEXT_DOCUMENT_DID_CHANGE, diagnostics.did_change, None),
    (types.TEXT_DOCUMENT_DID_SAVE, diagnostics.did_save, None),
    (types.TEXT_DOCUMENT_DID_CLOSE, diagnostics.did_close, None),
    (types.TEXT_DOCUMENT_DIAGNOSTIC, diagnostics.pull, DIAGNOSTIC_OPTIONS),
    (types.TEXT_DOCUMENT_HOVER, hover.hover, None),
    (types.TEXT_DOCUMENT_CODE_ACTION, code_actions.code_actions, code_actions.OPTIONS),
    (types.CODE_ACTION_RESOLVE, code_actions.resolve, None),
    (types.TEXT_DOCUMENT_INLAY_HINT, inlay_hints.inlay_hints, None),
    (types.TEXT_DOCUMENT_COMPLETION, completion.complete, completion.OPTIONS),
    (types.COMPLETION_ITEM_RESOLVE, completion.resolve, None),
    (types.TEXT_DOCUMENT_DEFINITION, navigation.definition, None),
    (types.TEXT_DOCUMENT_REFERENCES, navigation.find_references, None),
    (types.TEXT_DOCUMENT_DOCUMENT_HIGHLIGHT, navigation.highlight, None),
    (types.TEXT_DOCUMENT_DOCUMENT_SYMBOL, navigation.symbols, None),
    (types.TEXT_DOCUMENT_FOLDING_RANGE, navigation.folding, None),
    (types.TEXT_DOCUMENT_FORMATTING, formatting.formatting, None),
    (types.TEXT_DOCUMENT_RANGE_FORMATTING, formatting.range_formatting, None),
    (types.TEXT_DOCUMENT_SELECTION_RANGE, navigation.selection, None),
    (types.WORKSPACE_SYMBOL, navigation.workspace_symbols, None),
    (types.TEXT_DOCUMENT_PREPARE_RENAME, rename.prepare, None),
    (types.TEXT_DOCUMENT_RENAME, rename.rename, rename.OPTIONS),
    (types.TEXT_DOCUMENT_CODE_LENS, code_lens.code_lens, code_lens.OPTIONS),
    (types.TEXT_DOCUMENT_DOCUMENT_LINK, links.document_links, links.OPTIONS),
)


def register(server: Server) -> None:
    """Attach all handlers."""
    for method, handler, options in HANDLERS:
        server.feature(method, options)(_guarded(server, method, log.routed(method, handler)))
    forward.register(server)
    log.register(server)


def _guarded(server: Server, method: str, handler: Handler) -> Callable[[Any], Any]:
    def run(params: Any) -> Any:
        try:
            return handler(server, params)
        except JsonRpcException:  # meant for the user
            raise
        except Exception:
            logger.exception("%s failed", method)
            server.trouble(method)
            return None

    return run
