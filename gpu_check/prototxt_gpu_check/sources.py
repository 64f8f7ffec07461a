"""Where a net's input comes from: the shapes of its source tops, and values for them.

Shapes: what the text tells, then what was given for a blob (`--shape`), then a rule for the rest. Values: arrays given
from outside, else synthetic ones of the distribution that the layer's transform_param leaves of ordinary 8-bit images.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from prototxt_gpu_check.backend import Array, Backend
from prototxt_gpu_check.data.base import Source
from prototxt_gpu_check.data.reading import PARAMS, Reader
from prototxt_gpu_check.fill import NORMAL, NORMAL_STD, UNIFORM, Filler, fill, normal, raw, stream
from prototxt_gpu_check.layout import count, stored
from prototxt_gpu_check.regions import assumed_shape, region_values
from prototxt_net.message import Bound
from prototxt_net.net import Blob, Node, PhaseNet
from prototxt_net.shape import Shape

Ints = tuple[int, ...]

IMAGE_MEAN, IMAGE_STD = 118.0, 60.0
"""Of the synthetic 8-bit pixels, before transform_param; near those of photographs."""

_PATCHES = ((1, 0.1), (5, 0.2), (23, 0.3), (97, 0.4))
"""Side of the patches in pixels, and their share of the variance."""

_GOLDEN = (5**0.5 - 1) / 2
_GREY = 0.8
"""Share of the variance that all channels have in common."""

IMAGE_SOURCES = frozenset({"Data", "ImageData", "WindowData", "AnnotatedData", "VideoData", "MemoryData"})
LABEL_READERS = {
    "SoftmaxWithLoss": "softmax_param",
    "Accuracy": "accuracy_param",
    "MultinomialLogisticLoss": "",
    "InfogainLoss": "infogain_loss_param",
    "HingeLoss": "",
}
"""Layers whose bottom[1] is a class label, with the message that holds the class axis (default 1)."""

TARGET_READERS = frozenset({"SigmoidCrossEntropyLoss", "ContrastiveLoss"})
SAME_SHAPE = frozenset({"SigmoidCrossEntropyLoss", "EuclideanLoss", "SmoothL1Loss", "SmoothL1LossOHEM"})
"""Losses whose other bottoms have the shape of the first."""

_PASSES_ON = frozenset({"Split", "Flatten", "Reshape", "Slice", "Concat", "Silence"})


@dataclass(slots=True)
class Inputs:
    """Arrays and shapes from outside, by blob name, the seed of the synthetic values, and the net's own data.

    reader: None where the net's own data are not to be read.
    """

    arrays: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)
    shapes: Mapping[str, Ints] = field(default_factory=dict)
    seed: int = 0
    reader: Reader | None = None

    def source(self, node: Node) -> Source | None:
        """What was opened for a layer; None where its values are synthetic."""
        return None if self.reader is None else self.reader.of(node)


# -- shapes ------------------------------------------------------------------------------------------------------------


def concrete_shapes(net: PhaseNet, inputs: Inputs) -> tuple[dict[str, Ints], list[str]]:
    """A shape for every top of a layer without bottoms, and the names of those that the text did not tell."""
    shapes: dict[str, Ints] = {}
    guessed: list[str] = []
    for node in net.nodes:
        if node.bottoms or node.type == "Parameter":
            continue
        source = inputs.source(node)
        for index, blob in enumerate(node.tops):
            if blob.name in inputs.arrays:
                shapes[blob.name] = tuple(inputs.arrays[blob.name].shape)
            elif source is not None:
                shapes[blob.name] = (_batch_size(node), *source.shapes()[index])
            elif blob.name in inputs.shapes:
                shapes[blob.name] = inputs.shapes[blob.name]
            else:
                shapes[blob.name], guess = _completed(node, index, blob)
                if guess:
                    guessed.append(blob.name)
    return shapes, guessed


def _completed(node: Node, index: int, blob: Blob) -> tuple[Ints, bool]:
    known: Shape | None = blob.shape
    boxes = assumed_shape(blob.name, readers_through(blob), _batch_size(node))
    default = boxes or default_shape(node, index, blob.name)
    if known is None:
        return default, True
    spare = default if len(default) == len(known) else (1,) * len(known)
    # A data layer without batch_size has a batch of 0: nothing could be seen in it.
    shape = tuple(d if isinstance(d, int) and d else s for d, s in zip(known, spare, strict=True))
    return shape, any(not isinstance(d, int) or not d for d in known)


def fitted_labels(net: PhaseNet, guessed: Collection[str]) -> dict[str, Ints]:
    """Shapes of assumed labels and targets that do not fit the scores beside them, as those scores want them.

    A loss over maps (N, C, H, W) takes a label for each position, (N, 1, H, W); one of a difference takes the same
    shape.
    """
    fitted: dict[str, Ints] = {}
    for node in net.nodes:
        for blob in node.tops if not node.bottoms else ():
            for reader, at in blob.readers if blob.name in guessed else ():
                scores = reader.bottoms[0].shape if at and reader.bottoms[0] is not None else None
                whole = tuple(d for d in scores or () if isinstance(d, int))
                if not whole or len(whole) != len(scores or ()):
                    continue
                if reader.type in LABEL_READERS and at == 1 and len(whole) > 2:
                    whole = (whole[0], 1, *whole[2:])
                elif reader.type not in SAME_SHAPE:
                    continue
                if blob.shape is None or _elements(blob.shape) != count(whole):
                    fitted[blob.name] = whole
    return fitted


def _elements(shape: Shape) -> int | None:
    known = tuple(d for d in shape if isinstance(d, int))
    return count(known) if len(known) == len(shape) else None


def default_shape(node: Node, index: int, name: str) -> Ints:
    """A plausible shape of a data layer's top, from what the layer says about its images and from its source's name."""
    p, transform = _data_param(node), node.param("transform_param")
    batch = _batch_size(node)
    lowered = name.lower()
    label = any(word in lowered for word in ("label", "gt", "seg", "mask"))
    image = not label and any(word in lowered for word in ("data", "color", "rgb", "hha", "depth", "image"))
    if index and not image:
        return (batch,)
    source = str(p.get("source") or "").lower()
    channels, height, width = 3, 224, 224
    if "mnist" in source or "lenet" in node.name.lower():
        channels, height, width = 1, 28, 28
    elif "cifar" in source:
        height = width = 32
    if "siamese" in source:
        channels, height, width = 2, 28, 28
    if p.get("is_color") is False or transform.get("force_gray") or "depth" in lowered:
        channels = 1
    if p.get("new_height") and p.get("new_width"):
        height, width = int(p.get("new_height")), int(p.get("new_width"))
    crop = int(transform.get("crop_size") or p.get("crop_size") or 0)
    if crop:
        height = width = crop
    elif node.type == "WindowData":
        height = width = 227
    return (batch, 1 if label else channels, height, width)


def _batch_size(node: Node) -> int:
    return int(_data_param(node).get("batch_size") or 1)


def _data_param(node: Node) -> Bound:
    return node.param("memory_data_param" if node.type == "MemoryData" else PARAMS.get(node.type, "data_param"))


# -- values ------------------------------------------------------------------------------------------------------------


def values(b: Backend, net: PhaseNet, node: Node, index: int, shape: Ints, inputs: Inputs) -> tuple[Array, str]:
    """A source top's array, and what it is: "given", "labels", "targets", "filler", "images" or "normal"."""
    blob = node.tops[index]
    if blob.name in inputs.arrays:
        return stored(b, b.asarray(inputs.arrays[blob.name])), "given"
    source = inputs.source(node)
    if source is not None:
        return stored(b, b.asarray(source.top(index, shape[0]))), "given"
    seed = stream(inputs.seed, "input", blob.name)
    if node.type == "DummyData":
        return stored(b, _dummy(b, node, index, shape, seed)), "filler"
    classes = label_classes(blob)
    if classes is not None:
        return stored(b, b.asarray(labels(shape, classes, seed))), "labels"
    boxes = region_values(net, blob.name, readers_through(blob), shape, seed, labels)
    if boxes is not None:
        return stored(b, b.asarray(boxes)), "labels"
    if any(reader.type in TARGET_READERS and at > 0 for reader, at in readers_through(blob)):
        u = raw(count(shape), seed, UNIFORM, 2.0**-24, 0.5)
        return stored(b, b.asarray((u >= 0.5).reshape(shape))), "targets"
    if node.type in IMAGE_SOURCES and len(shape) == 4:
        return stored(b, b.asarray(images(shape, node.param("transform_param"), seed))), "images"
    if len(shape) == 4 and min(shape[2:]) >= _PATCHES[1][0]:
        return stored(b, b.asarray(pictures(shape, seed))), "normal"
    return stored(b, normal(b, shape, seed, 0.0, 1.0)), "normal"


def labels(shape: Ints, classes: int, seed: int) -> npt.NDArray[np.float32]:
    """Class numbers in a golden-ratio sequence from a drawn start: even a small batch shows several classes."""
    start = float(raw(1, seed, UNIFORM, 2.0**-24, 0.5)[0])
    spot = (start + np.arange(1, count(shape) + 1) * _GOLDEN) % 1.0
    found: npt.NDArray[np.float32] = np.minimum(np.floor(spot * classes), classes - 1).astype(np.float32)
    return found.reshape(shape)


def pictures(shape: Ints, seed: int) -> npt.NDArray[np.float32]:
    """Synthetic pictures (N, C, H, W) of mean 0 and variance 1: patches of four sizes, mostly grey.

    Independent pixels would average out in the first layers, and every sample and place would then look the same to
    the deeper ones.
    """
    n, channels = shape[:2]
    field = np.zeros(shape, np.float32)
    for level, (size, share) in enumerate(_PATCHES):
        for colours, part in ((1, _GREY), (channels, 1 - _GREY)):
            small = (n, colours, -(-shape[2] // size), -(-shape[3] // size))
            key = stream(seed, level, colours, part)
            values = raw(count(small), key, NORMAL, 1 / NORMAL_STD, 0.0).reshape(small)
            wide = values.repeat(size, axis=2).repeat(size, axis=3)[:, :, : shape[2], : shape[3]]
            field += wide * np.float32((share * part) ** 0.5)
    return field


def images(shape: Ints, transform: Bound, seed: int) -> npt.NDArray[np.float32]:
    """(pixel - mean) * scale of synthetic 8-bit pictures; a mean file is taken to hold the pixels' mean."""
    field = pictures(shape, seed)
    channels = shape[1]
    pixels: npt.NDArray[np.float32] = np.rint(
        np.clip(field * np.float32(IMAGE_STD) + np.float32(IMAGE_MEAN), 0, 255)
    ).astype(np.float32)
    means = [float(v) for v in transform.all("mean_value")]
    if transform.has("mean_file"):
        pixels -= np.float32(IMAGE_MEAN)
    elif len(means) == 1:
        pixels -= np.float32(means[0])
    elif len(means) == channels:
        pixels -= np.asarray(means, np.float32).reshape(1, -1, 1, 1)
    scale = transform.get("scale")
    pixels *= np.float32(1.0 if scale is None else scale)
    return pixels


def _dummy(b: Backend, node: Node, index: int, shape: Ints, seed: int) -> Array:
    fillers = node.param("dummy_data_param").all("data_filler")
    if not fillers:
        return b.full(shape, 0.0)
    return fill(b, shape, read_filler(fillers[index] if index < len(fillers) else fillers[0]), seed)


def read_filler(message: Bound) -> Filler:
    """A FillerParameter's values."""

    def number(name: str, default: float) -> float:
        value = message.get(name)
        return default if value is None else float(value)

    sparse = message.get("sparse")
    return Filler(
        type=str(message.get("type") or "constant").removesuffix("static"),
        value=number("value", 0.0),
        min=number("min", 0.0),
        max=number("max", 1.0),
        mean=number("mean", 0.0),
        std=number("std", 1.0),
        sparse=-1 if sparse is None else int(sparse),
        variance_norm=str(message.get("variance_norm") or "FAN_IN"),
    )


def readers_through(blob: Blob, depth: int = 0) -> list[tuple[Node, int]]:
    """The layers that read a blob, directly or through layers that only move values."""
    found: list[tuple[Node, int]] = []
    for reader, at in blob.readers:
        found.append((reader, at))
        if depth < 8 and reader.type in _PASSES_ON:
            for top in reader.tops:
                found.extend(readers_through(top, depth + 1))
    return found


def label_classes(blob: Blob) -> int | None:
    """How many classes a label blob may name: the smallest class axis over its readers; None for other blobs."""
    sizes: list[int] = []
    for reader, at in readers_through(blob):
        if at != 1 or reader.type not in LABEL_READERS or reader.bottoms[0] is None:
            continue
        shape = reader.bottoms[0].shape
        message = LABEL_READERS[reader.type]
        axis = (
            int(reader.param(message).get("axis")) if message and reader.param(message).get("axis") is not None else 1
        )
        if shape is None or not -len(shape) <= axis < len(shape):
            continue
        size = shape[axis]
        if isinstance(size, int) and size > 0:
            sizes.append(size)
    return min(sizes, default=None)
