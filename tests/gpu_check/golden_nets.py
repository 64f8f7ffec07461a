"""The golden nets of the oracle: real Caffe's inputs, parameters and every top, run through our own floors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import prototxt_net.layers  # noqa: F401  (registers the layer types)
from prototxt_gpu_check import plan, weights
from prototxt_gpu_check.backend import Array, Backend
from prototxt_gpu_check.result import ForwardResult
from prototxt_gpu_check.run import Options, Pass
from prototxt_gpu_check.sources import Inputs
from prototxt_gpu_check.splits import split_name, split_tops
from prototxt_grammar.parse import parse
from prototxt_net.net import Node
from prototxt_net.phases import State
from prototxt_net.read import read

NOT_RUN = frozenset({"Python"})
"""BVLC's Python layer needs a module of its examples."""

RANDOM = {"segnet-dropout_test_sampling": frozenset({"top/1/d1/d1", "top/3/loss_d1/loss_d1"})}
"""What hangs on a draw of Caffe's own generator."""

NOT_IN_CAFFE = {"pvanet-roi_pooling": "its CPU backward is empty; here the gradient is what the GPU computes"}
"""Nets whose gradients are not compared, and why."""


@dataclass
class Golden:
    """One recorded net."""

    path: Path
    inputs: dict[str, npt.NDArray[np.float32]] = field(init=False)

    def __post_init__(self) -> None:
        self.inputs = {k[6:]: self.arrays[k] for k in self.arrays if k.startswith("input/")}

    @cached_property
    def record(self) -> dict[str, Any]:
        """The JSON beside the net."""
        return json.loads(self.path.with_suffix(".json").read_text())

    @cached_property
    def arrays(self) -> dict[str, npt.NDArray[np.float32]]:
        """All arrays of the npz."""
        with np.load(self.path.with_suffix(".npz")) as file:
            return dict(file)

    def run(self, backend: Backend, backward: bool = False) -> tuple[Pass, ForwardResult]:
        """The whole net from its recorded inputs and weights, every blob (and gradient) kept.

        Where the record is of a second pass, so is the result: the first one has moved the running averages.
        """
        file = read(parse(self.path.read_text()), self.record.get("dialect", "bvlc"))
        inputs = Inputs(arrays=self.inputs)
        planned = plan.make(file, State(self.record["phase"]), inputs, None, None)
        every = frozenset(top for node in planned.net.nodes for top in node.tops)
        stored = weights.read(self.path.with_suffix(".caffemodel"))
        options = Options(strict_fillers=True, keep=every, backward=backward, keep_diffs=backward)
        for _ in range(self.record.get("forwards", 1) - 1):
            first = Pass(planned, backend, inputs, options, stored)
            first.run()
            for (node, index), moved in first.updates.items():
                stored.layers[node.name].blobs[index] = Moved(backend.to_host(moved))
        run = Pass(planned, backend, inputs, options, stored)
        return run, run.run()

    def index_of(self, nodes: list[Node]) -> dict[int, int]:
        """Our layer positions -> Caffe's, which count the Splits that it inserted."""
        ours = {node.position: node.name for node in nodes}
        found: dict[int, int] = {}
        waiting = list(self.record["layers"])
        for position, name in ours.items():
            at = next((i for i, layer in enumerate(waiting) if layer["name"] == name), None)
            if at is None:
                continue  # `input:` fields make no layer in dialects without an Input layer
            found[position] = waiting[at]["index"]
            waiting = waiting[at + 1 :]
        return found

    def top(self, index: int, layer: str, blob: str) -> npt.NDArray[np.float32] | None:
        """A recorded top that is no draw."""
        key = f"top/{index}/{layer}/{blob}"
        return None if key in RANDOM.get(self.path.stem, ()) else self.arrays.get(key)

    def forward(self, run: Pass) -> Iterator[tuple[str, Array, Array]]:
        """Every recorded result of the forward pass that is no draw: (key, ours, Caffe's), on the host.

        Raises KeyError for a record that nothing of ours stands beside.
        """
        ours: dict[str, Array] = {}
        index = self.index_of(run.net.nodes)
        for node in run.net.nodes:
            for blob in node.tops:
                ours[f"top/{index.get(node.position)}/{node.name}/{blob.name}"] = run.arrays[blob]
                split = next((x["index"] for x in self.record["layers"] if x["name"] == split_name(blob)), None)
                for top in split_tops(blob):
                    ours[f"top/{split}/{split_name(blob)}/{top}"] = run.arrays[blob]
        for (node, i), moved in run.updates.items():
            ours[f"param_after/{node.name}/{i}"] = moved
        for key in self.compared("top/", "param_after/"):
            yield key, run.backend.to_host(ours[key]), self.arrays[key]

    def compared(self, *prefixes: str) -> list[str]:
        """The recorded tensors of these kinds but those that are drawn."""
        return [key for key in self.arrays if key.startswith(prefixes) and key not in RANDOM.get(self.path.stem, ())]


def recorded(shared: Path) -> list[Path]:
    """The golden nets that have arrays."""
    found = [
        p for folder in ("golden", "forks/golden") for p in sorted((shared / "oracle" / folder).glob("*.prototxt"))
    ]
    return [p for p in found if p.with_suffix(".npz").exists()]


def paths(shared: Path) -> list[Path]:
    """Those whose layers all run here."""
    return [p for p in recorded(shared) if not _types(p) & NOT_RUN]


def with_gradients(shared: Path) -> list[Path]:
    """Those with gradients to compare."""
    found = [p for p in paths(shared) if p.stem not in NOT_IN_CAFFE]
    return [p for p in found if any(key.startswith("bottomdiff/") for key in Golden(p).arrays)]


@dataclass
class Moved:
    """A running average as the pass before left it."""

    values: npt.NDArray[np.float32]
    legacy: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    @property
    def size(self) -> int:
        return self.values.size

    def array(self) -> npt.NDArray[np.float32]:
        return self.values


def _types(path: Path) -> set[str]:
    return {layer["type"] for layer in json.loads(path.with_suffix(".json").read_text())["layers"]}
