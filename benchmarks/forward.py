"""One batch on the CPU, beside PyTorch and OpenCV's dnn module on the same net with the same weights, in the same run.

    python benchmarks/forward.py [NET.prototxt | NAME OF benchmarks/zoo ...] [--batch N] [--rounds R]

Ours is timed with the statistics of all blobs, which the check is for (a report that prints those of the weights looks
at these too), and (`layers alone`) with them cut out; the peers compute the outputs alone. One thread each (the
environment of this process is set before NumPy loads). CPU seconds, median [min, max] of interleaved rounds. The
outputs of all are compared first. A peer that is not installed is left out (`pip install torch
"opencv-python-headless<5"`).
"""

from __future__ import annotations

import os

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch_peer
import zoo

from prototxt_gpu_check import plan
from prototxt_gpu_check.backend import Backend
from prototxt_gpu_check.run import Options, Pass
from prototxt_gpu_check.sources import Inputs
from prototxt_gpu_check.stats import Recorder
from prototxt_gpu_check.weights import StoredLayer, Weights
from prototxt_grammar import parse
from prototxt_net.file import NetFile
from prototxt_net.graph import connect
from prototxt_net.net import PhaseNet
from prototxt_net.phases import State
from prototxt_net.read import read
from prototxt_net.schema.descriptors import message_class
from prototxt_net.setup import set_up

ROOT = Path(__file__).resolve().parents[1]
CORPUS = ROOT.parent / "shared" / "corpus"
DEFAULT = (
    CORPUS / "BVLC__caffe/models/bvlc_alexnet/deploy.prototxt",
    CORPUS / "BVLC__caffe/models/bvlc_googlenet/deploy.prototxt",
    CORPUS / "KaimingHe__deep-residual-networks/prototxt/ResNet-50-deploy.prototxt",
)
OUR_OWN = ("alexnet", "googlenet", "resnet50")
"""Nets of the same structure, for a clone without the public files."""
DEPTHWISE = "mobilenet"

Run = Callable[[], tuple[float, np.ndarray]]
OURS, BARE = "ours, with statistics", "ours, layers alone"


def model_of(net: PhaseNet, folder: Path) -> tuple[dict[str, list[np.ndarray]], Path]:
    """Gaussian weights for every layer, and a caffemodel of them, so that all sides compute the same."""
    rng = np.random.default_rng(0)
    model = message_class("bvlc", "NetParameter")()
    weights: dict[str, list[np.ndarray]] = {}
    for node in net.nodes:
        layer = model.layer.add()
        layer.name, layer.type = node.name, node.type
        for blob in node.setup.params:
            stored = layer.blobs.add()
            shape = [int(d) for d in blob.shape or ()]  # deploy nets: every size is known
            stored.shape.dim.extend(shape)
            fan_in = max(1, int(np.prod(shape[1:])))
            if blob.role in ("variance", "factor", "gamma"):
                values = np.ones(shape, np.float32)
            elif blob.role == "weight":
                values = rng.standard_normal(shape, np.float32) * np.float32((2 / fan_in) ** 0.5)
            else:
                values = np.zeros(shape, np.float32)
            stored.data.extend(values.ravel().tolist())
            weights.setdefault(node.name, []).append(values)
    path = folder / "weights.caffemodel"
    path.write_bytes(model.SerializeToString())
    return weights, path


def measure(name: str, batch: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(name)
        if name in zoo.NAMES:
            path = Path(folder, f"{name}.prototxt")
            path.write_text(zoo.write(name))
        measure_file(path, Path(folder), batch, rounds)


def measure_file(path: Path, folder: Path, batch: int, rounds: int) -> None:
    file = read(parse(path.read_text()), "bvlc")
    net = set_up(connect(file, State("TEST"), {}))
    shape = [int(d) for d in net.nodes[0].tops[0].shape or ()]
    x = np.random.default_rng(1).standard_normal((batch, *shape[1:]), np.float32)
    weights, model = model_of(net, folder)
    arms: dict[str, Run | None] = {
        OURS: ours(file, held(weights), x),
        "PyTorch": torch(net, weights, x),
        "cv2.dnn": opencv(path, model, x),
    }
    runs = {name: run for name, run in arms.items() if run is not None}
    outputs = {name: run()[1].reshape(batch, -1) for name, run in runs.items()}
    for name, output in outputs.items():
        difference = float(np.abs(output - outputs[OURS]).max())
        assert difference < 1e-4, f"{name} computes something else: {difference:g}"
    times: dict[str, list[float]] = {name: [] for name in (OURS, BARE, *runs)}
    for _ in range(rounds):
        for name, run in runs.items():
            times[name].append(run()[0])
        times[BARE].append(times[OURS][-1] - Timed.seconds)
    title = path.name if path.parent == folder else f"{path.parent.name}/{path.name}"
    print(f"\n{title}, batch {batch}, {rounds} rounds, one thread; outputs agree within 1e-4")
    for name, found in times.items():
        row = f"  {name:22} {statistics.median(found):7.3f} s  [{min(found):.3f}, {max(found):.3f}]"
        if name not in (OURS, BARE):
            whole, bare = ratio(times[OURS], found), ratio(times[BARE], found)
            row += f"   ours / it {whole}; layers alone / it {bare}"
        print(row)


def ratio(a: list[float], b: list[float]) -> str:
    """The median of the ratios within the rounds, with their span."""
    pairs = sorted(x / y for x, y in zip(a, b, strict=True))
    return f"{statistics.median(pairs):.2f} [{pairs[0]:.2f}, {pairs[-1]:.2f}]"


class Timed(Recorder):
    """A recorder that tells what it cost."""

    seconds = 0.0

    def record(self, x: np.ndarray) -> int:
        """As the recorder's."""
        start = time.process_time()
        index = super().record(x)
        Timed.seconds += time.process_time() - start
        return index


@dataclass
class Held:
    """A parameter blob that lies in memory, as the peers have theirs: reading files is not what is measured."""

    values: np.ndarray
    legacy: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Its own."""
        return self.values.shape

    @property
    def size(self) -> int:
        """Numbers in it."""
        return self.values.size

    def array(self) -> np.ndarray:
        """The values."""
        return self.values


def held(weights: dict[str, list[np.ndarray]]) -> Weights:
    """The same weights as our own reader would give them."""
    return Weights({name: StoredLayer(name, "", [Held(w) for w in blobs]) for name, blobs in weights.items()}, "")


def ours(file: NetFile, weights: Weights, x: np.ndarray) -> Run:
    """CPU seconds of the layers and their statistics (reading and judging apart), and the output."""

    def run() -> tuple[float, np.ndarray]:
        net = set_up(connect(file, State("TEST"), {}))
        inputs = Inputs({net.nodes[0].tops[0].name: x})
        made = plan.make(file, State("TEST"), inputs, None, None)
        output = made.net.outputs[0]
        once = Pass(made, Backend(), inputs, Options(keep=frozenset([output])), weights)
        once._recorder = Timed(once.backend)
        Timed.seconds = 0.0
        start = time.process_time()
        once.run()
        return time.process_time() - start, np.asarray(once.arrays[output])

    return run


def torch(net: PhaseNet, weights: dict[str, list[np.ndarray]], x: np.ndarray) -> Run | None:
    """PyTorch, outputs alone; None when it is not installed."""
    forward = torch_peer.runner(net, weights)
    if forward is None:
        print("torch is not installed: left out", file=sys.stderr)
        return None
    return lambda: timed(lambda: forward(x))


def opencv(path: Path, model: Path, x: np.ndarray) -> Run | None:
    """OpenCV's dnn, outputs alone; None when version 4 is not installed."""
    try:
        import cv2
    except ImportError:
        print("opencv-python-headless<5 is not installed: left out", file=sys.stderr)
        return None
    cv2.setNumThreads(1)
    net = cv2.dnn.readNetFromCaffe(str(path), str(model))

    def forward() -> np.ndarray:
        net.setInput(x)
        return net.forward().copy()

    return lambda: timed(forward)


def timed(run: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    """CPU seconds of a call, and what it gave."""
    start = time.process_time()
    output = run()
    return time.process_time() - start, output


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nets", nargs="*")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    public = [str(path) for path in DEFAULT if path.exists()]
    for name in options.nets or [*(public or OUR_OWN), DEPTHWISE]:
        measure(name, options.batch, options.rounds)


if __name__ == "__main__":
    main()
