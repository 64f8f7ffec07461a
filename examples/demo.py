"""`make demo`: the main job on the nets of this folder, as a user would type it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent

STEPS = [
    (
        "Every layer from bnorm1 on puts out zeros, and without the BatchNorm the same net trains. Why?",
        "check bn_zero_gamma.prototxt --select BN031,BN032",
    ),
    (
        "Is that so? One batch through the net shows the layer where the signal stops.",
        "forward bn_zero_gamma.prototxt",
    ),
    (
        "Let the fixes be applied, to a copy ...",
        "check fixed.prototxt --select BN031,BN032 --fix --unsafe-fixes",
    ),
    (
        "... and run it again.",
        "forward fixed.prototxt",
    ),
    (
        "BVLC Caffe reads the same text otherwise: its BatchNorm has no gamma, so other things count.",
        "check bn_zero_gamma.prototxt --dialect bvlc",
    ),
    (
        "Only a training log is left? It says where it went wrong first, and the net says why.",
        "log bn_zero_gamma.log --net bn_zero_gamma.prototxt",
    ),
    (
        "What do other nets of this folder suffer from? README.md tells their stories.",
        "check bn_by_the_blog.prototxt frozen_teacher.prototxt dead_layer.prototxt loss_87.prototxt --statistics",
    ),
    (
        "A net with nothing to complain about: what is in it?",
        "describe lenet_bn.prototxt",
    ),
]


def main() -> int:
    """Run the steps; the exit code is 1 when one of them broke (findings are what a demo is for)."""
    broken = 0
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for path in (*HERE.glob("*.prototxt"), *HERE.glob("*.log")):
            shutil.copy(path, work)
        shutil.copy(work / "bn_zero_gamma.prototxt", work / "fixed.prototxt")
        for number, (title, arguments) in enumerate(STEPS, 1):
            print(f"\n{'=' * 100}\n{number}. {title}\n\n$ lsp {arguments}", flush=True)
            start = time.perf_counter()
            command = [sys.executable, "-m", "prototxt_server", *arguments.split()]
            done = subprocess.run(command, cwd=work, stderr=subprocess.STDOUT, check=False)
            print(f"\n[{time.perf_counter() - start:.1f} s, exit code {done.returncode}]", flush=True)
            broken += done.returncode not in (0, 1)
    print(f"\n{'=' * 100}\nYour own nets: {Path(sys.executable).parent / 'lsp'} check PATH. In VS Code: make vsix.")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
