"""`lsp dialects`: which forks read a file, and what rules each other out."""

from __future__ import annotations

import json
from typing import Any

import click

from prototxt_grammar import parse
from prototxt_net import dialect as dialects
from prototxt_net.read import file_kind, read
from prototxt_net.schema.load import DIALECTS
from prototxt_server.cli.common import read_text
from prototxt_server.report.record import FileFindings


@click.command("dialects", epilog="Example: lsp dialects train_val.prototxt")
@click.argument("paths", nargs=-1)
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(paths: tuple[str, ...], format_: str) -> None:
    """Which dialects read PATHS and what in them the others do not have; without PATHS, the known dialects."""
    if not paths:
        click.echo(json.dumps(list(DIALECTS)) if format_ == "json" else "\n".join(DIALECTS))
        return
    rows = [_row(path) for path in paths]
    if format_ == "json":
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    for row in rows:
        click.echo(f"{row['filename']}: {row['dialect']} ({row['why']})")
        click.echo(f"  read by: {', '.join(row['read_by']) or 'no known dialect'}")
        for item in row["ruled_out"]:
            click.echo(f"  {item['dialect']}: {item['because']} (line {item['row']}{item['more']})")


def _row(path: str) -> dict[str, Any]:
    source = read_text(path)
    tree = parse(source.text)
    kind = file_kind(tree)
    verdict = dialects.detect(tree, kind)
    found = dialects.readers(read(tree, verdict.dialect, kind))
    lines = FileFindings(source.path, source.text, [])
    ruled_out = [
        {
            "dialect": name,
            "because": f"has no {items[0].kind} `{items[0].name}`" + (f" in {items[0].where}" if items[0].where else ""),
            "row": lines.location(items[0].start)["row"],
            "more": f", and {len(items) - 1} more" if len(items) > 1 else "",
            "obstacles": len(items),
        }
        for name, items in sorted(found.items(), key=lambda pair: (len(pair[1]), DIALECTS.index(pair[0])))
        if items
    ]
    return {
        "filename": source.path,
        "dialect": verdict.dialect,
        "why": verdict.why,
        "read_by": [name for name, items in found.items() if not items],
        "ruled_out": ruled_out,
    }
