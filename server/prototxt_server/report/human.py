"""Formats for people: full (with the lines at fault) and concise (one line a finding). Colour is optional."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from prototxt_net.finding import SEVERITIES, Finding
from prototxt_net.words import count, visible
from prototxt_server.report.record import FileFindings, Layout, per_rule

COLOUR = {"error": "31", "warning": "33", "info": "36", "hint": "90"}
_LONG_LINE, _SHOWN_OF_IT = 200, 160


class Style:
    """ANSI colours, or none."""

    def __init__(self, colour: bool) -> None:
        self.colour = colour

    def __call__(self, text: str, code: str) -> str:
        """The text in an SGR colour, unchanged when colour is off."""
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour else text


def concise(files: Iterable[FileFindings], layout: Layout = Layout()) -> str:  # noqa: B008 (frozen)
    """`file:row:column: severity CODE message`; [*] marks what --fix (with --unsafe-fixes, if given) would fix."""
    lines = []
    for file in files:
        for finding in file.findings:
            place = file.location(finding.start)
            fix = finding.fix
            star = " [*]" if fix is not None and (layout.unsafe or fix.applicability == "safe") else ""
            lines.append(
                f"{visible(file.filename)}:{place['row']}:{place['column']}: {finding.severity} {finding.code}{star} "
                f"{visible(finding.message)}"
            )
    return "\n".join(lines)


def full(files: Iterable[FileFindings], layout: Layout = Layout()) -> str:  # noqa: B008 (frozen)
    """Each finding with its line, a marker below it, where else to look, and the fix."""
    style = Style(layout.colour)
    return "\n\n".join(_full(file, finding, style, layout) for file in files for finding in file.findings)


def _full(file: FileFindings, finding: Finding, style: Style, layout: Layout) -> str:
    place = file.location(finding.start)
    name = visible(file.filename)
    phases = f" ({', '.join(finding.phases)})" if len(finding.phases) == 1 else ""
    label = f"{finding.severity}[{finding.code}]"
    head = _wrapped(f"{label} {finding.name}{phases}: {visible(finding.message)}", layout.width)
    head = head.replace(label, style(label, f"1;{COLOUR[finding.severity]}"), 1)
    lines = [head.replace(finding.name, style(finding.name, "1"), 1)]
    lines.append(f"  {style('-->', '34')} {name}:{place['row']}:{place['column']}")
    lines += _excerpt(file, finding.start, finding.end, style, COLOUR[finding.severity])
    for related in finding.related:
        where = file.location(related.start, related.filename)
        other = visible(related.filename) or name
        lines.append(f"  {style('note:', '1')} {visible(related.message)} ({other}:{where['row']}:{where['column']})")
    if finding.fix is not None:
        safe = finding.fix.applicability == "safe"
        how = "--fix" if safe else "changes what the net computes: --fix --unsafe-fixes"
        lines.append(f"  {style('help:', '1;36')} {visible(finding.fix.message)} ({how})")
    return "\n".join(lines)


def _wrapped(text: str, width: int | None) -> str:
    if width is None or len(text) <= width:
        return text
    import textwrap

    return textwrap.fill(text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def _excerpt(file: FileFindings, start: int, end: int, style: Style, colour: str) -> list[str]:
    row, column = file.lines.position(start, "utf-32")
    first, last = file.lines.line_range(row)
    if last - first > _LONG_LINE:  # a net on one line: show what is around the place
        first += max(0, column - 60)
        column -= max(0, column - 60)
        last = min(last, first + _SHOWN_OF_IT)
    text = file.text[first:last]
    width = max(1, min(end - start, len(text) - column))
    number = str(row + 1)
    bar = style("|", "34")
    pad = " " * len(number)
    shown = "".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in text)
    blank = "".join("\t" if c == "\t" else " " for c in shown[:column])
    mark = style("^" * width, colour)
    return [f"{pad} {bar}", f"{style(number, '34')} {bar} {shown}", f"{pad} {bar} {blank}{mark}"]


def summary(files: list[FileFindings], applied: int = 0, done: str = "Fixed") -> str:
    """`Fixed 1 finding. Checked 3 files: 2 errors. 1 fixable with --fix.`; applied, done: what was made before."""
    counts = Counter(finding.severity for file in files for finding in file.findings)
    # A finding of one batch offers the fix of the static rule behind it: the same fix counts once.
    distinct = [{f.fix for f in file.findings if f.fix is not None} for file in files]
    fixes = Counter(fix.applicability for found in distinct for fix in found)
    words = [f"{counts[s]} {s}" if s == "info" else count(counts[s], s) for s in SEVERITIES if counts[s]]
    text = f"Checked {count(len(files), 'file')}: {', '.join(words) or 'nothing found'}."
    if applied:
        text = f"{done} {count(applied, 'finding')}. {text}"
    if fixes["safe"]:
        text += f" {fixes['safe']} fixable with --fix."
    if fixes["unsafe"]:
        text += f" {fixes['unsafe']}{' more' if fixes['safe'] else ''} with --fix --unsafe-fixes."
    return text


def statistics(files: Iterable[FileFindings]) -> str:
    """Findings per rule, most frequent first."""
    rows = per_rule(files)
    width = max((len(str(row["count"])) for row in rows), default=1)
    return "\n".join(f"{row['count']:>{width}}  {row['code']}  {row['severity']:<7}  {row['name']}" for row in rows)
