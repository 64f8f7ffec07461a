"""The table of `lsp forward` on a terminal: as wide as the terminal, with the layers at fault in colour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import IO, Any

from prototxt_net.finding import SEVERITIES, Finding
from prototxt_server.report.forward_text import NUMBERS, cells, norms

_STYLES = {"error": "bold red", "warning": "yellow", "info": "cyan", "hint": "bright_black"}
_DEAD, _UNCHECKED = "red", "dim"


def show(data: dict[str, Any], findings: Sequence[Finding], stream: IO[str], colour: bool) -> None:
    """Print the documented JSON object to a stream. findings: of that run; they colour the names of their layers."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    head, rows = cells(data)
    worst = _worst(findings)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for index, title in enumerate(head):
        right, fixed = (
            index >= NUMBERS,
            index >= NUMBERS - 1,
        )  # a narrow terminal folds names, neither shapes nor numbers
        title = title.replace("dead channels", "dead\nchannels")
        table.add_column(title, justify="right" if right else "left", no_wrap=fixed, overflow="fold")
    tops = ((layer, top) for layer in data["layers"] for top in layer["tops"] or [None])
    for row, (layer, top) in zip(rows, tops, strict=True):
        named = [Text(cell) for cell in row]
        named[0].stylize(_STYLES.get(worst.get(layer["name"], ""), ""))
        table.add_row(*named, style=_style(layer, top))
    console = Console(
        file=stream, force_terminal=colour or None, no_color=not colour, highlight=False, markup=False, emoji=False
    )
    console.print(table)
    for line in norms(data):
        console.print(line)


def _worst(findings: Sequence[Finding]) -> dict[str, str]:
    """The worst severity by layer."""
    found: dict[str, str] = {}
    for finding in sorted(findings, key=lambda f: SEVERITIES.index(f.severity)):
        if finding.layer is not None:
            found.setdefault(finding.layer, finding.severity)
    return found


def _style(layer: Mapping[str, Any], top: Mapping[str, Any] | None) -> str:
    if not layer["checked"]:
        return _UNCHECKED
    return _DEAD if top is not None and (top["nonfinite"] or top["zero_frac"] == 1) else ""
