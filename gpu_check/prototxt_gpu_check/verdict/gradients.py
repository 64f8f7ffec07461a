"""Gradients that are zero, vanish, explode or are none: DYN028, DYN030 to DYN033; layers without any: DYN034.

A zero gradient is followed upwards to the layer that stops it, and reported there once, with what it costs. Where the
forward pass has explained it already (an output that is 0 does not let a ReLU pass anything back), nothing is said; nor
where weights that start at 0 stop it, or weights that are all alike (the gradients of a softmax add up to 0), since
these get a gradient themselves and let it through after the first update.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from prototxt_gpu_check.result import BackwardResult, LayerResult
from prototxt_gpu_check.stats import Stats
from prototxt_gpu_check.verdict import updates
from prototxt_gpu_check.verdict.view import View, alike, trained
from prototxt_net.backward import backward
from prototxt_net.finding import Finding, Severity
from prototxt_net.net import Blob, Node

VANISHED = 1e-7
VANISHED_SHARE = 1e-5
EXPLODED = 1e4
OVER_WEIGHTS = 1e2
STRETCH = 5

_ALWAYS_ZERO = frozenset({"Reshape", "Concat", "Slice"})
"""Layers whose gradient is lost, whatever the data, where a Flatten reads their top (see gradients.arrangement)."""

_SUMS = frozenset({"EuclideanLoss", "L1Loss", "SmoothL1Loss", "SigmoidCrossEntropyLoss", "ContrastiveLoss"})
"""Losses that add up over everything but the samples: their gradients are larger by as much."""


def findings(view: View) -> Iterator[Finding]:
    """Nothing without a backward pass."""
    found = view.result.backward
    if found is None or not view.trains:
        return
    yield from _cut_off(view)
    broken = next((s for s in found.params.values() if s.nonfinite), None)
    if broken is not None:
        yield from _nonfinite(view, found)
        return
    yield from _zero(view, found)
    if view.result.solvers:
        yield from updates.findings(view, found)  # what gradients do to weights is known then
    else:
        yield from _exploding(view, found)
    yield from _vanishing(view, found)
    yield from _profile(view, found)


# -- DYN028 ------------------------------------------------------------------------------------------------------------


def _zero(view: View, found: BackwardResult) -> Iterator[Finding]:
    tracer = _Tracer(found)
    victims: dict[Node, list[LayerResult]] = {}
    for layer in view.layers:
        own = [i for i in trained(view, layer) if (layer.node, i) in found.params]
        if not own or not all(found.params[layer.node, i].all_zero for i in own):
            continue
        origin = tracer.origin(layer.node)
        if origin is not None and not _explained(view, origin):
            victims.setdefault(origin, []).append(layer)
    for origin, layers in victims.items():
        at = next(layer for layer in view.layers if layer.node is origin)
        names = f"'{layers[-1].name}'" + (f" and {len(layers) - 1} more" if len(layers) > 1 else "")
        verb = "gets" if len(layers) == 1 else "get"
        if origin is layers[-1].node:
            yield view.finding("DYN028", at, "warning", f"{names} {verb} a gradient of exactly 0: it cannot learn.")
        else:
            why, severity = _reason(view, at)
            yield view.finding(
                "DYN028",
                at,
                severity,
                f"No gradient passes '{at.name}'{why}: {names} below {verb} exactly 0.",
                related=[(layer.node, f"'{layer.name}' gets no gradient") for layer in reversed(layers)],
            )


class _Tracer:
    """Follows zero gradients upwards."""

    def __init__(self, found: BackwardResult) -> None:
        self._of = {layer.node: layer for layer in found.layers if layer.node is not None}

    def bottom(self, node: Node, index: int) -> Stats | None:
        """The gradient of a layer's bottom, None where it was not computed."""
        layer = self._of.get(node)
        return None if layer is None else next((d.stats for d in layer.bottoms if d.index == index), None)

    def stops(self, blob: Blob) -> list[Node]:
        """The layers from which a blob gets nothing but zeros; empty where some gradient arrives, or nobody knows."""
        stopping = []
        for reader, at in blob.readers:
            stats = self.bottom(reader, at)
            if stats is not None and not stats.all_zero:
                return []
            if stats is not None:
                stopping.append(reader)
        return stopping

    def origin(self, node: Node) -> Node | None:
        """The first layer above that gets a gradient and passes none on; the layer itself where it gets one."""
        seen = set()
        while node not in seen:
            seen.add(node)
            stopping = [reader for top in node.tops for reader in self.stops(top)]
            if not stopping:
                return node if node in self._of and not self._of[node].reason else None
            node = stopping[0]
        return None


def _explained(view: View, origin: Node) -> bool:
    """Whether the forward pass has said why, or weights (or a gamma) that start at 0 stop the gradient."""
    layer = next((x for x in view.layers if x.node is origin), None)
    if layer is None:
        return True
    blobs = [*origin.tops, *(b for b in origin.bottoms if b is not None)]
    if any(blob in view.explained for blob in blobs):
        return True
    if _holds_up(layer):
        return True
    # A branch that does not count, and data that the loss has nothing to say about.
    return origin.type in ("Silence", "Accuracy") or any(
        (s := view.stats(b)) is not None and s.all_zero
        for b in origin.bottoms
        if b is not None and origin.type != "ReLU"
    )


def _holds_up(layer: LayerResult) -> bool:
    """Whether the values that it starts with stop the gradient until its first update."""
    return any(
        (p.role in ("weight", "gamma") and p.before.all_zero) or (p.role == "weight" and alike(p.before))
        for p in layer.params
    )


def _reason(view: View, origin: LayerResult) -> tuple[str, Severity]:
    node = origin.node
    if node.type in _ALWAYS_ZERO:
        return (
            " because a Flatten reads its output: Flatten puts the gradient into memory of its own, and this layer "
            "looks for it in its own (reshape by one layer, or use InnerProduct, which flattens itself)"
        ), "error"
    if node.type in ("ReLU", "ReLU6"):
        return ", whose inputs are all negative in this batch", "warning"
    if view.result.phase == "TRAIN" and not node.tops[0].readers:
        return ": its own gradient is 0 for this batch", "warning"
    return " in this batch", "warning"


# -- DYN031, DYN030 ----------------------------------------------------------------------------------------------------


def _nonfinite(view: View, found: BackwardResult) -> Iterator[Finding]:
    """The first layer, from the loss down, whose gradients are not finite; silent where the forward pass was not."""
    if any(s.nonfinite for layer in view.layers for _, s in view.own(layer)):
        return
    for diffs in found.layers:
        count = sum(d.stats.nonfinite for d in (*diffs.bottoms, *diffs.params))
        if not count or diffs.node is None:
            continue
        layer = next(x for x in view.layers if x.node is diffs.node)
        yield view.finding(
            "DYN031",
            layer,
            "warning",
            f"The gradient of '{layer.name}' holds NaN or Inf ({count} values) although every output is finite: the "
            "first update makes the weights NaN.",
        )
        return


def _exploding(view: View, found: BackwardResult) -> Iterator[Finding]:
    """Against the weights, so that the size of the net does not matter, and divided by what the losses add up.

    Weights in front of a BatchNorm are left out: those of deep residual nets start with such gradients, and train.
    """
    if view.explained or not view.from_scratch or view.substituted:
        return
    gradient = weights = 0.0
    worst: tuple[float, LayerResult] | None = None
    for layer in view.layers:
        if layer.node.tops and updates.rescaled(layer.node.tops[0]):
            continue
        for i in trained(view, layer):
            stats = found.params.get((layer.node, i))
            if stats is None:
                continue
            gradient += stats.sum_squares
            weights += layer.params[i].before.sum_squares
            largest = stats.maximum or 0.0
            if worst is None or largest > worst[0]:
                worst = (largest, layer)
    if worst is None or not weights:
        return
    terms = _added_up(view)
    ratio = math.sqrt(gradient / weights) / terms
    if ratio > OVER_WEIGHTS or worst[0] / terms > EXPLODED:
        yield view.finding(
            "DYN031",
            worst[1],
            "warning",
            f"The gradients are {ratio:.3g} times the weights (L2 norms), the largest, {worst[0]:.3g}, in "
            f"'{worst[1].name}': the first update would destroy the weights. Scale the input or the loss, lower "
            "base_lr, or set clip_gradients.",
        )


def _added_up(view: View) -> float:
    """How many terms a sample adds to the loss, at most over the losses; 1 for losses that are averaged."""
    most = 1.0
    for layer in view.layers:
        first = next(view.bottoms(layer), None)
        if first is None or not layer.node.type.endswith("Loss"):
            continue
        stats, p = first[1], layer.node.param("loss_param")
        per_sample = stats.count / max(1, stats.shape[0] if stats.shape else 1)
        if layer.node.type in _SUMS:
            most = max(most, per_sample)
        elif p.get("normalization") in ("NONE", "BATCH_SIZE") or p.get("normalize") is False:
            most = max(most, float(layer.facts.get("positions", 1)))
    return most


def _vanishing(view: View, found: BackwardResult) -> Iterator[Finding]:
    """From scratch: the first layers' gradient against the last one's, and small by itself."""
    if view.explained or not view.from_scratch:
        return
    sizes = []
    for layer in view.layers:
        own = [found.params[layer.node, i] for i in trained(view, layer) if (layer.node, i) in found.params]
        means = [s.mean_abs for s, blob in zip(own, layer.node.setup.params, strict=False) if blob.role == "weight"]
        if means and means[0]:
            sizes.append((means[0], layer))
    if len(sizes) < 2:
        return
    last = sizes[-1][0]
    smallest = min(sizes[:-1], key=lambda pair: pair[0])
    if smallest[0] < VANISHED and smallest[0] / last < VANISHED_SHARE and not any(_holds_up(x) for _, x in sizes[1:]):
        yield view.finding(
            "DYN030",
            smallest[1],
            "warning",
            f"The gradient falls to a mean of {smallest[0]:.3g} at '{smallest[1].name}', {smallest[0] / last:.1g} of "
            f"that of '{sizes[-1][1].name}': the lower layers barely learn.",
        )


# -- DYN033 ------------------------------------------------------------------------------------------------------------


def _profile(view: View, found: BackwardResult) -> Iterator[Finding]:
    """The steepest stretch of STRETCH weighted layers along which the gradient of the bottoms keeps changing size."""
    if view.explained:
        return
    sizes: list[tuple[float, LayerResult]] = []
    for layer in view.layers:
        if not any(blob.role == "weight" for blob in layer.node.setup.params):
            continue
        diffs = found.of(layer.node)
        rms = max((d.stats.rms or 0.0 for d in diffs.bottoms), default=0.0) if diffs is not None else 0.0
        if rms:
            sizes.append((math.log10(rms), layer))
    steepest = max(
        ((low, high) for low, high in zip(sizes, sizes[STRETCH:], strict=False)),
        key=lambda pair: abs(pair[0][0] - pair[1][0]),
        default=None,
    )
    if steepest is None:
        return
    (low, first), (high, last) = steepest
    decades = (low - high) / STRETCH
    if abs(decades) > 1:
        verb = "grows" if decades > 0 else "shrinks"
        yield view.finding(
            "DYN033",
            first,
            "info",
            f"On its way down the gradient {verb} by {abs(decades):.1f} decades a layer between '{last.name}' and "
            f"'{first.name}'.",
        )


# -- DYN034 ------------------------------------------------------------------------------------------------------------


def _cut_off(view: View) -> Iterator[Finding]:
    """Layers with a rate that Net::Init switches off: one finding for all of them."""
    plan = backward(view.net)
    idle = [x for x in view.layers if x.node not in plan.layers and trained(view, x)]
    if not idle or not plan.layers:
        return
    first = idle[-1]
    more = f" ({len(idle)} such layers in all)" if len(idle) > 1 else ""
    why = (
        "every path to a loss is cut by propagate_down: false (FRZ003)"
        if first.node in plan.cut
        else "it leads to no loss that has a weight (NET015)"
    )
    yield view.finding(
        "DYN034",
        first,
        "warning",
        f"'{first.name}' has lr_mult other than 0, but the backward pass never reaches it{more}: {why}. Only weight "
        "decay changes its weights.",
        related=[(layer.node, f"'{layer.name}' is not reached either") for layer in reversed(idle[:-1])],
    )
