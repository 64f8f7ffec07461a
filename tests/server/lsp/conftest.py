"""A session as the tests write it: open a text, edit it, ask about places in it named by the text around them.

Every session test talks to the installed server over pipes. Parametrizing `capabilities` (indirectly) changes what the
client says it can do; `options` is what it sends as `initializationOptions`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_lsp
from lsprotocol import converters, types
from pytest_lsp import ClientServerConfig, LanguageClient, client_capabilities

SERVER = [sys.executable, "-m", "prototxt_server", "serve", "--stdio"]


def own_capabilities(**changes: Any) -> types.ClientCapabilities:
    """What VS Code of 2025 tells about itself, as far as this server looks at it."""
    raw: dict[str, Any] = {
        "workspace": {
            "configuration": True,
            "workspaceEdit": {"documentChanges": True},
            "diagnostics": {"refreshSupport": True},
            "inlayHint": {"refreshSupport": True},
            "codeLens": {"refreshSupport": True},
        },
        "textDocument": {
            "diagnostic": {},
            "codeAction": {"dataSupport": True, "resolveSupport": {"properties": ["edit"]}},
            "completion": {"completionItem": {"snippetSupport": True, "documentationFormat": ["markdown"]}},
            "hover": {"contentFormat": ["markdown"]},
        },
        "window": {"workDoneProgress": True},
        "general": {"positionEncodings": ["utf-16"]},
    }
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = raw
        for name in parents:
            place = place.setdefault(name, {})
        if value is None:
            place.pop(last, None)
        else:
            place[last] = value
    return capabilities_of(raw)


def capabilities_of(raw: dict[str, Any]) -> types.ClientCapabilities:
    return converters.get_converter().structure(raw, types.ClientCapabilities)


def utf16(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def position(text: str, offset: int) -> types.Position:
    """Written apart from the server's own conversion: the lines of the protocol, columns in UTF-16 units."""
    before = text[:offset].replace("\r\n", "\n").replace("\r", "\n")
    if text[offset - 1 : offset + 1] == "\r\n":
        before = before[:-1]
    line = before.count("\n")
    return types.Position(line, utf16(before.rpartition("\n")[2]))


@dataclass
class Open:
    """An open document of a session."""

    client: LanguageClient
    uri: str
    text: str
    version: int = 1

    @property
    def id(self) -> types.TextDocumentIdentifier:
        return types.TextDocumentIdentifier(self.uri)

    def at(self, what: str, occurrence: int = 0) -> types.Position:
        """The middle of the occurrence-th `what`."""
        start = -1
        for _ in range(occurrence + 1):
            start = self.text.index(what, start + 1)
        return position(self.text, start + len(what) // 2)

    def range(self, what: str, occurrence: int = 0) -> types.Range:
        start = -1
        for _ in range(occurrence + 1):
            start = self.text.index(what, start + 1)
        return types.Range(position(self.text, start), position(self.text, start + len(what)))

    def text_at(self, where: types.Range) -> str:
        """The text of a range, by the test's own conversion."""
        starts = {(p.line, p.character): i for i in range(len(self.text), -1, -1) for p in [position(self.text, i)]}
        return self.text[starts[where.start.line, where.start.character] : starts[where.end.line, where.end.character]]

    def replace(self, old: str, new: str, occurrence: int = 0) -> None:
        """Edit through an incremental change."""
        where = self.range(old, occurrence)
        start = -1
        for _ in range(occurrence + 1):
            start = self.text.index(old, start + 1)
        self.text = self.text[:start] + new + self.text[start + len(old) :]
        self.change(types.TextDocumentContentChangePartial(range=where, text=new))

    def change(self, *changes: types.TextDocumentContentChangeEvent) -> None:
        self.version += 1
        self.client.text_document_did_change(
            types.DidChangeTextDocumentParams(types.VersionedTextDocumentIdentifier(self.version, self.uri), changes)
        )

    async def pull(self, previous: str | None = None) -> Any:
        return await self.client.text_document_diagnostic_async(
            types.DocumentDiagnosticParams(self.id, previous_result_id=previous)
        )

    async def codes(self) -> list[str]:
        return [d.code for d in (await self.pull()).items]

    async def hover(self, what: str, occurrence: int = 0) -> str:
        found = await self.client.text_document_hover_async(types.HoverParams(self.id, self.at(what, occurrence)))
        return "" if found is None else found.contents.value

    async def actions(self, where: types.Range, *only: str) -> list[types.CodeAction]:
        report = await self.pull()
        context = types.CodeActionContext(report.items, only=list(only) or None)
        return list(
            await self.client.text_document_code_action_async(types.CodeActionParams(self.id, where, context)) or []
        )

    def apply(self, edit: types.WorkspaceEdit) -> str:
        """The text after a workspace edit."""
        if edit.document_changes:
            edits = [e for change in edit.document_changes for e in change.edits]
        else:
            edits = list(edit.changes[self.uri])
        text = self.text
        starts = {(p.line, p.character): i for i in range(len(text), -1, -1) for p in [position(text, i)]}
        for e in sorted(edits, key=lambda e: (e.range.start.line, e.range.start.character), reverse=True):
            a = starts[e.range.start.line, e.range.start.character]
            b = starts[e.range.end.line, e.range.end.character]
            text = text[:a] + e.new_text + text[b:]
        return text


@pytest.fixture
def capabilities(request: pytest.FixtureRequest) -> types.ClientCapabilities:
    """Ours, ours with changes, one captured from VS Code ("vscode"), or one of pytest-lsp's collection."""
    wanted = getattr(request, "param", {})
    if wanted == "vscode":
        captured = request.getfixturevalue("shared") / "facts" / "editor" / "client-capabilities-lc11.json"
        return capabilities_of(json.loads(captured.read_text()))
    return client_capabilities(wanted) if isinstance(wanted, str) else own_capabilities(**wanted)


@pytest.fixture
def options(request: pytest.FixtureRequest) -> Any:
    return getattr(request, "param", None)


@pytest_lsp.fixture(config=ClientServerConfig(server_command=SERVER))
async def client(lsp_client: LanguageClient, capabilities: types.ClientCapabilities, options: Any):
    lsp_client.notes = []

    @lsp_client.feature("prototxt/status")
    def status(params: Any) -> None:
        lsp_client.notes.append(params)

    @lsp_client.feature(types.WORKSPACE_INLAY_HINT_REFRESH)
    def refresh(params: Any) -> None:
        lsp_client.notes.append("inlay hints refreshed")

    @lsp_client.feature(types.WORKSPACE_CODE_LENS_REFRESH)
    def refresh_lenses(params: Any) -> None:
        lsp_client.notes.append("code lenses refreshed")

    @lsp_client.feature(types.CLIENT_REGISTER_CAPABILITY)
    def register(params: types.RegistrationParams) -> None:
        lsp_client.notes += params.registrations

    lsp_client.initialized_with = await lsp_client.initialize_session(
        types.InitializeParams(capabilities=capabilities, root_uri="file:///nets", initialization_options=options)
    )
    yield
    await lsp_client.shutdown_session()


@pytest.fixture
def edit(client: LanguageClient) -> Callable[..., Open]:
    """Open a text in the session's client."""
    return lambda text, name="net.prototxt", folder="file:///nets": open_text(client, text, name, folder)


def open_text(client: LanguageClient, text: str, name: str = "net.prototxt", folder: str = "file:///nets") -> Open:
    uri = f"{folder}/{name}"
    client.text_document_did_open(types.DidOpenTextDocumentParams(types.TextDocumentItem(uri, "prototxt", 1, text)))
    return Open(client, uri, text)
