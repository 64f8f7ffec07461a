"""What each Caffe layer type does in a backward pass, mirroring `layers`; importing this package registers them all.

The formulas are those of BVLC's Backward_cpu, also in what they read: a gradient that looks at a top's or a bottom's
values gets what lies in that memory after the forward pass, so a layer that works in place where it must not yields
the same wrong gradient as in Caffe (the table in the documentation of NET008).
"""

from prototxt_gpu_check.gradients import (  # registration
    activation,
    arrangement,
    detection,
    loss,
    normalization,
    recurrent,
    resizing,
    vision,
)
from prototxt_gpu_check.layers.base import Gradient, gradient_of

__all__ = [
    "Gradient",
    "activation",
    "arrangement",
    "detection",
    "gradient_of",
    "loss",
    "normalization",
    "recurrent",
    "resizing",
    "vision",
]
