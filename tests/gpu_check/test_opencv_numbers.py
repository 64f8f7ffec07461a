"""A second oracle for whole nets: OpenCV's dnn module, with the same weights out of the same caffemodel.

BatchNorm here has statistics, gamma and beta of its own in every channel, and biases are not 0, so that a term that is
left out shows.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from zoo import ZOO, write

import prototxt_net.layers  # noqa: F401  (registers the layer types)
from prototxt_gpu_check import plan, weights
from prototxt_gpu_check.backend import Backend
from prototxt_gpu_check.run import Options, Pass
from prototxt_gpu_check.sources import Inputs
from prototxt_grammar.parse import parse
from prototxt_net.net import PhaseNet
from prototxt_net.phases import State
from prototxt_net.read import read
from prototxt_net.schema.descriptors import message_class

cv2 = pytest.importorskip("cv2", reason="opencv-python-headless is not installed")

Host = npt.NDArray[np.float32]
CLOSE = 1e-4
SMALL = {
    "lenet": (28, 1.0), "alexnet": (67, 0.25), "vgg16": (64, 0.25), "googlenet": (96, 0.5), "resnet50": (64, 0.25),
    "resnet101": (64, 0.25), "resnet152": (64, 0.25), "densenet121": (64, 0.5), "mobilenet": (64, 0.5),
    "squeezenet": (96, 0.5), "fcn8s": (64, 0.125), "ssd300": (300, 0.125),
}  # fmt: skip
"""Size of the images and share of the channels."""

QUICK = ("lenet", "googlenet", "resnet50", "mobilenet")
NETS = [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in SMALL]


def drawn(net: PhaseNet) -> bytes:
    """A caffemodel with random values in every blob, of sizes that keep the signal."""
    rng = np.random.default_rng(0)
    model = message_class(net.dialect, "NetParameter")()
    for node in net.nodes:
        if not node.setup.params:
            continue
        layer = model.layer.add(name=node.name, type=node.type)
        for blob in node.setup.params:
            shape = [int(d) for d in blob.shape or ()]
            stored = layer.blobs.add()
            stored.shape.dim.extend(shape)
            if blob.role == "factor":
                values = np.full(shape, 2.0)  # what is stored is divided by it
            elif blob.role in ("variance", "gamma"):
                values = rng.uniform(0.5, 1.5, shape)
            elif blob.role == "weight":
                values = rng.standard_normal(shape) * (2 / max(1, np.prod(shape[1:]))) ** 0.5
            else:
                values = rng.standard_normal(shape) * 0.1
            stored.data.extend(values.astype(np.float32).ravel().tolist())
    return bytes(model.SerializeToString())


def ours(text: str, dialect: str, x: Host, folder: Path) -> tuple[PhaseNet, dict[str, Host], Path]:
    """The net, its outputs by name, and the caffemodel that was used."""
    given = Inputs(arrays={"data": x})
    planned = plan.make(read(parse(text), dialect), State("TEST"), given, None, None)
    path = folder / "net.caffemodel"
    path.write_bytes(drawn(planned.net))
    keep = frozenset(planned.net.outputs)
    one = Pass(planned, Backend(), given, Options(keep=keep), weights.read(path))
    result = one.run()
    assert [layer.reason for layer in result.layers if not layer.checked] == []
    assert all(p.origin.kind == "loaded" for layer in result.layers for p in layer.params)
    return planned.net, {blob.name: np.asarray(one.arrays[blob]) for blob in keep}, path


def scores(detections: Host) -> Host:
    """Class and score of each detection, in order."""
    rows = detections.reshape(-1, 7)[:, 1:3]
    return rows[np.lexsort((rows[:, 1], rows[:, 0]))]


@pytest.mark.parametrize("name", NETS)
def test_outputs_agree_with_opencv(name: str, tmp_path: Path) -> None:
    size, width = SMALL[name]
    text = write(name, "deploy", size=size, width=width)
    channels = 1 if name == "lenet" else 3
    x = np.random.default_rng(1).standard_normal((1, channels, size, size)).astype(np.float32)
    net, outputs, path = ours(text, ZOO[name].dialect, x, tmp_path)
    (tmp_path / "net.prototxt").write_text(text)
    model = cv2.dnn.readNetFromCaffe(str(tmp_path / "net.prototxt"), str(path))
    model.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
    model.setInput(x)
    assert outputs
    for blob, mine in outputs.items():
        theirs = np.asarray(model.forward(net.nodes[-1].name if len(outputs) == 1 else blob))
        assert theirs.size == mine.size, blob
        if blob == "detection_out":  # OpenCV orders the classes otherwise: the same classes and scores are kept
            mine, theirs = scores(mine), scores(theirs)
        assert np.abs(theirs.reshape(mine.shape) - mine).max() <= CLOSE * max(1.0, np.abs(mine).max()), blob
        assert mine.std() > 0
