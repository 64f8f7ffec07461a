"""BN017: how many values a channel's mean is taken over."""

from __future__ import annotations

from collections.abc import Iterable

from prototxt_net.batchnorm import mode, norms, per_channel
from prototxt_net.finding import Finding, Severity
from prototxt_net.flow import trainable
from prototxt_net.net import PhaseNet
from prototxt_server.rules.base import Example, Rule, rule
from prototxt_server.rules.bn.nets import bn, ip, layer, loss, relu, scale

NOISY, SMALL = 8, 32


def _dense(batch: int) -> str:
    fed = layer(
        "DummyData",
        "data",
        "",
        "data label",
        f"dummy_data_param {{ shape {{ dim: {batch} dim: 3 }} shape {{ dim: {batch} }} }}",
    )
    return fed + ip("fc1", "data") + bn("bn1", "fc1") + scale("scale1", "fc1") + relu("relu1", "fc1") + _END


_END = ip("fc2", "fc1") + loss("fc2")


@rule
class TinyBatch(Rule):
    """## What it does
    Reports a batch normalisation that takes its statistics over very few values per channel: the batch size times the
    size of the map, where the text tells both.

    ## Why is this bad?
    Over a single value the mean is the value itself: the output is exactly 0 (and then beta), whatever the input.
    Over a handful the statistics are mostly noise, and what is stored for TEST does not fit. `iter_size` adds up
    gradients over several small batches and does not help here.

    ## In other Caffes
    With several GPUs each one takes the mean over its own share. BVLC's Caffe gives batch_size to each of them,
    NVIDIA's divides it among them. The number here is that of one GPU.

    ## Fix safety
    None: use a larger batch_size, or frozen statistics.
    """

    code = "BN017"
    name = "bn-tiny-batch"
    severity = "warning"
    GOOD = (Example(_dense(64)),)
    BAD = (Example(_dense(1)), Example(_dense(4)), Example(_dense(16), phase="TRAIN"))

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """TRAIN nets that train, and any net whose layers use the batch although it is a TEST net."""
        if net.phase == "TRAIN" and not trainable(net):
            return
        for node in norms(net):
            m = per_channel(node)
            if m is None or not 1 <= m < SMALL or not mode(net, node).batch:
                continue
            if m == 1:
                # A net whose inputs the caller shapes may run with a larger batch than the file says.
                fixed = net.phase == "TRAIN" and not any(n.type in ("Input", "Python") for n in net.nodes)
                severity: Severity = "error" if fixed else "warning"
                what = "over 1 value per channel, so its output is exactly 0 (then beta), whatever the input"
            elif m < NOISY:
                severity = "warning"
                what = f"over {m} values per channel, so its statistics are mostly noise"
            else:
                severity = "hint"
                what = f"over {m} values per channel, which is few: the statistics are noisy"
            yield self.at(
                node,
                f"'{node.name}' averages {what}. iter_size does not help. Use a larger batch_size, or frozen "
                "statistics.",
                severity=severity,
            )
