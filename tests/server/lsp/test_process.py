"""The server as a process: what it loads, how it ends, what it writes where."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import pytest

URI = "file:///nets/net.prototxt"
NET = 'layer { name: "d" type: "Input" top: "x" input_param { shape { dim: 1 dim: 2 } } typo: 1 }\n'
DOCUMENT = {"textDocument": {"uri": URI}, "position": {"line": 0, "character": 17}}
OPEN = {"textDocument": {"uri": URI, "languageId": "prototxt", "version": 1, "text": NET}}
EVERYWHERE = {"start": {"line": 0, "character": 0}, "end": {"line": 9, "character": 0}}
FEATURES: dict[str, dict[str, Any]] = {
    "textDocument/diagnostic": {},
    "textDocument/hover": DOCUMENT,
    "textDocument/completion": DOCUMENT,
    "textDocument/codeAction": {"range": EVERYWHERE, "context": {"diagnostics": []}},
    "textDocument/inlayHint": {"range": EVERYWHERE},
    "textDocument/documentSymbol": {},
    "textDocument/foldingRange": {},
    "textDocument/codeLens": {},
    "textDocument/formatting": {"options": {"tabSize": 2, "insertSpaces": True}},
    "textDocument/prepareRename": DOCUMENT,
    "textDocument/selectionRange": {"positions": [DOCUMENT["position"]]},
    "workspace/symbol": {"query": "d"},
    "workspace/executeCommand": {"command": "prototxt.server.runForward", "arguments": [URI]},
}


class Wire:
    """The protocol by hand, over any pair of pipes."""

    def __init__(self, out: IO[bytes], into: IO[bytes]) -> None:
        self._out, self._into = out, into
        self._last = 0

    def notify(self, method: str, params: Any = None) -> None:
        self._send({"method": method, "params": params})

    def request(self, method: str, params: Any = None) -> Any:
        """The result; what the server says meanwhile is passed over."""
        self._last += 1
        self._send({"id": self._last, "method": method, "params": params})
        while (message := self._read()).get("id") != self._last or "method" in message:
            continue
        assert "error" not in message, message
        return message["result"]

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._out.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self._out.flush()

    def _read(self) -> dict[str, Any]:
        length = 0
        while (header := self._into.readline()) not in (b"\r\n", b""):
            found = re.match(rb"Content-Length: (\d+)", header)
            length = int(found[1]) if found else length
        body = self._into.read(length)
        assert body, "the server is gone"
        message: dict[str, Any] = json.loads(body)
        return message

    def start(self, **capabilities: Any) -> Any:
        result = self.request("initialize", {"processId": None, "rootUri": None, "capabilities": capabilities})
        self.notify("initialized", {})
        return result

    def end(self) -> None:
        self.request("shutdown")
        self.notify("exit")


@pytest.fixture
def spawn():
    """Start a server over pipes; whatever a test leaves running is ended."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*command: str) -> tuple[subprocess.Popen[bytes], Wire]:
        pipe = subprocess.PIPE
        argv = command or (sys.executable, "-m", "prototxt_server", "serve", "--stdio")
        process = subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe)
        started.append(process)
        assert process.stdin is not None
        assert process.stdout is not None
        return process, Wire(process.stdin, process.stdout)

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_numpy_and_cupy_stay_out_of_the_server(spawn) -> None:
    """After a whole session with every feature, the forward run included."""
    code = "import sys; from prototxt_server.lsp.main import serve; serve(); print(*sys.modules, file=sys.stderr)"
    process, wire = spawn(sys.executable, "-c", code)
    wire.start()
    wire.notify("textDocument/didOpen", OPEN)
    for method, params in FEATURES.items():
        wire.request(method, {"textDocument": {"uri": URI}, **params})
    wire.end()
    _, stderr = process.communicate(timeout=30)
    loaded = set(stderr.decode().split())
    assert "prototxt_server.lsp.main" in loaded
    assert not {name for name in loaded if name.partition(".")[0] in ("numpy", "cupy", "google")}


def test_ends_when_told_with_status_0_and_nothing_on_stderr(spawn) -> None:
    process, wire = spawn()
    answer = wire.start()
    assert answer["serverInfo"]["name"] == "prototxt-lsp"
    wire.notify("textDocument/didOpen", OPEN)
    wire.request("textDocument/hover", DOCUMENT)
    wire.notify("$/cancelRequest", {"id": 2})  # answered already
    with pytest.raises(AssertionError, match="only blobs"):
        wire.request(
            "textDocument/rename", {**DOCUMENT, "newName": "x"}
        )  # the user is told, the log needs no traceback
    wire.end()
    _, stderr = process.communicate(timeout=30)
    assert (process.returncode, stderr.decode()) == (0, "")


def test_ends_with_its_input(spawn) -> None:
    process, wire = spawn()
    wire.start()
    process.communicate(timeout=30)
    assert process.returncode is not None


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads /proc")
def test_leaves_no_worker_behind_when_killed(spawn) -> None:
    process, wire = spawn()
    wire.start()
    wire.notify("textDocument/didOpen", OPEN)
    wire.request("workspace/executeCommand", FEATURES["workspace/executeCommand"])
    threads = Path(f"/proc/{process.pid}/task").iterdir()
    children = [child for thread in threads for child in (thread / "children").read_text().split()]
    assert len(children) == 1
    worker = os.pidfd_open(int(children[0]))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert -process.returncode == signal.Signals.SIGKILL
    ready, _, _ = select.select([worker], [], [], 30)
    os.close(worker)
    assert ready, "the worker is still there"


def test_over_a_socket(spawn) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process, _ = spawn(sys.executable, "-m", "prototxt_server", "serve", "--tcp", f":{port}")
    for _ in range(200):  # it takes a moment until the port is open
        try:
            connection = socket.create_connection(("127.0.0.1", port), timeout=30)
            break
        except ConnectionRefusedError:
            assert process.poll() is None
            wait_a_little(process)
    with connection, connection.makefile("rwb") as file:
        wire = Wire(file, file)
        wire.start()
        wire.notify("textDocument/didOpen", OPEN)
        report = wire.request("textDocument/diagnostic", {"textDocument": {"uri": URI}})
        assert [item["code"] for item in report["items"]] == ["SCH001"]
        wire.end()
    process.wait(timeout=30)


def test_a_port_that_is_taken(spawn) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process, _ = spawn(sys.executable, "-m", "prototxt_server", "serve", "--tcp", f"127.0.0.1:{port}")
        _, stderr = process.communicate(timeout=30)
    (line,) = stderr.decode().splitlines()
    assert process.returncode == 2
    assert line.startswith(f"lsp: cannot listen on 127.0.0.1:{port}: ")


def wait_a_little(process: subprocess.Popen[bytes]) -> None:
    """Wait for a while, or for the end of the process."""
    try:
        process.wait(timeout=0.1)
    except subprocess.TimeoutExpired:
        return


def test_nonsense_on_the_wire_does_not_end_it(spawn) -> None:
    process, wire = spawn()
    wire.start()
    for body in (b"{", b"[]", b'{"jsonrpc": "2.0", "method": "textDocument/didOpen", "params": {"x": 1}}'):
        process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
    process.stdin.flush()
    wire.notify(
        "textDocument/didChange", {"textDocument": {"uri": "file:///other", "version": 2}, "contentChanges": []}
    )
    wire.notify("textDocument/didOpen", OPEN)
    assert wire.request("textDocument/diagnostic", {"textDocument": {"uri": URI}})["items"]
    wire.end()
    process.communicate(timeout=30)
    assert process.returncode == 0
