"""Which Caffe wrote a log: the lines of its source that print moved from version to version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from prototxt_server.log.record import Log


@dataclass(slots=True, frozen=True)
class Writer:
    """dialect: "" where none of ours is meant for certain. name: for people. why: how it is known."""

    dialect: str
    name: str
    why: str


@dataclass(slots=True, frozen=True)
class Version:
    """net, solver: lines of net.cpp and solver.cpp, in the order of _NET and _SOLVER; 0 where there is none."""

    dialect: str
    name: str
    net: tuple[int, int, int]
    solver: tuple[int | tuple[int, int], int, int, int]


_NET = ("top", "param", "not needed")
"""`[Forward] Layer …, top blob`, `…, param blob`, `… does not need backward computation`."""
_SOLVER = ("iteration", "train output", "testing", "test output")
"""`Iteration N (…), loss = `, `Train net output #`, `Iteration N, Testing net`, `Test net output #`."""

VERSIONS = (
    Version("bvlc-rc2", "BVLC Caffe rc2", (559, 569, 165), (189, 204, 266, 315)),
    Version("", "NVIDIA Caffe 0.12 or 0.13", (645, 658, 217), (217, 234, 314, 363)),
    Version("", "BVLC Caffe rc3", (663, 675, 228), (229, 245, 338, 406)),
    Version("nvidia-0.14", "NVIDIA Caffe 0.14.5", (672, 684, 231), (243, 259, 347, 415)),
    Version("nvidia-0.15", "NVIDIA Caffe 0.15.1", (602, 614, 222), (228, 244, 337, 404)),
    Version("nvidia-0.15", "NVIDIA Caffe 0.15.2 to 0.15.14", (638, 650, 222), (242, 261, 362, 429)),
    Version("bvlc-1.0", "BVLC Caffe rc4", (593, 605, 202), (219, 238, 331, 398)),
    Version("bvlc-1.0", "BVLC Caffe rc5", (591, 603, 200), (219, 238, 331, 398)),
    Version("bvlc-1.0", "BVLC Caffe 1.0", (591, 603, 200), (218, 237, 330, 397)),
    Version("ssd", "SSD's Caffe", (608, 620, 228), (243, 259, 358, 425)),
    Version("bvlc", "BVLC Caffe after 1.0", (593, 605, 202), (239, 258, 347, 414)),
    Version("nvidia-0.16", "NVIDIA Caffe 0.16.1", (908, 919, 315), ((300, 305), 322, 441, 526)),
    Version("nvidia-0.16", "NVIDIA Caffe 0.16.2", (922, 933, 322), ((302, 307), 324, 451, 536)),
    Version("nvidia-0.16", "NVIDIA Caffe 0.16.3", (924, 935, 323), ((311, 316), 333, 459, 544)),
    Version("nvidia-0.16", "NVIDIA Caffe 0.16.4", (924, 935, 323), ((309, 314), 331, 457, 542)),
    Version("nvidia-0.16", "NVIDIA Caffe 0.16.5", (981, 992, 334), ((337, 342), 359, 490, 575)),
    Version("nvidia-0.16", "NVIDIA Caffe 0.16.6", (972, 983, 325), ((347, 353), 371, 508, 594)),
    Version("nvidia-0.17", "NVIDIA Caffe 0.17.0", (984, 995, 337), ((350, 356), 374, 516, 602)),
    Version("nvidia-0.17", "NVIDIA Caffe 0.17.1 or 0.17.2", (985, 996, 340), ((333, 341), 361, 501, 588)),
    Version("nvidia-0.17", "NVIDIA Caffe 0.17.3 or later", (987, 999, 343), ((337, 342), 358, 494, 581)),
)
"""Read off the tags of the public repositories, older ones first. Forks that left these files alone share the lines."""

ARROWS = Writer("nvidia-0.16", "NVIDIA Caffe 0.16.1 to 0.17.2", "each blob has a line of its own (` -> top blob`)")
ENOUGH = 2
"""So many lines of the solver must fit; one may be a coincidence."""


def writer(log: Log) -> Writer:
    """Who wrote the log; an empty name when nothing tells."""
    fitting = [(version, told) for version in VERSIONS if (told := _told(version, log))]
    if not fitting:
        return ARROWS if log.arrows else Writer("", "", "")
    versions = [version for version, _ in fitting]
    told = fitting[-1][1]
    why = ARROWS.why if log.arrows else f"its lines are {' and '.join(told[:2])}"
    return Writer(versions[-1].dialect, _either([version.name for version in versions]), why)


def _told(version: Version, log: Log) -> list[str]:
    """The lines of the log that are this version's; none where one contradicts it, or where there are too few."""
    found: list[str] = []
    debug = False
    for file, kinds, lines in (("net.cpp", _NET, version.net), ("solver.cpp", _SOLVER, version.solver)):
        for kind, own in zip(kinds, lines, strict=True):
            printed = log.sources.get(kind)
            if printed is None or printed[0] != file:
                continue
            if printed[1] not in (own if isinstance(own, tuple) else (own,)):
                return []
            debug |= kind in ("top", "param")
            found.append(f"{file}:{printed[1]}")
    return found if debug or len(found) >= ENOUGH else []


def _either(names: Sequence[str]) -> str:
    """`NVIDIA Caffe 0.16.3 or 0.16.4`: names that begin alike share the beginning."""
    first = names[0]
    shared = next((len(word) for word in ("BVLC Caffe ", "NVIDIA Caffe ") if first.startswith(word)), 0)
    return " or ".join([first, *(name[shared:] if name[:shared] == first[:shared] else name for name in names[1:])])
