"""The golden nets of the oracle: real Caffe's inputs, parameters and every top, run through our own floors."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import prototxt_net.layers  # noqa: F401  (registers the layer types)
from prototxt_gpu_check import plan, weights
from prototxt_gpu_check.backend import Backend
from prototxt_gpu_check.result import ForwardResult
from prototxt_gpu_check.run import Options, Pass
from prototxt_gpu_check.sources import Inputs
from prototxt_grammar.parse import parse
from prototxt_net.net import Node
from prototxt_net.phases import State
from prototxt_net.read import read

NOT_RUN = frozenset({"Python"})
"""BVLC's Python layer needs a module of its examples."""

OWN_WAYS = {
    "segnet-dropout_test_sampling": "drops at random",
}


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
        """The whole net from its recorded inputs and weights, every blob (and gradient) kept."""
        file = read(parse(self.path.read_text()), self.record.get("dialect", "bvlc"))
        inputs = Inputs(arrays=self.inputs)
        planned = plan.make(file, State(self.record["phase"]), inputs, None, None)
        every = frozenset(top for node in planned.net.nodes for top in node.tops)
        stored = weights.read(self.path.with_suffix(".caffemodel"))
        options = Options(strict_fillers=True, keep=every, backward=backward, keep_diffs=backward)
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
        """A recorded top."""
        return self.arrays.get(f"top/{index}/{layer}/{blob}")


def paths(shared: Path) -> list[Path]:
    """The golden nets that have arrays and layers that we run."""
    found = [
        p for folder in ("golden", "forks/golden") for p in sorted((shared / "oracle" / folder).glob("*.prototxt"))
    ]
    return [p for p in found if p.with_suffix(".npz").exists() and p.stem not in OWN_WAYS and not _types(p) & NOT_RUN]


def _types(path: Path) -> set[str]:
    return {layer["type"] for layer in json.loads(path.with_suffix(".json").read_text())["layers"]}
