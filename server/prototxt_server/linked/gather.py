"""What an analysis is to be judged beside, found and read: the only look at other files on the way to the rules."""

from __future__ import annotations

from prototxt_server.analysis import Analysis, Settings, Source
from prototxt_server.engine import analyze
from prototxt_server.linked.model import Linked, NetLink
from prototxt_server.linked.paths import bases, find, is_template
from prototxt_server.linked.reader import Reader

NET_FIELDS = ("net", "train_net", "test_net")


def analyze_linked(source: Source, settings: Settings, reader: Reader, previous: Analysis | None = None) -> Analysis:
    """`analyze`, with the files that belong with this one."""
    alone = analyze(source, settings, previous)
    linked = gather(alone, reader)
    return alone if linked is None else analyze(source, settings, alone, linked)


def gather(analysis: Analysis, reader: Reader) -> Linked | None:
    """The files that belong with an analysed one; None where it has none, and for a text without a name."""
    if not analysis.source.path:
        return None
    if analysis.file.kind == "solver":
        return Linked(nets=_nets(analysis, reader))
    return None


def _nets(analysis: Analysis, reader: Reader) -> tuple[NetLink, ...]:
    found = []
    for field in NET_FIELDS:
        for index, entry in enumerate(analysis.file.root.entries.get(field, ())):
            if isinstance(entry.value, str) and entry.ok and not is_template(entry.value):
                found.append(_net(analysis, reader, field, index, entry.value))
    return tuple(found)


def _net(analysis: Analysis, reader: Reader, field: str, index: int, written: str) -> NetLink:
    owner = analysis.source.path
    place = find(owner, written, reader.is_file, beside=True)
    if not place.path:
        return NetLink(field, index, written, tried=tuple(bases(owner, written)))
    net = reader.analysis(place.path, analysis.settings)
    if net is not None and net.file.kind != "net":
        net = None
    return NetLink(field, index, written, place.path, place.moved, analysis=net)
