"""A training log for people: who wrote it, how it went, what went wrong first and why."""

from __future__ import annotations

import math

from prototxt_net.finding import Finding
from prototxt_net.words import visible
from prototxt_server.log.compare import Comparison
from prototxt_server.log.findings import LogFindings, Report
from prototxt_server.log.tracks import Track
from prototxt_server.log.values import Pass
from prototxt_server.log.verdict import Verdict
from prototxt_server.report import human
from prototxt_server.report.human import Style
from prototxt_server.report.record import Layout

_SHOWN, _BEFORE = 140, 80
_ROWS = 5


def text(report: Report, layout: Layout, compared: Comparison | None = None) -> str:
    """The whole report. compared: the same pass run here, if that was asked for."""
    style = Style(layout.colour)
    parts = [heading(report)]
    for file in report.files:
        for finding in file.findings:
            if file.filename == file.log_name:
                parts.append(_in_log(file, finding, style, layout))
            else:
                parts.append(human.full([_only(file, finding)], layout))
    first = next((v for v in report.verdicts if v.kept is not None and v.layer in v.kept.layers), None)
    if first is not None:
        parts.append(around(report, first))
    if compared is not None:
        parts.append(beside(compared))
    if not report.findings:
        parts.append(_nothing(report))
    return "\n\n".join(parts)


def heading(report: Report) -> str:
    """What the log is and how the run went, in a few lines."""
    log = report.log
    runs = f", {log.runs} runs" if log.runs > 1 else ""
    written = (
        f"{report.writer.name} ({report.writer.why})" if report.writer.name else "which Caffe wrote it does not show"
    )
    numbers = f"{log.pass_count} passes with debug_info" if log.pass_count else "no debug_info lines"
    lines = [f"{visible(report.name)}: {written}; {log.rows} lines, {numbers}{runs}"]
    if log.loss.count:
        lines.append(f"  {_course('loss', log.loss)}")
    if log.lr.first is not None and log.lr.last is not None:
        first, last = log.lr.first.number, log.lr.last.number
        lines.append(f"  lr {first:g}" + (f" to {last:g}" if last != first else ""))
    for track in list(log.test.values())[:4]:
        lines.append(f"  {_course(f'test {visible(track.name)}', track)}")
    return "\n".join(lines)


def _course(name: str, track: Track) -> str:
    assert track.first is not None
    assert track.last is not None
    if track.count == 1:
        return f"{name} {track.first.number:g} in iteration {track.first.iteration}"
    low = f", lowest {track.lowest.number:g} in {track.lowest.iteration}" if track.lowest is not None else ""
    return (
        f"{name} {track.first.number:g} in iteration {track.first.iteration}, {track.last.number:g} in "
        f"{track.last.iteration}{low} ({track.count} reports)"
    )


def _only(file: LogFindings, finding: Finding) -> LogFindings:
    return LogFindings(file.filename, file.text, [finding], file.log_name, file.places)


def _in_log(file: LogFindings, finding: Finding, style: Style, layout: Layout) -> str:
    """A finding with the line of the log, as `lsp check` shows those of a net."""
    shown = human.full([_only(file, finding)], layout).split("\n")
    arrow = next(i for i, line in enumerate(shown) if "-->" in line)
    return "\n".join([*shown[: arrow + 1], *_excerpt(file, finding, style), *shown[arrow + 4 :]])


def _excerpt(file: LogFindings, finding: Finding, style: Style) -> list[str]:
    where = file.places[finding.start // 2]
    first = max(0, where.start - _BEFORE) if len(where.line) > _SHOWN else 0
    line = "".join(c if c.isprintable() else " " for c in where.line[first : max(first + _SHOWN, where.end)])
    number = str(where.row + 1)
    pad, bar = " " * len(number), style("|", "34")
    mark = " " * (where.start - first) + style("^" * max(1, where.end - where.start), human.COLOUR[finding.severity])
    return [f"{pad} {bar}", f"{style(number, '34')} {bar} {line}", f"{pad} {bar} {mark}"]


def around(report: Report, verdict: Verdict) -> str:
    """The layers around the first trouble with their numbers, in the order of the log."""
    kept = verdict.kept
    assert kept is not None
    assert verdict.layer is not None
    names = list(kept.layers)
    at = names.index(verdict.layer)
    chosen = names[max(0, at - _ROWS) : at + _ROWS + 1]
    rows: list[tuple[str, ...]] = [("", "layer", "type", "top", "mean |x|", "parameters: mean |w|")]
    rows += [_row(report, kept, name, name == verdict.layer) for name in chosen]
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    lines = [
        "  ".join([*(cell.ljust(w) for cell, w in zip(row[:5], widths, strict=True)), row[5]]).rstrip() for row in rows
    ]
    which = f"iteration {kept.iteration}" if kept.iteration is not None else "the pass"
    return "\n".join(
        [f"Around '{visible(verdict.layer)}' in {which}{' (test)' if kept.phase == 'TEST' else ''}:", *lines]
    )


def _row(report: Report, kept: Pass, name: str, here: bool) -> tuple[str, ...]:
    values = kept.layers[name]
    roles = report.known.roles(values)
    named = zip(values.params.items(), [*roles, *([""] * len(values.params))], strict=False)
    params = ", ".join(f"{role or index} {_number(v.number)}" for (index, v), role in named)
    tops = ", ".join(values.tops)
    sizes = ", ".join(_number(v.number) for v in values.tops.values())
    type_ = report.known.type(name)
    shown = type_ if report.known.certain(name) or not type_ else f"{type_}?"
    return ">" if here else "", visible(name), shown, visible(tops), sizes, params


def beside(compared: Comparison) -> str:
    """The first layer whose numbers differ from ours, with the rows around it."""
    batch = f", batch {compared.batch}" if compared.batch is not None else ""
    which = f"iteration {compared.kept.iteration}" if compared.kept.iteration is not None else "the first pass"
    head = f"Beside one batch run here ({compared.device}, {compared.phase}{batch}) {which} of the log "
    if not compared.rows:
        return head + "has no layer in common."
    first = compared.first
    if first is None:
        head += f"agrees in all {len(compared.rows)} numbers within a factor of {compared.factor:g}."
        at = -1
    else:
        head += f"disagrees first at '{visible(first.layer)}', {visible(first.what)}, by more than {compared.factor:g}."
        at = compared.rows.index(first)
    if compared.data is not None:
        row = compared.data
        head += (
            f" The data differs in size ({_number(row.log)} in the log, {_number(row.here or 0.0)} here): it is not the"
            " user's here, so layers above the first BatchNorm differ with it."
        )
    if at < 0:
        return head
    shown = compared.rows[max(0, at - _ROWS) : at + _ROWS + 1]
    rows = [("", "layer", "number", "log", "here")]
    rows += [
        (
            ">" if row is first else "",
            visible(row.layer),
            visible(row.what),
            _number(row.log),
            "-" if row.here is None else _number(row.here),
        )
        for row in shown
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    return "\n".join(
        [head, *("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows)]
    )


def _number(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else str(value)


def _nothing(report: Report) -> str:
    log = report.log
    if not log.debug_lines and not log.loss.count and not log.test:
        net = " It holds layers of a net: `lsp check` reads those." if log.net_text else ""
        return f"Nothing of a Caffe training log was found in it.{net}"
    if not log.debug_lines:
        return (
            "Nothing found. For the numbers of each layer train some iterations with debug_info: true and display: 1."
        )
    return "Nothing found."
