"""`lsp graph`: a net as a graph for Graphviz, Mermaid and programs, or as a page."""

from __future__ import annotations

import json
from typing import Any

import click

from prototxt_server.cli.common import fail, read_net, reading_options, require_net, say, settings_of
from prototxt_server.engine import analyze
from prototxt_server.report import graph


@click.command("graph", epilog="Example: lsp graph deploy.prototxt --format html > net.html")
@click.argument("net", required=True)
@reading_options
@click.option(
    "--format", "format_", type=click.Choice(["dot", "mermaid", "json", "html"]), default="dot", show_default=True
)
@click.option("--stdin-filename", metavar="NAME", help="The name of what `-` reads.")
def command(net: str, format_: str, stdin_filename: str | None, **options: Any) -> None:
    """Draw NET: its layers and the blobs between them, with their shapes.

    The net of one phase; with --phase all a graph for each (a page holds one).
    """
    source = read_net(net, stdin_filename)
    settings = settings_of(options, source.path)
    analysis = analyze(source, settings)
    require_net(analysis)
    nets = analysis.nets if settings.phase == "all" else analysis.nets[-1:]
    if format_ == "json":
        rows = [graph.as_json(net, source.path) for net in nets]
        say(json.dumps(rows[0] if len(rows) == 1 else rows, indent=2, ensure_ascii=False, allow_nan=False))
    elif format_ == "html":
        if len(nets) > 1:
            fail("a page holds the net of one phase: give --phase TRAIN or --phase TEST")
        from prototxt_server.report.graph_html import page

        say(page(nets[0], source.path))
    else:
        write = graph.as_dot if format_ == "dot" else graph.as_mermaid
        say("\n".join(write(net, source.path) for net in nets))
