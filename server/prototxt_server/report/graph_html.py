"""A net as one self-contained page: the picture, coloured by what layers are for, shapes and parameters on a hover."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prototxt_net.describe import describe
from prototxt_net.net import PhaseNet
from prototxt_server.report.forward_html import POLICY, asset, controls, sheet
from prototxt_server.report.graph import COLOURS, kind, sizes
from prototxt_server.report.html import data as script_data
from prototxt_server.report.html import element, shown
from prototxt_server.report.picture import Look, picture
from prototxt_server.version import VERSION


def page(net: PhaseNet, path: str) -> str:
    """The page of the net of one phase."""
    row = describe(net, path)
    layers = row["layers"]
    name = row["name"] or path.replace("\\", "/").rpartition("/")[2] or path
    colours = "".join(f".{key}>.fill,.key.{key}{{fill:{it};background:{it}}}" for key, it in COLOURS.items())
    head = "".join(
        [
            element("meta", charset="utf-8"),
            element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            element("meta", http_equiv="Content-Security-Policy", content=POLICY),
            element("title", shown(f"{name}: the net")),
            element("style", f"{sheet()}{colours}.layer>text{{fill:#1b2127}}"),
        ]
    )
    look = Look(lambda layer: kind(layer["type"], net.dialect), _shape, summary)
    body = "".join(
        [
            _header(name, path, row),
            element(
                "section",
                _legend({kind(layer["type"], net.dialect) for layer in layers})
                + element("div", picture(layers, {}, look, "The net, one strip a layer"), id="canvas"),
                class_="card",
                aria_label="The net",
            ),
            element("footer", shown(f"prototxt-lsp {VERSION}")),
            element("div", "", id="tip", hidden="hidden"),
            element("script", script_data([summary(layer) for layer in layers]), type="application/json", id="data"),
            element("script", asset("forward.js")),
        ]
    )
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body>{body}</body></html>\n'


def _header(name: str, path: str, row: Mapping[str, Any]) -> str:
    count = row["num_parameters"]
    macs = [layer["macs"] for layer in row["layers"]]
    facts = {
        "phase": row["phase"],
        "dialect": row["dialect"],
        "layers": str(len(row["layers"])),
        "parameters": "?" if count is None else f"{count:,}",
        "multiply-accumulates": "?" if None in macs else f"{sum(macs):,}",
        "inputs": ", ".join(row["inputs"]) or "none",
        "outputs": ", ".join(row["outputs"]) or "none",
    }
    listed = "".join(element("div", element("dt", shown(k)) + element("dd", shown(v))) for k, v in facts.items())
    title = element("h1", shown(name)) + element("p", shown(path), class_="path")
    theme = element("button", "Light / dark", id="theme", type="button")
    return element("header", element("div", title, class_="title") + theme + element("dl", listed))


def _legend(used: set[str]) -> str:
    keys = "".join(
        element("span", element("i", "", class_=f"key {name}") + shown(name), class_="special")
        for name in COLOURS
        if name in used
    )
    return element("div", element("h2", "The net, by what layers are for") + keys + controls(), id="bar")


def _shape(layer: Mapping[str, Any]) -> str:
    return sizes(layer["tops"][0]["shape"]) if layer["tops"] else ""


def summary(layer: Mapping[str, Any]) -> str:
    """A layer's shapes as lines of text. layer: as `describe` has it."""
    lines = [f"{layer['name']} ({layer['type']}), line {layer['row']}"]
    if layer["bottoms"]:
        lines.append("reads " + ", ".join(layer["bottoms"]))
    lines += [f"top {top['name']} {sizes(top['shape'])}{', in place' * ('in_place' in top)}" for top in layer["tops"]]
    lines += [
        f"param {i} {sizes(p['shape'])}, lr_mult {p['lr_mult']:g}, decay_mult {p['decay_mult']:g}"
        for i, p in enumerate(layer["params"])
    ]
    if layer["macs"]:
        lines.append(f"{layer['macs']:,} multiply-accumulates")
    return "\n".join(lines)
