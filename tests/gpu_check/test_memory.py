"""Memory of a pass: what nobody reads any more is let go, and large nets stay far below the goal of 4 GiB."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from prototxt_gpu_check import plan
from prototxt_gpu_check.backend import Backend
from prototxt_gpu_check.run import Options, Pass
from prototxt_gpu_check.sources import Inputs
from prototxt_grammar.parse import parse
from prototxt_net.phases import State
from prototxt_net.read import read

CORPUS = Path(__file__).resolve().parents[2].parent / "shared" / "corpus"
LARGE = {
    "VGG16": "NVIDIA__caffe/models/vgg16/train_val.prototxt",
    "ResNet-152": "KaimingHe__deep-residual-networks/prototxt/ResNet-152-deploy.prototxt",
}
GOAL_GIB = 4

MEASURE = """
import resource, sys
from prototxt_gpu_check.policy import Request, forward
result, _ = forward(Request(open(sys.argv[1]).read(), phase="TRAIN", device="cpu", batch=4))
assert (result.status, result.batch_used) == ("ok", 4), (result.status, result.batch_used)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""

CHAIN = """
layer { name: "in" type: "Input" top: "data" top: "target"
  input_param { shape { dim: 2 dim: 3 dim: 6 dim: 6 } shape { dim: 2 dim: 4 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "msra" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "ip" type: "InnerProduct" bottom: "conv" top: "ip"
  inner_product_param { num_output: 4 weight_filler { type: "msra" } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "target" top: "loss" }
"""


def kept(backward: bool) -> list[tuple[str, str]]:
    """(blob, layer) of the arrays that are left after a pass."""
    planned = plan.make(read(parse(CHAIN), "bvlc"), State("TRAIN"), Inputs(), None, None)
    run = Pass(planned, Backend(), Inputs(), Options(backward=backward))
    assert run.run().status == "ok"
    return [(blob.name, blob.producer.name) for blob in run.arrays]


def test_forward_alone_keeps_nothing() -> None:
    assert kept(backward=False) == []


def test_backward_keeps_the_last_version_on_each_memory() -> None:
    assert ("conv", "relu") in kept(backward=True)
    assert ("conv", "conv") not in kept(backward=True)  # overwritten in place, in Caffe too


@pytest.mark.slow
@pytest.mark.parametrize("path", LARGE.values(), ids=LARGE.keys())
def test_large_nets_run_in_little_memory(path: str) -> None:
    if not (CORPUS / path).exists():
        pytest.skip("../shared is not here")
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(CORPUS / path)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) / 2**20 < GOAL_GIB  # ru_maxrss is in KiB on Linux
