"""docs/reading-debug-info.md says what the program knows."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from prototxt_server.log.judge_losses import FLOOR, HALF_FLOOR, OTHER_FLOOR
from prototxt_server.log.knowledge import batch_norm_roles
from prototxt_server.log.versions import VERSIONS
from prototxt_server.rules.catalogue import load_all, load_dynamic

DOCS = Path(__file__).parent.parent.parent / "docs"
PAGE = (DOCS / "reading-debug-info.md").read_text(encoding="utf-8")


def table(header: str) -> list[list[str]]:
    rows = PAGE[PAGE.index(header) :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split(" |")] for row in rows]


WORDS = {"mean": "mean", "variance": "variance", "factor": "factor", "gamma": "gamma", "beta": "beta",
         "unused": "spare", "1": "factor"}  # fmt: skip


@pytest.mark.parametrize(
    ("caffe", "dialects"),
    [
        ("BVLC, SSD", ("bvlc", "ssd")),
        ("NVIDIA 0.14", ("nvidia-0.14",)),
        ("NVIDIA 0.15", ("nvidia-0.15",)),
        ("NVIDIA 0.16, 0.17", ("nvidia-0.16", "nvidia-0.17")),
    ],
)
def test_the_blobs_of_batch_norm(caffe: str, dialects: tuple[str, ...]) -> None:
    (row,) = (row for row in table("| layer | Caffe | 0 |") if row[:2] == ["BatchNorm", caffe])
    roles = tuple(WORDS[cell] for cell in row[2:] if cell)
    for dialect in dialects:
        assert batch_norm_roles(dialect, len(roles)) == roles


def test_the_lines_of_the_versions() -> None:
    known = {
        version.name.replace("Caffe ", "").replace("SSD's Caffe", "SSD"): (*version.net, *version.solver)
        for version in VERSIONS
    }
    rows = table("| top, parameter |")
    assert len(rows) == 8
    for row in rows:
        assert known[row[-1]] == tuple(int(line) for cell in row[:-1] for line in cell.split(", "))


def test_rules_and_floors() -> None:
    codes = {rule.code for rule in (*load_all(), *load_dynamic())}
    named = set(re.findall(r"\[([A-Z]+\d+)\]\(rules/", PAGE))
    assert named <= codes
    assert all((DOCS / "rules" / f"{code}.md").exists() for code in named)
    assert f"{FLOOR}, {OTHER_FLOOR}, {HALF_FLOOR}" in PAGE
    for classes, value in re.findall(r"([\d.]+) for (\d+)", PAGE):
        assert math.log(int(value)) == pytest.approx(float(classes), abs=5e-4)
