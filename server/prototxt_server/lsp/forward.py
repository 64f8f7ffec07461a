"""The command that runs one batch: in the worker process, with progress and cancellation, off the event loop."""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException, JsonRpcInvalidParams, JsonRpcRequestCancelled

from prototxt_gpu_check.client import Report, RunCancelled, WorkerClient, WorkerError
from prototxt_net.finding import Finding
from prototxt_net.words import count
from prototxt_server.analysis import Analysis
from prototxt_server.assist.batch import batch_of
from prototxt_server.forward import as_findings, request_of
from prototxt_server.lsp import diagnostics
from prototxt_server.rates import solvers_of

if TYPE_CHECKING:
    from prototxt_server.lsp.server import Server

logger = logging.getLogger(__name__)
RUN_FORWARD = "prototxt.server.runForward"
TITLE = "One-batch forward"
DEADLINE_S = 300.0
"""After that the layers that have run are reported; a client that cannot cancel must not wait for ever."""
_ANSWER_SECONDS = 5.0
_numbers = itertools.count(1)


class Runs:
    """The worker and the run that is in progress. A new run ends the one before it, and closing its document ends it.

    uri: the document of the last run. number: how many there were.
    """

    def __init__(self) -> None:
        self._client = WorkerClient()
        self._cancel = threading.Event()
        self.uri = ""
        self.number = 0

    def begin(self, uri: str) -> int:
        """A run of a document is asked for; its number."""
        self._cancel.set()
        self._cancel = threading.Event()
        self.uri = uri
        self.number += 1
        return self.number

    def closed(self, uri: str) -> None:
        """Nobody will see what a run of that document says."""
        if uri == self.uri:
            self._cancel.set()

    async def run(self, request: dict[str, Any], progress: _Progress, number: int) -> Report:
        """Run one batch, unless another run has begun since. Raises WorkerError and RunCancelled."""
        if number != self.number:
            raise RunCancelled
        cancel = self._cancel
        progress.on_cancel(cancel.set)
        try:
            return await asyncio.to_thread(self._client.check, request, progress.report, cancel)
        finally:
            cancel.set()  # the server may be ending while the thread still waits

    def close(self) -> None:
        """End the worker, at once: it holds nothing that could be lost."""
        self._cancel.set()
        self._client.kill()


def register(server: Server) -> None:
    """Attach the command."""

    async def run_command(*arguments: Any) -> dict[str, Any]:
        return await run_forward(server, *arguments)

    server.command(RUN_FORWARD)(run_command)


async def run_forward(ls: Server, *arguments: Any) -> dict[str, Any]:
    """Run one batch of an open document; its findings become diagnostics until the text changes.

    Returns a summary. Raises JsonRpcInvalidParams for a document that is not open, JsonRpcRequestCancelled when the
    user gave up, JsonRpcException when there is no result.
    """
    document = ls.document(str(arguments[0])) if arguments else None
    if document is None:
        raise JsonRpcInvalidParams("the command takes the URI of an open document")
    judged, digest = ls.analysis(document), document.hash
    number = ls.runs.begin(document.uri)
    request = _request(ls, judged)
    ls.status("running", message=TITLE)
    progress = await _Progress.begin(ls)
    state, device, message = "error", "", "failed"
    try:
        report = await ls.runs.run(request, progress, number)
        found = as_findings(report.findings, judged)
        summary = _summary(report, found)
        if ls.document(document.uri) is document and document.hash == digest:
            document.forward = tuple(found)
            document.batch, document.verdict = batch_of(report.data), summary["message"]
            document.forward_run += 1
            diagnostics.refresh(ls)
        else:
            summary["message"] += "; but the text has changed since: run it again"
        device, message = summary["device"], summary["message"]
        state = "error" if summary["status"] == "error" else "idle"
        return summary
    except RunCancelled:
        state, message = "idle", "cancelled"
        raise JsonRpcRequestCancelled("the forward run was cancelled") from None
    except WorkerError as error:
        message = str(error)
        raise JsonRpcException(message, types.LSPErrorCodes.RequestFailed.value) from None
    finally:
        if number == ls.runs.number:
            ls.status(state, device, message)
        progress.end(message)


def _request(ls: Server, judged: Analysis) -> dict[str, Any]:
    """What the worker is asked: the text as it was judged, beside the files that are open."""
    return request_of(
        judged,
        data="auto",
        backward="auto",
        solvers=[solver.to_json() for solver in solvers_of(judged, ls.reader)],
        device=ls.settings.device,
        batch=ls.settings.batch,
        deadline_s=DEADLINE_S,
    )


def _summary(report: Report, found: list[Finding]) -> dict[str, Any]:
    """What the command hands back: the result without its numbers."""
    data = report.data
    verdict = count(len(found), "finding") if found else "nothing to report"
    batch = f", batch {data['batch_used']}" if data.get("batch_used") else ""
    kept = ("status", "device", "phase", "batch_requested", "batch_used", "loss", "timing_ms", "degraded")
    summary: dict[str, Any] = {key: data.get(key) for key in kept}
    summary["findings"] = [{"code": f.code, "layer": f.layer, "message": f.message} for f in found]
    summary["message"] = data.get("error") or f"{verdict} on {data['device']}{batch}, {data['phase']}"
    return summary


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
        except (JsonRpcException, TimeoutError) as error:  # says it can and then refuses: run without
            logger.warning("no progress can be shown: %s", error)
            return cls(ls, None)
        ls.work_done_progress.begin(token, types.WorkDoneProgressBegin(title=TITLE, cancellable=True, percentage=0))
        return cls(ls, token)

    def on_cancel(self, cancel: Callable[[], None]) -> None:
        """Call `cancel` when the user gives up."""
        if self._token is not None:
            future = self._ls.work_done_progress.tokens[self._token]
            future.add_done_callback(lambda done: cancel() if done.cancelled() else None)

    def report(self, done: int, total: int, layer: str) -> None:
        """From any thread: `done` of `total` layers have run; `layer` is the next."""
        self._loop.call_soon_threadsafe(self._report, done, total, layer)

    def _report(self, done: int, total: int, layer: str) -> None:
        if self._token is not None:
            value = types.WorkDoneProgressReport(message=layer, percentage=100 * done // max(total, 1))
            self._ls.work_done_progress.report(self._token, value)

    def end(self, message: str) -> None:
        """Take it off the screen."""
        if self._token is not None:
            self._ls.work_done_progress.end(self._token, types.WorkDoneProgressEnd(message=message))
            self._ls.work_done_progress.tokens.pop(self._token, None)
            self._token = None
