"""Formats for people: full (with the lines at fault) and concise (one line a finding). Plain text; colour is optional."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from prototxt_net.finding import SEVERITIES, Finding
from prototxt_server.report.record import FileFindings

_COLOUR = {"error": "31", "warning": "33", "info": "36", "hint": "90"}


class Style:
    """ANSI colours, or none."""

    def __init__(self, colour: bool) -> None:
        self.colour = colour

    def __call__(self, text: str, code: str) -> str:
        """The text in an SGR colour, unchanged when colour is off."""
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour else text


def concise(files: Iterable[FileFindings]) -> str:
    """`file:row:column: severity CODE message`."""
    lines = []
    for file in files:
        for finding in file.findings:
            place = file.location(finding.start)
            star = " [*]" if finding.fix is not None and finding.fix.applicability == "safe" else ""
            lines.append(
                f"{file.filename}:{place['row']}:{place['column']}: {finding.severity} {finding.code}{star} "
                f"{finding.message}"
            )
    return "\n".join(lines)


def full(files: Iterable[FileFindings], colour: bool = False) -> str:
    """Each finding with its line, a marker below it, where else to look, and the fix."""
    style = Style(colour)
    return "\n\n".join(_full(file, finding, style) for file in files for finding in file.findings)


def _full(file: FileFindings, finding: Finding, style: Style) -> str:
    place = file.location(finding.start)
    head = style(f"{finding.severity}[{finding.code}]", f"1;{_COLOUR[finding.severity]}")
    phases = f" ({', '.join(finding.phases)})" if len(finding.phases) == 1 else ""
    lines = [f"{head} {style(finding.name, '1')}{phases}: {finding.message}"]
    lines.append(f"  {style('-->', '34')} {file.filename}:{place['row']}:{place['column']}")
    lines += _excerpt(file, finding.start, finding.end, style, _COLOUR[finding.severity])
    for related in finding.related:
        where = file.location(related.start)
        name = related.filename or file.filename
        lines.append(f"  {style('note:', '1')} {related.message} ({name}:{where['row']}:{where['column']})")
    if finding.fix is not None:
        kind = "" if finding.fix.applicability == "safe" else " (unsafe: behaviour changes; --unsafe-fixes applies it)"
        lines.append(f"  {style('help:', '1;36')} {finding.fix.message}{kind}")
    return "\n".join(lines)


def _excerpt(file: FileFindings, start: int, end: int, style: Style, colour: str) -> list[str]:
    row, column = file.lines.position(start, "utf-32")
    line_start, line_end = file.lines.line_range(row)
    text = file.text[line_start:line_end]
    if len(text) > 200:  # a net on one line: show what is around the place
        cut = max(0, column - 60)
        text, column = text[cut : cut + 160], column - cut
    width = max(1, min(end - start, len(text) - column))
    number = str(row + 1)
    bar = style("|", "34")
    pad = " " * len(number)
    shown = "".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in text)
    blank = "".join("\t" if c == "\t" else " " for c in shown[:column])
    mark = style("^" * width, colour)
    return [f"{pad} {bar}", f"{style(number, '34')} {bar} {shown}", f"{pad} {bar} {blank}{mark}"]


def summary(files: list[FileFindings], checked: int) -> str:
    """`Checked 3 files: 2 errors, 1 warning; 1 fixable with --fix.`"""
    counts = Counter(finding.severity for file in files for finding in file.findings)
    fixable = sum(f.fix is not None and f.fix.applicability == "safe" for file in files for f in file.findings)
    unsafe = sum(f.fix is not None and f.fix.applicability == "unsafe" for file in files for f in file.findings)
    words = [f"{counts[s]} {s}{'s' if counts[s] != 1 and s != 'info' else ''}" for s in SEVERITIES if counts[s]]
    text = f"Checked {checked} file{'s' if checked != 1 else ''}: {', '.join(words) or 'nothing found'}."
    if fixable:
        text += f" {fixable} fixable with --fix."
    if unsafe:
        text += f" {unsafe} more with --unsafe-fixes."
    return text


def statistics(files: Iterable[FileFindings]) -> str:
    """Findings per rule, most frequent first."""
    counts: Counter[tuple[str, str, str]] = Counter(
        (finding.code, finding.severity, finding.name) for file in files for finding in file.findings
    )
    rows = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    width = max((len(str(count)) for _, count in rows), default=1)
    return "\n".join(f"{count:>{width}}  {code}  {severity:<7}  {name}" for (code, severity, name), count in rows)
