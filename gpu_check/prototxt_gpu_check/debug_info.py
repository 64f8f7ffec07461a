"""Caffe's own debug_info lines (net.cpp, ForwardDebugInfo), for comparison with a training log."""

from __future__ import annotations

import math
from collections.abc import Iterator

from prototxt_gpu_check.parameters import shared_name
from prototxt_gpu_check.result import ForwardResult, LayerResult
from prototxt_net.graph import explicit_loss_weight
from prototxt_net.net import Blob


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
                name = split.rpartition("_split_")[0] + "_split"
                yield f"    [Forward] Layer {name}, top blob {split} data: {value}"


def _layer_lines(layer: LayerResult) -> Iterator[str]:
    for top in layer.tops:
        yield f"    [Forward] Layer {layer.name}, top blob {top.name} data: {formatted(top.stats.debug_value)}"
    for index, param in enumerate(layer.params):
        name = shared_name(layer.node, index) or str(index)
        yield f"    [Forward] Layer {layer.name}, param blob {name} data: {formatted(param.after.debug_value)}"


def split_tops(blob: Blob) -> list[str]:
    """The tops of the Split that Caffe inserts behind this version of a blob; empty where it inserts none.

    It does so behind every version with several readers; an explicit loss_weight counts as one.
    """
    count = len(blob.readers) + (1 if explicit_loss_weight(blob.producer, blob.top_index) else 0)
    if count < 2:
        return []
    return [f"{blob.name}_{blob.producer.name}_{blob.top_index}_split_{i}" for i in range(count)]


def formatted(value: float) -> str:
    """A number as C++ streams print it: six significant digits, nan, inf."""
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return f"{value:.6g}"
