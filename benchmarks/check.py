"""A cold `lsp check` of one file, and of a folder, as a whole process, beside its peers in the same run.

    python benchmarks/check.py [NET.prototxt ...] [--folder FOLDER] [--rounds R]

Peers: `python -c pass` (the floor), protoc reading the same file (when `protoc` is on PATH: it parses and encodes, and
checks nothing but the schema), and protobuf's Python text_format. CPU seconds (user + system) of each finished process,
median [min, max] of interleaved rounds after one warm-up round, and the ratio to protoc pair by pair.

The folder is checked by one process: without the cache, with an empty one, and with a full one. Its peer is one protoc
a file, which is how protoc is used; only files that it accepts are given to either. The same loop a second time shows
how far two equal figures of this run may lie apart.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from prototxt_net.schema.descriptors import file_descriptor
from prototxt_net.schema.load import schema

ROOT = Path(__file__).resolve().parents[1]
ZOO = ROOT.parent / "shared" / "corpus"
FOLDER = ZOO / "BVLC__caffe"
DEFAULT = (
    ZOO / "KaimingHe__deep-residual-networks/prototxt/ResNet-152-deploy.prototxt",
    ZOO / "BVLC__caffe/models/bvlc_googlenet/deploy.prototxt",
)
TEXT_FORMAT = """
import sys
from google.protobuf import text_format
from prototxt_net.schema.descriptors import message_class
text_format.Parse(open(sys.argv[1]).read(), message_class("bvlc", "NetParameter")())
"""


def cpu_seconds(command: list[str], stdin: Path | None = None, **more: str) -> float:
    """User and system time of one process from start to end. more: of its environment."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Byte code is cached as on a user's machine, whatever this shell says.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | more
    with open(stdin or os.devnull, "rb") as source:
        done = subprocess.run(
            command, stdin=source, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment, check=False
        )
    if done.returncode not in (0, 1):
        sys.exit(f"{' '.join(command[:3])} ... ended with {done.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(path: Path, rounds: int, descriptors: Path) -> None:
    arms = {
        "lsp check": ([sys.executable, "-m", "prototxt_server", "check", str(path), "--isolated", "--no-cache"], None),
        "python -c pass": ([sys.executable, "-c", "pass"], None),
        "text_format.Parse": ([sys.executable, "-c", TEXT_FORMAT, str(path)], None),
    }
    protoc = shutil.which("protoc")
    if protoc:
        command = [protoc, f"--descriptor_set_in={descriptors}", "--encode=caffe.NetParameter"]
        arms["protoc --encode"] = (command, path)
    else:
        print("protoc is not on PATH: no C++ peer (Debian: protobuf-compiler)", file=sys.stderr)
    times: dict[str, list[float]] = {name: [] for name in arms}
    for round_ in range(rounds + 1):
        for name, (command, stdin) in arms.items():
            seconds = cpu_seconds(command, stdin)
            if round_:
                times[name].append(seconds)
    print(f"\n{path.name}, {path.stat().st_size:,} bytes, {rounds} rounds, CPU ms of a whole process")
    for name, found in times.items():
        low, middle, high = (1000 * x for x in (min(found), statistics.median(found), max(found)))
        line = f"  {name:20} {middle:7.1f}  [{low:.1f}, {high:.1f}]"
        if protoc and name != "protoc --encode":
            pairs = [a / b for a, b in zip(found, times["protoc --encode"], strict=True)]
            line += f"   {statistics.median(pairs):5.1f} x protoc"
        print(line)


def protoc_command(path: Path, protoc: str, descriptors: Path) -> list[str] | None:
    """How protoc encodes a file, None when it refuses it as a net and as a solver."""
    for message in ("NetParameter", "SolverParameter"):
        command = [protoc, f"--descriptor_set_in={descriptors}", f"--encode=caffe.{message}"]
        with path.open("rb") as source:
            done = subprocess.run(command, stdin=source, capture_output=True, check=False)
        if done.returncode == 0:
            return command
    return None


def measure_many(folder: Path, rounds: int, descriptors: Path, scratch: Path) -> None:
    protoc = shutil.which("protoc")
    if not protoc:
        return
    paths = sorted(path for path in folder.rglob("*.prototxt*") if path.is_file())
    loop = [(path, command) for path in paths if (command := protoc_command(path, protoc, descriptors))]
    check = [sys.executable, "-m", "prototxt_server", "check", "--isolated", "--jobs", "1", "--exit-zero"]
    check += [str(path) for path, _ in loop]
    full = str(scratch / "full")

    def protoc_loop() -> float:
        return sum(cpu_seconds(command, path) for path, command in loop)

    arms = {
        "protoc, one process a file": protoc_loop,
        "the same again": protoc_loop,
        "lsp check, no cache": lambda: cpu_seconds([*check, "--no-cache"]),
        "lsp check, empty cache": lambda: cpu_seconds(check, LSP_CACHE_DIR=tempfile.mkdtemp(dir=scratch)),
        "lsp check, full cache": lambda: cpu_seconds(check, LSP_CACHE_DIR=full),
    }
    times: dict[str, list[float]] = {name: [] for name in arms}
    for round_ in range(rounds + 1):
        for name, run in arms.items():
            seconds = run()
            if round_:
                times[name].append(seconds)
    size = sum(path.stat().st_size for path, _ in loop)
    print(
        f"\n{folder.name}: {len(loop)} of {len(paths)} files, {size:,} bytes, {rounds} rounds, CPU ms of all processes"
    )
    peer = times["protoc, one process a file"]
    for name, found in times.items():
        low, middle, high = (1000 * x for x in (min(found), statistics.median(found), max(found)))
        ratio = statistics.median([b / a for a, b in zip(found, peer, strict=True)])
        print(f"  {name:28} {middle:7.0f}  [{low:.0f}, {high:.0f}]   {ratio:5.2f} x the work of protoc per CPU second")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nets", nargs="*", type=Path)
    parser.add_argument("--folder", type=Path, help="nets and solvers to check in one process")
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    nets = options.nets or [path for path in DEFAULT if path.exists() and not options.folder]
    if not nets and not options.folder:
        sys.exit("no nets: ../shared is not here; name some .prototxt files")
    with tempfile.TemporaryDirectory() as folder:
        descriptors = Path(folder) / "bvlc.pb"
        descriptors.write_bytes(FileDescriptorSet(file=[file_descriptor(schema("bvlc"))]).SerializeToString())
        for path in nets:
            measure(path, options.rounds, descriptors)
        many = options.folder or (FOLDER if not options.nets and FOLDER.is_dir() else None)
        if many:
            measure_many(many, options.rounds, descriptors, Path(folder))


if __name__ == "__main__":
    main()
