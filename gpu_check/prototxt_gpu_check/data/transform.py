"""transform_param: Caffe's DataTransformer.

In this order: the mirror coin, the crop (drawn in TRAIN, the centre in TEST), then (pixel - mean) * scale, where a mean
file is read at the place of the crop. Draws are keyed by seed, layer and sample, so a batch can be read again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from prototxt_gpu_check import wire
from prototxt_gpu_check.data.base import Absent, DataError, Floats, find, sizes
from prototxt_gpu_check.fill import UNIFORM, raw, stream
from prototxt_gpu_check.weights import parse_blob
from prototxt_net.message import Bound

CARRIED_OUT = frozenset({"scale", "mirror", "crop_size", "mean_file", "mean_value", "force_color", "force_gray"})
_NO_EFFECT = frozenset({"use_gpu_transform", "forward_packing", "random_seed", "display", "num_labels"})
"""Fields of forks that change no value (or, for random_seed, only which ones are drawn)."""


@dataclass(slots=True, frozen=True)
class Transform:
    """What one layer does to its images. mean: (C, H, W) of the whole image, before the crop."""

    layer: str
    scale: float = 1.0
    mean_values: tuple[float, ...] = ()
    mean: Floats | None = None
    crop: int = 0
    mirror: bool = False
    train: bool = False
    seed: int = 0

    def __call__(self, pixels: npt.NDArray[Any], number: int) -> Floats:
        """Transform sample `number`: (C, H, W) of any type to (C, crop or H, crop or W). Raises DataError."""
        channels, height, width = pixels.shape
        crop = self.crop
        if crop > min(height, width):
            raise DataError(f"'{self.layer}': crop_size {crop} exceeds the {height}x{width} images; Caffe aborts")
        coin, down, right = raw(3, stream(self.seed, "transform", self.layer, number), UNIFORM, 2.0**-24, 0.5).tolist()
        top = left = 0
        if crop:
            if self.train:
                top, left = int(down * (height - crop + 1)), int(right * (width - crop + 1))
            else:
                top, left = (height - crop) // 2, (width - crop) // 2
        window = np.s_[:, top : top + (crop or height), left : left + (crop or width)]
        out: Floats = pixels[window].astype(np.float32)
        if self.mean is not None:
            if self.mean.shape != pixels.shape:
                raise DataError(
                    f"'{self.layer}': the mean file is {sizes(self.mean.shape)}, the images are "
                    f"{sizes(pixels.shape)}; Caffe aborts"
                )
            out -= self.mean[window]
        elif self.mean_values:
            if len(self.mean_values) not in (1, channels):
                raise DataError(
                    f"'{self.layer}': {len(self.mean_values)} mean_value for {channels} channels; Caffe aborts"
                )
            out -= np.asarray(self.mean_values, np.float32).reshape(-1, 1, 1)
        out *= np.float32(self.scale)
        return np.ascontiguousarray(out[:, :, ::-1]) if self.mirror and coin >= 0.5 else out


def read_transform(layer: str, param: Bound, folders: Sequence[Path], train: bool, seed: int) -> Transform:
    """The Transform of a layer's transform_param. Raises DataError (the mean file), Absent (what is not done here)."""
    foreign = sorted(param.entries.keys() - CARRIED_OUT - _NO_EFFECT)
    if foreign:
        raise Absent(f"transform_param.{foreign[0]} is not carried out here")
    mean = None
    if param.has("mean_file"):
        mean = read_mean(str(param.get("mean_file")), folders)
    scale = param.get("scale")
    return Transform(
        layer,
        1.0 if scale is None else float(scale),
        tuple(float(value) for value in param.all("mean_value")),
        mean,
        int(param.get("crop_size") or 0),
        bool(param.get("mirror")),
        train,
        seed,
    )


def read_mean(name: str, folders: Sequence[Path]) -> Floats:
    """A mean file (a BlobProto of 1 x C x H x W) as (C, H, W). Raises Absent, DataError."""
    path = find(name, folders)
    if path is None:
        raise Absent(f"its mean_file {name} is not there")
    try:
        data = memoryview(path.read_bytes())
        blob = parse_blob(data, 0, len(data))
        array = blob.array()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None
    except (wire.WireError, ValueError):
        raise DataError(f"{path} is no mean file (a binary BlobProto)") from None
    if array.ndim != 4 or array.shape[0] != 1:
        raise DataError(f"{path} is no mean file: it holds {sizes(array.shape)}, not 1 x channels x height x width")
    return np.array(array[0], np.float32)
