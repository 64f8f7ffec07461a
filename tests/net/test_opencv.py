"""A second oracle: OpenCV reads Caffe nets too, with code of its own, and finds the same shapes.

It wants weights, so each net gets a caffemodel of zeros in the shapes that we say it has: OpenCV refuses others.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from zoo import NAMES, ZOO, write

from prototxt_net.describe import num_parameters
from prototxt_net.net import PhaseNet
from prototxt_net.schema.descriptors import message_class
from prototxt_server.analysis import Settings, Source
from prototxt_server.engine import analyze

np = pytest.importorskip("numpy")
cv2 = pytest.importorskip("cv2", reason="opencv-python-headless is not installed")

TOO_MANY = 30_000_000  # values: each costs 12 bytes on the way
DEPENDS_ON_DATA = ("DetectionOutput",)  # how many boxes there are; OpenCV shows the most there can be


def weights(net: PhaseNet) -> bytes:
    """A caffemodel of zeros."""
    model = message_class(net.dialect, "NetParameter")()
    for node in net.nodes:
        if node.setup.params:
            layer = model.layer.add(name=node.name, type=node.type)
            for param in node.setup.params:
                blob = layer.blobs.add()
                blob.shape.dim.extend(param.shape)
                blob.data.extend([0.0] * math.prod(param.shape))  # type: ignore[arg-type]
    return bytes(model.SerializeToString())


def built(text: str, name: str) -> PhaseNet | None:
    """The TEST net; None when it is not one, has an abort, or sizes that no text tells, or is too large."""
    analysis = analyze(Source(text, name), Settings(phase="TEST"))
    if not analysis.nets or any(finding.caffe_aborts for finding in analysis.findings):
        return None
    net = analysis.nets[0]
    values = num_parameters(net)
    known = all(blob.shape is not None for node in net.nodes if not node.bottoms for blob in node.tops)
    return net if known and values is not None and values <= TOO_MANY else None


def differences(text: str, net: PhaseNet) -> tuple[int, list[str]]:
    """How many layers were compared, and what OpenCV says otherwise. Raises cv2.error where it cannot read the net."""
    model = cv2.dnn.readNetFromCaffe(np.frombuffer(text.encode(), np.uint8), np.frombuffer(weights(net), np.uint8))
    sources = [list(blob.shape or ()) for node in net.nodes if not node.bottoms for blob in node.tops]
    ids, _, outs = model.getLayersShapes(sources if len(sources) > 1 else sources[0])
    theirs = {
        model.getLayer(int(i)).name: [[int(size) for size in top] for top in tops]
        for i, tops in zip(ids, outs, strict=True)
    }
    compared = [node for node in net.nodes if node.bottoms and node.name in theirs and node.type not in DEPENDS_ON_DATA]
    wrong = []
    for node in compared:
        ours = [None if blob.shape is None else list(blob.shape) for blob in node.tops]
        if ours != theirs[node.name]:
            wrong.append(f"{node.type} {node.name}: {ours}, OpenCV {theirs[node.name]}")
    return len(compared), wrong


@pytest.mark.parametrize("name", NAMES)
def test_the_zoo(name: str) -> None:
    text = write(name, "deploy", size=max(64, ZOO[name].smallest), width=0.1)
    net = built(text, "deploy.prototxt")
    assert net is not None
    compared, wrong = differences(text, net)
    assert wrong == []
    assert compared >= len([node for node in net.nodes if node.bottoms and node.type not in DEPENDS_ON_DATA])


@pytest.mark.slow
def test_the_corpus(shared: Path) -> None:
    read, layers, wrong = 0, 0, []
    lines = (shared / "corpus" / "index.jsonl").read_text(encoding="utf-8").splitlines()
    for entry in map(json.loads, lines):
        text = (shared / "corpus" / entry["file"]).read_bytes().decode("utf-8", "replace")
        net = built(text, entry["file"]) if entry["kind"] == "deploy" else None
        if net is None:
            continue
        try:
            compared, found = differences(text, net)
        except cv2.error:
            continue  # a Python layer, or a loss
        read, layers = read + 1, layers + compared
        wrong += [f"{entry['file']} {item}" for item in found]
    assert wrong == []
    assert read >= 23
    assert layers >= 5000
