"""The forward check's worker process as the server uses it: one run at a time, each in a thread that waits for it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from prototxt_net.finding import Finding

Report = Callable[[int, int, str], None]


class Run:
    """One run. future: the worker's result; findings: what it says about the net, once the future is done."""

    def __init__(self, cancel: Callable[[], None]) -> None:
        self.future: Future[dict[str, Any]] = Future()
        self.findings: list[Finding] = []
        self.cancelled = False
        self._cancel = cancel

    def cancel(self) -> None:
        """Give up."""
        self.cancelled = True
        self._cancel()


class Worker:
    """The process, started with the first run and kept warm."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(1, "forward")

    def start(self, request: dict[str, Any], report: Report) -> Run:
        """Begin a run; `report` is called from another thread."""
        from prototxt_gpu_check.client import WorkerClient

        raise NotImplementedError(WorkerClient)

    def stop(self) -> None:
        """End the process."""
        self._threads.shutdown(wait=False, cancel_futures=True)
