"""How fast a training log is read, beside what Caffe users have: its own tools/extra/parse_log.py's way (a regular
expression a line) and grep. One core. The logs are generated into a temporary folder and deleted.

    python benchmarks/log.py [MEGABYTES]
"""

from __future__ import annotations

import re
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from prototxt_server.log.findings import report
from prototxt_server.log.reader import read

GLOG = "I1121 08:47:20.942366 19895 "
LAYERS = 53
ROUNDS = 5


def debug_pass(iteration: int) -> str:
    """One iteration of a net as deep as ResNet-50 with debug_info, as BVLC Caffe prints it."""
    out = [f"{GLOG}net.cpp:593]     [Forward] Layer data, top blob data data: 0.81{iteration % 97:02}"]
    for i in range(LAYERS):
        size = f"0.{(iteration * 7 + i * 13) % 900000 + 100000}"
        out += [
            f"{GLOG}net.cpp:593]     [Forward] Layer res{i}_branch2a, top blob res{i}_branch2a data: {size}",
            f"{GLOG}net.cpp:605]     [Forward] Layer res{i}_branch2a, param blob 0 data: 0.0217857",
            f"{GLOG}net.cpp:593]     [Forward] Layer bn{i}_branch2a, top blob res{i}_branch2a data: 0.79{i:02}",
            *(f"{GLOG}net.cpp:605]     [Forward] Layer bn{i}_branch2a, param blob {j} data: {size}" for j in range(3)),
            f"{GLOG}net.cpp:593]     [Forward] Layer relu{i}, top blob res{i}_branch2a data: 0.39{i:02}",
        ]
    for i in reversed(range(LAYERS)):
        out += [
            f"{GLOG}net.cpp:621]     [Backward] Layer relu{i}, bottom blob res{i}_branch2a diff: 0.0039{i:02}",
            f"{GLOG}net.cpp:621]     [Backward] Layer bn{i}_branch2a, bottom blob res{i}_branch2a diff: 0.0039{i:02}",
            f"{GLOG}net.cpp:632]     [Backward] Layer res{i}_branch2a, param blob 0 diff: 0.0042{i:02}",
        ]
    norms = "All net params (data, diff): L1 norm = (93.8, 11.0); L2 norm = (5.1, 0.8)"
    out.append(f"E{GLOG[1:]}net.cpp:721]     [Backward] {norms}")
    return "\n".join([*out, *plain(iteration), ""])


def plain(iteration: int) -> list[str]:
    """What an iteration prints without debug_info."""
    return [
        f"{GLOG}solver.cpp:239] Iteration {iteration} (9.5 iter/s, 2.1s/20 iters), loss = 1.69{iteration % 97:02}",
        f"{GLOG}solver.cpp:258]     Train net output #0: loss = 1.69419 (* 1 = 1.69419 loss)",
        f"{GLOG}sgd_solver.cpp:112] Iteration {iteration}, lr = 0.01",
    ]


def other(iteration: int) -> str:
    """Lines that say nothing: what a data layer, a Python layer or a training script prints."""
    return (
        f"{GLOG}data_layer.cpp:73] Restarting data prefetching from start.\nfetched 128 images, epoch 3, 12.31 s\n" * 40
    )


def write(path: Path, megabytes: int, make: Callable[[int], str]) -> int:
    """Fill a file with parts; returns its size."""
    size, iteration = 0, 0
    with path.open("w") as file:
        while size < megabytes * 1_000_000:
            part = make(iteration)
            file.write(part)
            size += len(part)
            iteration += 1
    return size


def cpu_seconds() -> float:
    """User and system time of this process and its children."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def timed(work: Callable[[], object], size: int) -> list[float]:
    """Megabytes a CPU second, of each round."""
    rates = []
    for _ in range(ROUNDS):
        begun = cpu_seconds()
        work()
        rates.append(size / 1e6 / max(cpu_seconds() - begun, 1e-9))
    return rates


_LINES = (
    re.compile(r"Iteration (\d+)"),
    re.compile(r"Train net output #(\d+): (\S+) = ([.\deE+-]+)"),
    re.compile(r"Test net output #(\d+): (\S+) = ([.\deE+-]+)"),
    re.compile(r"lr = ([-+]?[0-9]*\.?[0-9]+([eE]?[-+]?[0-9]+)?)"),
)


def a_line_at_a_time(path: Path) -> int:
    """What the usual scripts do: every expression on every line."""
    found = 0
    with path.open() as file:
        for line in file:
            for expression in _LINES:
                if expression.search(line):
                    found += 1
    return found


def main() -> None:
    """Print a table."""
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    makers = {
        "every line debug_info": debug_pass,
        "losses only": lambda i: "\n".join([*plain(i), ""]),
        "other text": other,
    }
    print(f"{megabytes} MB each; MB a CPU second, median [min, max] of {ROUNDS}")
    print(f"{'log':<24}{'lsp log':>22}{'line by line':>22}{'grep -cE':>22}")
    with tempfile.TemporaryDirectory() as folder:
        for name, make in makers.items():
            path = Path(folder) / "train.log"
            size = write(path, megabytes, make)

            def ours(path: Path = path) -> None:
                with path.open("rb") as stream:
                    report(read(stream), str(path))

            grep = ["grep", "-cE", r"Iteration [0-9]+|net output #|\[(For|Back)ward\] Layer", str(path)]
            arms: tuple[Callable[[], object], ...] = (
                ours,
                lambda path=path: a_line_at_a_time(path),  # type: ignore[misc]
                lambda grep=grep: subprocess.run(grep, capture_output=True, check=False),  # type: ignore[misc]
            )
            cells = []
            for arm in arms:
                rates = timed(arm, size)
                cells.append(f"{statistics.median(rates):.0f} [{min(rates):.0f}, {max(rates):.0f}]")
            print(f"{name:<24}" + "".join(f"{cell:>22}" for cell in cells))
    print(f"peak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
