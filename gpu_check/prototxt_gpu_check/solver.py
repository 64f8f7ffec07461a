"""What a solver's first update changes: Caffe's SGD and Nesterov (sgd_solver.cpp, nesterov_solver.cpp).

The history is empty at the first iteration, so momentum adds nothing to SGD, and the update is linear in the gradient.
Solvers that divide by the size of the gradient (Adam, RMSProp, AdaGrad, AdaDelta) are not described here.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(slots=True, frozen=True)
class Solver:
    """A solver as far as its first update goes.

    name: what to call it. rate: of the first iteration. gain: what the update multiplies rate and gradient by, 1 for
    SGD, 1 + momentum for Nesterov. decay: weight_decay, an L2 term unless `l1`. clip: clip_gradients, none below 0.
    batches: iter_size.
    """

    name: str
    rate: float
    gain: float = 1.0
    decay: float = 0.0
    l1: bool = False
    clip: float = -1.0
    batches: int = 1

    def to_json(self) -> dict[str, Any]:
        """The fields, as keyword arguments of the class."""
        return asdict(self)

    def scale(self, norm: float, used: float) -> float:
        """What clipping and averaging leave of a gradient, at least, as a factor.

        norm: the L2 norm of all gradients of the batch that ran. used: its share of the samples of one batch of the
        net. The samples that were left out may cancel what was seen: of k times as many, noise leaves 1/sqrt(k).
        """
        share = math.sqrt(min(1.0, used) / self.batches)
        summed = norm * share * self.batches  # clip_gradients is applied before dividing by iter_size
        clipped = self.clip / summed if 0 <= self.clip < summed else 1.0
        return share * clipped

    def update(self, gradient: float, weights: float, count: int, lr_mult: float, decay_mult: float) -> float:
        """The L2 norm of a blob's first update, at least. gradient, weights: L2 norms. count: values in the blob."""
        decay = self.decay * decay_mult * (math.sqrt(count) if self.l1 else weights)
        return self.gain * self.rate * lr_mult * max(0.0, gradient - decay)
