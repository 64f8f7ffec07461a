"""textDocument/codeLens: above a net, what runs one batch of it, what it consists of, and what the last run said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lsprotocol import types

from prototxt_server.assist.summary import first_field, totals
from prototxt_server.lsp import convert
from prototxt_server.lsp.forward import RUN_FORWARD

if TYPE_CHECKING:
    from prototxt_server.lsp.server import Server

OPTIONS = types.CodeLensOptions(resolve_provider=False)
_SAY = ""
"""The command of a lens that only says something."""


def code_lens(ls: Server, params: types.CodeLensParams) -> list[types.CodeLens]:
    """The lenses of a net, none above other files."""
    document = ls.document(params.text_document.uri)
    if document is None:
        return []
    analysis = ls.analysis(document)
    start = first_field(analysis)
    if analysis.file.kind != "net" or start is None or not analysis.nets:
        return []
    where = convert.range_of(document, start, start)
    said = [types.Command("\u25b6 Run one batch", RUN_FORWARD, arguments=[document.uri])]
    if document.verdict:
        said.append(types.Command(f"Last batch: {document.verdict}", _SAY))
    said += [types.Command(line, _SAY) for line in totals(analysis)]
    return [types.CodeLens(where, command) for command in said]
