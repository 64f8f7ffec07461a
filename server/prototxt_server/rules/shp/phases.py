"""SHP025 and SHP026: shapes that differ between the training and the test net."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from prototxt_net.finding import Finding
from prototxt_net.net import Node, PhaseNet
from prototxt_net.shape import same_shape, text
from prototxt_server.rules.base import Example, Rule, related, rule
from prototxt_server.rules.bn.nets import layer
from prototxt_server.rules.example_nets import LOSS

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis


def _pairs(analysis: Analysis) -> Iterator[tuple[Node, Node]]:
    """Layers of one name and type in TRAIN and in TEST, where both nets are active."""
    train = next((net for net in analysis.nets if net.phase == "TRAIN"), None)
    test = next((net for net in analysis.nets if net.phase == "TEST"), None)
    if train is None or test is None or not _differ(train, test):
        return
    for node in train.nodes:
        twin = test.by_name.get(node.name)
        if twin is not None and twin.type == node.type and node.setup.params and node.setup is not twin.setup:
            yield node, twin


def _differ(train: PhaseNet, test: PhaseNet) -> bool:
    """Whether the two nets have different layers at all; otherwise all shapes are equal."""
    if train.nodes is test.nodes:
        return False
    return [id(node.layer.definition) for node in train.nodes] != [id(node.layer.definition) for node in test.nodes]


def _data(crop_train: int, crop_test: int) -> str:
    return "".join(
        layer(
            "Data", "data", "", "data label",
            f"include {{ phase: {phase} }}",
            f"transform_param {{ crop_size: {crop} }}",
            'data_param { source: "lmdb" batch_size: 64 }',
        )
        for phase, crop in (("TRAIN", crop_train), ("TEST", crop_test))
    )  # fmt: skip


_IP = layer("InnerProduct", "score", "data", "score", "inner_product_param { num_output: 10 }")
_CONV = layer("Convolution", "conv", "data", "data", "convolution_param { num_output: 4 kernel_size: 3 }").replace(
    'top: "data"', 'top: "conv"'
)


@rule
class InnerProductAfterResize(Rule):
    """Crops of different size in front of an InnerProduct.

    ## What it does
    Reports an InnerProduct directly on an image whose crop_size differs between the TRAIN and the TEST data layer.

    ## Why is this bad?
    An InnerProduct has a weight for each input value, so the weights fit only one of the two sizes.

    ## Fix safety
    There is no automatic fix: use equal crops, or a global pooling in between.
    """

    code = "SHP025"
    name = "ip-after-resize"
    severity = "warning"
    GOOD = (Example(_data(28, 28) + _IP + LOSS),)
    BAD = (
        Example(_data(28, 32) + _IP + LOSS),
        Example(_data(64, 48) + _IP + LOSS.replace("SoftmaxWithLoss", "HingeLoss")),
    )

    def check_file(self, analysis: Analysis) -> Iterable[Finding]:
        """One finding a layer whose number of inputs cannot be told but depends on different image sizes."""
        for node, twin in _pairs(analysis):
            if node.type != "InnerProduct" or not node.bottoms or not twin.bottoms:
                continue
            a, b = node.bottoms[0], twin.bottoms[0]
            if a is None or b is None or a.shape is None or b.shape is None:
                continue
            if same_shape(node.setup.params[0].shape, twin.setup.params[0].shape) is not None:
                continue  # equal, or SHP026
            if len(a.shape) == len(b.shape) == 4 and same_shape(a.shape[2:], b.shape[2:]) is False:
                message = (
                    f"'{node.name}' gets {text(a.shape[2:])} values for each channel in TRAIN and "
                    f"{text(b.shape[2:])} in "
                    "TEST: its weights fit only one of them. Use equal crop sizes, or a global pooling before it."
                )
                yield self.at(node, message, "bottom")


@rule
class TrainTestShape(Rule):
    """Weights of different shape in the two phases.

    ## What it does
    Reports a layer whose weights have another shape in the TEST net than in the TRAIN net.

    ## Why is this bad?
    Each net loads by itself. When the solver tests, the test net takes the trained weights by layer name, and Caffe
    aborts because the shapes differ.

    ## Fix safety
    There is no automatic fix.
    """

    code = "SHP026"
    name = "train-test-shape"
    severity = "error"
    GOOD = (Example(_data(28, 28) + _CONV + _IP.replace('bottom: "data"', 'bottom: "conv"') + LOSS),)
    BAD = (
        Example(_data(28, 32) + _CONV + _IP.replace('bottom: "data"', 'bottom: "conv"') + LOSS),
        Example(
            _data(64, 48)
            + _CONV
            + _CONV.replace('"conv"', '"deep"').replace('"data"', '"conv"')
            + _IP.replace('bottom: "data"', 'bottom: "deep"')
            + LOSS
        ),
    )

    def check_file(self, analysis: Analysis) -> Iterable[Finding]:
        """One finding a layer, at the first parameter blob that differs."""
        for node, twin in _pairs(analysis):
            for a, b in zip(node.setup.params, twin.setup.params, strict=False):
                if same_shape(a.shape, b.shape) is False:
                    message = (
                        f"'{node.name}' has {a.role} of shape {text(a.shape)} in TRAIN and {text(b.shape)} in "
                        "TEST; Caffe "
                        "aborts when the test net takes the trained weights. Make the inputs equal in both."
                    )
                    notes = () if twin.layer is node.layer else (related(twin, "the layer of the TEST net"),)
                    yield self.at(node, message, "name", related=notes)
                    break
