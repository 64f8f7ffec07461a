"""textDocument/rename of blobs and of shared parameter blobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from prototxt_grammar import Edit
from prototxt_server.assist import names
from prototxt_server.lsp import convert

if TYPE_CHECKING:
    from prototxt_server.lsp.server import Server

OPTIONS = types.RenameOptions(prepare_provider=True)


def prepare(ls: Server, params: types.PrepareRenameParams) -> types.PrepareRenamePlaceholder | None:
    """The name under the cursor, without its quotes; None where nothing can be renamed."""
    document = ls.document(params.text_document.uri)
    if document is None:
        return None
    named = names.at(ls.analysis(document), convert.offset(document, params.position))
    if named is None:
        return None
    return types.PrepareRenamePlaceholder(convert.range_of(document, named.start + 1, named.end - 1), named.name)


def rename(ls: Server, params: types.RenameParams) -> types.WorkspaceEdit | None:
    """The edits. Raises JsonRpcException, for the user to read, when it cannot be."""
    document = ls.document(params.text_document.uri)
    if document is None:
        return None
    try:
        found = names.renamed(ls.analysis(document), convert.offset(document, params.position), params.new_name)
    except names.CannotRename as error:
        raise JsonRpcException(str(error), types.LSPErrorCodes.RequestFailed.value) from None
    edits = [Edit(start, end, text) for start, end, text in found]
    return convert.workspace_edit(document, edits, ls.can("workspace.workspace_edit.document_changes"))
