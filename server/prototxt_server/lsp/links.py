"""Other files: open documents before those on disk, and links from a solver to its nets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lsprotocol import types
from pygls.uris import from_fs_path

from prototxt_grammar import LineIndex
from prototxt_net.finding import Related
from prototxt_server.analysis import Analysis
from prototxt_server.linked import Reader
from prototxt_server.lsp import convert
from prototxt_server.lsp.document import Document

if TYPE_CHECKING:
    from prototxt_server.lsp.server import Server

OPTIONS = types.DocumentLinkOptions(resolve_provider=False)


class OpenFiles(Reader):
    """Files as the user sees them: what is open goes before what is saved."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self._server = server

    def held(self, path: str) -> Analysis | None:
        """The analysis of an open document by itself, which is one object as long as its text stays the same."""
        for document in self._server.documents.values():
            if document.path == path:
                return document.alone(self._server.configuration.settings(document))
        return None


def document_links(ls: Server, params: types.DocumentLinkParams) -> list[types.DocumentLink]:
    """From the path of a net in a solver to the net."""
    document = ls.document(params.text_document.uri)
    if document is None:
        return []
    analysis = ls.analysis(document)
    found = []
    for link in analysis.linked.nets if analysis.linked else ():
        entry = analysis.file.root.entry(link.field, link.index)
        uri = from_fs_path(str(Path(link.path).resolve())) if link.path else None
        if entry is None or uri is None:
            continue
        base = analysis.file.base_of(entry)
        where = convert.range_of(document, base + entry.start + 1, base + entry.end - 1)  # inside the quotes
        found.append(types.DocumentLink(where, target=uri))
    return found


def location(ls: Server, document: Document, note: Related) -> types.Location | None:
    """Where a note of a finding points to in another file; None when that cannot be read."""
    source = ls.reader.source(note.filename)
    uri = from_fs_path(str(Path(note.filename).resolve()))
    if source is None or uri is None:
        return None
    index = LineIndex(source.text)
    start, end = (types.Position(*index.position(at, document.encoding)) for at in (note.start, note.end))
    return types.Location(uri, types.Range(start, end))
