"""What judges of outputs ask about a series: whether it is a loss, which layer makes it, how many classes it has."""

from __future__ import annotations

from collections.abc import Iterator

from prototxt_server.log.knowledge import NORMS
from prototxt_server.log.tracks import Track
from prototxt_server.log.view import View


def losses(view: View) -> Iterator[tuple[Track, bool]]:
    """(series, whether of a test) of all losses: net outputs, else the number of the "Iteration" lines."""
    log = view.log
    named = [track for track in log.train.values() if is_loss(view, track)]
    yield from ((track, False) for track in named)
    if not named and log.loss.count:
        yield log.loss, False
    yield from ((track, True) for track in log.test.values() if is_loss(view, track))


def is_loss(view: View, track: Track) -> bool:
    return track.weight is not None or "loss" in track.name.lower()


def layer_of(view: View, output: str) -> str | None:
    """The layer that makes a net output: in the net, else of the same name."""
    net = view.known.net()
    if net is not None:
        return next((blob.producer.name for blob in net.outputs if blob.name == output), None)
    return output if output in view.log.types else None


def classes_of(view: View, output: str) -> int | None:
    """How many classes a softmax loss has, from the shape of its scores; None when unknown."""
    layer = layer_of(view, output)
    node = view.known.node(layer) if layer is not None else None
    shape = node.bottoms[0].shape if node is not None and node.bottoms and node.bottoms[0] is not None else None
    if node is None or node.type != "SoftmaxWithLoss" or shape is None or len(shape) < 2:
        return None
    return shape[1] if isinstance(shape[1], int) and shape[1] > 1 else None


def is_softmax(view: View, output: str) -> bool | None:
    """Whether an output is a softmax loss; None when unknown."""
    layer = layer_of(view, output)
    if layer is None or not view.known.certain(layer):
        return None
    return view.known.type(layer) == "SoftmaxWithLoss"


def pointer(view: View) -> str:
    """Where a finding above names the layer of which a loss suffers."""
    found = [code for code, _ in view.reported if code in ("DYN001", "DYN010", "DYN012")]
    return " (the finding above says where)" if found else ""


def norms(view: View) -> list[str]:
    """The BatchNorm layers, by the net; by what the log says of types; else by the names that it mentions."""
    net = view.known.net("TRAIN")
    if net is not None:
        return list(dict.fromkeys(node.name for node in net.nodes if node.type in NORMS))
    log = view.log
    named = dict.fromkeys(
        [*log.types, *log.made, *log.needs_backward, *(x for kept in log.passes for x in kept.layers)]
    )
    return [name for name in named if view.known.type(name) in NORMS]
