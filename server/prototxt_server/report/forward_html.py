"""A forward pass as one self-contained page: findings, the depth plot, the net as a picture, all numbers in a table.

Nothing is loaded from anywhere: styles and script stand in the page, and its policy forbids the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from prototxt_server.report import magnitude
from prototxt_server.report.depth_plot import plot
from prototxt_server.report.forward_graph import layer_class, look, number, summary, value_of
from prototxt_server.report.html import data as script_data
from prototxt_server.report.html import element, shown
from prototxt_server.report.picture import picture
from prototxt_server.version import VERSION

POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
_SEVERITIES = ("error", "warning", "info", "hint")


def page(path: str, data: Mapping[str, Any], findings: Sequence[Mapping[str, Any]]) -> str:
    """The page. data: the documented JSON object of `lsp forward`. findings: as `lsp check --format json` has them."""
    layers: Sequence[Mapping[str, Any]] = data["layers"]
    reach = magnitude.decades(top["mean_abs"] for layer in layers for top in layer["tops"][:1])
    places = _places(layers)
    marks: dict[int, str] = {}
    for finding in sorted(findings, key=lambda f: _SEVERITIES.index(f["severity"])):
        at = places.get(finding["layer"] or "")
        if at is not None:
            marks.setdefault(at, finding["severity"])
    name = path.replace("\\", "/").rpartition("/")[2] or path
    head = "".join(
        [
            element("meta", charset="utf-8"),
            element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            element("meta", http_equiv="Content-Security-Policy", content=POLICY),
            element("title", shown(f"{name}: one batch")),
            element("style", sheet()),
        ]
    )
    body = "".join(
        [
            _header(name, path, data),
            element("section", _findings(findings, places), id="findings", aria_label="Findings"),
            element(
                "section",
                element("h2", "From layer to layer") + plot(layers, reach),
                class_="card",
                aria_label="Depth plot",
            ),
            element(
                "section",
                _toolbar(reach)
                + element(
                    "div",
                    picture(layers, marks, look(reach), "The net, one strip a layer, coloured by mean |x|"),
                    id="canvas",
                ),
                class_="card",
                aria_label="The net",
            ),
            element("section", _table(layers, reach), class_="card", aria_label="All numbers"),
            element(
                "footer", shown(f"prototxt-lsp {VERSION}. Zero means |x| < 2^-126; a dead channel is 0 throughout.")
            ),
            element("div", "", id="tip", hidden="hidden"),
            element("script", script_data([summary(layer) for layer in layers]), type="application/json", id="data"),
            element("script", asset("forward.js")),
        ]
    )
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body>{body}</body></html>\n'


@cache
def asset(name: str) -> str:
    """A file of the folder `page`."""
    return files("prototxt_server.report").joinpath("page", name).read_text(encoding="utf-8")


def sheet() -> str:
    """The style sheet."""
    light, dark = magnitude.style(False), magnitude.style(True)
    sheet = asset("forward.css").replace("/*light*/", light).replace("/*dark*/", dark)
    return sheet + magnitude.rules()


def _places(layers: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Where a finding's layer stands: the first layer of that name."""
    found: dict[str, int] = {}
    for index, layer in enumerate(layers):
        found.setdefault(layer["name"], index)
    return found


def _header(name: str, path: str, data: Mapping[str, Any]) -> str:
    loss = data["loss"]
    loss_text = f"{loss:.6g}" if loss is not None else "not finite" if data.get("loss_nonfinite") else "none"
    batch = data["batch_used"]
    asked = data["batch_requested"]
    facts = {
        "phase": data["phase"],
        "device": data["device"],
        "batch": "\u2013" if batch is None else str(batch) if asked in (None, batch) else f"{batch} of {asked}",
        "loss": loss_text,
        "seed": str(data["seed"]),
        "status": data["status"],
    }
    listed = "".join(element("div", element("dt", shown(k)) + element("dd", shown(v))) for k, v in facts.items())
    notes = [
        f"'{x['name']}' reads the {x['source']['kind']} {x['source']['path']}" for x in data["layers"] if "source" in x
    ]
    notes += [item["message"] for item in data["degraded"]]
    theme = element("button", "Light / dark", id="theme", type="button")
    return element(
        "header",
        element("div", element("h1", shown(name)) + element("p", shown(path), class_="path"), class_="title")
        + theme
        + element("dl", listed)
        + (element("ul", "".join(element("li", shown(note)) for note in notes), class_="notes") if notes else ""),
    )


def _findings(findings: Sequence[Mapping[str, Any]], places: Mapping[str, int]) -> str:
    if not findings:
        return element("p", "Nothing found: no collapse, no explosion, nothing that is not finite.", class_="none")
    rows = []
    for finding in sorted(findings, key=lambda f: _SEVERITIES.index(f["severity"])):
        at = places.get(finding["layer"] or "")
        where = shown(finding["layer"] or "")
        link = element("a", where, href=f"#L{at}", class_="where") if at is not None else where
        place = shown(f"line {finding['location']['row']}")
        rows.append(
            element(
                "li",
                element("span", shown(finding["severity"]), class_=f"badge {finding['severity']}")
                + element("code", shown(finding["code"]))
                + element("span", shown(finding["message"]), class_="message")
                + element("span", f"{link} {place}", class_="place"),
            )
        )
    return element("h2", f"{len(findings)} finding{'s' * (len(findings) != 1)}") + element("ol", "".join(rows))


def _toolbar(reach: int) -> str:
    keys = "".join(
        element("i", "", class_=f"key {magnitude.shade_class(n)}") for n in range(-magnitude.STEPS, magnitude.STEPS + 1)
    )
    scale = element(
        "div",
        element("span", f"1e-{reach}") + element("span", keys, class_="keys") + element("span", f"1e{reach}"),
        class_="scale",
        title="mean |x| of a layer's first top",
    )
    special = "".join(
        element("span", element("i", "", class_=f"key {kind}") + shown(text), class_="special")
        for kind, text in (
            ("zero", "all zero"),
            ("bad", "not finite"),
            ("unknown", "not run"),
            ("dead", "dead channels"),
        )
    )
    return element("div", element("h2", "The net, by mean |x|") + scale + special + controls(), id="bar")


def controls() -> str:
    """What the script of the page needs beside the picture."""
    found = (
        element("input", type="search", id="find", placeholder="Find a layer\u2026", aria_label="Find a layer")
        + element("button", "Fit", id="fit", type="button")
        + element("button", "100 %", id="full", type="button")
    )
    return element("span", found)


def _table(layers: Sequence[Mapping[str, Any]], reach: int) -> str:
    heads = (
        "layer",
        "type",
        "top",
        "shape",
        "mean |x|",
        "max |x|",
        "mean",
        "std",
        "zero",
        "dead",
        "mean |w|",
        "mean |dx|",
        "mean |dw|",
    )
    rows = [_row(layer, index, top, reach) for index, layer in enumerate(layers) for top in layer["tops"] or [None]]
    head = element("thead", element("tr", "".join(element("th", shown(h), scope="col") for h in heads)))
    table = element("table", head + element("tbody", "".join(rows)))
    return element("details", element("summary", "All numbers") + element("div", table, class_="wide"))


def _row(layer: Mapping[str, Any], index: int, top: Mapping[str, Any] | None, reach: int) -> str:
    first = top is None or top is layer["tops"][0]
    weights = layer["params"][0]["mean_abs"] if layer["params"] and first else None
    dx = next((d["mean_abs"] for d in layer.get("bottom_diffs", ())), None) if first else None
    dw = next((d["mean_abs"] for d in layer.get("param_diffs", ())), None) if first else None
    if top is None:
        cells = ["", layer.get("reason", ""), "", "", "", "", "", ""]
    else:
        dead = f"{top['zero_channels']}/{top['channels']}" if top["zero_channels"] else ""
        largest = f"{top['nonfinite']} not finite" if top["nonfinite"] else number(top["max_abs"])
        cells = [
            top["name"], "x".join(map(str, top["shape"])) or "scalar", number(top["mean_abs"]), largest,
            number(top["mean"]), number(top["std"]), f"{top['zero_frac']:.0%}", dead,
        ]  # fmt: skip
    cells += [number(v) if v is not None else "" for v in (weights, dx, dw)]
    swatch = element("i", "", class_=f"key {layer_class(layer, reach)}", title=value_of(layer))
    name = element("td", swatch + element("a", shown(layer["name"]), href=f"#L{index}"))
    return element("tr", name + "".join(element("td", shown(c)) for c in [layer["type"], *cells]))
