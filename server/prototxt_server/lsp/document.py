"""An open document: its text spliced from the client's changes, and the one analysis of it.

Own class instead of pygls' `TextDocument`, which splits lines where the protocol does not (form feed, U+2028) and
rebuilds the text line by line on each change.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from hashlib import blake2b

from lsprotocol import types
from pygls.uris import to_fs_path

from prototxt_grammar import LineIndex
from prototxt_net.finding import Finding
from prototxt_server.analysis import Analysis, Settings, Source
from prototxt_server.assist.batch import Batch
from prototxt_server.engine import analyze
from prototxt_server.linked import Linked, Reader, gather

logger = logging.getLogger(__name__)


class Document:
    """One open document. encoding: how the client counts columns. forward, batch, verdict: what the last run said of
    this very text: its findings, its numbers, and its summary ("" where there was none).

    beside: how often the files that it is judged beside have changed.
    """

    __slots__ = (
        "_analysis", "_hash", "_linked", "batch", "beside", "encoding", "forward", "forward_run", "index", "path",
        "uri", "verdict", "version",
    )  # fmt: skip

    def __init__(self, uri: str, text: str, version: int | None, encoding: str) -> None:
        self.uri = uri
        self.path = to_fs_path(uri) or ""
        self.version = version
        self.encoding = encoding
        self.index = LineIndex(text)
        self.forward: tuple[Finding, ...] = ()
        self.batch: Batch | None = None
        self.verdict = ""
        self.forward_run = 0
        self.beside = 0
        self._analysis: Analysis | None = None
        self._linked: Analysis | None = None
        self._hash = ""

    def change(self, version: int, changes: Sequence[types.TextDocumentContentChangeEvent]) -> None:
        """Apply changes in order. A change without range replaces the text."""
        for change in changes:
            if isinstance(change, types.TextDocumentContentChangePartial):
                where = change.range
                start = self.index.offset(where.start.line, where.start.character, self.encoding)
                end = self.index.offset(where.end.line, where.end.character, self.encoding)
                self.index = self.index.updated(start, max(start, end), change.text)
            else:
                self.index = LineIndex(change.text)
        self.version = version
        self.forget_run()
        self._hash = ""

    def forget_run(self) -> None:
        """What the last run said holds no longer."""
        self.forward, self.batch, self.verdict = (), None, ""

    @property
    def text(self) -> str:
        """The present text."""
        return self.index.text

    @property
    def hash(self) -> str:
        """A digest of the text."""
        if not self._hash:
            self._hash = blake2b(self.text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        return self._hash

    def analysis(self, settings: Settings, reader: Reader | None = None) -> Analysis:
        """The analysis of the present text beside the files that belong with it; computed again when one of them
        changes.
        """
        alone = self.alone(settings)
        linked = None if reader is None else gather(alone, reader)
        last = self._linked
        if last is not None and last.source is alone.source and last.settings == settings and last.linked == linked:
            return last
        if linked != (None if last is None else last.linked):
            self.beside += 1
        self._linked = alone if linked is None else analyze(alone.source, settings, alone, linked)
        return self._linked

    @property
    def linked(self) -> Linked | None:
        """The files that it was judged beside."""
        return None if self._linked is None else self._linked.linked

    def alone(self, settings: Settings) -> Analysis:
        """The analysis of the present text by itself; computed once per text, from the last one."""
        last = self._analysis
        if last is not None and last.source.text is self.text and last.settings == settings:
            return last
        if last is not None and last.settings != settings:
            last = None
        source = Source(self.text, self.path)
        try:
            self._analysis = analyze(source, settings, last)
        except Exception:
            if last is None:
                raise
            # A bug of ours. What it left behind must not spoil the next keystroke too: begin anew.
            logger.exception("analysing a change of %s failed", self.uri)
            self._analysis = None
            self._analysis = analyze(source, settings)
        return self._analysis
