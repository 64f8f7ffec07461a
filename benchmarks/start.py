"""What starting the server costs: from the process's start to the answer to `initialize` and its end, CPU time.

    python benchmarks/start.py [--rounds R]

Peers in the same run: pygls' `LanguageServer` with no feature at all (the floor for a server on pygls), that server a
second time (how far equal figures lie apart), and `python -c pass`. Interleaved rounds after one warm-up; the goal is
1.2 times the bare server.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys

BARE = 'from pygls.lsp.server import LanguageServer; LanguageServer("bare", "1").start_io()'


def message(body: dict[str, object]) -> bytes:
    content = json.dumps({"jsonrpc": "2.0", **body}).encode()
    return b"Content-Length: %d\r\n\r\n%s" % (len(content), content)


SESSION = b"".join(
    (
        message({"id": 1, "method": "initialize", "params": {"processId": None, "rootUri": None, "capabilities": {}}}),
        message({"method": "initialized", "params": {}}),
        message({"id": 2, "method": "shutdown"}),
        message({"method": "exit"}),
    )
)


def cpu_ms(command: list[str], session: bytes) -> float:
    """User and system milliseconds of a server that is greeted, shut down and told to leave."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, input=session, capture_output=True, env=environment, check=False, timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if session and b'"capabilities"' not in done.stdout:
        sys.exit(f"{' '.join(command)} did not answer: {done.stderr.decode()[-500:]}")
    return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    arms = {
        "lsp serve": ([sys.executable, "-m", "prototxt_server", "serve", "--stdio"], SESSION),
        "bare pygls server": ([sys.executable, "-c", BARE], SESSION),
        "the same again": ([sys.executable, "-c", BARE], SESSION),
        "python -c pass": ([sys.executable, "-c", "pass"], b""),
    }
    times: dict[str, list[float]] = {name: [] for name in arms}
    for round_ in range(options.rounds + 1):
        for name, (command, session) in arms.items():
            spent = cpu_ms(command, session)
            if round_:
                times[name].append(spent)
    print(f"{options.rounds} rounds, CPU ms of a whole process")
    for name, found in times.items():
        ratio = statistics.median([a / b for a, b in zip(found, times["bare pygls server"], strict=True)])
        middle = statistics.median(found)
        print(f"  {name:20} {middle:7.0f}  [{min(found):.0f}, {max(found):.0f}]   {ratio:5.2f} x the bare server")


if __name__ == "__main__":
    main()
