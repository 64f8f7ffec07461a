"""Nets with batch normalisation: ResNet, DenseNet, MobileNet. Caffe keeps gamma and beta in Scale."""

from __future__ import annotations

from .writer import Net

RESNET = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
"""Blocks of each stage, conv2_x to conv5_x."""


def _normalized(n: Net, bottom: str, branch: str, channels: int, kernel: int = 1, stride: int = 1) -> str:
    """Convolution without bias, BatchNorm, Scale."""
    top = n.conv(bottom, f"res{branch}", channels, kernel, stride, kernel // 2, bias=False, filler="msra")
    return n.norm(top, f"{{}}{branch}")


def _bottleneck(n: Net, x: str, block: str, channels: int, stride: int, project: bool) -> str:
    shortcut = _normalized(n, x, f"{block}_branch1", n.wide(4 * channels, 4), 1, stride) if project else x
    inner = n.wide(4 * channels, 4) // 4
    x = n.relu(_normalized(n, x, f"{block}_branch2a", inner, 1, stride))
    x = n.relu(_normalized(n, x, f"{block}_branch2b", inner, 3))
    x = _normalized(n, x, f"{block}_branch2c", 4 * inner)
    return n.relu(n.add(f"res{block}", shortcut, x))


def resnet(n: Net, depth: int) -> None:
    """He et al. 2015, table 1, with projections where the size changes (option B)."""
    x = n.images()
    x = n.conv(x, "conv1", n.wide(64), 7, 2, 3, bias=False, filler="msra")
    x = n.pool(n.relu(n.norm(x, "{}_conv1")), "pool1", 3, 2)
    for stage, blocks in enumerate(RESNET[depth], 2):
        for i in range(blocks):
            stride = 2 if i == 0 and stage > 2 else 1
            x = _bottleneck(
                n, x, f"{stage}{'abcdefgh'[i] if blocks <= 8 else f'b{i}'}", 32 << (stage - 1), stride, i == 0
            )
    x = n.pool(x, "pool5", 0, method="AVE")
    n.classify(n.full(x, f"fc{n.classes}", n.classes))


def densenet121(n: Net) -> None:
    """Huang et al. 2016, table 1: growth 32, bottlenecks of 4 x 32, compression 0.5."""
    growth = n.wide(32)
    channels = 2 * growth
    x = n.images()
    x = n.conv(x, "conv1", channels, 7, 2, 3, bias=False, filler="msra")
    x = n.pool(n.relu(n.norm(x, "conv1/{}")), "pool1", 3, 2, 1)
    for block, layers in enumerate((6, 12, 24, 16), 2):
        for i in range(1, layers + 1):
            inner = f"conv{block}_{i}"
            y = n.relu(n.norm_aside(x, f"{inner}/x1/{{}}"))
            y = n.conv(y, f"{inner}/x1", 4 * growth, bias=False, filler="msra")
            y = n.relu(n.norm(y, f"{inner}/x2/{{}}"))
            y = n.conv(y, f"{inner}/x2", growth, 3, pad=1, bias=False, filler="msra")
            x = n.concat(f"concat_{block}_{i}", [x, y])
            channels += growth
        x = n.relu(n.norm(x, f"conv{block}_blk/{{}}"))
        if block < 5:
            channels //= 2
            x = n.conv(x, f"conv{block}_blk", channels, bias=False, filler="msra")
            x = n.pool(x, f"pool{block}", 2, 2, method="AVE")
    n.classify(n.full(n.pool(x, "pool5", 0, method="AVE"), "fc6", n.classes))


MOBILE = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))
"""Maps after each pointwise convolution, and the stride of the depthwise one before it."""


def mobilenet(n: Net) -> None:
    """Howard et al. 2017, table 1: depthwise convolutions are grouped by single channels."""
    channels = n.wide(32)
    x = n.images()
    x = n.conv(x, "conv1", channels, 3, 2, 1, bias=False, filler="msra")
    x = n.relu(n.norm(x, "conv1/{}"))
    for i, (maps, stride) in enumerate(MOBILE, 2):
        x = n.conv(x, f"conv{i}/dw", channels, 3, stride, 1, group=channels, bias=False, filler="msra")
        x = n.relu(n.norm(x, f"conv{i}/dw/{{}}"))
        channels = n.wide(maps)
        x = n.conv(x, f"conv{i}/sep", channels, bias=False, filler="msra")
        x = n.relu(n.norm(x, f"conv{i}/sep/{{}}"))
    n.classify(n.full(n.pool(x, "pool6", 0, method="AVE"), "fc7", n.classes))
