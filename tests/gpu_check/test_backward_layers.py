"""Every layer by itself: forward from Caffe's own bottoms, backward from Caffe's own gradients of its tops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from golden_nets import Golden, paths
from test_backward import NETS as WITH_GRADIENTS
from test_backward import error

from prototxt_gpu_check import plan, weights
from prototxt_gpu_check.backend import Array, Backend
from prototxt_gpu_check.backprop import Backprop
from prototxt_gpu_check.layout import stored
from prototxt_gpu_check.run import Options, Pass
from prototxt_gpu_check.sources import Inputs
from prototxt_grammar.parse import parse
from prototxt_net.net import Node
from prototxt_net.phases import State
from prototxt_net.read import read

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
NETS = [pytest.param(p, id=p.stem) for p in paths(SHARED)] or [
    pytest.param(None, marks=pytest.mark.skip("../shared is not here"))
]
ONE_LAYER = 1e-5

ROUNDING = {"ssd-normalize": 1e-4}
"""A gradient that is nothing but the rounding of two nearly equal terms."""

ANY_ORDER = {"Proposal"}
"""Layers whose rows come in no particular order where scores are equal."""


class Guided:
    """A pass that is put back on Caffe's numbers after each layer; `errors` holds how far each went astray."""

    def __init__(self, golden: Golden, backend: Backend, backward: bool = False) -> None:
        self.golden, self.backend = golden, backend
        file = read(parse(golden.path.read_text()), golden.record.get("dialect", "bvlc"))
        inputs = Inputs(arrays=golden.inputs)
        planned = plan.make(file, State(golden.record["phase"]), inputs, None, None)
        stored_weights = weights.read(golden.path.with_suffix(".caffemodel"))
        options = Options(strict_fillers=True, backward=backward)
        self.run = Pass(planned, backend, inputs, options, stored_weights)
        self.index = golden.index_of(planned.net.nodes)
        self.errors: dict[tuple[str, str], float] = {}

    def forward(self) -> None:
        """Each layer in turn, its tops replaced by Caffe's."""
        for node in self.run.net.nodes:
            with np.errstate(all="ignore"):
                record = self.run._layer(node)
            assert record.checked, (node.name, record.reason)
            for blob in node.tops if node.position in self.index else ():
                caffe = self.golden.top(self.index[node.position], node.name, blob.name)
                if caffe is not None:
                    if node.type not in ANY_ORDER:
                        self.errors[node.name, blob.name] = error(self.run.arrays[blob], caffe)
                    self.run.arrays[blob] = self.like(self.run.arrays[blob], caffe)
            for blob in [b for b in node.bottoms if b is not None and b in (t.previous for t in node.tops)]:
                self.run.arrays.pop(blob, None)  # overwritten in place

    def like(self, ours: Array, caffe: Array) -> Array:
        return stored(self.backend, self.backend.asarray(caffe.reshape(ours.shape)))

    def recorded(self, node: Node, bottom: int) -> Array | None:
        """Caffe's gradient of a bottom."""
        prefix = f"bottomdiff/{self.index.get(node.position)}/{node.name}/{bottom}/"
        return next((v for k, v in self.golden.arrays.items() if k.startswith(prefix)), None)

    def backward(self) -> None:
        """Each layer in reverse, the gradients that it left replaced by Caffe's."""
        run = self.run
        done: set[tuple[Node, int]] = set()

        def correct(_: Node) -> bool:
            for (node, i), ours in list(back._diffs.items()):
                caffe = self.recorded(node, i)
                if ours is not None and caffe is not None and (node, i) not in done:
                    done.add((node, i))
                    self.errors[node.name, f"bottom {i}"] = error(ours, caffe)
                    back._diffs[node, i] = self.like(ours, caffe)
            return True

        back = Backprop(run.net, run.backend, run._recorder, run.arrays, run._steps, correct, keep_diffs=True)
        with np.errstate(all="ignore"):
            back.run()
        for (node, i), ours in back.bottom_diffs.items():
            caffe = self.recorded(node, i)
            if caffe is not None and (node, i) not in done:
                self.errors[node.name, f"bottom {i}"] = error(ours, caffe)
        back.result(run._recorder.finish(), iter([]))
        for key, total in back._params.items():
            if not isinstance(key, tuple):
                continue  # shared: the sum of several layers
            caffe = self.golden.arrays.get(f"paramdiff/{key[0].name}/{key[1]}")
            if caffe is not None:
                self.errors[key[0].name, f"param {key[1]}"] = error(total.reshape(caffe.shape), caffe)


@pytest.mark.parametrize("path", NETS)
def test_each_layer_forward_from_caffes_bottoms(path: Path) -> None:
    guided = Guided(Golden(path), Backend())
    guided.forward()
    assert {where: e for where, e in guided.errors.items() if not e <= ONE_LAYER} == {}


@pytest.mark.parametrize("path", WITH_GRADIENTS)
def test_each_layer_backward_from_caffes_gradients(path: Path) -> None:
    guided = Guided(Golden(path), Backend(), backward=True)
    guided.forward()
    guided.errors.clear()
    guided.backward()
    assert guided.errors
    allowed = ROUNDING.get(path.stem, ONE_LAYER)
    assert {where: e for where, e in guided.errors.items() if not e <= allowed} == {}
