"""What nobody would read through is said once, and nothing that is wrong with a net is hidden by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from prototxt_server.analysis import Settings, Source
from prototxt_server.engine import analyze
from prototxt_server.folding import LISTED
from prototxt_server.rules.bn.nets import data, ip, loss

ROOT = Path(__file__).parents[2]
LABELS = "".join(f'item {{ name: "n{i}" label: {i} display_name: "x" }}\n' for i in range(30))


def found(text: str, **settings: str) -> list[tuple[str, bool]]:
    return [(f.code, f.caffe_aborts) for f in analyze(Source(text), Settings(**settings)).findings]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param((ROOT / "README.md").read_text("utf-8"), id="a README"),
        pytest.param((ROOT / "server/prototxt_server/engine.py").read_text("utf-8"), id="a program"),
        pytest.param((ROOT / "pyproject.toml").read_text("utf-8"), id="a configuration"),
        pytest.param('{"a": [' + '{"b": "c"},\n' * 50 + "]}", id="JSON"),
        pytest.param("a: 1 " * 1000, id="one unknown field over and over"),
        pytest.param("node { op: 'Conv2D' attr { key: 'T' } }\n" * 30, id="TensorFlow's graph"),
    ],
)
def test_what_is_no_net_is_told_once(text: str) -> None:
    assert found(text) == [("SYN012", True)]


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        pytest.param("lay", {}, id="a first word"),
        pytest.param("layer {\n  name: 'a'\n  typ", {}, id="a first layer"),
        pytest.param(LABELS, {}, id="a label map"),
        pytest.param("", {}, id="nothing"),
        pytest.param((data() + ip("fc", "data") + loss("fc")) * 10, {"dialect": "c3d-1.0"}, id="of a later Caffe"),
        pytest.param((data() + ip("fc", "data") + loss("fc")).replace("}", "") * 10, {}, id="a net without brackets"),
        pytest.param(
            data() + "".join(ip(f"fc{i}", "data").replace("num_output", f"new{i}") for i in range(40)), {},
            id="many fields that nobody knows in a net",
        ),
    ],
)  # fmt: skip
def test_a_net_is_told_all_that_is_wrong_with_it(text: str, settings: dict[str, str]) -> None:
    assert ("SYN012", True) not in found(text, **settings)


def test_one_defect_at_many_places_is_listed_so_often_and_counted() -> None:
    more = 7
    odd = "unheard_of: 1\n" * (LISTED + more)
    text = data() + "".join(ip(f"fc{i}", "data") for i in range(40)).replace("num_output:", odd + "num_output:", 1)
    said = [f.message for f in analyze(Source(text), Settings()).findings if f.code == "SCH001"]
    assert len(said) == LISTED
    assert said[-1] == said[0] + f" The same at {more} more places, which are not listed."


def test_what_a_fix_can_mend_is_listed_wherever_it_is() -> None:
    text = data() + "# blanks \n" * (2 * LISTED)
    findings = analyze(Source(text), Settings(select=("STY003",))).findings
    assert len(findings) == 2 * LISTED
