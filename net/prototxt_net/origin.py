"""Where a size comes from: the layer that set it, found by walking up from a blob, and where two paths part.

Asked only when something does not fit, so a net without faults pays nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from prototxt_net.message import Bound
from prototxt_net.net import Blob, Node
from prototxt_net.shape import Dim, same

_SIZES = (
    "global_pooling", "kernel_size", "kernel_h", "kernel_w", "stride", "stride_h", "stride_w", "pad", "pad_h", "pad_w",
    "dilation", "round_mode", "ceil_mode", "crop_size", "batch_size", "new_height", "new_width", "axis", "end_axis",
    "num_axes", "offset", "concat_dim", "slice_dim", "slice_point", "tiles", "order", "output_dim", "pooled_h",
    "pooled_w", "group_size", "zoom_factor", "shrink_factor", "pad_beg", "pad_end", "height", "width", "scale",
    "channels", "input_dim", "dim",
)  # fmt: skip
"""Fields that speak about the size of a layer's top."""


@dataclass(slots=True, frozen=True)
class Origin:
    """The layer that gave an axis its size. path: the field that says so; why: what it says, "" when nothing does."""

    node: Node
    size: Dim
    path: str
    why: str


def origin(blob: Blob, axis: int) -> Origin | None:
    """The layer that set the size of an axis; None when the shape is unknown."""
    for step in _up(blob, axis):
        blob = step
    if blob.shape is None or not 0 <= axis < len(blob.shape):
        return None
    path, why = _said(blob, axis)
    return Origin(blob.producer, blob.shape[axis], path, why)


def rank_origin(blob: Blob) -> Origin | None:
    """The layer that set the number of axes."""
    while blob.shape is not None:
        below = next((b for b in blob.producer.bottoms if b is not None and b.shape is not None), None)
        if below is None or below.shape is None or len(below.shape) != len(blob.shape):
            path, why = _said(blob, 0)
            return Origin(blob.producer, len(blob.shape), path, why or blob.producer.type)
        blob = below
    return None


def history(blob: Blob, axis: int) -> list[tuple[Origin, Dim]]:
    """The layers that changed the size of an axis, last first, each with the size that it found."""
    found: list[tuple[Origin, Dim]] = []
    while True:
        last = origin(blob, axis)
        if last is None:
            return found
        below = next((b for b in last.node.bottoms if b is not None), None)
        if below is None or below.shape is None or axis >= len(below.shape):
            return found
        found.append((last, below.shape[axis]))
        blob = below


def parting(one: Blob, other: Blob) -> Blob | None:
    """The last blob that both descend from; None when they have nothing in common."""
    above = set(_ancestors(one))
    common = [blob for blob in _ancestors(other) if blob in above]
    return max(common, key=lambda blob: (blob.producer.position, -blob.top_index), default=None)


def _ancestors(blob: Blob) -> Iterator[Blob]:
    seen = {blob}
    todo = [blob]
    while todo:
        at = todo.pop()
        yield at
        for below in at.producer.bottoms:
            if below is not None and below not in seen:
                seen.add(below)
                todo.append(below)


def _up(blob: Blob, axis: int) -> Iterator[Blob]:
    """The blobs above that have their size of the axis from each other."""
    while blob.shape is not None and 0 <= axis < len(blob.shape):
        size = blob.shape[axis]
        if _num_output(blob, axis):
            return
        for below in blob.producer.bottoms:
            if below is None or not below.shape or (axis and len(below.shape) != len(blob.shape)):
                continue
            if same(below.shape[axis], size):
                break
        else:
            return
        blob = below
        yield blob


def _num_output(blob: Blob, axis: int) -> str:
    """The field num_output when it is what decides this axis: the channels of a convolution, else the last axis."""
    for name, message in _params(blob.producer):
        if message.has("num_output") and blob.shape is not None:
            own = 1 if name.startswith("convolution") else len(blob.shape) - 1
            return f"{name}.num_output" if axis == own and blob.shape[axis] == message.get("num_output") else ""
    return ""


def _params(node: Node) -> Iterator[tuple[str, Bound]]:
    """The messages that a layer writes, with their names."""
    for name, entries in node.layer.bound.entries.items():
        value = entries[-1].value
        if name.endswith("_param") and isinstance(value, Bound):
            yield name, value


def _said(blob: Blob, axis: int) -> tuple[str, str]:
    """The field of the layer that decides a size, and what is written there."""
    node = blob.producer
    channels = _num_output(blob, axis)
    if channels and blob.shape is not None:
        return channels, f"num_output: {blob.shape[axis]}"
    path, said = "", []
    for name, message in _params(node):
        for field in _SIZES:
            # In a layer of data the batch is one field, the crop another.
            if (field == "batch_size") != (axis == 0) and not node.bottoms and field in ("batch_size", "crop_size"):
                continue
            for entry in message.entries.get(field, ()):
                if (not isinstance(entry.value, Bound) and name != "transform_param") or field == "crop_size":
                    path = path or f"{name}.{field}"
                    value = str(entry.value)
                    said.append(f"{field}: {value.lower() if isinstance(entry.value, bool) else value}")
    if not path and not node.bottoms:
        path = next((name for name, _ in _params(node)), "")
    return path, ", ".join(said[:4])
