"""INI003 to INI005 and INI012: random weights that are too large or too small."""

from __future__ import annotations

import math
from collections.abc import Iterable

from prototxt_net.batchnorm import norms
from prototxt_net.finding import Finding
from prototxt_net.flow import (
    trainable,
)
from prototxt_net.net import PhaseNet
from prototxt_server.rules.base import Example, rule
from prototxt_server.rules.bn.edits import fix, put
from prototxt_server.rules.bn.nets import conv, data, ip, layer, loss, relu, trained
from prototxt_server.rules.ini.common import (
    fan_in,
    feeds_loss,
    fill,
    filler_of,
    hidden_net,
    message,
    suggestion,
    trained_weights,
)
from prototxt_server.rules.initial import InitialValueRule


@rule
class GaussianStdDefault(InitialValueRule):
    """## What it does
    Reports a gaussian `weight_filler` without `std`.

    ## Why is this bad?
    std defaults to 1. Each layer then multiplies the size of its input by about the root of its number of inputs; after
    a few layers the scores are so large that the loss saturates at 87.3365.

    ## Fix safety
    Unsafe: the initial values change.
    """

    code = "INI003"
    name = "gaussian-std-default"
    severity = "warning"
    fix_safety = "unsafe"
    GOOD = (Example(hidden_net('type: "gaussian" std: 0.01')), Example(trained()))
    BAD = (
        Example(hidden_net('type: "gaussian"'), fixed=hidden_net('type: "gaussian" std: 0.01')),
        Example(hidden_net('type: "gaussian" mean: 0', "ip")),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """Weights that train."""
        if not trainable(net):
            return
        for node in trained_weights(net):
            filler = filler_of(node)
            if filler is None or filler.get("type") != "gaussian" or filler.has("std"):
                continue
            inputs = fan_in(node)
            grows = f" ({math.sqrt(inputs):.3g} times here)" if inputs else ""
            path = f"{message(node)}.weight_filler"
            yield self.at(
                node,
                f"'{node.name}': std defaults to 1, so the activations grow by the root of the number of "
                f"inputs{grows} and the loss saturates (87.3365). Write `std: 0.01`, or use msra.",
                path,
                fix=fix("unsafe", "Write std: 0.01", put(net.file, node, f"{path}.std", "0.01")),
            )


@rule
class UniformDefault(InitialValueRule):
    """## What it does
    Reports a uniform `weight_filler` without `min` and `max`.

    ## Why is this bad?
    The default range is 0 to 1: all weights are positive, and every unit computes much the same large sum.

    ## Fix safety
    Unsafe: the initial values change. The offered range is xavier's, the root of 3 by the number of inputs.
    """

    code = "INI004"
    name = "uniform-default"
    severity = "warning"
    fix_safety = "unsafe"
    GOOD = (Example(hidden_net('type: "uniform" min: -0.1 max: 0.1')), Example(trained()))
    BAD = (
        Example(hidden_net('type: "uniform"'), fixed=hidden_net('type: "xavier"')),
        Example(
            layer(
                "DummyData", "data", "", "data label", "dummy_data_param { shape { dim: 4 dim: 75 } shape { dim: 4 } }"
            )
            + ip("fc", "data", filler='type: "uniform"')
            + loss("fc"),
            fixed=layer(
                "DummyData", "data", "", "data label", "dummy_data_param { shape { dim: 4 dim: 75 } shape { dim: 4 } }"
            )
            + ip("fc", "data", filler='type: "uniform" min: -0.2 max: 0.2')
            + loss("fc"),
        ),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """Weights that train."""
        if not trainable(net):
            return
        for node in trained_weights(net):
            filler = filler_of(node)
            if filler is None or filler.get("type") != "uniform" or filler.has("min") or filler.has("max"):
                continue
            path = f"{message(node)}.weight_filler"
            inputs = fan_in(node)
            if inputs:
                a = f"{math.sqrt(3 / inputs):.4g}"
                entry = put(net.file, node, f"{path}.max", f"{a}")
                cure = fix("unsafe", f"Use the range -{a} to {a}", entry)
                if entry is not None and cure is not None:
                    low = f" min: -{a}"
                    cure = fix("unsafe", cure.message, type(entry)(entry.start, entry.end, low + entry.content))
            else:
                cure = fill(net, node, "xavier")
            yield self.at(
                node,
                f"'{node.name}': the default range of uniform is 0 to 1, so all weights are positive and every unit "
                "computes much the same sum. Give min and max.",
                path,
                fix=cure,
            )


@rule
class GaussianScale(InitialValueRule):
    """## What it does
    Says where a gaussian `weight_filler` scales the signal far up or down at every layer, with no BatchNorm in the net.

    ## Why is this bad?
    A layer multiplies the size of its input by about std times the root of its number of inputs. Far below 1 the signal
    vanishes in deep stacks, far above 1 it explodes.

    ## Fix safety
    Unsafe: the initial values change.
    """

    code = "INI005"
    name = "gaussian-scale"
    severity = "info"
    fix_safety = "unsafe"
    _DUMMY = layer(
        "DummyData",
        "data",
        "",
        "data label",
        "dummy_data_param { shape { dim: 4 dim: 64 dim: 16 dim: 16 } shape { dim: 4 } }",
    )
    GOOD = (Example(_DUMMY + conv("h", "data", filler='type: "gaussian" std: 0.05') + ip("fc", "h") + loss("fc")),)
    BAD = (
        Example(
            _DUMMY + conv("h", "data", filler='type: "gaussian" std: 0.001') + ip("fc", "h") + loss("fc"),
            fixed=_DUMMY + conv("h", "data", filler='type: "msra"') + ip("fc", "h") + loss("fc"),
        ),
        Example(_DUMMY + ip("h", "data", filler='type: "gaussian" std: 0.1') + ip("fc", "h") + loss("fc")),
    )

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """Layers whose number of inputs is known; the last one may start small."""
        if net.phase != "TRAIN" or not trainable(net) or norms(net):
            return
        for node in trained_weights(net):
            filler = filler_of(node)
            inputs = fan_in(node)
            if filler is None or filler.get("type") != "gaussian" or not filler.has("std") or filler.has("sparse"):
                continue
            if inputs is None:
                continue
            std = float(filler.get("std"))
            gain = std * math.sqrt(inputs)
            if 0.1 <= gain <= 5 or (node.tops and feeds_loss(net, node.tops[0])):
                continue
            yield self.at(
                node,
                f"'{node.name}': with std {std:g} and {inputs} inputs the output is about {gain:.2g} times as large as "
                f"the input; through a deep stack the signal {'vanishes' if gain < 1 else 'explodes'}. msra would use "
                f"std {math.sqrt(2 / inputs):.2g}.",
                f"{message(node)}.weight_filler",
                fix=fill(net, node, "msra"),
            )


@rule
class DeepXavierRelu(InitialValueRule):
    """## What it does
    Points out a deep net of ReLU layers that starts with xavier and has no BatchNorm. Off by default.

    ## Why is this bad?
    xavier keeps the variance of a linear layer; a ReLU halves it. Over more than 20 layers little is left. msra was
    made for that.

    ## Fix safety
    Unsafe: the initial values change.
    """

    code = "INI012"
    name = "deep-xavier-relu"
    severity = "hint"
    default_on = False
    fix_safety = "unsafe"
    _DEPTH = 20

    @staticmethod
    def _stack(kind: str, depth: int) -> str:
        text, below = data(), "data"
        for i in range(depth):
            text += conv(f"c{i}", below, filler=f'type: "{kind}"') + relu(f"r{i}", f"c{i}")
            below = f"c{i}"
        return text + ip("fc", below) + loss("fc")

    def check_net(self, net: PhaseNet) -> Iterable[Finding]:
        """One finding, at the first such layer."""
        if net.phase != "TRAIN" or not trainable(net) or norms(net):
            return
        found = []
        for node in trained_weights(net):
            filler = filler_of(node)
            if filler is not None and filler.get("type") == "xavier" and suggestion(node) == "msra":
                found.append(node)
        if len(found) > self._DEPTH:
            cures = [fill(net, node, "msra") for node in found]
            yield self.at(
                found[0],
                f"{len(found)} layers with a ReLU start with xavier, which lets the variance halve at each; msra "
                "keeps it. Use msra.",
                f"{message(found[0])}.weight_filler",
                fix=fix("unsafe", "Use msra", *(edit for cure in cures if cure for edit in cure.edits)),
            )


DeepXavierRelu.GOOD = (Example(DeepXavierRelu._stack("msra", 24)), Example(DeepXavierRelu._stack("xavier", 4)))
DeepXavierRelu.BAD = (
    Example(DeepXavierRelu._stack("xavier", 21), fixed=DeepXavierRelu._stack("msra", 21)),
    Example(DeepXavierRelu._stack("xavier", 30)),
)
