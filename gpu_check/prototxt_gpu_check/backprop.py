"""The backward pass behind a forward pass: Net::Backward with its Splits, shared parameters and norms.

Which layers run and which gradients they compute is Net::Init's bookkeeping (`prototxt_net.backward`). A top's gradient
is its loss weight, or what its reader left, or the sum of several readers' (Caffe's Split layer); where a reader
computes none it is 0, memory that nobody writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from prototxt_gpu_check.backend import Array, Backend
from prototxt_gpu_check.gradients import Gradient, gradient_of
from prototxt_gpu_check.layers import Step
from prototxt_gpu_check.layout import reshape, stored, zeros
from prototxt_gpu_check.parameters import shared_name
from prototxt_gpu_check.result import BackwardResult, Diff, LayerDiffs
from prototxt_gpu_check.splits import bottom_name, split_name, split_tops
from prototxt_gpu_check.stats import Recorder, Stats
from prototxt_net.backward import Backward, backward, learned
from prototxt_net.flow import aliases, is_loss, loss_weights
from prototxt_net.graph import explicit_loss_weight
from prototxt_net.net import Blob, Node, PhaseNet

Key = tuple[Node, int] | str


@dataclass(slots=True)
class _Layer:
    """A layer's (or Split's) gradients as indices into the recorder's list. `node` is None for a Split."""

    name: str
    node: Node | None
    bottoms: list[tuple[int, str, int]] = field(default_factory=list)
    params: list[tuple[int, int]] = field(default_factory=list)
    reason: str = ""


@dataclass(slots=True)
class Backprop:
    """Runs once over the steps of a forward pass that was told to keep what this needs.

    between: called before each layer, False ends the pass early. complete: it did not, and every layer had a gradient.
    arrays: the last version on each memory (earlier ones have been overwritten). keep_diffs: whether `bottom_diffs`
    and `param_diffs` hold the arrays afterwards, by (node, bottom or parameter index).
    """

    net: PhaseNet
    backend: Backend
    recorder: Recorder
    arrays: dict[Blob, Array]
    steps: dict[Node, Step]
    between: Callable[[Node], bool]
    keep_diffs: bool = False
    complete: bool = True
    bottom_diffs: dict[tuple[Node, int], Array] = field(default_factory=dict)
    param_diffs: dict[tuple[Node, int], Array] = field(default_factory=dict)
    split_diffs: dict[Blob, Array] = field(default_factory=dict)
    _plan: Backward = field(init=False)
    _last: dict[Blob, Blob] = field(init=False)
    _diffs: dict[tuple[Node, int], Array | None] = field(default_factory=dict)
    _params: dict[Key, Array] = field(default_factory=dict)
    _layers: list[_Layer] = field(default_factory=list)
    _totals: dict[Key, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._plan = backward(self.net)
        roots = aliases(self.net)
        self._last = {roots[top]: top for node in self.net.nodes for top in node.tops if top in self.arrays}

    def run(self) -> None:
        """Every layer that Net::Init lets run backward, last first."""
        for node in reversed(self.net.nodes):
            self._splits(node)
            if node in self._plan.layers and (node.bottoms or node.setup.params):
                if not self.between(node):
                    self.complete = False
                    break
                self._layer(node)
            for top in node.tops:
                for reader in top.readers:
                    self._drop(reader)
            self.steps.pop(node, None)
        for key, total in self._params.items():
            self._totals[key] = self.recorder.record(total.reshape(1, 1, -1))
        self.complete = self.complete and not any(layer.reason for layer in self._layers)

    def _drop(self, reader: tuple[Node, int]) -> None:
        diff = self._diffs.pop(reader, None)
        if self.keep_diffs and diff is not None:
            self.bottom_diffs[reader] = diff

    # -- gradients of tops ---------------------------------------------------------------------------------------------

    def _splits(self, node: Node) -> None:
        """The Split layers that Caffe puts behind this layer's tops: the sum of their readers' gradients."""
        for index, blob in reversed(list(enumerate(node.tops))):
            if not split_tops(blob):
                continue
            explicit = explicit_loss_weight(node, index)
            running = [reader for reader in blob.readers if reader in self._plan.bottoms]
            if not self._forced and (node not in self._plan.layers or not (running or explicit)):
                continue
            record = _Layer(split_name(blob), None)
            if any(self._diffs.get(reader) is None for reader in running):
                record.reason = "a gradient that it adds up was not computed"
            else:
                parts = [a for reader in blob.readers if (a := self._diffs.get(reader)) is not None]
                total = self._filled(blob, explicit) if explicit or not parts else parts.pop(0)
                for part in parts:
                    total = total + part
                total = stored(self.backend, total)
                self.split_diffs[blob] = total
                record.bottoms.append((0, blob.name, self.recorder.record(total)))
            self._layers.append(record)

    def _filled(self, blob: Blob, value: float) -> Array:
        y = zeros(self.backend, self._shape(blob))
        if value:
            y.fill(value)
        return y

    def _shape(self, blob: Blob) -> tuple[int, ...]:
        """What the forward pass found; Filter's tops are smaller than the text says."""
        array = self.arrays.get(blob)
        return tuple(array.shape) if array is not None else tuple(d for d in blob.shape or () if isinstance(d, int))

    def _top_diff(self, node: Node, index: int) -> Array | None:
        """The gradient of a top; None where a layer that is not differentiated here stands above."""
        blob = node.tops[index]
        if blob in self.split_diffs:
            return self.split_diffs[blob] if self.keep_diffs else self.split_diffs.pop(blob)
        running = [reader for reader in blob.readers if reader in self._plan.bottoms]
        if running:
            return self._diffs.get(running[0]) if len(blob.readers) == 1 else None
        return self._filled(blob, _weights(node, self.net.dialect)[index])

    # -- a layer -------------------------------------------------------------------------------------------------------

    def _layer(self, node: Node) -> None:
        record = _Layer(node.name, node)
        self._layers.append(record)
        step = self.steps.get(node)
        if step is None:
            record.reason = "it was not run forward"
            return
        differ = gradient_of(node.type)
        if differ is None:
            record.reason = f"the gradient of {node.type} layers is not computed here"
            return
        diffs = [self._top_diff(node, i) for i in range(len(node.tops))]
        if not node.tops:
            diffs = [self.backend.full((), w) for w in _weights(node, self.net.dialect)]
        if any(diff is None for diff in diffs):
            record.reason = "the gradient of its top was not computed"
            return
        wanted = tuple((node, i) in self._plan.bottoms for i in range(len(node.bottoms)))
        step.bottoms = [self._memory(blob) for blob in node.bottoms if blob is not None]
        g = Gradient(
            step,
            [self._memory(top) for top in node.tops],
            [diff for diff in diffs if diff is not None],
            wanted,
            self._learns(node),
        )
        try:
            differ(g)
        except NotImplementedError as error:
            record.reason = str(error)
            return
        self._take(node, g, record)

    @property
    def _forced(self) -> bool:
        return bool(self.net.file.root.get("force_backward"))

    def _learns(self, node: Node) -> tuple[bool, ...]:
        if self._forced:
            return (True,) * len(node.setup.params)
        return learned(node, self.net.dialect)

    def _memory(self, blob: Blob) -> Array:
        """What lies in a blob's memory after the forward pass."""
        last = self._last[aliases(self.net)[blob]]
        array = self.arrays[last]
        shape = self._shape(blob)
        return array if last is blob or tuple(array.shape) == shape else reshape(self.backend, array, shape)

    def _take(self, node: Node, g: Gradient, record: _Layer) -> None:
        for index, wanted in enumerate(g.wanted):
            if not wanted:
                continue
            blob = node.bottoms[index]
            assert blob is not None
            shape = tuple(g.step.bottoms[index].shape)
            diff = g.bottoms.get(index)
            diff = zeros(self.backend, shape) if diff is None else stored(self.backend, diff.reshape(shape))
            self._diffs[node, index] = diff
            record.bottoms.append((index, bottom_name(node, index), self.recorder.record(diff)))
        for index, found in g.params.items():
            key = _key(node, index)
            before = self._params.get(key)
            found = self.backend.contiguous(found)
            self._params[key] = found if before is None else before + found.reshape(before.shape)
        for index, learns in enumerate(g.learns):
            total = self._params.get(_key(node, index))
            if total is None and learns:
                total = self.backend.full(tuple(g.step.params[index].shape), 0.0)
                self._params[_key(node, index)] = total
            if learns and total is not None:
                record.params.append((index, self.recorder.record(total.reshape(1, 1, -1))))

    # -- the outcome ---------------------------------------------------------------------------------------------------

    def result(self, stats: list[Stats], data: Iterator[tuple[Node, int, Stats]]) -> BackwardResult:
        """The numbers, once the recorder has finished. data: every parameter blob with its statistics after forward."""
        out = BackwardResult()
        for layer in self._layers:
            found = LayerDiffs(layer.name, layer.node, layer.reason)
            found.bottoms = [Diff(index, name, stats[at]) for index, name, at in layer.bottoms]
            found.params = [Diff(index, str(index), stats[at]) for index, at in layer.params]
            out.layers.append(found)
        seen: set[Key] = set()
        for node, index, weight in data:
            key = _key(node, index)
            total = self._totals.get(key)
            if total is not None:
                out.params[node, index] = stats[total]
            if key not in seen:
                seen.add(key)
                out.norms.add(weight, None if total is None else stats[total])
        if self.keep_diffs:
            for node, index in out.params:
                self.param_diffs[node, index] = self._params[_key(node, index)]
        return out


def _key(node: Node, index: int) -> Key:
    """Shared parameters have one gradient."""
    return shared_name(node, index) or (node, index)


def _weights(node: Node, dialect: str) -> tuple[float, ...]:
    """The loss weight of each top as SetLossWeights fills it in; also of the automatic top of a loss without one.

    A weight that a Split took over leaves the default behind, but the Split's sum overwrites that.
    """
    if node.tops:
        return loss_weights(node, dialect)
    written = [float(w) for w in node.layer.definition.bound.all("loss_weight")]
    return (written[0] if written else 1.0,) if is_loss(node.layer.definition, dialect) else ()
