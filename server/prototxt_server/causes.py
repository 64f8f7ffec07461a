"""Why sizes are what they are: walked back to the layers that set them, and to where two paths part.

A problem that is about sizes names them in its data (`finding.SIZES`); what is said here is the same for all rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prototxt_net.finding import Problem, Related
from prototxt_net.net import Blob, Node
from prototxt_net.origin import Origin, history, origin, parting, rank_origin
from prototxt_net.shape import same, text

NAMES = ("batch size", "channels", "height", "width")
TOLD = 2  # so many origins stand in the message itself; more are places to look at
CHAIN = 4  # so many layers of a chain are named


def cause(node: Node, problem: Problem) -> tuple[str, tuple[Related, ...]]:
    """What the message goes on to say, and the places (offsets into the whole text)."""
    facts: dict[str, Any] = problem.data
    if "differ" in facts:
        return _differ(node, *facts["differ"])
    if "rank" in facts:
        blob = _blob(node, facts["rank"])
        found = None if blob is None else rank_origin(blob)
        axes = [] if found is None else [("axes", found)]
        return _said(axes), _places(axes)
    if "shrunk" in facts:
        return "", _shrunk(node, facts["shrunk"])
    sizes = list(_sizes(node, facts["sizes"]))
    all_of_them = any(axis is None for _, axis in facts["sizes"])
    return _said(sizes if len(sizes) <= TOLD and not all_of_them else []), _places(sizes)


def _axis(axis: int, rank: int) -> str:
    return NAMES[axis] if rank == len(NAMES) or axis == 0 else f"axis {axis}"


def _blob(node: Node, index: int) -> Blob | None:
    blob = node.bottoms[index] if index < len(node.bottoms) else None
    return None if blob is None or blob.shape is None else blob


def _sizes(node: Node, wanted: tuple[tuple[int, int | None], ...]) -> Iterator[tuple[str, Origin]]:
    for bottom, axis in wanted:
        blob = _blob(node, bottom)
        rank = 0 if blob is None or blob.shape is None else len(blob.shape)
        for each in range(rank) if axis is None else (axis,):
            found = None if blob is None else origin(blob, each)
            if found is not None:
                yield _axis(each, rank), found


def _differ(node: Node, first: int, second: int, joined: int | None) -> tuple[str, tuple[Related, ...]]:
    """Both numbers of each axis in which two bottoms differ, and the blob from which their paths part."""
    one, other = _blob(node, first), _blob(node, second)
    if one is None or other is None or one.shape is None or other.shape is None:
        return "", ()
    rank = len(one.shape)
    pairs: list[tuple[str, Origin | None, Origin | None]]
    if rank != len(other.shape):
        pairs = [("axes", rank_origin(one), rank_origin(other))]
    else:
        pairs = [
            (_axis(axis, rank), origin(one, axis), origin(other, axis))
            for axis, (x, y) in enumerate(zip(one.shape, other.shape, strict=True))
            if axis != joined and same(x, y) is False
        ]
    sizes = [(name, found) for name, *both in pairs for found in both if found is not None]
    places = _places(sizes)
    fork = parting(one, other)
    if fork is not None and fork is not one and fork is not other:
        start, end = fork.producer.layer.at("top", fork.top_index)
        places += (Related(f"the two paths part at '{fork.name}' ({text(fork.shape)})", start, end),)
    return _said(sizes), places


def _shrunk(node: Node, axes: tuple[int, ...]) -> tuple[Related, ...]:
    """The layers that made the first bottom smaller, last first; the one that set its size where none did."""
    blob = _blob(node, 0)
    if blob is None or blob.shape is None:
        return ()
    rank = len(blob.shape)
    for axis in axes:
        steps = [(step, before) for step, before in history(blob, axis) if _smaller(step.size, before)]
        if steps:
            name = _axis(axis, rank)
            return tuple(
                _place(step, f"'{step.node.name}' makes {name} {step.size} of {before}{_why(step)}")
                for step, before in steps[:CHAIN]
            )
    return _places(list(_sizes(node, tuple((0, axis) for axis in axes))))


def _smaller(size: object, before: object) -> bool:
    return isinstance(size, int) and isinstance(before, int) and size < before


def _why(found: Origin) -> str:
    return f" ({found.why})" if found.why else ""


def _told(found: Origin) -> str:
    return f"{found.size} from '{found.node.name}'{_why(found)}"


def _said(sizes: list[tuple[str, Origin]]) -> str:
    """` Height and width: 4 from 'pool3' (kernel_size: 3), 5 from 'conv'.`: axes with the same story together."""
    stories: dict[str, list[str]] = {}
    for name, found in sizes:
        stories.setdefault(name, []).append(_told(found))
    names: dict[str, list[str]] = {}
    for name, story in stories.items():
        names.setdefault(", ".join(dict.fromkeys(story)), []).append(name)
    return "".join(f" {' and '.join(of).capitalize()}: {story}." for story, of in names.items())


def _places(sizes: list[tuple[str, Origin]]) -> tuple[Related, ...]:
    """One place for each layer and story."""
    found: dict[str, tuple[Origin, list[str]]] = {}
    for name, one in sizes:
        names = found.setdefault(_told(one), (one, []))[1]
        if name not in names:
            names.append(name)
    return tuple(_place(one, f"{' and '.join(names)}: {told}") for told, (one, names) in found.items())


def _place(found: Origin, message: str) -> Related:
    start, end = found.node.layer.at(found.path)
    return Related(message, start, end)
