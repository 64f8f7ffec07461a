"""textDocument/completion, and the documentation of the proposal that is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lsprotocol import types

from prototxt_server.assist import completion as proposals
from prototxt_server.lsp import convert

if TYPE_CHECKING:
    from prototxt_server.lsp.server import Server

KINDS = {
    "field": types.CompletionItemKind.Field,
    "message": types.CompletionItemKind.Struct,
    "enum": types.CompletionItemKind.EnumMember,
    "layer-type": types.CompletionItemKind.Class,
    "filler": types.CompletionItemKind.Value,
    "blob": types.CompletionItemKind.Variable,
    "word": types.CompletionItemKind.Keyword,
    "snippet": types.CompletionItemKind.Snippet,
    "rule": types.CompletionItemKind.Reference,
}
OPTIONS = types.CompletionOptions(trigger_characters=['"', "'", ":", "[", "="], resolve_provider=True)


def complete(ls: Server, params: types.CompletionParams) -> types.CompletionList:
    """What may be written here."""
    document = ls.document(params.text_document.uri)
    if document is None:
        return types.CompletionList(is_incomplete=False, items=[])
    snippets = ls.can("text_document.completion.completion_item.snippet_support")
    offset = convert.offset(document, params.position)
    typed = params.context.trigger_character if params.context is not None else None
    items = [
        types.CompletionItem(
            label=item.label,
            kind=KINDS[item.kind],
            detail=item.detail,
            sort_text=f"{item.order:04d} {number:04d}",  # as Caffe declares them, not by the alphabet
            insert_text_format=types.InsertTextFormat.Snippet if snippets else types.InsertTextFormat.PlainText,
            text_edit=types.TextEdit(
                convert.range_of(document, item.start, offset), item.text if snippets else item.plain
            ),
            tags=[types.CompletionItemTag.Deprecated] if item.deprecated else None,
            data={"doc": list(item.doc_key), "more": item.more},
        )
        for number, item in enumerate(proposals.complete(ls.analysis(document), offset, only_values=bool(typed)))
    ]
    return types.CompletionList(is_incomplete=False, items=items)


def resolve(ls: Server, item: types.CompletionItem) -> types.CompletionItem:
    """Add the documentation."""
    key = item.data.get("doc") if isinstance(item.data, dict) else None
    if isinstance(key, list) and len(key) == 3:
        first, second, third = (str(part) for part in key)
        item.documentation = types.MarkupContent(types.MarkupKind.Markdown, proposals.document((first, second, third)))
    return item
