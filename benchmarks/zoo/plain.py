"""Nets that are one chain of layers: LeNet, AlexNet, VGG16."""

from __future__ import annotations

from .writer import Net

GAUSSIAN = {"type": "gaussian", "std": 0.01}
NARROW = {"type": "gaussian", "std": 0.005}


def lenet(n: Net) -> None:
    """LeCun et al. 1998 with the widths that came to be called LeNet-5 in Caffe's time: 20, 50, 500."""
    x = n.images(channels=1)
    for i, channels in enumerate((20, 50), 1):
        x = n.conv(x, f"conv{i}", n.wide(channels), 5)
        x = n.pool(x, f"pool{i}", 2, 2)
    x = n.relu(n.full(x, "ip1", n.wide(500)))
    n.classify(n.full(x, "ip2", n.classes))


def alexnet(n: Net) -> None:
    """Krizhevsky et al. 2012: five convolutions, three of them in two groups."""
    x = n.images()
    x = n.relu(n.conv(x, "conv1", n.wide(96, 2), 11, 4, filler=GAUSSIAN))
    x = n.pool(n.lrn(x, "norm1"), "pool1", 3, 2)
    x = n.relu(n.conv(x, "conv2", n.wide(256, 2), 5, pad=2, group=2, filler=GAUSSIAN))
    x = n.pool(n.lrn(x, "norm2"), "pool2", 3, 2)
    for i, channels, group in ((3, 384, 1), (4, 384, 2), (5, 256, 2)):
        x = n.relu(n.conv(x, f"conv{i}", n.wide(channels, 2), 3, pad=1, group=group, filler=GAUSSIAN))
    x = n.pool(x, "pool5", 3, 2)
    for i in (6, 7):
        x = n.dropout(n.relu(n.full(x, f"fc{i}", n.wide(4096), NARROW)), f"drop{i}")
    n.classify(n.full(x, "fc8", n.classes, GAUSSIAN))


VGG16 = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Channels and convolutions of each block, column D of the table."""


def vgg_block(n: Net, x: str, block: int, first_pad: int = 1) -> str:
    """The 3x3 convolutions of one block, without its pooling."""
    channels, count = VGG16[block - 1]
    for i in range(1, count + 1):
        pad = first_pad if i == 1 else 1
        x = n.relu(n.conv(x, f"conv{block}_{i}", n.wide(channels), 3, pad=pad), f"relu{block}_{i}")
    return x


def vgg16(n: Net) -> None:
    """Simonyan and Zisserman 2014, configuration D."""
    x = n.images()
    for block in range(1, 6):
        x = n.pool(vgg_block(n, x, block), f"pool{block}", 2, 2)
    for i in (6, 7):
        x = n.dropout(n.relu(n.full(x, f"fc{i}", n.wide(4096))), f"drop{i}")
    n.classify(n.full(x, "fc8", n.classes))
