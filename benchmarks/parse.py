"""What reading the text alone costs: a fresh parse to a tree with offsets, no schema, no rules.

    python benchmarks/parse.py [NET.prototxt ...] [--rounds R]

In process, CPU time, interleaved rounds: our `parse`, the same again (how far equal figures of this run lie apart),
protobuf's Python `text_format.Parse`, and the strict Lark grammar over the whole text (`parse_strict`: what plain Lark
costs). Then beside C++: whole processes that parse the file less the same processes on an empty one, ours and
`protoc --encode` with a descriptor set, when protoc is on PATH.
"""

from __future__ import annotations

import argparse
import gc
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from check import DEFAULT, cpu_seconds
from google.protobuf import text_format
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from prototxt_grammar import parse
from prototxt_grammar.strict import parse_strict
from prototxt_net.schema.descriptors import file_descriptor, message_class
from prototxt_net.schema.load import schema

ONE = "import sys, gc; gc.disable(); from prototxt_grammar import parse; parse(sys.stdin.read())"


def in_process(text: str, rounds: int) -> dict[str, list[float]]:
    """CPU milliseconds of each way of reading the text."""
    net = message_class("bvlc", "NetParameter")
    arms: dict[str, Callable[[], object]] = {
        "ours": lambda: parse(text),
        "ours again": lambda: parse(text),
        "text_format.Parse": lambda: text_format.Parse(text, net()),
        "plain Lark": lambda: parse_strict(text),
    }
    times: dict[str, list[float]] = {name: [] for name in arms}
    for round_ in range(rounds + 1):
        for name, run in arms.items():
            gc.collect()
            gc.disable()
            begun = time.process_time_ns()
            run()
            if round_:
                times[name].append((time.process_time_ns() - begun) / 1e6)
            gc.enable()
    return times


def beside_protoc(path: Path, rounds: int, protoc: str, scratch: Path) -> dict[str, float]:
    """CPU milliseconds that the file costs beyond an empty one, medians of interleaved processes."""
    descriptors = scratch / "bvlc.pb"
    descriptors.write_bytes(FileDescriptorSet(file=[file_descriptor(schema("bvlc"))]).SerializeToString())
    empty = scratch / "empty.prototxt"
    empty.touch()
    commands = {
        "ours": [sys.executable, "-c", ONE],
        "protoc": [protoc, f"--descriptor_set_in={descriptors}", "--encode=caffe.NetParameter"],
        "protoc again": [protoc, f"--descriptor_set_in={descriptors}", "--encode=caffe.NetParameter"],
    }
    times: dict[tuple[str, Path], list[float]] = {}
    for round_ in range(rounds + 1):
        for name, command in commands.items():
            for file in (path, empty):
                seconds = cpu_seconds(command, file)
                if round_:
                    times.setdefault((name, file), []).append(1000 * seconds)
    return {n: statistics.median(times[n, path]) - statistics.median(times[n, empty]) for n in commands}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nets", nargs="*", type=Path)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    nets = options.nets or [path for path in DEFAULT if path.exists()]
    if not nets:
        sys.exit("no nets: ../shared is not here; name some .prototxt files")
    protoc = shutil.which("protoc")
    for path in nets:
        text = path.read_text("utf-8")
        times = in_process(text, options.rounds)
        print(f"\n{path.name}, {len(text):,} characters, {options.rounds} rounds, CPU ms")
        for name, found in times.items():
            ratio = statistics.median([a / b for a, b in zip(found, times["ours"], strict=True)])
            middle = statistics.median(found)
            print(f"  {name:20} {middle:8.2f}  [{min(found):.2f}, {max(found):.2f}]   {ratio:5.1f} x ours")
        if protoc:
            with tempfile.TemporaryDirectory() as folder:
                costs = beside_protoc(path, options.rounds, protoc, Path(folder))
            for name, cost in costs.items():
                print(f"  {name + ', marginal':20} {cost:8.2f}   {cost / costs['protoc']:5.2f} x protoc")


if __name__ == "__main__":
    main()
