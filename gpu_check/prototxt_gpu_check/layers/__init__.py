"""What each Caffe layer type does in a forward pass, in terms of `ops`; small families to a file, as in the net floor.

Importing this package registers them all.
"""

from prototxt_gpu_check.layers import (  # registration
    activation,
    arrangement,
    detection,
    loss,
    normalization,
    recurrent,
    regions,
    resizing,
    vision,
)
from prototxt_gpu_check.layers.base import Step, runner

__all__ = [
    "Step",
    "activation",
    "arrangement",
    "detection",
    "loss",
    "normalization",
    "recurrent",
    "regions",
    "resizing",
    "runner",
    "vision",
]
