"""Which parameter blob a `param` block belongs to, and what holds for it."""

from __future__ import annotations

from prototxt_net.file import Layer
from prototxt_net.message import Bound
from prototxt_net.net import Node
from prototxt_net.shape import text as shape_text
from prototxt_net.words import count
from prototxt_server.analysis import Analysis
from prototxt_server.assist import blobs
from prototxt_server.assist.describe import by_phase
from prototxt_server.assist.locate import Spot
from prototxt_server.assist.markdown import code, plain


def of_spot(analysis: Analysis, spot: Spot) -> str:
    """About the `param` block around a spot, in each phase; "" outside of one."""
    if spot.layer is None or spot.path[:2] != ("layer", "param"):
        return ""
    nodes = list(blobs.nodes_of(analysis, spot.layer))
    index = spot.steps[1].index
    texts = by_phase([net for net, _ in nodes], [_about(spot.layer, node, index) for _, node in nodes])
    return "\n\n".join(f"{phases}: {text}" if phases else text for phases, text in texts)


def _about(layer: Layer, node: Node, index: int) -> str:
    params = node.setup.params
    if index >= len(params):
        has = f"has {count(len(params), 'parameter blob')}" if params else "has no parameter blobs that are known"
        return f"Parameter blob {index} of {plain(layer.name)}: there is none, it {has}."
    blob = params[index]
    forced = " (this Caffe's own, whatever is written)"
    rates = [
        f"lr_mult {node.lr_mult(index):g}{forced if blob.lr_mult is not None else ''}",
        f"decay_mult {node.decay_mult(index):g}{forced if blob.decay_mult is not None else ''}",
    ]
    what = f"**{blob.role}**" + (", a running statistic" if blob.statistic else "")
    return (
        f"Parameter blob {index} of {plain(layer.name)}: {what}, shape {shape_text(blob.shape)}, "
        f"{_start(layer, blob.filler, blob.default)}; {', '.join(rates)}."
    )


def _start(layer: Layer, filler: str, default: float) -> str:
    written = layer.bound.find(filler) if filler else None
    if written is None or not isinstance(written.value, Bound):
        return f"starts at {default:g}"
    return f"filled by {code(str(written.value.get('type')))}"
