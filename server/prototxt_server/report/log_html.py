"""A training log as one self-contained page: findings, losses, every layer over the iterations. No script at all."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from importlib.resources import files

from prototxt_server.log.findings import Report
from prototxt_server.log.tracks import Track
from prototxt_server.log.values import PassPhase, Slot
from prototxt_server.report.html import element, shown
from prototxt_server.report.log_plot import Curve, plot, spark
from prototxt_server.report.record import record
from prototxt_server.version import VERSION

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_NAMED = 40
"""At most so many layers are named below a plot."""
_CURVES = 48
"""At most so many layers in one plot; the table has all of them."""
_PARTS = {
    ("top", False): "Outputs, mean |x|",
    ("param", False): "Weights, mean |w|",
    ("bottom", True): "Gradients of inputs, mean |dx|",
    ("param", True): "Gradients of weights, mean |dw|",
}


def page(report: Report) -> str:
    """The page."""
    name = report.name.replace("\\", "/").rpartition("/")[2] or report.name
    head = "".join(
        [
            element("meta", charset="utf-8"),
            element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
            element("title", shown(f"{name}: training log")),
            element("style", files("prototxt_server.report").joinpath("page", "log.css").read_text(encoding="utf-8")),
        ]
    )
    phase = _phase(report)
    parts = [
        _header(report, name),
        element("section", _findings(report), id="findings", aria_label="Findings"),
        *_outputs(report),
        *_depth(report),
        *_layers(report, phase),
        _table(report, phase),
        element(
            "footer", shown(f"prototxt-lsp {VERSION}. Numbers are mean |x| over a blob, as debug_info prints them.")
        ),
    ]
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>'


def _phase(report: Report) -> PassPhase:
    """The phase whose passes are plotted: training where there is any."""
    order: tuple[PassPhase, ...] = ("TRAIN", "", "TEST")
    return next((phase for phase in order if phase in report.log.samples), "TRAIN")


def _card(title: str, content: str, note: str = "") -> str:
    below = element("p", shown(note), class_="note") if note else ""
    return element("section", element("h2", shown(title)) + content + below, class_="card", aria_label=title)


def _header(report: Report, name: str) -> str:
    log = report.log
    facts = {
        "written by": report.writer.name or "not shown",
        "passes with debug_info": str(log.pass_count),
        "lines": str(log.rows),
    }
    if log.loss.first is not None and log.loss.last is not None:
        facts["loss"] = f"{log.loss.first.number:g} \u2192 {log.loss.last.number:g}"
        facts["iterations"] = f"{log.loss.first.iteration} \u2013 {log.loss.last.iteration}"
    if log.lr.first is not None and log.lr.last is not None:
        first, last = log.lr.first.number, log.lr.last.number
        facts["lr"] = f"{first:g}" if first == last else f"{first:g} \u2192 {last:g}"
    listed = "".join(element("div", element("dt", shown(k)) + element("dd", shown(v))) for k, v in facts.items())
    title = element("div", element("h1", shown(name)) + element("p", shown(report.name), class_="path"))
    return element("header", title + element("dl", listed))


def _findings(report: Report) -> str:
    rows = [(file, finding) for file in report.files for finding in file.findings]
    if not rows:
        return element("p", "Nothing found.", class_="none")
    items = []
    for file, finding in rows:
        found = record(file, finding)
        place = f"{found['filename']}:{found['location']['row']}"
        notes = "".join(
            element("li", shown(f"{n['message']} ({n['filename']}:{n['location']['row']})")) for n in found["related"]
        )
        items.append(
            element(
                "li",
                element("span", shown(finding.severity), class_=f"badge {finding.severity}")
                + element("code", shown(finding.code))
                + element("div", shown(finding.message) + (element("ul", notes) if notes else ""), class_="message")
                + element("span", shown(place), class_="place"),
            )
        )
    return element("h2", f"{len(rows)} finding{'s' * (len(rows) != 1)}") + element("ol", "".join(items))


def _outputs(report: Report) -> Iterable[str]:
    """Losses and other outputs; the rate where it moves."""
    log = report.log
    tracks: list[tuple[str, Track]] = [(f"train {track.name}", track) for track in log.train.values()]
    if not log.train and log.loss.count:
        tracks.append(("loss", log.loss))
    tracks += [(f"test {track.name}", track) for track in log.test.values()]
    if log.lr.lowest is not None and log.lr.highest is not None and log.lr.lowest.number != log.lr.highest.number:
        tracks.append(("lr", log.lr))
    if any(len(track.points) > 1 for _, track in tracks):
        curves = [
            Curve(name, [(float(i), v) for i, v in track.points], 360 * k / len(tracks), strong=True)
            for k, (name, track) in enumerate(tracks)
        ]
        yield _card("Losses and outputs", plot(curves, "Losses and outputs", "iteration") + _legend(curves))


def _legend(curves: Sequence[Curve]) -> str:
    spans = (element("span", shown(curve.name), class_="legend", style=f"--h:{curve.hue:.0f}") for curve in curves)
    return element("p", "".join(spans), class_="legends")


def _depth(report: Report) -> Iterable[str]:
    """The kept passes from layer to layer: what the excerpt of a log shows even when it is a single pass."""
    passes = [kept for kept in report.log.passes if len(kept.layers) > 2][:5]
    curves = []
    for number, kept in enumerate(passes):
        when = f"iteration {kept.iteration}" if kept.iteration is not None else f"pass {kept.number + 1}"
        label = f"{when}{' (test)' if kept.phase == 'TEST' else ''}"
        points = [
            (float(at), next(iter(values.tops.values())).number)
            for at, values in enumerate(kept.layers.values(), 1)
            if values.tops
        ]
        curves.append(Curve(label, points, 250 - 250 * number / max(1, len(passes) - 1), strong=True))
    if curves:
        listed = {tuple(kept.layers) for kept in passes}
        names = listed.pop() if len(listed) == 1 else ()
        drawn = plot(
            curves,
            "From layer to layer",
            "layers in the order of the log",
            names=names if len(names) <= _NAMED else (),
        )
        yield _card("From layer to layer, mean |x|", drawn + _legend(curves))


def _series(report: Report, slot: Slot, phase: PassPhase) -> list[tuple[float, float]]:
    iterations = report.log.samples[phase].iterations
    return [(float(i), v) for i, v in zip(iterations, slot.samples.get(phase, ()), strict=False)]


def _main(report: Report, part: str, diff: bool, phase: PassPhase) -> dict[str, Slot]:
    """The slot of each layer that stands for it: its first top, input or parameter of that kind."""
    chosen: dict[str, Slot] = {}
    for slot in report.log.slots:
        if (slot.part, slot.diff) == (part, diff) and phase in slot.samples:
            chosen.setdefault(slot.layer, slot)
    return chosen


def _layers(report: Report, phase: PassPhase) -> Iterable[str]:
    if phase not in report.log.samples or len(set(report.log.samples[phase].iterations)) < 2:
        return
    at_fault = {finding.layer for finding in report.findings}
    for (part, diff), title in _PARTS.items():
        slots = list(_main(report, part, diff, phase).values())
        if diff:
            slots.reverse()  # back-propagation prints the last layer first
        every = max(1, math.ceil(len(slots) / _CURVES))
        shown_slots = [(i, s) for i, s in enumerate(slots) if i % every == 0 or s.layer in at_fault]
        if not shown_slots:
            continue
        curves = [
            Curve(
                f"{s.layer}: {s.blob}",
                _series(report, s, phase),
                250 - 250 * i / max(1, len(slots) - 1),
                s.layer in at_fault,
            )
            for i, s in shown_slots
        ]
        note = "Blue: the first layers, red: the last; thick: layers with a finding. Point at a curve for its layer."
        if every > 1:
            note += f" {len(curves)} of {len(slots)} layers; the table below has all."
        yield _card(f"{title}, over the iterations", plot(curves, title, "iteration"), note)


def _table(report: Report, phase: PassPhase) -> str:
    if phase not in report.log.samples:
        return ""
    tables = {key: _main(report, *key, phase) for key in _PARTS}
    names = list(dict.fromkeys(name for chosen in tables.values() for name in chosen))
    heads = ["layer", "type"]
    for what in ("mean |x|", "mean |w|", "mean |dx|", "mean |dw|"):
        heads += [what, "last", ""]
    rows = []
    for name in names:
        cells = [element("td", shown(name)), element("td", shown(report.known.type(name)))]
        for chosen in tables.values():
            series = _series(report, chosen[name], phase) if name in chosen else []
            known = [(i, v) for i, v in series if not math.isnan(v)] or series
            first, last = (f"{known[0][1]:.3g}", f"{known[-1][1]:.3g}") if known else ("", "")
            drawn = spark(series, 210) if len({i for i, _ in series}) > 1 else ""
            cells += [element("td", first), element("td", last), element("td", drawn)]
        rows.append(element("tr", "".join(cells)))
    head = element("thead", element("tr", "".join(element("th", shown(h), scope="col") for h in heads)))
    table = element("table", head + element("tbody", "".join(rows)))
    return _card("All layers, first and last sample", element("div", table, class_="scroll"))
