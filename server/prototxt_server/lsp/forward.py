"""The command that runs one batch: in the worker process, with progress and cancellation, off the event loop."""

from __future__ import annotations

import asyncio
import itertools
import logging
from typing import TYPE_CHECKING, Any

from lsprotocol import types
from pygls.exceptions import JsonRpcInvalidParams, JsonRpcRequestCancelled

from prototxt_server.lsp import diagnostics
from prototxt_server.lsp.document import Document
from prototxt_server.lsp.worker import Run, Worker

if TYPE_CHECKING:
    from prototxt_server.lsp.server import Server

logger = logging.getLogger(__name__)
RUN_FORWARD = "prototxt.server.runForward"
TITLE = "One-batch forward"
_ANSWER_SECONDS = 5.0
_numbers = itertools.count(1)


def register(server: Server) -> None:
    """Attach the command."""

    async def run_command(*arguments: Any) -> dict[str, Any]:
        return await run_forward(server, *arguments)

    server.command(RUN_FORWARD)(run_command)


def stop(ls: Server) -> None:
    """End the worker process, if there is one."""
    if ls.worker is not None:
        ls.worker.stop()
        ls.worker = None


async def run_forward(ls: Server, *arguments: Any) -> dict[str, Any]:
    """Run one batch of an open document; its findings become diagnostics until the text changes.

    Returns a summary. Raises JsonRpcInvalidParams for a document that is not open, JsonRpcRequestCancelled when the
    user gave up.
    """
    document = ls.document(str(arguments[0])) if arguments else None
    if document is None:
        raise JsonRpcInvalidParams("the command takes the URI of an open document")
    if ls.worker is None:
        ls.worker = Worker()
    digest = document.hash
    ls.status("running", message=TITLE)
    progress = await _Progress.begin(ls)
    run = ls.worker.start(_request(ls, document), progress.report)
    progress.on_cancel(run.cancel)
    try:
        result = await asyncio.wrap_future(run.future)
    except Exception as error:
        logger.exception("the forward run failed")
        ls.status("error", message=str(error))
        progress.end("failed")
        raise
    if run.cancelled:
        ls.status("idle", message="cancelled")
        progress.end("cancelled")
        raise JsonRpcRequestCancelled("the forward run was cancelled")
    _show(ls, document, digest, run)
    summary = _summary(result)
    ls.status("error" if summary["status"] == "error" else "idle", summary["device"], summary["message"])
    progress.end(summary["message"])
    return summary


def _request(ls: Server, document: Document) -> dict[str, Any]:
    """The worker's request for the present text, in the first phase that the file is meant for."""
    nets = ls.analysis(document).nets
    return {
        "op": "check",
        "text": document.text,
        "path": document.path,
        "phase": nets[0].phase if nets else "TRAIN",
        "dialect": ls.analysis(document).file.dialect,
        "device": ls.settings.device,
        "batch": ls.settings.batch,
    }


def _show(ls: Server, document: Document, digest: str, run: Run) -> None:
    """Make the findings diagnostics, unless they are about a text that is no longer there."""
    if ls.document(document.uri) is document and document.hash == digest:
        document.forward = tuple(run.findings)
        document.forward_run += 1
        diagnostics.refresh(ls)


def _summary(result: dict[str, Any]) -> dict[str, Any]:
    device, status = str(result.get("device", "")), str(result.get("status", "error"))
    findings = result.get("findings") or []
    worst = f"{len(findings)} finding{'' if len(findings) == 1 else 's'}" if findings else "nothing to report"
    batch = result.get("batch_used")
    message = result.get("message") or f"{worst} on {device}" + (f", batch {batch}" if batch else "")
    return {"status": status, "device": device, "batch_used": batch, "findings": len(findings), "message": str(message)}


class _Progress:
    """Work-done progress of one run; does nothing for a client that cannot show it."""

    def __init__(self, ls: Server, token: str | None) -> None:
        self._ls = ls
        self._token = token
        self._loop = asyncio.get_running_loop()

    @classmethod
    async def begin(cls, ls: Server) -> _Progress:
        """Ask the client for a place to show it."""
        if not ls.can("window.work_done_progress"):
            return cls(ls, None)
        token = f"prototxt-forward-{next(_numbers)}"
        try:
            await asyncio.wait_for(ls.work_done_progress.create_async(token), _ANSWER_SECONDS)
        except Exception as error:  # a client that says it can and then refuses: run without
            logger.warning("no progress can be shown: %s", error)
            return cls(ls, None)
        ls.work_done_progress.begin(token, types.WorkDoneProgressBegin(title=TITLE, cancellable=True, percentage=0))
        return cls(ls, token)

    def on_cancel(self, cancel: Any) -> None:
        """Call `cancel` when the user gives up."""
        if self._token is not None:
            future = self._ls.work_done_progress.tokens[self._token]
            future.add_done_callback(lambda done: cancel() if done.cancelled() else None)

    def report(self, done: int, total: int, layer: str) -> None:
        """From any thread: `done` of `total` layers have run; `layer` is the next."""
        if self._token is not None:
            value = types.WorkDoneProgressReport(message=layer, percentage=100 * done // max(total, 1))
            self._loop.call_soon_threadsafe(self._ls.work_done_progress.report, self._token, value)

    def end(self, message: str) -> None:
        """Take it off the screen."""
        if self._token is not None:
            self._ls.work_done_progress.end(self._token, types.WorkDoneProgressEnd(message=message))
            self._ls.work_done_progress.tokens.pop(self._token, None)
