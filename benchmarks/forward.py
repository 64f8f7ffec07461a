"""One batch on the CPU, beside OpenCV's dnn module on the same net with the same weights, in the same run.

    python benchmarks/forward.py [NET.prototxt ...] [--batch N] [--rounds R]

Ours is timed without and with the statistics that the check is for; the peer computes the outputs alone. One thread
each (the environment of this process is set before NumPy loads). CPU seconds, median [min, max] of interleaved rounds.
Without opencv-python-headless<5 (`pip install "opencv-python-headless<5"`) only our own figures are printed.
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
from pathlib import Path

import numpy as np

from prototxt_gpu_check.policy import Request, forward
from prototxt_net.schema.descriptors import message_class

ROOT = Path(__file__).resolve().parents[1]
ZOO = ROOT.parent / "shared" / "corpus"
DEFAULT = (
    ZOO / "BVLC__caffe/models/bvlc_alexnet/deploy.prototxt",
    ZOO / "BVLC__caffe/models/bvlc_googlenet/deploy.prototxt",
    ZOO / "KaimingHe__deep-residual-networks/prototxt/ResNet-50-deploy.prototxt",
)


def weights_of(text: str, folder: Path) -> Path:
    """A caffemodel with Gaussian weights for every layer of the net, so that both sides compute the same."""
    from prototxt_grammar import parse
    from prototxt_net.graph import connect
    from prototxt_net.phases import State
    from prototxt_net.read import read
    from prototxt_net.setup import set_up

    net = set_up(connect(read(parse(text), "bvlc"), State("TEST"), {}))
    rng = np.random.default_rng(0)
    model = message_class("bvlc", "NetParameter")()
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
    path = folder / "weights.caffemodel"
    path.write_bytes(model.SerializeToString())
    return path


def measure(path: Path, batch: int, rounds: int) -> None:
    text = path.read_text()
    with tempfile.TemporaryDirectory() as folder:
        weights = weights_of(text, Path(folder))
        arms = {"ours, with statistics": lambda: ours(text, weights, batch)}
        peer = opencv(path, weights, batch)
        if peer is not None:
            arms["cv2.dnn, outputs alone"] = peer
        times: dict[str, list[float]] = {name: [] for name in arms}
        for run in arms.values():
            run()
        for _ in range(rounds):
            for name, run in arms.items():
                times[name].append(run())
    print(f"\n{path.parent.name}/{path.name}, batch {batch}, {rounds} rounds, one thread")
    for name, found in times.items():
        print(f"  {name:24} {statistics.median(found):7.3f} s  [{min(found):.3f}, {max(found):.3f}]")
    if peer is not None:
        pairs = [a / b for a, b in zip(*times.values(), strict=True)]
        print(f"  ratio ours / cv2         {statistics.median(pairs):7.2f}    [{min(pairs):.2f}, {max(pairs):.2f}]")


def ours(text: str, weights: Path, batch: int) -> float:
    """CPU seconds of the layers and their statistics (reading the weights file apart)."""
    request = Request(text, dialect="bvlc", phase="TEST", weights=(str(weights),), device="cpu", batch=batch)
    result, _ = forward(request)
    return sum(result.timing_ms[key] for key in ("layers", "statistics")) / 1e3


def opencv(path: Path, weights: Path, batch: int):
    """A function that runs the peer once and says how many CPU seconds it took; None when cv2 4 is not installed."""
    try:
        import cv2
    except ImportError:
        print('cv2 is not installed: no peer (pip install "opencv-python-headless<5")', file=sys.stderr)
        return None
    cv2.setNumThreads(1)
    net = cv2.dnn.readNetFromCaffe(str(path), str(weights))
    size = 227 if "alexnet" in str(path) else 224
    blob = np.random.default_rng(1).standard_normal((batch, 3, size, size), np.float32)

    def run() -> float:
        net.setInput(blob)
        start = time.process_time()
        net.forward()
        return time.process_time() - start

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nets", nargs="*", type=Path)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    nets = options.nets or [path for path in DEFAULT if path.exists()]
    if not nets:
        sys.exit("no nets: ../shared is not here; name some deploy.prototxt files")
    for path in nets:
        measure(path, options.batch, options.rounds)


if __name__ == "__main__":
    main()
