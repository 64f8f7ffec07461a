"""docs/batchnorm.md says what the layers' entries say, and its blocks are right in the Caffes it gives them for."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from prototxt_net.batchnorm import gamma_filler, gamma_starts_at_zero, mode
from prototxt_net.net import Node
from prototxt_server.analysis import Settings, Source
from prototxt_server.engine import analyze
from prototxt_server.rules.bn.nets import bn, conv, data, ip, legacy, loss, relu

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "batchnorm.md").read_text(encoding="utf-8")
LOCKED = "param { lr_mult: 0 decay_mult: 0 }"

BLOCKS = [
    pytest.param(text, dialect, id=f"{i}: {dialect}")
    for i, (dialects, text) in enumerate(re.findall(r"<!-- ([\w. -]+) -->\n```prototxt\n(.*?)```", PAGE, re.DOTALL))
    for dialect in dialects.split()
]
TABLE = re.findall(r"^\| ([\w.-]+) \| (BatchNorm|BN) \| ([^|]+) \| ([^|]+) \|", PAGE, re.MULTILINE)


@pytest.mark.parametrize(("block", "dialect"), BLOCKS)
def test_its_blocks_are_right(block: str, dialect: str) -> None:
    frozen = (LOCKED,) if "use_global_stats" in block else ()
    top = re.findall(r'top: "(\w+)"', block)[-1]
    text = data() + conv("conv1", "data", *frozen) + block + relu("relu1", top) + ip("fc", top) + loss("fc")
    findings = analyze(Source(text), Settings(dialect=dialect)).findings
    assert [
        f"{f.code} {f.message}" for f in findings if f.severity in ("error", "warning") and f.code != "DAT001"
    ] == []


def _norm(dialect: str, type_: str, param: str = "") -> Node:
    text = legacy() + conv("conv1", "data") + bn("bn1", "conv1", *([param] if param else []), type_=type_)
    net = analyze(Source(text), Settings(dialect=dialect, phase="TRAIN")).nets[0]
    return net.by_name["bn1"]


@pytest.mark.parametrize(("dialect", "type_", "blobs", "gamma"), TABLE)
def test_its_table_of_blobs(dialect: str, type_: str, blobs: str, gamma: str) -> None:
    plain, _, more = blobs.partition("; with ")
    node = _norm(dialect, type_)
    assert [blob.role for blob in node.setup.params] == plain.split(", ")
    if more:
        field, *names = re.findall(r"\w+", more)
        fused = _norm(dialect, type_, f"batch_norm_param {{ {field}: true }}")
        assert [blob.role for blob in fused.setup.params] == [*plain.split(", "), *names]
        assert not gamma_starts_at_zero(fused, dialect)
        assert gamma == "1"
    assert gamma_starts_at_zero(node, dialect) == ("**0**" in gamma)
    assert bool(gamma_filler(node, dialect)) == ("Scale" not in gamma)


def test_every_family_has_a_row() -> None:
    assert len(TABLE) == 11
    assert len(BLOCKS) >= 15


@pytest.mark.parametrize(
    ("written", "phase", "batch"),
    [("not written", 0, True), ("not written", 1, False), ("`true`", 0, False), ("`true`", 1, False),
     ("`false`", 0, True), ("`false`", 1, True)],
)  # fmt: skip
def test_its_table_of_modes(written: str, phase: int, batch: bool) -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| {written} |"))
    assert row.split("|")[2 + phase].strip().startswith("batch" if batch else "stored")
    flag = written.strip("`")
    param = "" if flag == "not written" else f"batch_norm_param {{ use_global_stats: {flag} }}"
    text = legacy() + bn("bn1", "data", *([param] if param else []))
    net = analyze(Source(text), Settings(dialect="bvlc", phase=("TRAIN", "TEST")[phase])).nets[0]
    assert mode(net, net.by_name["bn1"]).batch == batch


def test_its_numbers() -> None:
    gain = 1e-5**-0.5  # of empty stored statistics, by the default eps
    assert f"**{gain:.0f} for the default eps" in PAGE
    assert f"forgotten after {math.log(0.5) / math.log(0.999):.0f} training passes" in PAGE
    assert gain**15 < 3.4e38 < gain**16  # "about sixteen of them in a row overflow float32"


def test_its_links_lead_to_rules() -> None:
    links = re.findall(r"\]\((rules/\w+\.md)\)", PAGE)
    assert links
    assert [link for link in links if not (DOCS / link).is_file()] == []
    assert [name for name, link in re.findall(r"\[(\w+)\]\(rules/(\w+)\.md\)", PAGE) if name != link] == []
