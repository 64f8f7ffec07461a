"""Logs of random nets with one fault planted at a random layer, in a random layout."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.log.logs import NVIDIA_015, arrows, bottom_diff, loss, norms, param, param_diff, top

DATA = """layer { name: "data" type: "Input" top: "data" top: "label"
  input_param { shape { dim: 8 dim: 3 dim: 16 dim: 16 } shape { dim: 8 } } }
"""


@dataclass
class Layer:
    """text: its block. params: mean |w| of each blob. learnt: whether each has a gradient of its own."""

    name: str
    type: str
    bottom: str
    top: str
    text: str
    params: list[float] = field(default_factory=list)
    learnt: list[bool] = field(default_factory=list)
    needs_backward: bool = True


@dataclass
class Pass:
    """Numbers by (layer, part, index): part is "top", "param", "bottom" or "diff"."""

    numbers: dict[tuple[str, str, int], float]
    l2: tuple[float, float] = (6.0, 0.5)


@dataclass
class Case:
    """A log, its net, and what must be said: the codes that are accepted, the layers, the causes in the net."""

    log: str
    net: str
    code: str
    layer: str | None
    causes: tuple[str, ...] = ()


class Maker:
    """Builds one net with its passes; a fault changes them before `case` writes them down."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.layers: list[Layer] = []
        self.iterations = self.random.randint(2, 5)
        self._build(self.random.randint(2, 9))
        self.passes = [self._healthy(i) for i in range(self.iterations)]

    # -- the net ---------------------------------------------------------------------------------------------------
    def _add(self, name: str, type_: str, bottom: str, top_: str, fields: str = "", **facts: list[float]) -> None:
        text = f'layer {{ name: "{name}" type: "{type_}" bottom: "{bottom}" top: "{top_}" {fields} }}\n'
        params = facts.get("params", [])
        learnt = [type_ != "BatchNorm"] * len(params)
        self.layers.append(Layer(name, type_, bottom, top_, text, list(params), learnt))

    def _build(self, blocks: int) -> None:
        blob = "data"
        for i in range(1, blocks + 1):
            style = self.random.choice(["plain", "norm", "in place"])
            conv = f"conv{i}"
            bias = [] if style != "plain" else [0.0]
            filler = 'weight_filler { type: "msra" }'
            fields = f"num_output: 8 kernel_size: 3 pad: 1 {filler}{'' if bias else ' bias_term: false'}"
            self._add(conv, "Convolution", blob, conv, f"convolution_param {{ {fields} }}", params=[0.1, *bias])
            blob = conv
            if style != "plain":
                after = conv if style == "in place" else f"bn{i}"
                self._add(f"bn{i}", "BatchNorm", blob, after, params=[0.02, 0.5, 1.0])
                blob = after
                self._add(f"scale{i}", "Scale", blob, blob, "scale_param { bias_term: true }", params=[1.0, 0.0])
            self._add(f"relu{i}", "ReLU", blob, blob)
        fields = 'num_output: 10 weight_filler { type: "xavier" }'
        self._add("fc", "InnerProduct", blob, "fc", f"inner_product_param {{ {fields} }}", params=[0.05, 0.0])

    def of(self, *types: str) -> list[Layer]:
        return [layer for layer in self.layers if layer.type in types]

    def any_of(self, *types: str) -> Layer:
        return self.random.choice(self.of(*types))

    def behind(self, layer: Layer) -> list[Layer]:
        return self.layers[self.layers.index(layer) + 1 :]

    def below(self, layer: Layer) -> list[Layer]:
        return self.layers[: self.layers.index(layer)]

    def replace(self, layer: Layer, old: str, new: str) -> None:
        assert old in layer.text
        layer.text = layer.text.replace(old, new)

    # -- the numbers -----------------------------------------------------------------------------------------------
    def _healthy(self, iteration: int) -> Pass:
        numbers: dict[tuple[str, str, int], float] = {("data", "top", 0): 0.8, ("data", "top", 1): 4.2}
        size, gradient = 0.8, 0.02
        for layer in self.layers:
            size = 0.8 if layer.type == "BatchNorm" else size * self.random.uniform(0.4, 1.6)
            size = min(max(size, 0.05), 4.0)
            numbers[layer.name, "top", 0] = size
            for i, value in enumerate(layer.params):
                moved = 1 + 0.01 * iteration
                numbers[layer.name, "param", i] = value * moved if value or not iteration else 0.001 * iteration
        numbers["loss", "top", 0] = 2.3 - 0.05 * iteration
        for layer in reversed(self.layers):
            gradient = min(max(gradient * self.random.uniform(0.6, 1.5), 1e-4), 0.5)
            numbers[layer.name, "bottom", 0] = gradient
            for i, learnt in enumerate(layer.learnt):
                numbers[layer.name, "diff", i] = gradient * self.random.uniform(0.5, 2) if learnt else 0.0
        return Pass(numbers)

    def set(self, value: float, layer: Layer | str, part: str = "top", index: int = 0, since: int = 0) -> None:
        name = layer if isinstance(layer, str) else layer.name
        for kept in self.passes[since:]:
            kept.numbers[name, part, index] = value

    def silence(self, layer: Layer, since: int = 0) -> None:
        """Zeros from this layer on, up to what adds a bias or a mean; no gradient below the first ReLU behind it."""
        self.set(0.0, layer, since=since)
        for behind in self.behind(layer):
            self.set(0.0, behind, since=since)
        stop = next((x for x in [layer, *self.behind(layer)] if x.type == "ReLU"), None)
        if stop is not None:
            self.deafen(stop, since)

    def deafen(self, layer: Layer, since: int = 0) -> None:
        """No gradient from this layer down."""
        for below in [*self.below(layer), layer]:
            self.set(0.0, below, "bottom", since=since)
            if below is not layer or below.type == "ReLU":
                for i in range(len(below.params)):
                    self.set(0.0, below, "diff", i, since)

    # -- the text --------------------------------------------------------------------------------------------------
    def _lines(self, lines: tuple[int, ...]) -> list[str]:
        out: list[str] = []
        for iteration, kept in enumerate(self.passes):
            n = kept.numbers

            def shown(layer: str, part: str, index: int = 0, n: dict[tuple[str, str, int], float] = n) -> str:
                return f"{n[layer, part, index]:g}"

            out += [
                top("data", "data", shown("data", "top"), lines),
                top("data", "label", shown("data", "top", 1), lines),
            ]
            for layer in self.layers:
                out.append(top(layer.name, layer.top, shown(layer.name, "top"), lines))
                out += [param(layer.name, i, shown(layer.name, "param", i), lines) for i in range(len(layer.params))]
            out.append(top("loss", "loss", shown("loss", "top"), lines))
            out.append(bottom_diff("loss", "fc", "0.05"))
            for layer in reversed(self.layers):
                if layer.bottom != "data":
                    out.append(bottom_diff(layer.name, layer.bottom, shown(layer.name, "bottom")))
                out += [param_diff(layer.name, i, shown(layer.name, "diff", i)) for i in range(len(layer.params))]
            out += [norms(*kept.l2), *loss(iteration, shown("loss", "top"))]
        return out

    def case(
        self, code: str, layer: Layer | str | None, *causes: str, dialect: str = "bvlc", arrows: bool = True
    ) -> Case:
        lines = self._lines(NVIDIA_015 if dialect == "nvidia-0.15" else (593, 605))
        layout = self.random.choice([name for name in sorted(LAYOUTS) if arrows or name != "arrows"])
        net = DATA + "".join(layer.text for layer in self.layers)
        net += 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }\n'
        name = layer.name if isinstance(layer, Layer) else layer
        return Case(LAYOUTS[layout](lines), net, code, name, causes)


LAYOUTS: dict[str, Callable[[list[str]], str]] = {
    "plain": lambda lines: "\n".join(lines) + "\n",
    "CRLF": lambda lines: "\r\n".join(lines) + "\r\n",
    "run together": lambda lines: " ".join(lines) + " \n",
    "glued": lambda lines: "".join(lines) + "\n",
    "arrows": lambda lines: arrows(lines),
    "bare": lambda lines: "\n".join(line.partition("] ")[2] for line in lines) + "\n",
    "elided": lambda lines: re.sub(r"0804 [\d:.]+ +\d+ \w+\.cpp:\d+", "1109 ...", "\n".join(lines)) + "\n",
    "collapsed": lambda lines: re.sub(" +", " ", "\n".join(lines)) + "\n",
    "noise": lambda lines: "\n".join(
        f"{line}\nI0804 10:22:42.1  8320 blocking_queue.cpp:49] Waiting for data" for line in lines
    ) + "\n",
}  # fmt: skip


# -- faults --------------------------------------------------------------------------------------------------------
def zero_weights(m: Maker) -> Case:
    layer = m.any_of("Convolution")
    m.replace(layer, 'type: "msra"', 'type: "constant"')
    m.set(0.0, layer, "param")
    m.silence(layer)
    return m.case("DYN002", layer, "INI002", arrows=False)


def zero_gamma(m: Maker) -> Case | None:
    if not m.of("Scale"):
        return None
    layer = m.any_of("Scale")
    m.replace(layer, "bias_term: true", 'bias_term: true filler { type: "constant" }')
    for i in range(m.iterations):
        m.passes[i].numbers[layer.name, "param", 0] = 0.0
        m.passes[i].numbers[layer.name, "param", 1] = 0.0
    m.silence(layer)
    return m.case("DYN003", layer, "BN022")


def zero_gamma_of_nvidia(m: Maker) -> Case | None:
    norms_ = m.of("BatchNorm")
    if not norms_:
        return None
    for norm in norms_:
        norm.params, norm.learnt = [1.0, 0.0, 0.02, 0.5, 0.0], [True, True, False, False, False]
        norm.text = norm.text.replace(" }\n", " batch_norm_param { scale_filler { value: 1 } } }\n")
        for kept in m.passes:
            for i, value in enumerate(norm.params):
                kept.numbers[norm.name, "param", i], kept.numbers[norm.name, "diff", i] = value, 0.01 * norm.learnt[i]
    layer = m.random.choice(norms_)
    layer.text = layer.text.replace(" batch_norm_param { scale_filler { value: 1 } }", "")
    m.set(0.0, layer, "param")
    m.silence(layer)
    return m.case("DYN003", layer, "BN031", dialect="nvidia-0.15", arrows=False)


def empty_statistics(m: Maker) -> Case | None:
    norms_ = m.of("BatchNorm")
    if not norms_:
        return None
    for norm in norms_:
        norm.text = norm.text.replace(" }\n", " batch_norm_param { use_global_stats: true } }\n")
        for i in range(3):
            m.set(0.0, norm, "param", i)
    for kept in m.passes:
        gain = 1.0
        before = 0.8
        for layer in m.layers:
            if layer.type == "BatchNorm":
                kept.numbers[layer.name, "top", 0] = before * gain * 316.228
                gain *= 316.228
            else:
                kept.numbers[layer.name, "top", 0] *= gain
            before = kept.numbers[layer.name, "top", 0] / gain
    return m.case("DYN012", norms_[0], "BN010", arrows=False)  # NVIDIA 0.16 ignores the flag


def nan_in_a_layer(m: Maker) -> Case:
    layer = m.any_of("Convolution", "InnerProduct")
    since = m.random.randrange(m.iterations)
    for x in [layer, *m.behind(layer)]:
        m.set(float("nan"), x, since=since)
    m.set(float("nan"), "loss", since=since)
    return m.case("DYN001", layer)


def nan_after_an_update(m: Maker) -> Case:
    since = m.random.randrange(1, m.iterations)
    for layer in m.layers:
        m.set(float("nan"), layer, since=since)
        for i in range(len(layer.params)):
            m.set(float("nan"), layer, "param", i, since)
            m.set(float("nan"), layer, "diff", i, since)
    m.set(float("nan"), "loss", since=since)
    return m.case("DYN001", m.layers[0])


def dead_relu(m: Maker) -> Case:
    layer = m.any_of("ReLU")
    since = m.random.randrange(1, m.iterations)
    m.set(0.0, layer, since=since)
    for behind in m.behind(layer):  # biases keep the rest alive
        m.set(0.0 if behind.type in ("ReLU", "BatchNorm") and not behind.params else 0.01, behind, since=since)
    m.deafen(layer, since)
    return m.case("DYN002", layer)


def growth(m: Maker) -> Case:
    layer = m.any_of("Convolution", "InnerProduct")
    since = m.random.randrange(m.iterations)
    for x in [layer, *m.behind(layer)]:
        for kept in m.passes[since:]:
            kept.numbers[x.name, "top", 0] *= 1e7
    return m.case("DYN010", layer)


def vanishing(m: Maker) -> Case:
    layer = m.any_of("Convolution", "InnerProduct")
    for x in [layer, *m.behind(layer)]:
        for kept in m.passes:
            kept.numbers[x.name, "top", 0] *= 1e-9
    return m.case("DYN013", layer)


def no_gradient(m: Maker) -> Case:
    layer = m.any_of("ReLU")
    m.deafen(layer)
    first = next(x for x in reversed(m.below(layer)) if any(x.learnt))
    return m.case("DYN028", first)


def nan_gradient(m: Maker) -> Case:
    layer = m.random.choice([x for x in m.layers if x.bottom != "data"])
    for below in [*m.below(layer), layer]:
        m.set(float("nan"), below, "bottom")
    for below in m.below(layer):
        for i in range(len(below.params)):
            m.set(float("nan"), below, "diff", i)
    return m.case("DYN031", layer)


def exploding_gradient(m: Maker) -> Case:
    layer = m.any_of("Convolution", "InnerProduct")
    m.set(3e3, layer, "diff")
    for kept in m.passes:
        kept.l2 = (6.0, 9e4)
    return m.case("DYN031", layer)


FAULTS = (
    zero_weights,
    zero_gamma,
    zero_gamma_of_nvidia,
    empty_statistics,
    nan_in_a_layer,
    nan_after_an_update,
    dead_relu,
    growth,
    vanishing,
    no_gradient,
    nan_gradient,
    exploding_gradient,
)
