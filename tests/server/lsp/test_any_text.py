"""No request raises, whatever stands in the document and wherever it asks; and what it answers lies in the document."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lsprotocol import converters, types
from pygls.exceptions import JsonRpcException
from tests.net.nets import PIECES, harm, harmed, nets
from tests.server.lsp.conftest import own_capabilities

from prototxt_server.lsp import convert, features
from prototxt_server.lsp.document import Document
from prototxt_server.lsp.log import LogDocument, routed
from prototxt_server.lsp.main import make_server
from prototxt_server.lsp.server import Server

URI = "file:///nets/net.prototxt"
ID = types.TextDocumentIdentifier(URI)
OPTIONS = types.FormattingOptions(tab_size=2, insert_spaces=True)
EVERYTHING = types.CodeActionContext(diagnostics=[])

Position, Range = types.Position, types.Range
ASK: dict[str, Callable[[Position, Range], Any]] = {
    types.TEXT_DOCUMENT_DIAGNOSTIC: lambda at, over: types.DocumentDiagnosticParams(ID),
    types.TEXT_DOCUMENT_HOVER: lambda at, over: types.HoverParams(ID, at),
    types.TEXT_DOCUMENT_CODE_ACTION: lambda at, over: types.CodeActionParams(ID, over, EVERYTHING),
    types.TEXT_DOCUMENT_INLAY_HINT: lambda at, over: types.InlayHintParams(ID, over),
    types.TEXT_DOCUMENT_COMPLETION: lambda at, over: types.CompletionParams(ID, at),
    types.TEXT_DOCUMENT_DEFINITION: lambda at, over: types.DefinitionParams(ID, at),
    types.TEXT_DOCUMENT_REFERENCES: lambda at, over: types.ReferenceParams(types.ReferenceContext(True), ID, at),
    types.TEXT_DOCUMENT_DOCUMENT_HIGHLIGHT: lambda at, over: types.DocumentHighlightParams(ID, at),
    types.TEXT_DOCUMENT_DOCUMENT_SYMBOL: lambda at, over: types.DocumentSymbolParams(ID),
    types.TEXT_DOCUMENT_FOLDING_RANGE: lambda at, over: types.FoldingRangeParams(ID),
    types.TEXT_DOCUMENT_FORMATTING: lambda at, over: types.DocumentFormattingParams(ID, OPTIONS),
    types.TEXT_DOCUMENT_RANGE_FORMATTING: lambda at, over: types.DocumentRangeFormattingParams(ID, over, OPTIONS),
    types.TEXT_DOCUMENT_SELECTION_RANGE: lambda at, over: types.SelectionRangeParams(ID, [at, over.end]),
    types.WORKSPACE_SYMBOL: lambda at, over: types.WorkspaceSymbolParams("c"),
    types.TEXT_DOCUMENT_PREPARE_RENAME: lambda at, over: types.PrepareRenameParams(ID, at),
    types.TEXT_DOCUMENT_RENAME: lambda at, over: types.RenameParams(ID, at, "another"),
    types.TEXT_DOCUMENT_CODE_LENS: lambda at, over: types.CodeLensParams(ID),
    types.TEXT_DOCUMENT_DOCUMENT_LINK: lambda at, over: types.DocumentLinkParams(ID),
}
RESOLVED = {types.CODE_ACTION_RESOLVE, types.COMPLETION_ITEM_RESOLVE}
"""Asked about every answer of the request that they belong to."""
HANDLERS = {method: handler for method, handler, _ in features.HANDLERS}
_converter = converters.get_converter()


def test_every_request_is_asked() -> None:
    notified = {method for method in HANDLERS if "/did" in method}
    assert set(HANDLERS) - notified == {*ASK, *RESOLVED, types.INITIALIZE, types.INITIALIZED, types.SHUTDOWN}


@pytest.fixture(scope="module")
def server() -> Server:
    """A server that has been initialized, with nobody on the other side."""
    made = make_server()
    made.protocol.client_capabilities = own_capabilities()
    made.protocol.server_capabilities = SimpleNamespace(position_encoding=types.PositionEncodingKind.Utf16)
    made.protocol._workspace = SimpleNamespace(root_path=None)
    return made


def ask_everything(server: Server, document: Document, shares: list[float]) -> None:
    """All requests at each of the places, as shares of the text; and on to what the answers can be asked about."""
    server.configuration.forget(URI)
    for share in shares:
        offset = round(share * len(document.text))
        at = convert.position(document, offset)
        over = Range(at, convert.position(document, min(offset + 30, len(document.text))))
        for method, parameters in ASK.items():
            try:
                answer = HANDLERS[method](server, parameters(at, over))
            except JsonRpcException:  # says to the user why not
                assert method == types.TEXT_DOCUMENT_RENAME
                continue
            for where in ranges(_converter.unstructure(answer)):
                assert_inside(document, where)
            for action in answer if method == types.TEXT_DOCUMENT_CODE_ACTION else ():
                HANDLERS[types.CODE_ACTION_RESOLVE](server, action)
            for item in answer.items[:3] if method == types.TEXT_DOCUMENT_COMPLETION else ():
                HANDLERS[types.COMPLETION_ITEM_RESOLVE](server, item)


def ranges(answer: Any) -> Iterator[dict[str, Any]]:
    """All ranges in an answer as it goes over the wire."""
    if isinstance(answer, list):
        for item in answer:
            yield from ranges(item)
    elif isinstance(answer, dict):
        if answer.keys() == {"start", "end"}:
            yield answer
        for item in answer.values():
            yield from ranges(item)


def assert_inside(document: Document, where: dict[str, Any]) -> None:
    ends = []
    for end in (where["start"], where["end"]):
        position = Position(end["line"], end["character"])
        ends.append(convert.offset(document, position))
        assert convert.position(document, ends[-1]) == position, "no place in the text"
    assert ends[0] <= ends[1]


def opened(server: Server, text: str) -> Document:
    document = Document(URI, text, 1, "utf-16")
    server.documents = {URI: document}
    return document


PLACES = st.lists(st.floats(0, 1), min_size=1, max_size=4)
ODD = [
    "",
    "\n",
    "\ufeff",
    "\x00",
    "😀",
    "layer",
    "layer {",
    'layer { type: "',
    "}" * 5,
    "[" * 5,
    '"\r\n',
    "# lsp: ignore[",
]


@settings(max_examples=40)
@given(text=st.text(max_size=80) | st.sampled_from(ODD), places=PLACES)
def test_any_text(server: Server, text: str, places: list[float]) -> None:
    ask_everything(server, opened(server, text), places)


@settings(max_examples=40)
@given(pieces=st.lists(st.sampled_from([*PIECES, "😀", "# lsp: ", "layer"]), max_size=40), places=PLACES)
def test_text_of_the_right_pieces(server: Server, pieces: list[str], places: list[float]) -> None:
    ask_everything(server, opened(server, "".join(pieces)), places)


@settings(max_examples=60)
@given(text=nets(), edits=st.lists(harm(), max_size=4), places=PLACES)
def test_nets_whole_and_harmed(
    server: Server, text: str, edits: list[tuple[float, int, str]], places: list[float]
) -> None:
    ask_everything(server, opened(server, harmed(text, edits)), places)


@settings(max_examples=60)
@given(pieces=st.lists(st.sampled_from([*PIECES, "I0101 ", "net.cpp:1] ", "Top blob: 0"]), max_size=20), places=PLACES)
def test_logs(server: Server, pieces: list[str], places: list[float]) -> None:
    server.documents, server.logs = {}, {URI: LogDocument(URI, "".join(pieces), 1, "utf-16")}
    try:
        for share in places:
            at = convert.position(server.logs[URI], round(share * len(server.logs[URI].text)))
            for method, parameters in ASK.items():
                routed(method, HANDLERS[method])(server, parameters(at, Range(at, at)))
    finally:
        server.logs = {}
