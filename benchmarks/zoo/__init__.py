"""Well-known nets, written from the tables of their papers: text for tests and benchmarks.

    from zoo import NAMES, write
    text = write("resnet50", "train_val", batch=2, size=64, width=0.25)

Every net comes in two styles: `train_val` (data layers, fillers, rates, losses) and `deploy` (an Input, no loss).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from . import branching, dense, normalized, plain
from .solvers import SOLVERS, write_solver
from .writer import Net, Source, Style

__all__ = ["NAMES", "SOLVERS", "ZOO", "Entry", "write", "write_solver"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One net. size, classes: as in its paper. learned: the published number of learned values of the deploy style.

    smallest: a size from which it can be built (below, a map vanishes).
    """

    build: Callable[[Net], None]
    size: int
    classes: int
    learned: int
    smallest: int = 16
    dialect: str = "bvlc"


ZOO = {
    "lenet": Entry(plain.lenet, 28, 10, 431_080),
    "alexnet": Entry(plain.alexnet, 227, 1000, 60_965_224, 40),
    "vgg16": Entry(plain.vgg16, 224, 1000, 138_357_544),
    "googlenet": Entry(branching.googlenet, 224, 1000, 6_998_552, 48),
    "resnet50": Entry(partial(normalized.resnet, depth=50), 224, 1000, 25_557_032),
    "resnet101": Entry(partial(normalized.resnet, depth=101), 224, 1000, 44_549_160),
    "resnet152": Entry(partial(normalized.resnet, depth=152), 224, 1000, 60_192_808),
    "densenet121": Entry(normalized.densenet121, 224, 1000, 7_978_856),
    "mobilenet": Entry(normalized.mobilenet, 224, 1000, 4_231_976),
    "squeezenet": Entry(branching.squeezenet, 227, 1000, 1_248_424, 24),
    "fcn8s": Entry(dense.fcn8s, 500, 21, 134_362_751),
    "ssd300": Entry(dense.ssd300, 300, 21, 26_285_486, 260, "ssd"),
}
"""Where the numbers stand: Han et al. 2015 table 1 (LeNet-5, 431 K), Caffe's model zoo (AlexNet, GoogLeNet), the papers
of VGG (138 M), SqueezeNet (1.25 M) and FCN (134 M), torchvision (ResNet, DenseNet, VGG16), Keras (MobileNet's trainable
values), ssd.pytorch (SSD300 with VOC's 21 classes)."""

NAMES = tuple(ZOO)


def write(
    name: str,
    style: Style = "deploy",
    *,
    batch: int = 1,
    size: int | None = None,
    width: float = 1.0,
    classes: int | None = None,
    source: Source = "lmdb",
) -> str:
    """The text of a net.

    size: of the square input, as in the paper when None. width: multiplies all numbers of channels but those of the
    classes. source: what the trained style reads, LMDBs or constant shapes that need no file ("dummy"). Raises KeyError
    for a name that is not in `NAMES`.
    """
    entry = ZOO[name]
    net = Net(name, style, source, batch, size or entry.size, width, classes or entry.classes)
    entry.build(net)
    return net.text
