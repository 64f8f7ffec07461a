"""Before anything runs: concrete shapes for every blob, the batch size, and how much memory a pass will take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from prototxt_gpu_check.data.base import sizes
from prototxt_gpu_check.layout import count
from prototxt_gpu_check.parameters import known
from prototxt_gpu_check.result import Degraded
from prototxt_gpu_check.sources import Inputs, concrete_shapes, fitted_labels
from prototxt_net.file import NetFile
from prototxt_net.graph import connect
from prototxt_net.net import Blob, Node, PhaseNet
from prototxt_net.phases import State
from prototxt_net.setup import set_up, share_params
from prototxt_net.shape import Shape

Ints = tuple[int, ...]

CPU_BATCH = 4
"""Samples of a pass on the CPU unless told otherwise: whether a signal collapses does not depend on their number."""


class Unfit(Exception):
    """With the arrays that were given for its inputs Caffe would not load the net; one sentence."""


@dataclass(slots=True)
class Plan:
    """A net whose sources have concrete shapes. requested: the batch in the text; used: the one that will run."""

    net: PhaseNet
    source_shapes: dict[str, Ints]
    requested: int | None
    used: int | None
    degraded: list[Degraded] = field(default_factory=list)


def make(file: NetFile, state: State, inputs: Inputs, batch: int | None, default_batch: int | None) -> Plan:
    """Set the net up with concrete source shapes and a batch of `batch`, or of at most `default_batch`.

    The net's own data are opened first, where they are to be read. A net that fixes its batch elsewhere (a Reshape,
    slice points) does not survive the cut and then keeps its own. Raises data.base.DataError, Unfit.
    """
    loose = set_up(connect(file, state, {}))
    if inputs.reader is not None:
        inputs.reader.open(loose)
    shapes, guessed = concrete_shapes(loose, inputs)
    net = _concrete(file, state, shapes)
    fitted = fitted_labels(net, guessed)
    if fitted:
        shapes |= fitted
        net = _concrete(file, state, shapes)
    degraded = [Degraded("data-synthetic", note) for note in (inputs.reader.notes if inputs.reader else ())]
    if guessed:
        listed = ", ".join(f"{name} {sizes(shapes[name])}" for name in guessed)
        degraded.append(
            Degraded(
                "shape-assumed", f"The text does not tell the shape of {listed}: assumed (--shape says otherwise)."
            )
        )
    degraded += _unlike_the_text(loose, inputs)
    requested = _batch(loose, shapes, inputs)
    used = _wanted(requested, shapes, inputs, batch, default_batch)
    if used is None or requested is None or used == requested:
        degraded += _refused(net, loose, inputs, guessed)
        return Plan(net, shapes, requested, requested, degraded)
    cut = {
        name: (used, *shape[1:]) if shape and shape[0] == requested and name not in inputs.arrays else shape
        for name, shape in shapes.items()
    }
    smaller = _concrete(file, state, cut)
    if aborting(smaller) > aborting(net):
        degraded.append(
            Degraded("batch-kept", f"The net fixes its batch of {requested} in other layers: it could not be changed.")
        )
        degraded += _refused(net, loose, inputs, guessed)
        return Plan(net, shapes, requested, requested, degraded)
    if used < requested and not any(name in inputs.arrays for name in shapes):
        degraded.append(
            Degraded("batch-cut", f"The batch was cut from {requested} to {used} samples (--batch says otherwise).")
        )
    degraded += _refused(smaller, loose, inputs, guessed)
    return Plan(smaller, cut, requested, used, degraded)


def _refused(net: PhaseNet, loose: PhaseNet, inputs: Inputs, guessed: list[str]) -> list[Degraded]:
    """A note where Caffe would not load the net that will run; the reason where the text alone does not tell it."""
    if not aborting(net):
        return []
    why = "see its errors"
    if not aborting(loose):
        why = next((p.message for node in net.nodes for p in node.setup.problems if p.aborts), why)
        given = [f"'{name}' as {sizes(array.shape)}" for name, array in inputs.arrays.items()]
        if given:
            raise Unfit(f"the net does not fit the values given for its inputs ({', '.join(given)}): {why}")
        why = why.rstrip(".")
        if guessed:
            message = f"The net does not fit the shapes that were assumed ({why}): give them with --shape."
            return [Degraded("assumption-fails", message)]
    return [Degraded("caffe-refuses", f"Caffe does not load this net ({why}): what can be run of it was run.")]


def _unlike_the_text(loose: PhaseNet, inputs: Inputs) -> list[Degraded]:
    """Arrays whose shape, apart from the batch, is another than the text gives the blob."""
    notes = []
    for node in loose.nodes:
        for blob in node.tops if not node.bottoms else ():
            array, told = inputs.arrays.get(blob.name), blob.shape
            if array is None or told is None:
                continue
            same = zip(array.shape[1:], told[1:], strict=False)
            if array.ndim != len(told) or any(isinstance(want, int) and have != want for have, want in same):
                given = sizes(array.shape) if array.ndim else "a single number"
                meant = "x".join(str(d) if isinstance(d, int) else "?" for d in told)
                message = f"'{blob.name}' is given as {given}, the net says {meant}: it was run as given."
                notes.append(Degraded("input-shape", message))
    return notes


def _concrete(file: NetFile, state: State, shapes: Mapping[str, Ints]) -> PhaseNet:
    given: dict[str, Shape] = dict(shapes)
    net = set_up(connect(file, state, given))
    share_params(net)
    return net


def _batch(net: PhaseNet, shapes: Mapping[str, Ints], inputs: Inputs) -> int | None:
    """The first axis of the first image-like source top, else of the first source top, as the text has it."""
    names = [blob.name for node in net.nodes if not node.bottoms for blob in node.tops if shapes.get(blob.name)]
    own = {name: shapes[name] for name in names if name not in inputs.arrays} or {n: shapes[n] for n in names}
    for shape in own.values():
        if len(shape) >= 3:
            return shape[0]
    return next((shape[0] for shape in own.values()), None)


def _wanted(
    requested: int | None, shapes: Mapping[str, Ints], inputs: Inputs, batch: int | None, default: int | None
) -> int | None:
    arrays = [shape[0] for name, shape in shapes.items() if name in inputs.arrays and shape]
    if arrays:
        return arrays[0]  # a given array is used whole, and the other sources follow it
    if batch is not None:
        return max(1, batch)
    if requested is None or default is None:
        return requested
    return min(requested, default)


def aborting(net: PhaseNet) -> int:
    """How many things Caffe would abort on while reading the file and building this net."""
    reading = sum(1 for _ in net.file.tree.problems()) + sum(p.aborts for p in net.file.problems)
    building = sum(p.aborts for p in net.problems)
    return reading + building + sum(p.aborts for node in net.nodes for p in node.setup.problems)


def last_use(net: PhaseNet, backward: bool = False) -> dict[Blob, int]:
    """For each blob version the position of the last layer that touches it.

    backward: a backward pass follows, and only versions that a layer overwrites in place are not needed any more.
    """
    end = len(net.nodes) + 1
    found = {}
    for node in net.nodes:
        for top in node.tops:
            overwritten = any(reader.in_place and top in (t.previous for t in reader.tops) for reader, _ in top.readers)
            last = max([node.position, *(reader.position for reader, _ in top.readers)])
            found[top] = end if backward and not overwritten else last
    return found


def peak_bytes(net: PhaseNet, column_cap: int, backward: bool = False) -> int:
    """About the bytes alive at once: blobs until their last reader ran, one layer's weights, columns.

    backward: everything stays, and in the end there is a gradient for each parameter and for the largest blobs.
    """
    uses = last_use(net, backward)
    alive: dict[Blob, int] = {}
    peak = learned = 0
    for node in net.nodes:
        for top in node.tops:
            shape = known(top.shape)
            alive[top] = 4 * count(shape) if shape is not None else 0
        weights = sum(4 * count(shape) for p in node.setup.params if (shape := known(p.shape)) is not None)
        columns = _columns(node, column_cap)
        learned += weights
        held = 2 * learned + 2 * max(alive.values(), default=0) if backward else weights
        peak = max(peak, sum(alive.values()) + held + columns)
        for blob in [b for b in alive if uses[b] <= node.position]:
            del alive[blob]
    return peak


def _columns(node: Node, cap: int) -> int:
    """Bytes of im2col columns and of the padded copy that they are taken from.

    A convolution slices its images so that they stay below the cap, as far as one image does; a deconvolution does not.
    """
    if node.type not in ("Convolution", "DepthwiseConvolution", "ConvolutionDepthwise", "Deconvolution"):
        return 0
    bottom = known(node.bottoms[0].shape) if node.bottoms and node.bottoms[0] is not None else None
    top = known(node.tops[0].shape) if node.tops else None
    weight = known(node.setup.params[0].shape) if node.setup.params else None
    if bottom is None or top is None or weight is None:
        return 0
    if node.type == "Deconvolution":
        large, small = top, bottom
    else:
        large, small = bottom, top
    one = 4 * large[1] * count(weight[2:]) * count(small[2:])
    images = small[0] if node.type == "Deconvolution" else max(1, min(small[0], cap // max(1, one)))
    return one * images + 4 * count(large)
