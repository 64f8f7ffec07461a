"""textDocument/formatting and rangeFormatting: white space only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lsprotocol import types

from prototxt_grammar.formatter import format_edits
from prototxt_server.lsp import convert

if TYPE_CHECKING:
    from prototxt_server.lsp.server import Server


def formatting(ls: Server, params: types.DocumentFormattingParams) -> list[types.TextEdit]:
    """The edits; none for a text with syntax errors, whose structure is a guess."""
    return _edits(ls, params, None)


def range_formatting(ls: Server, params: types.DocumentRangeFormattingParams) -> list[types.TextEdit]:
    """Those of the edits that touch a range."""
    return _edits(ls, params, params.range)


def _edits(
    ls: Server, params: types.DocumentFormattingParams | types.DocumentRangeFormattingParams, where: types.Range | None
) -> list[types.TextEdit]:
    document = ls.document(params.text_document.uri)
    if document is None:
        return []
    indent = " " * max(params.options.tab_size, 0) if params.options.insert_spaces else "\t"
    edits = format_edits(ls.analysis(document).tree, indent) or []
    if where is not None:
        start, end = convert.span(document, where)
        edits = [edit for edit in edits if edit.start <= end and start <= edit.end]
    return convert.text_edits(document, edits)
