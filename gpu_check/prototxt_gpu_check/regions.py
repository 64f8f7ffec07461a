"""What detectors are fed beside pictures: SSD's ground truth, regions, and the size of the picture.

Numbers drawn at random would be no boxes: proposals outside the picture, regions of images that the batch has not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt

from prototxt_gpu_check.fill import UNIFORM, raw, stream
from prototxt_net.net import Node, PhaseNet

Ints = tuple[int, ...]
Host = npt.NDArray[np.float32]
Readers = Iterable[tuple[Node, int]]

TRUTH = {"MultiBoxLoss": ("multibox_loss_param", 3), "DetectionEvaluate": ("detection_evaluate_param", 1)}
"""Layers that read SSD's ground truth, with their message and the bottom that it is."""

POOLS = frozenset({"ROIPooling", "PSROIPooling", "ROIAlign"})
"""Layers whose bottom[1] are regions (image, xmin, ymin, xmax, ymax) in pixels of the picture."""

SIZES = {"Proposal": 4}
"""Layers whose bottom[2] is the picture's size: height, width and scale; PVANET's has a scale for each side."""


def assumed_shape(name: str, readers: Readers, batch: int) -> Ints | None:
    """The shape of a blob that holds boxes or sizes, by its name and readers; None for other blobs."""
    readers = list(readers)
    if any(reader.type in TRUTH and at == TRUTH[reader.type][1] for reader, at in readers):
        return (1, 1, batch, 8)
    if any(reader.type in POOLS and at == 1 for reader, at in readers) or name in ("rois", "gt_boxes"):
        return (batch, 5)
    size = next((SIZES[reader.type] for reader, at in readers if reader.type in SIZES and at == 2), 3)
    return (batch, size) if name == "im_info" else None


def region_values(
    net: PhaseNet, name: str, readers: Readers, shape: Ints, seed: int, labels: Callable[[Ints, int, int], Host]
) -> Host | None:
    """Values for such a blob; None for other blobs. labels: (shape, classes, seed) to class numbers."""
    if not shape:
        return None
    readers = list(readers)
    for reader, at in readers:
        message, bottom = TRUTH.get(reader.type, ("", -1))
        if at == bottom and shape[-1] == 8:
            return _truth(reader, message, shape, seed, labels)
    rows = int(np.prod(shape)) // max(1, shape[-1])
    if name == "im_info" and shape[-1] in (3, 4, 6):
        return np.resize(np.asarray((*_picture(net), 1, 1, 1, 1)[: shape[-1]], np.float32), shape)
    if shape[-1] == 5 and (name == "gt_boxes" or any(reader.type in POOLS and at == 1 for reader, at in readers)):
        height, width = _picture(net)
        table = np.zeros((rows, 5), np.float32)
        boxes = _boxes(rows, seed) * np.asarray([width, height, width, height], np.float32)
        if name == "gt_boxes":
            table[:, :4], table[:, 4] = boxes, 1
        else:
            table[:, 0] = np.arange(rows) * _images(readers) // max(1, rows)
            table[:, 1:] = boxes
        return table.reshape(shape)
    return None


def _truth(reader: Node, message: str, shape: Ints, seed: int, labels: Callable[[Ints, int, int], Host]) -> Host:
    """Rows: image, class, instance, xmin, ymin, xmax, ymax (shares of the picture), difficult."""
    p = reader.param(message)
    classes, background = int(p.get("num_classes") or 2), int(p.get("background_label_id") or 0)
    first = reader.bottoms[0].shape if reader.bottoms[0] is not None else None
    images = first[0] if reader.type == "MultiBoxLoss" and first else 1
    rows = int(np.prod(shape)) // 8
    table = np.zeros((rows, 8), np.float32)
    table[:, 0] = np.arange(rows) * (images if isinstance(images, int) else 1) // max(1, rows)
    table[:, 1] = labels((rows,), max(1, classes - 1), seed)
    table[:, 1] += table[:, 1] >= background
    table[:, 3:7] = _boxes(rows, seed)
    return table.reshape(shape)


def _boxes(rows: int, seed: int) -> Host:
    """Corners in shares of the picture, with sides of 0.2 to 0.6 of it."""
    u = raw(rows * 4, stream(seed, "objects"), UNIFORM, 2.0**-24, 0.5).reshape(rows, 4)
    side = np.float32(0.2) + np.float32(0.4) * u[:, 2:]
    start = u[:, :2] * (1 - side)
    found: Host = np.concatenate([start, start + side], axis=1)
    return found


def _picture(net: PhaseNet) -> tuple[int, int]:
    """Height and width of the first source top with four axes."""
    for node in net.nodes:
        for blob in node.tops if not node.bottoms else ():
            if blob.shape is not None and len(blob.shape) == 4 and all(isinstance(d, int) for d in blob.shape[2:]):
                return int(str(blob.shape[2])), int(str(blob.shape[3]))
    return 224, 224


def _images(readers: Readers) -> int:
    """How many images the maps have that the regions are cut from."""
    for reader, at in readers:
        shape = reader.bottoms[0].shape if at == 1 and reader.bottoms[0] is not None else None
        if reader.type in POOLS and shape and isinstance(shape[0], int):
            return shape[0]
    return 1
