"""textDocument/inlayHint: blob shapes behind tops."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lsprotocol import types

from prototxt_server.assist.hints import shape_hints
from prototxt_server.lsp import convert

if TYPE_CHECKING:
    from prototxt_server.lsp.server import Server


def inlay_hints(ls: Server, params: types.InlayHintParams) -> list[types.InlayHint]:
    """The hints of the visible range, none when the user switched them off."""
    document = ls.document(params.text_document.uri)
    if document is None or not ls.settings.shape_hints:
        return []
    start, end = convert.span(document, params.range)
    return [
        types.InlayHint(
            position=convert.position(document, hint.offset),
            label=hint.label,
            tooltip=types.MarkupContent(types.MarkupKind.Markdown, hint.tooltip) if hint.tooltip else None,
            padding_left=True,
        )
        for hint in shape_hints(ls.analysis(document), start, end, document.batch)
    ]
