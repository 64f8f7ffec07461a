"""textDocument/codeAction: quick fixes, ignoring a finding, fixing all, running one batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from lsprotocol import types

from prototxt_grammar import Edit, LineIndex
from prototxt_net.finding import Finding
from prototxt_server import suppress
from prototxt_server.analysis import Analysis, Source
from prototxt_server.fixing import fix_text
from prototxt_server.lsp import convert
from prototxt_server.lsp.document import Document
from prototxt_server.lsp.forward import RUN_FORWARD

if TYPE_CHECKING:
    from prototxt_server.lsp.server import Server

FIX_ALL = f"{types.CodeActionKind.SourceFixAll.value}.prototxt"
RUN = "prototxt.runForward"  # no `source` action: VS Code keeps those out of the lightbulb's menu
OPTIONS = types.CodeActionOptions(
    code_action_kinds=[types.CodeActionKind.QuickFix, FIX_ALL, RUN], resolve_provider=True
)


def code_actions(ls: Server, params: types.CodeActionParams) -> list[types.CodeAction]:
    """What can be done about the range. Made from the present findings, never from what the client remembers."""
    document = ls.document(params.text_document.uri)
    if document is None:
        return []
    only = [str(getattr(kind, "value", kind)) for kind in params.context.only or ()]
    actions: list[types.CodeAction] = []
    analysis = ls.analysis(document)
    if _wanted(only, types.CodeActionKind.QuickFix.value):
        start, end = convert.span(document, params.range)
        here = [f for f in (*analysis.findings, *document.forward) if f.start <= end and start <= f.end]
        for finding in here:
            actions += _fixes(ls, document, finding, params.context.diagnostics)
        actions += _ignores(ls, document, analysis, here)
    if _wanted(only, FIX_ALL) and any(f.fix and f.fix.applicability == "safe" for f in analysis.findings):
        action = types.CodeAction("Fix all that is safe to fix", kind=FIX_ALL, data=document.uri)
        lazy = ls.can("text_document.code_action.resolve_support") and ls.can("text_document.code_action.data_support")
        actions.append(action if lazy else resolve(ls, action))
    if _wanted(only, RUN) and analysis.file.kind == "net":
        title = "Run one-batch forward"
        actions.append(
            types.CodeAction(title, kind=RUN, command=types.Command(title, RUN_FORWARD, arguments=[document.uri]))
        )
    return actions


def resolve(ls: Server, action: types.CodeAction) -> types.CodeAction:
    """Compute the edit of "fix all", which the client asks for only when the user wants it."""
    document = ls.document(str(action.data)) if isinstance(action.data, str) else None
    if document is not None:
        settings = ls.configuration.settings(document)
        fixed = fix_text(Source(document.text, document.path), settings, unsafe=False)
        action.edit = convert.workspace_edit(document, difference(document.text, fixed), _versioned(ls))
    return action


def difference(old: str, new: str) -> list[Edit]:
    """Edits of whole lines that turn one text into another, so that the cursor and the folds stay where they are."""
    index = LineIndex(old)
    before, after = index.lines(), LineIndex(new).lines()
    starts = [*index.starts, len(old)]
    blocks = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    return [Edit(starts[a], starts[b], "".join(after[c:d])) for tag, a, b, c, d in blocks if tag != "equal"]


def _wanted(only: list[str], kind: str) -> bool:
    return not only or any(kind == asked or kind.startswith(f"{asked}.") for asked in only)


def _versioned(ls: Server) -> bool:
    return ls.can("workspace.workspace_edit.document_changes")


def _fixes(
    ls: Server, document: Document, finding: Finding, shown: Sequence[types.Diagnostic]
) -> Iterator[types.CodeAction]:
    fix = finding.fix
    if fix is None:
        return
    where = convert.range_of(document, finding.start, finding.end)
    safe = fix.applicability == "safe"
    yield types.CodeAction(
        title=f"{fix.message} ({finding.code})"
        if safe
        else f"{fix.message} ({finding.code}, changes what it computes)",
        kind=types.CodeActionKind.QuickFix,
        diagnostics=[d for d in shown if d.code == finding.code and d.range == where] or None,
        is_preferred=True if safe else None,
        edit=convert.workspace_edit(document, fix.edits, _versioned(ls)),
    )


def _ignores(ls: Server, document: Document, analysis: Analysis, findings: list[Finding]) -> Iterator[types.CodeAction]:
    for finding in {(f.code, f.layer): f for f in findings}.values():
        edit = suppress.ignore_edit(analysis, finding)
        if edit is not None:
            yield types.CodeAction(
                title=f"Ignore {finding.code} for this layer" if finding.layer else f"Ignore {finding.code} here",
                kind=types.CodeActionKind.QuickFix,
                edit=convert.workspace_edit(document, (edit,), _versioned(ls)),
            )
