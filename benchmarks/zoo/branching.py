"""Nets with modules of parallel paths: GoogLeNet, SqueezeNet."""

from __future__ import annotations

from .writer import Net

INCEPTION = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
"""Maps of 1x1, 3x3's reduction, 3x3, 5x5's reduction, 5x5, and of the projection after the pooling."""


def _inception(n: Net, x: str, which: str) -> str:
    ones, reduce3, threes, reduce5, fives, projection = INCEPTION[which]

    def conv(bottom: str, part: str, channels: int, kernel: int) -> str:
        return n.relu(n.conv(bottom, f"inception_{which}/{part}", n.wide(channels), kernel, pad=kernel // 2))

    return n.concat(
        f"inception_{which}/output",
        [
            conv(x, "1x1", ones, 1),
            conv(conv(x, "3x3_reduce", reduce3, 1), "3x3", threes, 3),
            conv(conv(x, "5x5_reduce", reduce5, 1), "5x5", fives, 5),
            conv(n.pool(x, f"inception_{which}/pool", 3, 1, 1), "pool_proj", projection, 1),
        ],
    )


def _auxiliary(n: Net, x: str, name: str) -> None:
    """A classifier in the middle, only for training; its loss counts 0.3."""
    x = n.pool(x, f"{name}/ave_pool", 5, 3, method="AVE")
    x = n.relu(n.conv(x, f"{name}/conv", n.wide(128)))
    x = n.dropout(n.relu(n.full(x, f"{name}/fc", n.wide(1024))), f"{name}/drop_fc", 0.7)
    x = n.full(x, f"{name}/classifier", n.classes)
    n.layer("SoftmaxWithLoss", f"{name}/loss", [x, "label"], [f"{name}/loss"], loss_weight=0.3)


def googlenet(n: Net) -> None:
    """Szegedy et al. 2014, table 1; the auxiliary classifiers in the trained style only."""
    x = n.images()
    x = n.pool(n.relu(n.conv(x, "conv1/7x7_s2", n.wide(64), 7, 2, 3)), "pool1/3x3_s2", 3, 2)
    x = n.relu(n.conv(n.lrn(x, "pool1/norm1"), "conv2/3x3_reduce", n.wide(64)))
    x = n.lrn(n.relu(n.conv(x, "conv2/3x3", n.wide(192), 3, pad=1)), "conv2/norm2")
    x = n.pool(x, "pool2/3x3_s2", 3, 2)
    for which in INCEPTION:
        x = _inception(n, x, which)
        if n.trained and which in ("4a", "4d"):
            _auxiliary(n, x, "loss1" if which == "4a" else "loss2")
        if which in ("3b", "4e"):
            x = n.pool(x, f"pool{which[0]}/3x3_s2", 3, 2)
    x = n.dropout(n.pool(x, "pool5", 0, method="AVE"), "pool5/drop", 0.4)
    n.classify(n.full(x, "classifier", n.classes))


FIRE = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))
"""Maps of the squeeze and of each half of the expansion, modules fire2 to fire9."""


def squeezenet(n: Net) -> None:
    """Iandola et al. 2016, table 1 (version 1.0)."""
    x = n.images()
    x = n.pool(n.relu(n.conv(x, "conv1", n.wide(96), 7, 2)), "pool1", 3, 2)
    for i, (squeeze, expand) in enumerate(FIRE, 2):
        fire = f"fire{i}"
        x = n.relu(n.conv(x, f"{fire}/squeeze1x1", n.wide(squeeze)))
        halves = [n.relu(n.conv(x, f"{fire}/expand{k}x{k}", n.wide(expand), k, pad=k // 2)) for k in (1, 3)]
        x = n.concat(f"{fire}/concat", halves)
        if i in (4, 8):
            x = n.pool(x, f"pool{i}", 3, 2)
    x = n.dropout(x, "drop9")
    x = n.relu(n.conv(x, "conv10", n.classes, filler={"type": "gaussian", "std": 0.01}))
    n.classify(n.pool(x, "pool10", 0, method="AVE"))
