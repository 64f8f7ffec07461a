"""Configuration files in the editor: found as the command line finds them, read again when they change.

What is wrong in one is shown in that file; until it is put right the nets below it are judged as if it were not there.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from lsprotocol import types
from pygls.uris import from_fs_path

from prototxt_grammar import LineIndex
from prototxt_server import config, files
from prototxt_server.analysis import Settings
from prototxt_server.lsp import diagnostics
from prototxt_server.lsp.document import Document

if TYPE_CHECKING:
    from prototxt_server.lsp.server import Server

logger = logging.getLogger(__name__)
SOURCE = "lsp config"
WATCHED = ("**/*.toml", "**/*.prototxt")
"""All of them: `extend` may name any configuration, and a solver any net."""
_WATCHING = "workspace.did_change_watched_files.dynamic_registration"


class Configuration:
    """The settings of each open document, and the errors that are shown in configuration files."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._known: dict[str, Settings] = {}
        self._errors: dict[str, config.ConfigError] = {}
        self._shown: dict[str, str] = {}
        self._warned: set[str] = set()

    def settings(self, document: Document) -> Settings:
        """The editor's settings, and below them those of the configuration file that holds for the document."""
        known = self._known.get(document.uri)
        if known is None:
            known = self._known[document.uri] = self._found(document)
        return known

    def _found(self, document: Document) -> Settings:
        given = self._server.settings.analysis
        self._warn_of_unknown_codes(given)
        root = self._server.workspace.root_path or ""
        path = document.path or (str(Path(root) / "unsaved.prototxt") if root else "")
        if not path:
            return given
        named = self._server.settings.configuration
        try:
            found = config.config_for(path, str(Path(root) / named) if named else None)
            if found is None:
                return given
            config.require_known_codes(found)
        except config.ConfigError as error:
            logger.warning("%s", error)
            self._errors[document.uri] = error
            self._show()
            return given
        return found.applied_to(given, path)

    def _warn_of_unknown_codes(self, given: Settings) -> None:
        """A code of the editor's settings that no rule has does nothing; say so once, in the log."""
        place = "the editor's settings"
        lists = ((place, "prototxt.select", given.select), (place, "prototxt.ignore", given.ignore))
        try:
            config.require_known_codes(config.Config(place, code_lists=lists))
        except config.ConfigError as error:
            if str(error) not in self._warned:
                self._warned.add(str(error))
                logger.warning("%s", error)

    def forget(self, uri: str) -> None:
        """A document was closed."""
        self._known.pop(uri, None)
        self._errors.pop(uri, None)
        self._show()

    def reload(self) -> bool:
        """Read everything again; errors that are gone are taken back. Whether the settings of a document changed."""
        before = dict(self._known)
        config.forget()
        self._known.clear()
        self._errors.clear()
        for document in self._server.documents.values():
            self.settings(document)
        self._show()
        changed = any(self._known.get(uri) != settings for uri, settings in before.items())
        self._server.settings_revision += changed
        return changed

    def look_again(self) -> None:
        """For clients that tell nothing about files: call this whenever a document is opened or saved."""
        if not self._server.can(_WATCHING) and self.reload():
            diagnostics.refresh(self._server)

    def _show(self) -> None:
        """One diagnostic in each file that is wrong, as long as an open document needs it."""
        wrong = {from_fs_path(error.path) or "": error for error in self._errors.values()}
        for uri in self._shown.keys() - wrong.keys():
            del self._shown[uri]
            self._server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, []))
        for uri, error in wrong.items():
            if uri and self._shown.get(uri) != error.problem:
                self._shown[uri] = error.problem
                found = types.Diagnostic(
                    range_of(error, self._server.encoding), error.problem, types.DiagnosticSeverity.Error, source=SOURCE
                )
                self._server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, [found]))


def range_of(error: config.ConfigError, encoding: str) -> types.Range:
    """Where the key, or the value of it, that an error speaks about stands in its file; the first line at worst."""
    try:
        lines = LineIndex(files.read(error.path).text)
    except files.PathError:
        return types.Range(types.Position(0, 0), types.Position(0, 0))
    start, end = error.place(lines) or lines.line_range(0)
    return types.Range(*(types.Position(*lines.position(at, encoding)) for at in (start, end)))


def watch(ls: Server) -> None:
    """Ask the client to tell when a configuration file or a net changes."""
    if ls.can(_WATCHING):
        options = types.DidChangeWatchedFilesRegistrationOptions(list(map(types.FileSystemWatcher, WATCHED)))
        wanted = types.Registration("prototxt-configuration", types.WORKSPACE_DID_CHANGE_WATCHED_FILES, options)
        ls.client_register_capability(types.RegistrationParams([wanted]))


def did_change_watched_files(ls: Server, params: types.DidChangeWatchedFilesParams) -> None:
    """Judge everything anew when a configuration file was written, renamed or deleted; when a net was, what is judged
    beside others.
    """
    if any(change.uri.endswith(".toml") for change in params.changes) and ls.configuration.reload():
        diagnostics.refresh(ls)
    elif any(not change.uri.endswith(".toml") for change in params.changes):
        diagnostics.files_changed(ls)
