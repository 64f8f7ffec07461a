"""From verdicts to findings: at the net's lines where a net is given, else at the log's; with the causes in the net.

A log may be larger than memory, so there is no text to count offsets in: the offset of a finding in a log is the number
of a place, twice (its start) or twice plus one (its end).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from prototxt_net.finding import Finding, Related
from prototxt_server.analysis import Analysis, Settings, Source
from prototxt_server.engine import DOCS_URL, analyze
from prototxt_server.log.judge import judge
from prototxt_server.log.knowledge import Knowledge, by_blobs
from prototxt_server.log.lines import LAYER_HEAD, text
from prototxt_server.log.record import Log
from prototxt_server.log.values import Place
from prototxt_server.log.verdict import Verdict
from prototxt_server.log.versions import Writer, writer
from prototxt_server.report.record import FileFindings
from prototxt_server.rules.catalogue import load_all, load_dynamic

CAUSES = 3
"""At most so many causes in the net are named for one verdict."""


@dataclass
class LogFindings(FileFindings):
    """Findings of a log, or of a net with related places in a log. log_name: the log; places: see the module."""

    log_name: str = ""
    places: list[Place] = field(default_factory=list)

    def location(self, offset: int, filename: str = "") -> dict[str, int]:
        """1-based row and column of an offset in the net's text or of a place of the log."""
        if (filename or self.filename) != self.log_name:
            return super().location(offset, filename)
        where = self.places[offset // 2]
        return {"row": where.row + 1, "column": where.column + 1 + (where.end - where.start) * (offset % 2)}


@dataclass(slots=True)
class Report:
    """A log with all there is to say about it. files: the net's findings (where a net is given), then the log's."""

    name: str
    log: Log
    writer: Writer
    known: Knowledge
    verdicts: list[Verdict]
    files: list[LogFindings]

    @property
    def findings(self) -> list[Finding]:
        """All of them."""
        return [finding for file in self.files for finding in file.findings]


def report(log: Log, name: str, net: Source | None = None, settings: Settings = Settings()) -> Report:  # noqa: B008
    """Judge a log. net: the net that was trained; without it the one that the log prints is used, if it does."""
    who = writer(log)
    if not who.name:
        named = LAYER_HEAD.findall(net.text.encode("utf-8", "replace")) if net is not None else []
        who = by_blobs(log, {text(name): text(type_) for name, type_ in named})
    analysis = None
    if net is not None:
        analysis = _analysed(net, settings._replace(phase="all") if settings.phase == "auto" else settings, who)
    elif log.net_text:
        analysis = _analysed(Source(log.net_text), settings, who)
    if analysis is not None and analysis.file.kind != "net":
        analysis = None
    known = Knowledge(log, who, analysis, net is not None)
    verdicts = judge(log, known)
    return Report(name, log, who, known, verdicts, _files(name, net, known, verdicts))


def _analysed(net: Source, settings: Settings, who: Writer) -> Analysis:
    """The net as the Caffe that wrote the log reads it. A fork may print that Caffe's lines: what it would refuse, and
    the dialect that the file itself tells would not, is read in that one.
    """
    told = analyze(net, settings)
    if settings.dialect != "auto" or not who.dialect or told.file.dialect == who.dialect:
        return told
    written = analyze(net, settings._replace(dialect=who.dialect))
    refused, before = (sum(f.caffe_aborts for f in analysis.findings) for analysis in (written, told))
    return told if refused > before else written


def _files(name: str, net: Source | None, known: Knowledge, verdicts: Sequence[Verdict]) -> list[LogFindings]:
    places: list[Place] = []
    in_log = LogFindings(name, "", [], name, places)
    if net is None or known.analysis is None:
        for verdict in verdicts:
            in_log.findings.append(_in_log(verdict, known, places))
        return [in_log]
    in_net = LogFindings(net.path, net.text, [], name, places)
    for verdict in verdicts:
        node = known.node(verdict.layer) if verdict.layer is not None else None
        causes = _causes(verdict, known)
        where = verdict.at or (node.layer.at(verdict.field) if node is not None else None)
        if where is not None:
            base = Finding(verdict.code, "", verdict.severity, verdict.message, *where)
            related = (
                Related("the log says so here", *_offsets(verdict.place, places), name),
                *_notes(verdict, places, name),
            )
        else:
            base = _in_log(verdict, known, places)
            related = base.related
        related += tuple(
            Related(f"cause: {cause.code} {cause.message}", cause.start, cause.end, "" if where else net.path)
            for cause in causes
        )
        target = in_net if where is not None else in_log
        target.findings.append(_finished(base, verdict, known, related))
        in_net.findings += [cause for cause in causes if cause not in in_net.findings]
    return [file for file in (in_net, in_log) if file.findings]


def _in_log(verdict: Verdict, known: Knowledge, places: list[Place]) -> Finding:
    start, end = _offsets(verdict.place, places)
    related = _notes(verdict, places, "")
    if not known.given:
        related += tuple(_printed(cause, known, places) for cause in _causes(verdict, known))
    return _finished(Finding(verdict.code, "", verdict.severity, verdict.message, start, end), verdict, known, related)


def _finished(base: Finding, verdict: Verdict, known: Knowledge, related: tuple[Related, ...]) -> Finding:
    phases = (verdict.kept.phase,) if verdict.kept is not None and verdict.kept.phase else ()
    return base._replace(
        name=name_of(verdict.code),
        layer=verdict.layer,
        phases=phases,
        dialect=known.dialect or "bvlc",
        caffe_aborts=verdict.refused,
        related=related,
        url=f"{DOCS_URL}{verdict.code}.md",
    )


def _offsets(place: Place, places: list[Place]) -> tuple[int, int]:
    places.append(place)
    return 2 * len(places) - 2, 2 * len(places) - 1


def _notes(verdict: Verdict, places: list[Place], name: str) -> tuple[Related, ...]:
    return tuple(Related(note.message, *_offsets(note.place, places), name) for note in verdict.notes)


def _printed(cause: Finding, known: Knowledge, places: list[Place]) -> Related:
    """A cause in the net that the log prints, as a place of the log."""
    assert known.analysis is not None
    lines = FileFindings("", known.log.net_text, [])
    where, end = lines.location(cause.start), lines.location(cause.end)
    width = end["column"] - where["column"] if end["row"] == where["row"] else 1
    row, column = known.log.net_row + where["row"] - 1, where["column"] - 1
    line = known.log.net_text[cause.start : cause.start + max(width, 1)]
    place = Place(row, column, line, 0, len(line))
    return Related(f"cause: {cause.code} {cause.message}", *_offsets(place, places))


def _causes(verdict: Verdict, known: Knowledge) -> list[Finding]:
    """Findings of the static rules that name why: at the layer itself, else at layers above it."""
    analysis = known.analysis
    if analysis is None or verdict.because:
        return list(verdict.because)
    found = [f for f in analysis.findings if f.code in verdict.causes]
    at_layer = [f for f in found if f.layer == verdict.layer]
    if not at_layer and verdict.layer is not None:
        node = known.node(verdict.layer)
        above = {n.name for net in analysis.nets for n in net.nodes if node is not None and n.position <= node.position}
        at_layer = [f for f in found if f.layer in above]
    order = {code: i for i, code in enumerate(verdict.causes)}
    return sorted(at_layer, key=lambda f: order[f.code])[:CAUSES]


def name_of(code: str) -> str:
    """A rule's name."""
    return next((rule.name for rule in (*load_dynamic(), *load_all()) if rule.code == code), code.lower())
