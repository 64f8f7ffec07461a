"""The other end of the worker: starts it, asks it, gives up on it. Imports neither NumPy nor CuPy.

One run at a time; the calls block, so a server calls from a thread and a command line calls directly. A worker that
dies is replaced at the next call; a net that killed it twice on a GPU is run on the CPU from then on.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import queue
import subprocess
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from prototxt_gpu_check.exchange import EXIT_DEVICE_FAULT, PROTOCOL, encode, finding_from_json
from prototxt_net.finding import Finding

START_S = 60.0
GRACE_S = 2.0
"""How long a worker that was asked to quit may take."""
CANCEL_S = 0.4
"""How long a cancelled run may go on: it stops between layers, and one layer of a large net can take seconds."""
HARD_FACTOR = 1.5
FAULT_WINDOW_S = 600.0
CACHED = 8

Progress = Callable[[int, int, str], None]


class WorkerError(Exception):
    """The run gave no result. code: "refused", "file", "died", "timeout", "device_fault", "internal" or "protocol"."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class RunCancelled(Exception):
    """The run was cancelled."""


@dataclass(slots=True)
class Report:
    """A result: the documented JSON object (its findings apart), the findings, and debug_info lines if asked for."""

    data: dict[str, Any]
    findings: list[Finding] = field(default_factory=list)
    debug_info: list[str] = field(default_factory=list)


class WorkerClient:
    """A worker process, started when first needed and kept warm. quiet: what it writes to its log is dropped."""

    def __init__(
        self, command: list[str] | None = None, env: Mapping[str, str] | None = None, quiet: bool = False
    ) -> None:
        self._log = subprocess.DEVNULL if quiet else None
        self._command = command or [sys.executable, "-P", "-m", "prototxt_gpu_check.worker"]
        self._env = dict(env) if env is not None else None
        self._process: subprocess.Popen[bytes] | None = None
        self._replies: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._ids = itertools.count(1)
        self._run_lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._faults: dict[tuple[str, str], float] = {}
        self._pinned: set[tuple[str, str]] = set()
        self._cache: OrderedDict[str, Report] = OrderedDict()

    @property
    def pid(self) -> int | None:
        """The worker's process id while it lives."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def check(
        self,
        request: Mapping[str, Any],
        progress: Progress | None = None,
        cancel: threading.Event | None = None,
        timeout_s: float | None = None,
    ) -> Report:
        """Run one batch. request: as policy.Request, with paths for `inputs` and `weights`, "debug_info" for its lines
        and "parameters" for the means of the parameter blobs, each of which then has to be looked at.

        cancel: set it from any thread. timeout_s: the worker is killed after that; by default half as much again as the
        request's deadline_s, if it has one. Raises WorkerError and RunCancelled.
        """
        key = hashlib.blake2b(json.dumps(dict(request), sort_keys=True, default=str).encode()).hexdigest()
        reads_files = bool(request.get("weights") or request.get("inputs"))
        with self._run_lock:
            if key in self._cache and not reads_files:
                self._cache.move_to_end(key)
                return self._cache[key]
            message = {**request, "op": "check"}
            where = (
                hashlib.blake2b(str(request.get("text", "")).encode("utf-8", "surrogatepass")).hexdigest(),
                str(request.get("device")),
            )
            if where in self._pinned:
                message["device"] = "cpu"
            deadline = request.get("deadline_s")
            if timeout_s is None and deadline is not None:
                timeout_s = HARD_FACTOR * float(deadline)
            try:
                data = self._call(message, progress, cancel, timeout_s)
            except WorkerError as error:
                if error.code == "device_fault":
                    self._count_fault(where)
                raise
            report = Report(data)
            report.findings = [finding_from_json(f) for f in data.pop("findings", ())]
            report.debug_info = data.pop("debug_info", [])
            if where in self._pinned:
                note = "This net has crashed the GPU twice, so it ran on the CPU."
                data["degraded"] = [{"code": "pinned-to-cpu", "message": note}, *data.get("degraded", ())]
            if not reads_files and not _looked_for_data(data):
                self._cache[key] = report
                while len(self._cache) > CACHED:
                    self._cache.popitem(last=False)
            return report

    def probe(self, timeout_s: float = START_S) -> dict[str, Any]:
        """The GPU's state (see probe.py), for `doctor` and the status item; warms the worker up."""
        with self._run_lock:
            return self._call({"op": "probe"}, None, None, timeout_s)

    def close(self) -> None:
        """End the worker: politely, then by force."""
        process = self._process
        self._process = None
        if process is None:
            return
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            process.stdin.write(encode({"op": "quit"}))
            process.stdin.close()
        try:
            process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def kill(self) -> None:
        """End the worker at once; a call in progress raises WorkerError("died")."""
        process = self._process
        if process is not None:
            process.kill()
            process.wait()

    # -- one call ------------------------------------------------------------------------------------------------------

    def _call(
        self,
        message: dict[str, Any],
        progress: Progress | None,
        cancel: threading.Event | None,
        timeout_s: float | None,
    ) -> dict[str, Any]:
        number = next(self._ids)
        self._start()
        self._send({**message, "id": number})
        end = None if timeout_s is None else time.monotonic() + timeout_s
        given_up: float | None = None
        while True:
            now = time.monotonic()
            if cancel is not None and cancel.is_set() and given_up is None:
                given_up = now + CANCEL_S
                self._send({"op": "cancel", "id": number})
            if given_up is not None and now >= given_up:
                self.kill()
                raise RunCancelled
            if end is not None and now >= end:
                self.kill()
                raise WorkerError("timeout", f"The forward run took longer than {timeout_s:.0f} s and was ended.")
            # Short waits only while somebody may cancel; else as long as there is time.
            wait = 0.05 if cancel is not None else None if end is None else end - now
            try:
                reply = self._replies.get(timeout=wait)
            except queue.Empty:
                continue
            if reply is None:
                if given_up is not None:
                    raise RunCancelled
                raise self._death()
            if reply.get("id") != number:
                continue
            if "progress" in reply:
                if progress is not None:
                    done, total, layer = reply["progress"]
                    progress(done, total, layer)
            elif "cancelled" in reply:
                raise RunCancelled
            elif "error" in reply:
                if reply["error"]["code"] == "device_fault":
                    self.kill()  # it is ending: the next call must not find it still there
                raise WorkerError(reply["error"]["code"], reply["error"]["message"])
            else:
                result: dict[str, Any] = reply["result"]
                return result

    def _start(self) -> None:
        if self.pid is not None:
            return
        self._replies = queue.Queue()
        try:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, env=self._env
            )
        except OSError as error:
            raise WorkerError("died", f"The worker process cannot be started: {error}") from None
        threading.Thread(target=_pump, args=(self._process, self._replies), daemon=True).start()
        try:
            hello = self._replies.get(timeout=START_S)
        except queue.Empty:
            self.kill()
            raise WorkerError("timeout", f"The worker process did not answer within {START_S:.0f} s.") from None
        if hello is None:
            raise self._death()
        if hello.get("protocol") != PROTOCOL:
            self.kill()
            raise WorkerError("protocol", "The worker process speaks another protocol.")

    def _send(self, message: dict[str, Any]) -> None:
        process = self._process
        if process is None or process.stdin is None:
            return
        with self._write_lock, contextlib.suppress(OSError):  # a dead worker shows in its replies
            process.stdin.write(encode(message))
            process.stdin.flush()

    def _death(self) -> WorkerError:
        process = self._process
        code = process.wait() if process is not None else None
        if code == EXIT_DEVICE_FAULT:
            return WorkerError("device_fault", "The GPU failed and the worker process ended; the next run starts anew.")
        return WorkerError("died", f"The worker process ended unexpectedly (exit code {code}).")

    def _count_fault(self, where: tuple[str, str]) -> None:
        now = time.monotonic()
        if now - self._faults.get(where, -FAULT_WINDOW_S) < FAULT_WINDOW_S:
            self._pinned.add(where)
        self._faults[where] = now


def _looked_for_data(data: Mapping[str, Any]) -> bool:
    """Whether the result depends on files that the net names: they may have changed, or appeared, at the next call."""
    missed = any(item.get("code") == "data-synthetic" for item in data.get("degraded", ()))
    return missed or any("source" in layer for layer in data.get("layers", ()))


def _pump(process: subprocess.Popen[bytes], replies: queue.Queue[dict[str, Any] | None]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        try:
            reply = json.loads(line)
        except ValueError:
            break
        if isinstance(reply, dict):
            replies.put(reply)
    replies.put(None)
