"""One pass over a planned net: layer by layer, with statistics taken right after each layer, and backward on request.

In-place layers make new arrays here, so that every stage can be looked at; an array is dropped after its last reader.
With a backward pass the last version on each memory stays, as in Caffe.
On a device nothing waits for it before the end, except losses, which are one small copy each.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from prototxt_gpu_check.backend import Array, Backend
from prototxt_gpu_check.backprop import Backprop
from prototxt_gpu_check.fill import stream
from prototxt_gpu_check.layers import Step, runner
from prototxt_gpu_check.layout import count, stored
from prototxt_gpu_check.parameters import Mismatch, Origin, Store, known
from prototxt_gpu_check.plan import Plan, last_use
from prototxt_gpu_check.result import BlobResult, Degraded, ForwardResult, LayerResult, ParamResult
from prototxt_gpu_check.sources import Inputs, values
from prototxt_gpu_check.stats import Recorder, Stats, take
from prototxt_gpu_check.weights import Weights
from prototxt_net.batchnorm import phase_of
from prototxt_net.flow import loss_weights
from prototxt_net.net import Blob, Node, PhaseNet, SetUp
from prototxt_net.setup import set_up_layer

COMPARE_LIMIT = 1 << 22
"""Elements up to which an output is fetched to see whether all its samples are equal."""

HELD = 1 << 14
"""Elements of a parameter blob that is kept until somebody asks for its statistics; a larger one is made again."""

Progress = Callable[[int, int, str], None]


class Cancelled(Exception):
    """Somebody does not want the answer any more."""


@dataclass(slots=True)
class Options:
    """How to run: see the command `forward`. deadline_s: the pass stops between layers after that many seconds.

    parameters: look at every parameter blob while it is there, because its statistics will be printed.
    keep: blob versions whose arrays stay in `Pass.arrays`. keep_diffs: the gradients stay in `Pass.backprop`.
    """

    seed: int = 0
    dropout: bool = False
    strict_fillers: bool = False
    deadline_s: float | None = None
    parameters: bool = False
    keep: frozenset[Blob] = frozenset()
    backward: bool = False
    keep_diffs: bool = False


@dataclass(slots=True)
class _Recorded:
    """Indices into the recorder's list, until the numbers have been fetched."""

    node: Node
    checked: bool
    reason: str = ""
    tops: list[tuple[str, tuple[int, ...], int, bool | None]] = field(default_factory=list)
    params: list[tuple[str, tuple[int, ...], Origin, int | Callable[[], Stats], int | None]] = field(
        default_factory=list
    )
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Pass:
    """A pass over `plan.net`; `run` may be called once.

    Afterwards `arrays` holds the blob versions of Options.keep, `updates` the running statistics that layers moved, by
    (node, parameter index).
    """

    plan: Plan
    backend: Backend
    inputs: Inputs
    options: Options = field(default_factory=Options)
    weights: Weights | None = None
    progress: Progress | None = None
    cancelled: Callable[[], bool] | None = None
    arrays: dict[Blob, Array] = field(default_factory=dict)
    updates: dict[tuple[Node, int], Array] = field(default_factory=dict)
    backprop: Backprop | None = None
    _recorder: Recorder = field(init=False)
    _store: Store = field(init=False)
    _compare: set[Blob] = field(init=False)
    _steps: dict[Node, Step] = field(default_factory=dict)
    _resized: set[Blob | None] = field(default_factory=set)
    _start: float = 0.0

    def __post_init__(self) -> None:
        self._recorder = Recorder(self.backend)
        self._store = Store(self.backend, self.net, self.weights, self.options.seed, self.options.strict_fillers)
        self._compare = _outputs(self.net)

    @property
    def net(self) -> PhaseNet:
        """The net that runs."""
        return self.plan.net

    def run(self) -> ForwardResult:
        """Run every layer that can be run. Raises Cancelled, and the backend's out-of-memory exceptions."""
        start = self._start = time.perf_counter()
        uses = last_use(self.net, self.options.backward)
        recorded: list[_Recorded] = []
        status = "ok"
        with np.errstate(all="ignore"):
            for node in self.net.nodes:
                self._check_cancelled()
                if self._late():
                    status = "partial"
                    break
                if self.progress is not None:
                    self.progress(node.position, len(self.net.nodes), node.name)
                record = self._layer(node)
                recorded.append(record)
                if not record.checked:
                    status = "partial"
                for blob in [b for b in self.arrays if uses[b] <= node.position and b not in self.options.keep]:
                    del self.arrays[blob]
            forward = time.perf_counter()
            if self.options.backward and len(recorded) == len(self.net.nodes):
                status = self._backward(status)
        ran = time.perf_counter()
        result = self._result(recorded, status)
        result.timing_ms = {
            "layers": (forward - start) * 1e3,
            **({} if self.backprop is None else {"backward": (ran - forward) * 1e3}),
            "statistics": (time.perf_counter() - ran) * 1e3,
        }
        return result

    def _check_cancelled(self) -> None:
        if self.cancelled is not None and self.cancelled():
            raise Cancelled

    def _late(self) -> bool:
        limit = self.options.deadline_s
        return limit is not None and time.perf_counter() - self._start > limit

    def _backward(self, status: str) -> str:
        """Gradients of everything that Net::Init lets run backward; the status of the pass with it."""
        self.backprop = Backprop(
            self.net, self.backend, self._recorder, self.arrays, self._steps, self._between, self.options.keep_diffs
        )
        self.backprop.run()
        return status if self.backprop.complete else "partial"

    def _between(self, node: Node) -> bool:
        """Before each layer of the backward pass: whether to go on."""
        self._check_cancelled()
        if self.progress is not None:
            self.progress(node.position, len(self.net.nodes), node.name)
        return not self._late()

    def _layer(self, node: Node) -> _Recorded:
        run = runner(node.type)
        if not node.bottoms and node.type != "Parameter":
            return self._source(node)
        if run is None:
            return _Recorded(node, False, f"{node.type} layers are not run here")
        for index, bottom in enumerate(node.bottoms):
            if bottom is None or bottom not in self.arrays:
                name = node.layer.definition.bottoms[index]
                return _Recorded(node, False, f"its bottom '{name}' was not computed")
        made = self._set_up(node)
        shapes = [known(shape) for shape in made.tops]
        aborts = [p for p in made.problems if p.aborts]
        if aborts:
            return _Recorded(node, False, f"Caffe refuses it: {aborts[0].message}")
        if any(s is None for s in shapes) or any(known(p.shape) is None for p in node.setup.params):
            return _Recorded(node, False, "its shapes are not known")
        try:
            params, origins = self._store.make(node)
        except Mismatch as error:
            return _Recorded(node, False, str(error))
        step = Step(
            self.backend,
            node,
            [self.arrays[blob] for blob in node.bottoms if blob is not None],
            params,
            tuple(s for s in shapes if s is not None),
            phase_of(self.net, node),
            self.net.dialect,
            stream(self.options.seed, "layer", node.name),
            self.options.dropout,
            keep=self.options.backward,
        )
        record = _Recorded(node, True, facts=step.facts)
        before = [self._look(node, index, p) for index, p in enumerate(params)]
        try:
            tops = run(step)
        except NotImplementedError as error:
            return _Recorded(node, False, str(error))
        for index, top in enumerate(tops):
            name = node.tops[index].name if index < len(node.tops) else "(automatic)"
            self._take(record, node, index, name, top)
        for index, param in enumerate(params):
            new = step.updates.get(index)
            if new is not None:
                self.updates[node, index] = new.reshape(param.shape)
            after = None if new is None else self._recorder.record(_one_row(new))
            role = node.setup.params[index].role
            record.params.append((role, tuple(param.shape), origins[index], before[index], after))
        if step.keep:
            step.bottoms = ()  # the backward pass reads what lies in their memory then
            self._steps[node] = step
        return record

    def _set_up(self, node: Node) -> SetUp:
        """The layer as it was planned, or over what a Filter or a proposal has left of its bottoms.

        Caffe calls Reshape before each Forward.
        """
        if not any(blob in self._resized for blob in node.bottoms):
            return node.setup
        shapes = tuple(None if blob is None else blob.shape for blob in node.bottoms)
        return set_up_layer(node.layer.definition, shapes, self.net.file.schema)

    def _look(self, node: Node, index: int, param: Array) -> int | Callable[[], Stats]:
        """Statistics of a parameter blob: at once where they cost little or are needed, else when asked for.

        Holding the weights of all layers until then would need their memory; making them again gives the same numbers.
        """
        if self.backend.kernels is not None or self.options.backward or self.options.parameters:
            return self._recorder.record(_one_row(param))
        if param.size <= HELD:
            return lambda: take(self.backend, _one_row(param))
        return lambda: take(self.backend, _one_row(self._store.make(node)[0][index]))

    def _source(self, node: Node) -> _Recorded:
        record = _Recorded(node, True)
        source = self.inputs.source(node)
        if source is not None:
            record.facts["source"] = {"kind": source.kind, "path": str(source.path)}
        for index, blob in enumerate(node.tops):
            shape = self.plan.source_shapes.get(blob.name)
            if shape is None:
                return _Recorded(node, False, "its shapes are not known")
            array, what = values(self.backend, self.net, node, index, shape, self.inputs)
            record.facts.setdefault("values", []).append(what)
            if what == "given":
                self._compare.add(blob)
            self._take(record, node, index, blob.name, array)
        return record

    def _take(self, record: _Recorded, node: Node, index: int, name: str, top: Array) -> None:
        same = None
        if index < len(node.tops):
            blob = node.tops[index]
            top = stored(self.backend, top)
            planned = known(blob.shape)
            if planned is not None and count(planned) != top.size:  # only the values of its bottoms tell
                blob.shape = tuple(top.shape)
                self._resized.add(blob)
            self.arrays[blob] = top
            if blob in self._compare and top.ndim and top.shape[0] >= 2 and top.size <= COMPARE_LIMIT:
                host = self.backend.to_host(top)
                same = bool((host[1:] == host[:1]).all())
        record.tops.append((name, tuple(top.shape), self._recorder.record(top), same))

    def _result(self, recorded: list[_Recorded], status: Any) -> ForwardResult:
        stats = self._recorder.finish()
        plan, store = self.plan, self._store
        result = ForwardResult(
            net=self.net,
            device=self.backend.device,
            backend=self.backend.name,
            phase=self.net.phase,
            seed=self.options.seed,
            batch_requested=plan.requested,
            batch_used=plan.used,
            status=status if any(r.checked for r in recorded) or not recorded else "error",
            degraded=[*plan.degraded, *_notes(store)],
            weights=None if self.weights is None else self.weights.path,
            misfits=list(store.misfits),
        )
        for r in recorded:
            layer = LayerResult(r.node, r.checked, r.reason, facts=r.facts)
            layer.tops = [BlobResult(name, shape, stats[i], same) for name, shape, i, same in r.tops]
            layer.params = [
                ParamResult(
                    role,
                    shape,
                    origin,
                    stats[before] if isinstance(before, int) else before,
                    None if after is None else stats[after],
                )
                for role, shape, origin, before, after in r.params
            ]
            result.layers.append(layer)
        if self.backprop is not None:
            data = ((x.node, i, p.after) for x in result.layers for i, p in enumerate(x.params))
            result.backward = self.backprop.result(stats, data)
        result.add_losses(self.net.dialect)
        return result


def _one_row(p: Array) -> Array:
    """A parameter blob as one channel: its own axes mean nothing for statistics."""
    return p.reshape(1, 1, -1)


def _outputs(net: PhaseNet) -> set[Blob]:
    """The blobs that are the net's answer: its outputs, and what losses and Accuracy judge."""
    found = set(net.outputs)
    for node in net.nodes:
        if (
            node.bottoms
            and node.bottoms[0] is not None
            and (node.type == "Accuracy" or any(loss_weights(node, net.dialect)))
        ):
            found.add(node.bottoms[0])
    return found


def _notes(store: Store) -> list[Degraded]:
    notes: list[Degraded] = []
    if store.substituted:
        n = len(store.substituted)
        first = store.substituted[0]
        layers = f"'{first}' writes" if n == 1 else f"{n} layers ('{first}' first) write"
        notes.append(
            Degraded(
                "fillers-substituted",
                f"{layers} no weight_filler, so Caffe starts the weights at 0 and expects them to be loaded; msra was "
                "used here (--weights loads them, --strict-fillers runs the zeros).",
            )
        )
    for filler, first in store.unknown.items():
        notes.append(Degraded("filler-replaced", f"The filler '{filler}' ('{first}') is not drawn here: msra was."))
    return notes
