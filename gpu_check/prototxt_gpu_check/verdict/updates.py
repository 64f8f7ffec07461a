"""What the solver's first update does to the weights: DYN032. Silent without a solver that the numbers are known of."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from prototxt_gpu_check.result import BackwardResult, LayerResult
from prototxt_gpu_check.solver import Solver
from prototxt_gpu_check.verdict.view import NORMALISING, View, trained
from prototxt_net.finding import Finding
from prototxt_net.flow import lr
from prototxt_net.net import Blob

LARGE = 0.1
"""Share of the weights that an update changes; about 0.001 is healthy."""
HOPELESS = 1.0
_KEEP_SIZES = frozenset({"ReLU", "PReLU", "Pooling", "Dropout", "Concat", "Eltwise", "Split"})
"""Layers whose output grows as their input does."""

_DEEP = 64
SMALL = 1e-8
"""Below the rounding of single precision (6e-8): the sum is the weight again."""


@dataclass(slots=True, frozen=True)
class _Change:
    """One weight blob's update. ratio: against its weights, or larger ones, see `_reference`; most: against its own."""

    layer: LayerResult
    ratio: float
    most: float


def findings(view: View, found: BackwardResult) -> Iterator[Finding]:
    """One finding at most. Of several solvers that name the net the one speaks that says least."""
    if view.explained or not applies(view):
        return
    by_solver = [(solver, blobs) for solver in view.result.solvers if (blobs := list(_changes(view, found, solver)))]
    if not by_solver:
        return
    by_solver.sort(key=lambda pair: max(change.ratio for change in pair[1]))
    solver, blobs = by_solver[0]
    worst = max(blobs, key=lambda change: change.ratio)
    if worst.ratio > LARGE:
        others = [change for change in blobs if change.ratio > LARGE and change is not worst]
        plural = "s" if len(others) > 1 else ""
        more = f" (and of {len(others)} more layer{plural} by more than {LARGE:.0%})" if others else ""
        outcome = ": they are replaced, not adjusted" if worst.ratio > HOPELESS else ""
        yield view.finding(
            "DYN032",
            worst.layer,
            "warning",
            f"With the rate of {solver.name} ({solver.rate:g}) the first update changes the weights of "
            f"'{worst.layer.name}' by at least {_percent(worst.ratio)}{more}{outcome}. About 0.1% is "
            "healthy. Lower base_lr, or set clip_gradients.",
            related=[(x.layer.node, f"The weights of '{x.layer.name}' by {_percent(x.ratio)}") for x in others],
        )
        return
    solver, blobs = by_solver[-1]
    still = [change for change in blobs if change.most < SMALL]
    if still:
        more = f" and {len(still) - 1} more" if len(still) > 1 else ""
        yield view.finding(
            "DYN032",
            still[0].layer,
            "info",
            f"With the rate of {solver.name} ({solver.rate:g}) the first update changes the weights of "
            f"'{still[0].layer.name}'{more} by {still[0].most:.1g} of their size, less than single precision can tell: "
            "they stay what they are. About 0.001 is healthy. Raise base_lr or lr_mult.",
        )


def applies(view: View) -> bool:
    """Whether the gradients are those of the run that the solver would start: from fillers, or on real data."""
    if view.result.weights is None:
        return view.from_scratch and not view.substituted
    return any("given" in layer.facts.get("values", ()) for layer in view.layers)


def _changes(view: View, found: BackwardResult, solver: Solver) -> Iterator[_Change]:
    """Of each layer the weight blob; biases and gammas start at 0 or 1 and are not measured by their own size."""
    norm = math.sqrt(sum(stats.sum_squares for stats in found.params.values()))
    requested, used = view.result.batch_requested, view.result.batch_used
    scale = solver.scale(norm, used / requested if used and requested else 1.0)
    if not norm or not math.isfinite(norm):
        return
    for layer in view.layers:
        if layer.node.tops and rescaled(layer.node.tops[0]):
            continue
        for i in trained(view, layer):
            stats, blob = found.params.get((layer.node, i)), layer.params[i]
            if stats is None or blob.role != "weight" or stats.all_zero or blob.before.all_zero:
                continue
            gradient, weights = math.sqrt(stats.sum_squares), math.sqrt(blob.before.sum_squares)
            multiplier = lr(view.net, layer.node, i)
            decay = layer.node.decay_mult(i)
            update = solver.update(gradient * scale, weights, stats.count, multiplier, decay)
            most = solver.gain * solver.rate * abs(multiplier) * gradient / weights
            yield _Change(layer, update / max(weights, _reference(blob.shape)), most)


def rescaled(blob: Blob, depth: int = 0) -> bool:
    """Whether a normalisation undoes every change of a blob's size, on all paths and before anything looks at it.

    The size of the weights that make it does not matter then, and large updates do no harm: ResNet-50 trains at a rate
    of 0.1 with first updates as large as its weights.
    """
    return bool(blob.readers) and all(
        reader.type in NORMALISING
        or (depth < _DEEP and reader.type in _KEEP_SIZES and all(rescaled(top, depth + 1) for top in reader.tops))
        for reader, _ in blob.readers
    )


def _reference(shape: tuple[int, ...]) -> float:
    """The L2 norm of weights with a variance of 1 / fan-in.

    Weights that start far below that (gaussian, std 1e-4) grow into it within a few updates, as they are meant to.
    """
    return math.sqrt(shape[0]) if shape else 0.0


def _percent(share: float) -> str:
    return f"{100 * share:.2g}%" if share < 1 else f"{share:.3g} times their size"
