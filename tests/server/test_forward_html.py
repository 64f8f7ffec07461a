"""`lsp forward --format html`: one page that is whole, loads nothing, shows every layer and survives every name."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.server.pages import Page

from prototxt_server.report import magnitude
from prototxt_server.report.forward_html import page
from prototxt_server.report.layering import GAP_X, arrange


def top(name: str = "a", mean: float | None = 1.0, **more: Any) -> dict[str, Any]:
    zero = {
        "name": name,
        "shape": [2, 4],
        "mean_abs": mean,
        "max_abs": mean,
        "mean": mean,
        "std": 0.5,
        "zero_frac": 0.0,
    }
    return {**zero, "nonfinite": 0, "channels": 4, "zero_channels": 0, **more}


def layer(
    name: str, bottoms: list[str], *tops: dict[str, Any], type_: str = "Convolution", **more: Any
) -> dict[str, Any]:
    return {
        "name": name, "type": type_, "checked": True, "bottoms": bottoms, "tops": list(tops), "params": [],
        "bottom_diffs": [], "param_diffs": [], **more,
    }  # fmt: skip


def result(*layers: dict[str, Any]) -> dict[str, Any]:
    return {
        "device": "cpu", "backend": "numpy", "phase": "TRAIN", "seed": 0, "batch_requested": 2, "batch_used": 2,
        "degraded": [], "status": "ok", "loss": None, "loss_nonfinite": 0, "layers": list(layers), "timing_ms": {},
    }  # fmt: skip


def finding(layer_name: str, **more: Any) -> dict[str, Any]:
    return {
        "code": "DYN001", "severity": "error", "message": "m", "layer": layer_name, "location": {"row": 3, "column": 1},
        **more,
    }  # fmt: skip


def strips(text: str) -> list[dict[str, str]]:
    return Page(text).of("g", "layer ")


NETS = ("bn_zero_gamma", "dead_layer", "frozen_teacher", "lenet_bn", "loss_87")


@pytest.mark.parametrize("name", NETS)
def test_every_example_gives_a_whole_page_with_every_layer(name: str, lsp: Callable[..., Any]) -> None:
    options = ("forward", f"examples/{name}.prototxt", "--device", "cpu", "--backward", "--exit-zero", "--format")
    text, data = lsp(*options, "html").text, lsp(*options, "json").json
    assert text.startswith("<!DOCTYPE html>\n")
    found = Page(text)
    drawn = {s["id"]: s["aria-label"] for s in found.of("g", "layer ")}
    assert drawn == {f"L{i}": f"{x['name']}, {x['type']}" for i, x in enumerate(data["layers"])}
    links = {a["href"] for a in found.of("a")}
    assert links <= {f"#L{i}" for i in range(len(data["layers"]))}
    assert len(found.of("a", "where")) == len([f for f in data["findings"] if f["layer"]])


def test_the_page_loads_nothing(lsp: Callable[..., Any]) -> None:
    text = lsp("forward", "examples/bn_zero_gamma.prototxt", "--device", "cpu", "--exit-zero", "--format", "html").text
    found = Page(text)
    assert not re.search(r"https?:|//[a-z]|url\(|@import|fetch\(|XMLHttpRequest|import\(", text, re.IGNORECASE)
    assert not any(
        {"src", "srcset", "action", "data", "xlink:href"} & attributes.keys() for _, attributes in found.elements
    )
    assert all(a["href"].startswith("#") for _, a in found.elements if "href" in a)
    assert not found.of("link")
    (policy,) = [a["content"] for a in found.of("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")


HOSTILE = [
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "a&b<c>'d\"",
    "]]><!--",
    "\x00\x07\udc80",
    "</title></svg>",
    "Gr\u00f6\u00dfe \u5c64",
    "",
    "x" * 500,
]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_is_taken_for_markup(name: str) -> None:
    data = result(
        layer(name, [], top(name), type_=name),
        layer(name, [name], top("b"), params=[{"mean_abs": 1.0, "shape": [1]}]),
        layer(name, ["b"], checked=False, reason=name, unknown_tops=[name]),
    )
    data["degraded"] = [{"code": "x", "message": name}]
    text = page(f"/nets/{name}.prototxt", data, [finding(name, message=name)])
    plain = Page(
        page("p", result(layer("a", [], top("a")), layer("b", ["a"], top("b")), layer("c", ["b"], checked=False)), [])
    )
    found = Page(text)
    assert {tag for tag, _ in found.elements} <= {tag for tag, _ in plain.elements} | {
        "ol",
        "ul",
        "li",
        "a",
        "code",
        "circle",
    }
    assert not any(key.startswith("on") for _, attributes in found.elements for key in attributes)
    assert text.encode("utf-8")
    assert not re.search("[\x00-\x08\x7f]", text)
    assert "alert(1)</script>" not in text
    shown = re.sub("[\x00-\x08\udc80]", "\ufffd", name)
    assert f"{shown}, {shown}" in {s["aria-label"] for s in found.of("g", "layer ")}


def test_the_numbers_in_the_page_cannot_end_its_script() -> None:
    found = Page(page("p", result(layer("</script>", [], top())), []))
    (numbers,) = [s for s in found.scripts if s.startswith("[")]
    assert json.loads(numbers)[0].startswith("</script> (Convolution)\ntop a 2x4: mean |x| 1, max 1")


def test_what_has_no_shade_is_told_apart() -> None:
    data = result(
        layer("fine", [], top("a", 1.0)),
        layer("zero", ["a"], top("b", 0.0)),
        layer("nan", ["b"], top("c", None, nonfinite=8)),
        layer("unrun", ["c"], checked=False, reason="not run here", unknown_tops=["d"]),
        layer("huge", ["a"], top("e", None, max_abs=3e38)),
        layer("tiny", ["e"], top("f", 1e-9)),
        layer("after", ["d"], top("g", 100.0)),
    )
    kinds = {s["aria-label"].partition(",")[0]: s["class"].split()[1] for s in strips(page("p", data, []))}
    assert kinds["fine"] == magnitude.shade_class(0)
    assert (kinds["zero"], kinds["nan"], kinds["unrun"]) == ("zero", "bad", "unknown")
    assert kinds["huge"] == magnitude.shade_class(magnitude.STEPS)
    assert kinds["tiny"] == magnitude.shade_class(-magnitude.STEPS)


def test_layers_that_were_not_run_are_still_connected() -> None:
    data = result(
        layer("a", [], top("a")), layer("b", ["a"], checked=False, unknown_tops=["b"]), layer("c", ["b"], top("c"))
    )
    assert len(Page(page("p", data, [])).of("path", "edge")) == 2


def test_in_place_layers_stand_in_the_box_of_the_layer_before_them() -> None:
    data = result(
        layer("d", [], top("d"), type_="Input"),
        layer("c", ["d"], top("c")),
        layer("bn", ["c"], top("c"), type_="BatchNorm"),
        layer("r", ["c"], top("c"), type_="ReLU"),
        layer("p", ["c"], top("p"), type_="Pooling"),
        layer("e", ["c", "p"], top("e"), type_="Eltwise"),
    )
    found = Page(page("p", data, []))
    assert len(found.of("g", "stack")) == 4
    assert len(found.of("path", "edge")) == 4


def test_dead_channels_and_findings_are_marked() -> None:
    data = result(layer("a", [], top("a", zero_channels=2)), layer("b", ["a"], top("b")))
    found = Page(page("p", data, [finding("b", severity="info"), finding("b")]))
    assert len(found.of("rect", "dead")) == 1
    assert [c["class"] for c in found.of("circle", "mark")] == ["mark error"]
    assert [b["class"] for b in found.of("span", "badge")] == ["badge error", "badge info"]


def test_gradients_are_drawn_when_there_are_any() -> None:
    diffs = {"bottom_diffs": [{"name": "a", "mean_abs": 1e-3}], "param_diffs": [{"mean_abs": 1e-2}]}
    plain = result(layer("a", [], top("a")), layer("b", ["a"], top("b")))
    with_them = result(layer("a", [], top("a")), layer("b", ["a"], top("b"), **diffs))
    assert len(Page(page("p", plain, [])).of("path", "curve")) == 1
    assert len(Page(page("p", with_them, [])).of("path", "curve")) == 3


@pytest.mark.parametrize("values", [[], [0.0], [None], [1e-40, 1e38], [1.0] * 3])
def test_any_magnitudes_can_be_plotted(values: list[float | None]) -> None:
    Page(page("p", result(*(layer(str(i), [], top(str(i), v)) for i, v in enumerate(values))), []))


@given(
    st.integers(1, 14).flatmap(
        lambda n: st.tuples(st.just(n), st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=30))
    )
)
def test_boxes_never_overlap_and_every_edge_goes_down(case: tuple[int, list[tuple[int, int]]]) -> None:
    n, pairs = case
    drawing = arrange([(60.0 + 10 * (i % 4), 20.0) for i in range(n)], pairs)
    for a, b in {(a, b) for a, b in pairs if a < b}:
        path = drawing.paths[a, b]
        assert [box.row for box in path] == list(range(drawing.boxes[a].row, drawing.boxes[b].row + 1))
        assert drawing.boxes[a].y + 20 < drawing.boxes[b].y
    for i, one in enumerate(drawing.boxes):
        assert one.x - one.width / 2 >= -1e-6
        assert one.x + one.width / 2 <= drawing.width + 1e-6
        for other in drawing.boxes[:i]:
            apart = abs(one.x - other.x) - (one.width + other.width) / 2
            assert one.row != other.row or apart >= GAP_X - 1e-6
