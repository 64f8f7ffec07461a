"""`lsp dialects`: which forks read a file, and what rules each other out."""

from __future__ import annotations

import json
from typing import Any

import click

from prototxt_net import dialect as dialects
from prototxt_net.schema.load import DIALECTS, schema
from prototxt_net.words import visible
from prototxt_server.cli.common import read_net, say
from prototxt_server.engine import analyze
from prototxt_server.report.record import FileFindings


@click.command("dialects", epilog="Example: lsp dialects train_val.prototxt")
@click.argument("paths", nargs=-1)
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--stdin-filename", metavar="NAME", help="The name of what `-` reads.")
def command(paths: tuple[str, ...], format_: str, stdin_filename: str | None) -> None:
    """Which dialects read PATHS and what in them the others do not have; without PATHS, the known dialects.

    Only names and values count here; `lsp check --dialect NAME` also says whether the net can be set up.
    """
    if not paths:
        say(json.dumps(list(DIALECTS)) if format_ == "json" else "\n".join(DIALECTS))
        return
    rows = [_row(path, stdin_filename) for path in paths]
    if format_ == "json":
        say(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        say("\n\n".join(_text(row) for row in rows))


def _text(row: dict[str, Any]) -> str:
    lines = [f"{row['filename']}: {row['dialect']} ({row['why']})"]
    if row["unreadable"]:
        place = row["unreadable"]
        lines.append(
            f"  no Caffe reads this text: it breaks off at {place['row']}:{place['column']} (`lsp check` says why)"
        )
    else:
        lines.append(f"  read by: {', '.join(row['read_by']) or 'no known dialect'}")
    # Forks copy from each other: most lack the same thing, and one line says so.
    grouped: dict[str, list[str]] = {}
    for item in row["ruled_out"]:
        why = f"{item['because']} (line {item['row']}{item['more']})"
        grouped.setdefault(why, []).append(item["dialect"])
    lines += [f"  {', '.join(names)}: {why}" for why, names in grouped.items()]
    return "\n".join(map(visible, lines))


def _row(path: str, stdin_filename: str | None) -> dict[str, Any]:
    source = read_net(path, stdin_filename)
    analysis = analyze(source)
    tree, kind = analysis.tree, analysis.file.kind
    if kind == "other":
        found: dict[str, list[dialects.Obstacle]] = {
            name: [] for name in DIALECTS if "LabelMap" in schema(name).messages
        }
    else:
        found = dialects.readers(analysis.file)
    lines = FileFindings(source.path, source.text, [])
    ruled_out = [
        {
            "dialect": name,
            "because": f"no {items[0].kind} `{items[0].name}`" + (f" in {items[0].where}" if items[0].where else ""),
            "row": lines.location(items[0].start)["row"],
            "more": f", and {len(items) - 1} more" if len(items) > 1 else "",
            "obstacles": len(items),
        }
        for name, items in sorted(found.items(), key=lambda pair: (len(pair[1]), DIALECTS.index(pair[0])))
        if items
    ]
    broken = next((base + problem.start for base, problem in tree.problems()), None)
    return {
        "filename": source.path,
        "dialect": analysis.file.dialect,
        "why": analysis.dialect_evidence,
        "read_by": [name for name, items in found.items() if not items],
        "ruled_out": ruled_out,
        "unreadable": None if broken is None else lines.location(broken),
    }
