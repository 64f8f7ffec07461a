"""Training logs in the editor: documents with the language id `caffe-log`.

They are kept apart from nets: every feature that is not named here has nothing to say about them.
"""

from __future__ import annotations

import asyncio
import os
from bisect import bisect_right
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException, JsonRpcInvalidParams
from pygls.uris import from_fs_path, to_fs_path

from prototxt_grammar import LineIndex
from prototxt_server import files
from prototxt_server.analysis import Settings, Source
from prototxt_server.assist import log_nets
from prototxt_server.assist.log_hover import Spot, spot
from prototxt_server.log.findings import Report, report
from prototxt_server.log.reader import read, read_text
from prototxt_server.log.streams import plain
from prototxt_server.log.values import Place
from prototxt_server.lsp import convert
from prototxt_server.lsp.document import Document

if TYPE_CHECKING:
    from prototxt_server.lsp.server import Server

LANGUAGE = "caffe-log"
ANALYSE = "prototxt.server.analyseLog"
SOURCE = "lsp log"
NETS = 60
NET_BYTES = 4 << 20
Handler = Callable[["Server", Any], Any]


class LogDocument(Document):
    """An open log. net: the path of the net that it belongs to, as the user picked it."""

    __slots__ = ("_made", "_report", "_rows", "net")

    def __init__(self, uri: str, text: str, version: int | None, encoding: str) -> None:
        super().__init__(uri, text, version, encoding)
        self.net: str | None = None
        self._report: Report | None = None
        self._made: tuple[object, ...] = ()
        self._rows: list[int] = []

    def report(self, nets: Callable[[], Iterator[tuple[str, str]]], settings: Settings) -> Report:
        """What there is to say about the present text, beside the net that was picked or that fits best."""
        last = self._report
        log = last.log if last is not None and self._made[:1] == (self.hash,) else read_text(self.text)
        candidates = list(nets())
        path = self.net or log_nets.best(log, candidates)
        text = next((text for name, text in candidates if name == path), None)
        made = (self.hash, path, text, settings)
        if last is None or made != self._made:
            net = Source(text, path) if path is not None and text is not None else None
            last = self._report = report(log, self.path, net, settings)
            self._made = made
            self._rows = [0, *(i + 1 for i, c in enumerate(self.text) if c == "\n")]
        return last

    def span(self, place: Place) -> types.Range:
        """The range of a place. Rows of a log end at line feeds alone, those of the editor at carriage returns too."""
        start = self._rows[min(place.row, len(self._rows) - 1)] + place.column
        return convert.range_of(self, start, start + place.end - place.start)

    def line_at(self, where: types.Position) -> tuple[int, str, int]:
        """(offset of the line's start, its text, the column) of a position."""
        offset = convert.offset(self, where)
        row = bisect_right(self._rows, offset) - 1
        first = self._rows[row]
        last = self._rows[row + 1] - 1 if row + 1 < len(self._rows) else len(self.text)
        return first, self.text[first:last], offset - first


def routed(method: str, handler: Handler) -> Handler:
    """The handler of a method for nets, with that of logs beside it."""

    def run(ls: Server, params: Any) -> Any:
        identifier = getattr(params, "text_document", None)
        document = ls.logs.get(identifier.uri) if identifier is not None else None
        if document is None:
            return handler(ls, params)
        own = _HANDLERS.get(method)
        return None if own is None else own(ls, document, params)

    return run


def _report(ls: Server, document: LogDocument) -> Report:
    return document.report(lambda: _nets(ls, document), ls.settings.analysis)


def _nets(ls: Server, document: LogDocument) -> Iterator[tuple[str, str]]:
    """(path, text) of the nets in the log's folder and of the one that was picked; open ones as they stand."""
    open_ones = {net.path: net.text for net in ls.documents.values() if net.path}
    folder = os.path.dirname(document.path)
    paths = []
    if folder and os.path.isdir(folder):
        paths = sorted(str(path) for path in Path(folder).glob("*.prototxt"))[:NETS]
    if document.net is not None:
        paths = [document.net, *paths]
    for path in dict.fromkeys([*paths, *(p for p in open_ones if os.path.dirname(p) == folder)]):
        if path in open_ones:
            yield path, open_ones[path]
            continue
        try:
            if os.path.getsize(path) <= NET_BYTES:
                yield path, files.read(path).text
        except (OSError, files.PathError):
            continue


# -- requests ------------------------------------------------------------------------------------------------------
def _spot(ls: Server, document: LogDocument, where: types.Position) -> tuple[Spot, int] | None:
    found = _report(ls, document)
    first, line, column = document.line_at(where)
    here = spot(found, line, column, document.text[max(0, first - 4000) : first])
    return None if here is None else (here, first)


def _hover(ls: Server, document: LogDocument, params: types.HoverParams) -> types.Hover | None:
    """What the line says."""
    found = _spot(ls, document, params.position)
    if found is None:
        return None
    here, first = found
    content = types.MarkupContent(types.MarkupKind.Markdown, here.markdown)
    return types.Hover(content, convert.range_of(document, first + here.start, first + here.end))


def _definition(ls: Server, document: LogDocument, params: types.DefinitionParams) -> list[types.Location]:
    """The layer in the net."""
    found = _spot(ls, document, params.position)
    if found is None or not found[0].layer:
        return []
    where = _layer(ls, document, _report(ls, document), found[0].layer)
    return [] if where is None else [where]


def _layer(ls: Server, document: LogDocument, found: Report, layer: str) -> types.Location | None:
    node = found.known.node(layer)
    analysis = found.known.analysis
    if node is None or analysis is None or not found.known.given:
        return None
    start, end = node.layer.at("name")
    return _in_net(document, analysis.source, start, end)


def _in_net(document: LogDocument, net: Source, start: int, end: int) -> types.Location:
    index = LineIndex(net.text)
    positions = [types.Position(*index.position(offset, document.encoding)) for offset in (start, end)]
    return types.Location(from_fs_path(net.path) or "", types.Range(*positions))


def diagnostics(ls: Server, document: LogDocument) -> list[types.Diagnostic]:
    """The verdicts, each at its line, with the layer and the causes in the net."""
    found = _report(ls, document)
    by_code = {finding.code: finding for finding in found.findings}
    result = []
    for verdict in found.verdicts:
        related = [
            types.DiagnosticRelatedInformation(types.Location(document.uri, document.span(note.place)), note.message)
            for note in verdict.notes
        ]
        where = _layer(ls, document, found, verdict.layer) if verdict.layer else None
        if where is not None:
            related.append(types.DiagnosticRelatedInformation(where, f"layer '{verdict.layer}' in the net"))
        result.append(
            types.Diagnostic(
                range=document.span(verdict.place),
                severity=convert.SEVERITY[verdict.severity],
                code=verdict.code,
                code_description=types.CodeDescription(by_code[verdict.code].url),
                source=SOURCE,
                message=verdict.message,
                related_information=(related + _causes(document, found, verdict.code, verdict.layer)) or None,
            )
        )
    return result


def _causes(
    document: LogDocument, found: Report, code: str, layer: str | None
) -> list[types.DiagnosticRelatedInformation]:
    """The static findings that a verdict names as its causes, in the net that was given."""
    analysis = found.known.analysis
    if analysis is None:
        return []
    finding = next((f for f in found.findings if f.code == code and f.layer == layer), None)
    notes = [] if finding is None else [n for n in finding.related if n.message.startswith("cause: ")]
    if not found.known.given:  # of the net that the log itself holds
        places = found.files[0].places
        spans = [(document.span(places[note.start // 2]), note.message) for note in notes]
        return [
            types.DiagnosticRelatedInformation(types.Location(document.uri, span), message) for span, message in spans
        ]
    return [
        types.DiagnosticRelatedInformation(_in_net(document, analysis.source, n.start, n.end), n.message) for n in notes
    ]


def _pull(ls: Server, document: LogDocument, params: types.DocumentDiagnosticParams) -> types.DocumentDiagnosticReport:
    name = f"{ls.session}-{ls.settings_revision}-{document.forward_run}-{document.hash}-log"
    return types.RelatedFullDocumentDiagnosticReport(items=diagnostics(ls, document), result_id=name)


def _push(ls: Server, document: LogDocument, params: object = None) -> None:
    """To clients that do not ask for diagnostics by themselves."""
    if not ls.pulls:
        found = diagnostics(ls, document)
        ls.text_document_publish_diagnostics(types.PublishDiagnosticsParams(document.uri, found, document.version))


def closed(ls: Server, uri: str) -> None:
    """Diagnostics do not outlive the document."""
    if ls.logs.pop(uri, None) is not None and not ls.pulls:
        ls.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, []))


_HANDLERS: dict[str, Callable[[Server, LogDocument, Any], Any]] = {
    types.TEXT_DOCUMENT_DID_OPEN: _push,
    types.TEXT_DOCUMENT_DID_CHANGE: _push,
    types.TEXT_DOCUMENT_DIAGNOSTIC: _pull,
    types.TEXT_DOCUMENT_HOVER: _hover,
    types.TEXT_DOCUMENT_DEFINITION: _definition,
}


# -- the command ---------------------------------------------------------------------------------------------------
def register(server: Server) -> None:
    """Attach the command."""

    async def run_command(*arguments: Any) -> dict[str, Any]:
        return await analyse(server, *arguments)

    server.command(ANALYSE)(run_command)


async def analyse(ls: Server, *arguments: Any) -> dict[str, Any]:
    """Judge a log beside a net: arguments are their URIs. An open log keeps the net and shows its diagnostics anew; one
    that is not open (too large for the editor) is read from disk, off the event loop.

    Returns a summary. Raises JsonRpcInvalidParams for arguments that are none, JsonRpcException for files that cannot
    be read.
    """
    if len(arguments) != 2 or not all(isinstance(argument, str) for argument in arguments):
        raise JsonRpcInvalidParams("the command takes the URIs of a log and of a net")
    log_uri, net_uri = arguments
    net_path, log_path = to_fs_path(net_uri) or "", to_fs_path(log_uri) or ""
    document = ls.logs.get(log_uri)
    if document is not None:
        document.net = net_path
        found = _report(ls, document)
        _push(ls, document)
        if ls.pulls and ls.can("workspace.diagnostics.refresh_support"):
            ls.workspace_diagnostic_refresh(None)
    else:
        open_net = ls.document(net_uri)
        try:
            text = open_net.text if open_net is not None else files.read(net_path).text
            found = await asyncio.to_thread(_from_disk, log_path, Source(text, net_path), ls.settings.analysis)
        except files.PathError as error:
            raise JsonRpcException(str(error), types.LSPErrorCodes.RequestFailed.value) from None
        except OSError as error:
            message = f"{log_path}: {error.strerror or error}"
            raise JsonRpcException(message, types.LSPErrorCodes.RequestFailed.value) from None
    return summary(found)


def _from_disk(path: str, net: Source, settings: Settings) -> Report:
    with open(path, "rb") as stream:
        return report(read(plain(stream)), path, net, settings)


def summary(found: Report) -> dict[str, Any]:
    """What the command hands back."""
    verdicts = found.verdicts
    first = verdicts[0] if verdicts else None
    count = len(verdicts)
    message = "nothing found" if first is None else f"{count} finding{'s' * (count != 1)}; first: {first.message}"
    return {
        "message": message,
        "writer": found.writer.name,
        "findings": [
            {"code": v.code, "severity": v.severity, "layer": v.layer, "row": v.place.row + 1, "message": v.message}
            for v in verdicts
        ],
    }
