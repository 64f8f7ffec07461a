"""Batch normalisation that moves in a part of the net that is meant to stand still: DYN017.

One pass shows it: statistics that differ before and after it change with every batch, also with each rate at 0, and a
layer that normalises with the batch gives an image another output in other company.
"""

from __future__ import annotations

from collections.abc import Iterator

from prototxt_gpu_check.result import LayerResult
from prototxt_gpu_check.verdict.view import View, param
from prototxt_net.batchnorm import behind_frozen_layer, mode, norm_family, norms
from prototxt_net.finding import Finding


def findings(view: View) -> Iterator[Finding]:
    """One finding at the first such layer, with the number of the others."""
    if not view.trains:
        return
    normalising = set(norms(view.net))
    moving = [x for x in view.layers if x.node in normalising and _frozen(view, x) and _moves(x)]
    if not moving:
        return
    first = moving[0]
    more = f" (and {len(moving) - 1} more)" if len(moving) > 1 else ""
    variance = param(first, "variance")
    assert variance is not None
    before, after = variance.before.mean_abs, variance.after.mean_abs
    yield view.finding(
        "DYN017",
        first,
        "warning",
        f"'{first.name}'{more} lies in a frozen part of the net, but this pass has moved its stored variance (mean "
        f"{before:.4g} before, {after:.4g} after), and its output depends on the rest of the batch."
        + _way_out(view, first),
        related=[(layer.node, f"'{layer.name}' moves as well") for layer in moving[1:]],
    )


def _way_out(view: View, layer: LayerResult) -> str:
    own = norm_family(layer.node, view.net.dialect)
    if own == "YX":
        return " Set frozen: true to keep it still."
    return " Set use_global_stats: true to keep it still." if mode(view.net, layer.node).reads_flag else ""


def _frozen(view: View, layer: LayerResult) -> bool:
    return bool(mode(view.net, layer.node).batch) and behind_frozen_layer(view.net, layer.node)


def _moves(layer: LayerResult) -> bool:
    moved = param(layer, "variance")
    return moved is not None and (moved.before.mean_abs, moved.before.mean) != (moved.after.mean_abs, moved.after.mean)
