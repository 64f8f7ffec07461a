"""What a net says reaches an editor as text: nothing in it becomes an image, a link, HTML or a table's cell."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from prototxt_server.analysis import Settings, Source
from prototxt_server.assist.hover import hover
from prototxt_server.assist.markdown import cell, code, plain
from prototxt_server.engine import analyze

RENDERER = MarkdownIt("commonmark", {"html": True}).enable("table").enable("strikethrough")
TEXTS = st.text(st.sampled_from("ab_*`[]()<>|~&!\\;#: \n\x1b-"), min_size=1, max_size=12)
EVIL = r"![p](https://a.example/p.png) [c](command:x) `a` ``b`` <img src=q> *b* __c__ ~~d~~ | &lt; \\ https://b.example"


def text_of(page: str) -> str:
    """What a reader sees, with blanks as in HTML."""
    return " ".join(html.unescape(re.sub("<[^>]*>", "", page)).split())


def seen(name: str) -> str:
    return " ".join("".join(c if c.isprintable() else "\ufffd" if c == "\x1b" else " " for c in name).split())


@given(TEXTS)
def test_plain_text_is_that_text(name: str) -> None:
    page = RENDERER.render(f"x{plain(name)}x")
    assert set(re.findall("<[^>]*>", page)) == {"<p>", "</p>"}
    assert text_of(page) == seen(f"x{name}x")


@given(TEXTS.filter(lambda name: name.strip()))
def test_code_is_that_text(name: str) -> None:
    page = RENDERER.render(f"x {code(name)} x")
    assert set(re.findall("<[^>]*>", page)) == {"<p>", "</p>", "<code>", "</code>"}
    assert text_of(page) == seen(f"x {name} x")


@given(TEXTS.filter(lambda name: name.strip() and "\\" not in name))
def test_a_cell_is_that_text(name: str) -> None:
    page = RENDERER.render(f"| a | b |\n|---|---|\n| {cell(name)} | x |\n")
    assert re.findall("<td>(.*?)</td>", page, re.DOTALL)[1:] == ["x"]
    assert text_of(page) == seen(f"a b {name} x")


@pytest.mark.parametrize("field", ["name", "type", "top", "bottom"])
def test_no_hover_shows_more_than_text(field: str) -> None:
    evil = EVIL.replace("\\", "\\\\")
    names = {"name": "ip", "type": "InnerProduct", "top": "y", "bottom": "data", field: evil}
    source = names["bottom"]
    text = (
        f'layer {{ name: "data" type: "Input" top: "{source}" input_param {{ shape {{ dim: 2 dim: 3 }} }} }}\n'
        f'layer {{ name: "{names["name"]}" type: "{names["type"]}" bottom: "{source}" top: "{names["top"]}"\n'
        "inner_product_param { num_output: 2 } }\n"
        f'layer {{ name: "last" type: "ReLU" bottom: "{names["top"]}" top: "{names["top"]}" }}\n'
    )
    analysis = analyze(Source(text, "net.prototxt"), Settings())
    pages = {found.markdown for offset in range(len(text)) if (found := hover(analysis, offset)) is not None}
    shown = [page for page in map(RENDERER.render, pages) if "a.example" in page]
    assert shown
    for page in shown:
        assert not re.search("<(img|a|em|s|del)\\b", page)
        assert seen(EVIL) in text_of(page)
