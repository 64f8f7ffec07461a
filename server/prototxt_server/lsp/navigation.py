"""Definition, references and highlights of blobs; the outline; folding; growing the selection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lsprotocol import types

from prototxt_server.assist import outline, references
from prototxt_server.assist.locate import around
from prototxt_server.lsp import convert

if TYPE_CHECKING:
    from prototxt_server.lsp.server import Server


def definition(ls: Server, params: types.DefinitionParams) -> list[types.Location]:
    """From a bottom to the top that writes this version of the blob."""
    document = ls.document(params.text_document.uri)
    if document is None:
        return []
    places = references.definition(ls.analysis(document), convert.offset(document, params.position))
    return [types.Location(document.uri, convert.range_of(document, place.start, place.end)) for place in places]


def find_references(ls: Server, params: types.ReferenceParams) -> list[types.Location]:
    """All readers and writers of the storage; only the readers when the declaration is not asked for."""
    document = ls.document(params.text_document.uri)
    if document is None:
        return []
    places = references.references(ls.analysis(document), convert.offset(document, params.position))
    return [
        types.Location(document.uri, convert.range_of(document, place.start, place.end))
        for place in places
        if params.context.include_declaration or not place.writes
    ]


def highlight(ls: Server, params: types.DocumentHighlightParams) -> list[types.DocumentHighlight]:
    """The same places, writes and reads told apart."""
    document = ls.document(params.text_document.uri)
    if document is None:
        return []
    places = references.references(ls.analysis(document), convert.offset(document, params.position))
    return [
        types.DocumentHighlight(
            convert.range_of(document, place.start, place.end),
            types.DocumentHighlightKind.Write if place.writes else types.DocumentHighlightKind.Read,
        )
        for place in places
    ]


def symbols(ls: Server, params: types.DocumentSymbolParams) -> list[types.DocumentSymbol]:
    """The layers."""
    document = ls.document(params.text_document.uri)
    if document is None:
        return []
    return [
        types.DocumentSymbol(
            name=symbol.name,
            detail=symbol.detail,
            kind=types.SymbolKind.Function,
            range=convert.range_of(document, symbol.start, symbol.end),
            selection_range=convert.range_of(document, symbol.name_start, symbol.name_end),
        )
        for symbol in outline.symbols(ls.analysis(document))
    ]


def workspace_symbols(ls: Server, params: types.WorkspaceSymbolParams) -> list[types.WorkspaceSymbol]:
    """The layers of all open nets whose name has the letters of the query in their order."""
    found = []
    for document in list(ls.documents.values()):
        for symbol in outline.symbols(ls.analysis(document)):
            if _has_letters(symbol.name.lower(), params.query.lower()):
                where = types.Location(document.uri, convert.range_of(document, symbol.name_start, symbol.name_end))
                found.append(types.WorkspaceSymbol(where, symbol.name, types.SymbolKind.Function))
    return found


def _has_letters(name: str, query: str) -> bool:
    rest = iter(name)
    return all(letter in rest for letter in query)


def selection(ls: Server, params: types.SelectionRangeParams) -> list[types.SelectionRange]:
    """From each position outwards: value, field, body of the message, and so on."""
    document = ls.document(params.text_document.uri)
    if document is None:
        return []
    analysis = ls.analysis(document)
    found = []
    for where in params.positions:
        grown: types.SelectionRange | None = None
        for start, end in reversed(around(analysis, convert.offset(document, where))):
            grown = types.SelectionRange(convert.range_of(document, start, end), grown)
        found.append(grown or types.SelectionRange(types.Range(where, where)))
    return found


def folding(ls: Server, params: types.FoldingRangeParams) -> list[types.FoldingRange]:
    """Blocks and runs of comment lines that span several lines."""
    document = ls.document(params.text_document.uri)
    if document is None:
        return []
    analysis = ls.analysis(document)
    found = [(start, end, None) for start, end in outline.blocks(analysis)]
    kind = types.FoldingRangeKind.Comment
    folds = []
    for start, end, what in [*found, *((start, end, kind) for start, end in outline.comments(analysis))]:
        first, last = convert.position(document, start).line, convert.position(document, end).line
        if what is None:
            last -= 1  # the closing bracket stays in sight
        if last > first:
            folds.append(types.FoldingRange(start_line=first, end_line=last, kind=what))
    return folds
