"""Where Caffe stops, we point: each recorded abort has an abort of ours at that layer, or at that line.

A record names the layer that was being made, or the line at which the parser stood. Where it names neither, or a wrong
one, the text of the CHECK tells which rule has to speak, and at which layers it can be meant.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.net.test_oracle import INIT, NOT_ABOUT_THE_NET, Record, faked_shapes, nets, records

from prototxt_net.finding import Finding
from prototxt_server.analysis import Analysis, Settings, Source
from prototxt_server.engine import analyze

# These CHECKs come before Caffe says which layer it makes: the record has no layer, or the one before.
TOLD_BY_THE_CHECK = {
    "Specify either include rules or exclude rules": "NET001",
    "propagate_down param must be specified": "FRZ004",
    "includes both 'layer' and 'layers' fields": "SCH006",
}
LAYER = re.compile(r"\(layer '([^']*)'")


class Abort(NamedTuple):
    """A recorded abort: of what text, read how."""

    name: str
    text: str
    phase: str
    dialect: str
    shapes: dict[str, tuple[int, ...]]
    error: Record


def mutants(shared: Path) -> Iterator[Abort]:
    for record in records(shared / "oracle" / "mutants.jsonl.gz"):
        if not record["ok"]:
            name = f"{record['id']} {record['fault']}"
            yield Abort(name, record["text"], record["phase"], "bvlc", {}, record["error"])


def one_fault(shared: Path) -> Iterator[Abort]:
    for path in sorted((shared / "oracle" / "one-fault").glob("*.json")):
        text = path.with_suffix(".prototxt").read_bytes().decode("utf-8", "replace")
        for phase, answer in json.loads(path.read_text(encoding="utf-8")).items():
            machine = path.stem in NOT_ABOUT_THE_NET and path.stem != "mixed_layer_layers"
            if phase in ("TRAIN", "TEST") and not answer["ok"] and not machine:
                yield Abort(path.stem, text, phase, "bvlc", {}, answer["error"])


def corpus(shared: Path, file: str) -> Iterator[Abort]:
    for record, text in nets(shared / "oracle" / file, shared / "corpus"):
        if not record["ok"] and "ModuleNotFoundError" not in record["error"]["message"]:
            name, dialect = record.get("file") or record["path"], record.get("dialect", "bvlc")
            yield Abort(name, text, record["phase"], dialect, faked_shapes(record), record["error"])


def located(abort: Abort) -> bool:
    """Whether an abort of ours stands where Caffe stopped."""
    settings = Settings(dialect=abort.dialect, phase=abort.phase, shapes=tuple(abort.shapes.items()))
    analysis = analyze(Source(abort.text), settings)
    found = [finding for finding in analysis.findings if finding.caffe_aborts]
    message = abort.error["message"]
    for words, code in TOLD_BY_THE_CHECK.items():
        if words in message:
            return any(f.code == code and meant(analysis, f, message) for f in found)
    layer = abort.error.get("at_layer") or next(iter(LAYER.findall(message)), None)
    if layer is not None:
        return any(finding.layer == layer for finding in found)
    lines = [said["line"] for said in abort.error.get("proto") or () if said["level"] == "error"]
    return any(stands_at(abort.text, finding, line) for finding in found for line in lines)


def meant(analysis: Analysis, finding: Finding, message: str) -> bool:
    """Whether the CHECK can be about the finding's layer: `(3 vs. 1)` are its propagate_down and its bottoms."""
    counts = re.search(r"propagate_down_size\(\) == .* \((\d+) vs\. (\d+)\)", message)
    layers = [layer for layer in analysis.file.layers if layer.name == finding.layer]
    if counts is None or not layers:
        return counts is None
    told = int(counts[1]), int(counts[2])
    return any((len(layer.bound.all("propagate_down")), len(layer.bottoms)) == told for layer in layers)


def stands_at(text: str, finding: Finding, line: int) -> bool:
    """The parser complains at the token behind the one at fault, so blank space and comments may lie between.

    What is never closed it misses at the end of the text, and we point at where it was opened.
    """
    if finding.code == "SYN002" and line == text.count("\n") + 1:
        return True
    behind = re.compile(r"(?:\s|#[^\n]*)*").match(text, finding.end)
    end = behind.end() if behind else finding.end
    return text.count("\n", 0, finding.start) < line <= text.count("\n", 0, end) + 1


def test_planted_faults(shared: Path) -> None:
    aborts = [*mutants(shared), *one_fault(shared)]
    assert len(aborts) == 272 + 138
    assert [abort.name for abort in aborts if not located(abort)] == []


@pytest.mark.slow
@pytest.mark.parametrize("file", INIT)
def test_nets_that_people_wrote(shared: Path, file: str) -> None:
    assert [abort.name for abort in corpus(shared, file) if not located(abort)] == []
