"""Caffe's own debug_info lines (net.cpp, ForwardDebugInfo and BackwardDebugInfo), to compare with a training log."""

from __future__ import annotations

import math
from collections.abc import Iterator

from prototxt_gpu_check.parameters import shared_name
from prototxt_gpu_check.result import BackwardResult, ForwardResult, LayerResult
from prototxt_gpu_check.splits import split_name, split_tops


def lines(result: ForwardResult) -> Iterator[str]:
    """One line a top and a parameter blob, in Caffe's order, the Split layers that it inserts included."""
    for layer in result.layers:
        if not layer.checked:
            yield f"    # Layer {layer.name} was not run: {layer.reason}"
            continue
        yield from _layer_lines(layer)
        for top, blob in zip(layer.tops, layer.node.tops, strict=False):
            value = formatted(top.stats.debug_value)
            for split in split_tops(blob):
                yield f"    [Forward] Layer {split_name(blob)}, top blob {split} data: {value}"
    if result.backward is not None:
        yield from backward_lines(result.backward)


def backward_lines(found: BackwardResult) -> Iterator[str]:
    """One line a gradient, last layer first, and the norms of all parameters (BackwardDebugInfo, Backward)."""
    for layer in found.layers:
        if layer.reason:
            yield f"    # Layer {layer.name} was not run backward: {layer.reason}"
        for diff in layer.bottoms:
            value = formatted(diff.stats.debug_value)
            yield f"    [Backward] Layer {layer.name}, bottom blob {diff.name} diff: {value}"
        for diff in layer.params:
            value = formatted(diff.stats.debug_value)
            yield f"    [Backward] Layer {layer.name}, param blob {diff.name} diff: {value}"
    n = found.norms
    l1 = f"({formatted(n.data_l1)}, {formatted(n.diff_l1)})"
    l2 = f"({formatted(n.data_l2)}, {formatted(n.diff_l2)})"
    yield f"    [Backward] All net params (data, diff): L1 norm = {l1}; L2 norm = {l2}"


def _layer_lines(layer: LayerResult) -> Iterator[str]:
    for top in layer.tops:
        yield f"    [Forward] Layer {layer.name}, top blob {top.name} data: {formatted(top.stats.debug_value)}"
    for index, param in enumerate(layer.params):
        name = shared_name(layer.node, index) or str(index)
        yield f"    [Forward] Layer {layer.name}, param blob {name} data: {formatted(param.after.debug_value)}"


def formatted(value: float) -> str:
    """A number as C++ streams print it: six significant digits, nan, inf."""
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return f"{value:.6g}"
