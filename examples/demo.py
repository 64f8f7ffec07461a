"""`make demo`: the main job on the nets of this folder, as a user would type it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent

STEPS = [
    (
        "Every layer from bnorm1 on puts out zeros. Why?",
        ["check", "bn_zero_gamma.prototxt"],
    ),
    (
        "Prove it: run one batch and find the layer where the signal stops.",
        ["forward", "bn_zero_gamma.prototxt"],
    ),
    (
        "What would the fixes change?",
        ["check", "bn_zero_gamma.prototxt", "--diff", "--unsafe-fixes", "--select", "BN"],
    ),
    (
        "The same text under BVLC Caffe, whose BatchNorm has no gamma of its own.",
        ["check", "bn_zero_gamma.prototxt", "--dialect", "bvlc", "--format", "concise"],
    ),
    (
        "A net with nothing to complain about: what is in it?",
        ["describe", "lenet_bn.prototxt"],
    ),
]


def main() -> int:
    """Run the steps; the exit code is 1 when one of them broke (findings are what a demo is for)."""
    broken = 0
    for title, arguments in STEPS:
        print(f"\n# {title}\n$ lsp {' '.join(arguments)}", flush=True)
        start = time.perf_counter()
        done = subprocess.run([sys.executable, "-m", "prototxt_server", *arguments], cwd=HERE, check=False)
        print(f"  [{time.perf_counter() - start:.1f} s, exit code {done.returncode}]", flush=True)
        broken += done.returncode not in (0, 1)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
