"""Offsets to positions and findings to diagnostics, and back. Nothing else knows both worlds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lsprotocol import types

from prototxt_grammar import Edit
from prototxt_net.finding import Finding, Related
from prototxt_server.engine import DOCS_URL
from prototxt_server.lsp.document import Document

SEVERITY = {
    "error": types.DiagnosticSeverity.Error,
    "warning": types.DiagnosticSeverity.Warning,
    "info": types.DiagnosticSeverity.Information,
    "hint": types.DiagnosticSeverity.Hint,
}
UNNECESSARY = frozenset({"NET015", "NET016", "BN012", "FRZ006", "INI009", "STY007"})
"""Rules about text that has no effect: editors fade it."""
DEPRECATED = frozenset({"SCH004", "SCH016", "LOS006"})
"""Rules about old spellings: editors strike them through."""
SOURCE, FORWARD_SOURCE = "lsp", "lsp forward"


def position(document: Document, offset: int) -> types.Position:
    """The position of an offset in the client's encoding."""
    line, column = document.index.position(offset, document.encoding)
    return types.Position(line, column)


def range_of(document: Document, start: int, end: int) -> types.Range:
    """The range from start to end."""
    return types.Range(position(document, start), position(document, end))


def offset(document: Document, where: types.Position) -> int:
    """The offset of a position; one outside the text is moved to the nearest place inside."""
    return document.index.offset(where.line, where.character, document.encoding)


def span(document: Document, where: types.Range) -> tuple[int, int]:
    """The offsets of a range."""
    return offset(document, where.start), offset(document, where.end)


def diagnostic(
    document: Document,
    finding: Finding,
    source: str = SOURCE,
    place: Callable[[Related], types.Location | None] | None = None,
) -> types.Diagnostic:
    """A finding for the editor. data: the text it was made from, so that nobody acts on a moved diagnostic.

    place: knows other files too; without it notes about them are left out.
    """
    related = []
    for note in finding.related:
        where = types.Location(document.uri, range_of(document, note.start, note.end)) if not note.filename else None
        if note.filename and place is not None:
            where = place(note)
        if where is not None:
            related.append(types.DiagnosticRelatedInformation(where, note.message))
    return types.Diagnostic(
        range=range_of(document, finding.start, finding.end),
        severity=SEVERITY[finding.severity],
        code=finding.code,
        code_description=types.CodeDescription(finding.url or f"{DOCS_URL}{finding.code}.md"),
        source=source,
        message=finding.message,
        tags=_tags(finding.code),
        related_information=related or None,
        data={"version": document.version, "hash": document.hash},
    )


def _tags(code: str) -> list[types.DiagnosticTag] | None:
    if code in UNNECESSARY:
        return [types.DiagnosticTag.Unnecessary]
    if code in DEPRECATED:
        return [types.DiagnosticTag.Deprecated]
    return None


def text_edits(document: Document, edits: Sequence[Edit]) -> list[types.TextEdit]:
    """Edits for the editor."""
    return [types.TextEdit(range_of(document, edit.start, edit.end), edit.content) for edit in edits]


def workspace_edit(document: Document, edits: Sequence[Edit], versioned: bool) -> types.WorkspaceEdit:
    """Edits of one document; with its version where the client can refuse those of an older one."""
    changes = text_edits(document, edits)
    if not versioned:
        return types.WorkspaceEdit(changes={document.uri: changes})
    identifier = types.OptionalVersionedTextDocumentIdentifier(uri=document.uri, version=document.version)
    return types.WorkspaceEdit(document_changes=[types.TextDocumentEdit(identifier, list(changes))])
