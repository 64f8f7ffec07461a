"""The worker process: `python -m prototxt_gpu_check.worker`. Runs one batch at a time and may die without harm.

Requests come on stdin, replies go to a private copy of stdout; file descriptor 1 itself is pointed at stderr, so that
nothing that a library prints can end up between two replies. End of input means the end of the process: no orphans.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path
from typing import Any, BinaryIO

from prototxt_gpu_check.exchange import (
    EXIT_DEVICE_FAULT,
    EXIT_OK,
    EXIT_PROTOCOL,
    PROTOCOL,
    encode,
    finding_to_json,
)

IDLE_S = 600.0
PROGRESS_S = 0.2
_OWN_FOLDER = "prototxt-lsp-cupy-"


def prepare_environment() -> None:
    """What CuPy reads when imported: no reductions compiled at run time (1.2 s each), a cache folder it may write."""
    os.environ.setdefault("CUPY_ACCELERATORS", "")
    if "CUPY_CACHE_DIR" not in os.environ:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = base / "prototxt-lsp" / "cupy"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            writable = os.access(folder, os.W_OK)
        except OSError:
            writable = False
        os.environ["CUPY_CACHE_DIR"] = str(folder) if writable else tempfile.mkdtemp(prefix=_OWN_FOLDER)


class Worker:
    """The process's state: the queue that the reader thread fills, the ids that were cancelled, the probe's answer."""

    def __init__(self, requests: BinaryIO, replies: BinaryIO) -> None:
        self._requests = requests
        self._replies = replies
        self._write_lock = threading.Lock()
        self._queue: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._cancelled: set[Any] = set()
        self._probe: Any = None

    def serve(self) -> int:
        """Answer until quit, end of input, or ten idle minutes; the exit code."""
        threading.Thread(target=self._read, daemon=True).start()
        self.send({"hello": 1, "protocol": PROTOCOL, "pid": os.getpid()})
        while True:
            try:
                request = self._queue.get(timeout=IDLE_S)
            except queue.Empty:
                return EXIT_OK
            if request is None or request.get("op") == "quit":
                return EXIT_OK
            self._answer(request)

    def send(self, message: dict[str, Any]) -> None:
        """Write one reply."""
        data = encode(message)
        with self._write_lock:
            self._replies.write(data)
            self._replies.flush()

    def _read(self) -> None:
        for line in self._requests:
            try:
                request = json.loads(line)
                if not isinstance(request, dict):
                    raise ValueError("a request is an object")
            except ValueError as error:
                print(f"worker: not a request: {error}", file=sys.stderr, flush=True)
                os._exit(EXIT_PROTOCOL)
            if request.get("op") == "cancel":
                self._cancelled.add(request.get("id"))
            else:
                self._queue.put(request)
        # Nobody is there any more: a run in progress has no reader either.
        os._exit(EXIT_OK)

    def _answer(self, request: dict[str, Any]) -> None:
        number, op = request.get("id"), request.get("op")
        try:
            if op == "check":
                self._check(number, request)
            elif op in ("probe", "warm"):
                # A folder made for this process alone is gone with it and nobody's cache.
                kept = os.environ.get("CUPY_CACHE_DIR", "")
                cache = "" if os.path.basename(kept).startswith(_OWN_FOLDER) else kept
                self.send({"id": number, "result": {**self.probe().to_json(), "cache": cache}})
            elif op == "ping":
                self.send({"id": number, "result": {}})
            else:
                self.send({"id": number, "error": {"code": "protocol", "message": f"unknown op {op!r}"}})
        finally:
            self._cancelled.discard(number)

    def probe(self) -> Any:
        """The GPU's state, found out once."""
        if self._probe is None:
            from prototxt_gpu_check.probe import probe

            self._probe = probe()
        return self._probe

    def _check(self, number: Any, request: dict[str, Any]) -> None:
        from prototxt_gpu_check.debug_info import lines
        from prototxt_gpu_check.policy import Refused, forward
        from prototxt_gpu_check.run import Cancelled

        last = 0.0

        def progress(done: int, total: int, layer: str) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last >= PROGRESS_S:
                last = now
                self.send({"id": number, "progress": [done, total, layer]})

        def usable() -> tuple[int | None, str]:
            found = self.probe()
            return found.index, found.why

        try:
            result, findings = forward(read_request(request), progress, lambda: number in self._cancelled, usable)
        except Refused as error:
            self.send({"id": number, "error": {"code": error.code, "message": str(error)}})
        except Cancelled:
            self.send({"id": number, "cancelled": True})
        except Exception as error:
            self._failed(number, error)
        else:
            out = result.to_json(parameters=bool(request.get("parameters")))
            out["findings"] = [finding_to_json(f) for f in findings]
            if request.get("debug_info"):
                out["debug_info"] = list(lines(result))
            self.send({"id": number, "result": out})

    def _failed(self, number: Any, error: Exception) -> None:
        traceback.print_exception(error, file=sys.stderr)  # to whoever keeps a log; a command line does not
        fault = any(kind.__module__.startswith("cupy") for kind in type(error).__mro__)
        code = "device_fault" if fault else "internal"
        message = f"{type(error).__name__}: {error}"
        if fault:
            message = f"The GPU failed ({message}) and the worker process ended; the next run starts anew."
        self.send({"id": number, "error": {"code": code, "message": message}})
        if fault:
            # A CUDA error sticks to the process, and an orderly teardown would only print more of them.
            sys.stderr.flush()
            os._exit(EXIT_DEVICE_FAULT)


def read_request(data: dict[str, Any]) -> Any:
    """A JSON request as policy.Request. Raises policy.Refused for arrays that cannot be read."""
    from tokenize import TokenError

    import numpy as np

    from prototxt_gpu_check.policy import Refused, Request
    from prototxt_gpu_check.solver import Solver

    inputs = {}
    for name, path in (data.get("inputs") or {}).items():
        try:
            array = np.load(path, allow_pickle=False)
        except OSError as error:
            raise Refused(f"{path}: {error.strerror or error}", "file") from None
        except (ValueError, EOFError, SyntaxError, TokenError):  # the head is a dictionary in Python's words
            raise Refused(f"{path} is no .npy file, or not a whole one", "file") from None
        except MemoryError:
            raise Refused(f"{path} does not fit into memory, if it holds what its head says", "file") from None
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub" or not array.size:
            held = f"{array.dtype} of shape {array.shape}" if isinstance(array, np.ndarray) else "several arrays"
            raise Refused(f"{path} cannot be used for '{name}': it holds {held}, not one array of numbers", "file")
        with np.errstate(over="ignore"):  # a double beyond float32 is infinite in Caffe too
            inputs[name] = array.astype(np.float32, copy=False)
    paths = data.get("weights") or ()
    return Request(
        text=data["text"],
        dialect=data.get("dialect") or "auto",
        phase=data.get("phase") or "auto",
        level=int(data.get("level") or 0),
        stages=tuple(data.get("stages") or ()),
        shapes={name: tuple(shape) for name, shape in (data.get("shapes") or {}).items()},
        inputs=inputs,
        data=data.get("data") or "synthetic",
        path=data.get("path") or "",
        weights=(paths,) if isinstance(paths, str) else tuple(paths),
        device=data.get("device") or "auto",
        batch=data.get("batch"),
        seed=int(data.get("seed") or 0),
        tf32=bool(data.get("tf32")),
        dropout=bool(data.get("dropout")),
        strict_fillers=bool(data.get("strict_fillers")),
        deadline_s=data.get("deadline_s"),
        backward=None if data.get("backward") == "auto" else bool(data.get("backward")),
        parameters=bool(data.get("parameters") or data.get("debug_info")),
        solvers=tuple(Solver(**solver) for solver in data.get("solvers") or ()),
    )


def main() -> int:
    """Take stdout away from everybody else, then serve."""
    prepare_environment()
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    requests = os.fdopen(os.dup(0), "rb")
    return Worker(requests, replies).serve()


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)
