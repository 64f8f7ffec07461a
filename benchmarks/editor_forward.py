"""From a click on the one-batch check to its findings: wall milliseconds through a warm worker, statistics and all.

    python benchmarks/editor_forward.py [NET ...] [--rounds R]

Each round asks with another seed, because a worker's answers are remembered. `cold` is the first answer of a fresh
worker, which loads NumPy first. Two threads at most: a laptop's editor is not alone. The goals are 100 ms for LeNet and
3 s for ResNet-50 with 4 images.
"""

from __future__ import annotations

import os

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "2"

import argparse
import statistics
import time
from pathlib import Path

from prototxt_gpu_check.client import WorkerClient

ROOT = Path(__file__).resolve().parents[1]
ZOO = ROOT.parent / "shared" / "corpus"
DEFAULT = (
    ZOO / "BVLC__caffe/examples/mnist/lenet_train_test.prototxt",
    ZOO / "KaimingHe__deep-residual-networks/prototxt/ResNet-50-deploy.prototxt",
)


def measure(client: WorkerClient, path: Path, rounds: int) -> list[float]:
    """Milliseconds of each answer; batch as the editor asks for it."""
    times = []
    for seed in range(rounds):
        request = {"text": path.read_text(), "device": "cpu", "batch": 4, "seed": seed, "backward": None}
        start = time.perf_counter()
        client.check(request)
        times.append((time.perf_counter() - start) * 1e3)
    return times


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("nets", nargs="*", type=Path)
    options.add_argument("--rounds", type=int, default=9)
    asked = options.parse_args()
    print(f"{'wall ms':<28}{'cold':>9}{'p50':>9}{'min':>9}{'max':>9}")
    for path in asked.nets or [path for path in DEFAULT if path.exists()]:
        client = WorkerClient()
        try:
            cold, *warm = measure(client, path, asked.rounds + 1)
        finally:
            client.close()
        print(f"{path.stem[:27]:<28}{cold:>9.0f}{statistics.median(warm):>9.0f}{min(warm):>9.0f}{max(warm):>9.0f}")


if __name__ == "__main__":
    main()
