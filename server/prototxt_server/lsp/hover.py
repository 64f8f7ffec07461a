"""textDocument/hover."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lsprotocol import types

from prototxt_server.assist.hover import hover as text_at
from prototxt_server.lsp import convert

if TYPE_CHECKING:
    from prototxt_server.lsp.server import Server


def hover(ls: Server, params: types.HoverParams) -> types.Hover | None:
    """What stands under the cursor."""
    document = ls.document(params.text_document.uri)
    if document is None:
        return None
    found = text_at(ls.analysis(document), convert.offset(document, params.position), document.batch)
    if found is None:
        return None
    content = types.MarkupContent(types.MarkupKind.Markdown, found.markdown)
    return types.Hover(content, convert.range_of(document, found.start, found.end))
