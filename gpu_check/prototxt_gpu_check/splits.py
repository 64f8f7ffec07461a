"""The Split layers that Caffe inserts, by name: the nets here have none, their blobs have several readers instead."""

from __future__ import annotations

from prototxt_net.graph import explicit_loss_weight
from prototxt_net.net import Blob, Node


def split_name(blob: Blob) -> str:
    """The name of the Split behind a version of a blob."""
    return f"{blob.name}_{blob.producer.name}_{blob.top_index}_split"


def split_tops(blob: Blob) -> list[str]:
    """The tops of the Split that Caffe inserts behind this version of a blob; empty where it inserts none.

    It does so behind every version with several readers; an explicit loss_weight counts as one.
    """
    count = len(blob.readers) + (1 if explicit_loss_weight(blob.producer, blob.top_index) else 0)
    if count < 2:
        return []
    return [f"{split_name(blob)}_{i}" for i in range(count)]


def bottom_name(node: Node, index: int) -> str:
    """What Caffe calls a bottom: the blob, or the Split's top that stands between. A loss weight takes the first."""
    blob = node.bottoms[index]
    if blob is None:
        return node.layer.definition.bottoms[index]
    tops = split_tops(blob)
    if not tops:
        return blob.name
    return tops[blob.readers.index((node, index)) + (1 if len(tops) > len(blob.readers) else 0)]
