"""The faults that are planted: each one at several places of a net, with the layers that count as its origin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from graph import Block, Graph, changed, graph, inserted, with_param


@dataclass(slots=True, frozen=True)
class Mutant:
    """A net with one fault. origins: the layers that may be named as its origin."""

    parts: list[Block]
    origins: frozenset[str]


Maker = Callable[[list[Block], int], Mutant]
NEW = "planted"
WEIGHTS = {"Convolution": "convolution_param", "InnerProduct": "inner_product_param"}


def layer(type_: str, bottom: str, top: str = NEW, *rest: str, name: str = NEW) -> str:
    """A block to insert."""
    bottoms = "".join(f'  bottom: "{b}"\n' for b in bottom.split())
    lines = "".join(f"  {line}\n" for line in rest)
    return f'layer {{\n  name: "{name}"\n  type: "{type_}"\n{bottoms}  top: "{top}"\n{lines}}}\n'


def insert(type_: str, *rest: str, twice: bool = False) -> Maker:
    """A fault that is a layer of its own. twice: it reads the blob as two bottoms."""

    def make(parts: list[Block], at: int) -> Mutant:
        top = parts[at].tops[0]
        bottoms = f"{top} {top}" if twice else top
        return Mutant(inserted(parts, at, [layer(type_, bottoms, NEW, *rest)], NEW), frozenset({NEW}))

    return make


def weights(value: str) -> Maker:
    """A fault of a layer's weight_filler."""

    def make(parts: list[Block], at: int) -> Mutant:
        part = parts[at]
        return Mutant(
            changed(parts, at, with_param(part, WEIGHTS[part.type], "weight_filler", value)), frozenset({part.name})
        )

    return make


def negative_bias(parts: list[Block], at: int) -> Mutant:
    """A bias (of a Convolution or InnerProduct, or the beta of a Scale) that no input makes up for."""
    part = parts[at]
    message = WEIGHTS.get(part.type, "scale_param")
    return Mutant(
        changed(parts, at, with_param(part, message, "bias_filler", " { value: -10000 }")), frozenset({part.name})
    )


def zero_gamma(parts: list[Block], at: int) -> Mutant:
    """A Scale, the net's own or a new one, that starts at 0 before a ReLU."""
    if parts[at].type == "Scale":
        new = with_param(parts[at], "scale_param", "filler", " { value: 0 }")
        return Mutant(changed(parts, at, new), frozenset({parts[at].name}))
    return insert("Scale", "scale_param { filler { value: 0 } }")(parts, at)


def negated(parts: list[Block], at: int) -> Mutant:
    """What a ReLU gives, negated, and a ReLU again."""
    layers = [
        layer("Scale", parts[at].tops[0], NEW, "scale_param { filler { value: -1 } }", name=f"{NEW}_scale"),
        layer("ReLU", NEW, NEW, name=f"{NEW}_relu"),
    ]
    return Mutant(inserted(parts, at, layers, NEW), frozenset({f"{NEW}_scale", f"{NEW}_relu"}))


def empty_statistics(parts: list[Block], at: int) -> Mutant:
    """Stored statistics that nothing was stored into: all BatchNorms of the net, or a new one."""
    own = [i for i, part in enumerate(parts) if part.type == "BatchNorm"]
    if not own:
        return insert("BatchNorm", "batch_norm_param { use_global_stats: true }")(parts, at)
    for i in own:
        parts = changed(parts, i, with_param(parts[i], "batch_norm_param", "use_global_stats", ": true"))
    return Mutant(parts, frozenset({parts[own[0]].name}))


def wrong_scale(parts: list[Block], at: int) -> Mutant:
    """A transform_param.scale of 100 instead of 1/256 or none."""
    part = parts[at]
    return Mutant(changed(parts, at, with_param(part, "transform_param", "scale", ": 100")), frozenset({part.name}))


def wrong_mean(parts: list[Block], at: int) -> Mutant:
    """A mean_value of 5000, which no pixel has."""
    part = with_param(parts[at], "transform_param", "mean_value", ": 5000")
    return Mutant(changed(parts, at, part), frozenset({part.name}))


# -- where -------------------------------------------------------------------------------------------------------------


def _weighted(g: Graph) -> list[int]:
    """Layers with weights whose zero would stop what is behind them: not the last classifiers, no end of a branch."""
    return [i for i, part in enumerate(g.parts) if part.type in WEIGHTS and part.trains and g.stopped(i)]


def _bare(g: Graph) -> list[int]:
    """Those that no BatchNorm follows."""
    return [i for i in _weighted(g) if g.next_of(i) != "BatchNorm"]


def _norms(g: Graph) -> list[int]:
    """One place is enough where all BatchNorms of the net are changed."""
    return _weighted(g)[:1] if any(part.type == "BatchNorm" for part in g.parts) else _bare(g)


def _before_relu(g: Graph) -> list[int]:
    kinds = ("Convolution", "InnerProduct", "Scale")
    return [i for i, part in enumerate(g.parts) if part.type in kinds and part.trains and g.next_of(i) == "ReLU"]


def _relus(g: Graph) -> list[int]:
    return [i for i in g.trunk() if g.parts[i].type == "ReLU"]


def _trunk(g: Graph) -> list[int]:
    """Places of the trunk with something behind them that has weights."""
    found = [i for i in g.trunk() if g.parts[i].type not in ("SoftmaxWithLoss", "Flatten")]
    last = max((i for i in range(len(g.parts)) if g.parts[i].type in WEIGHTS and g.parts[i].trains), default=0)
    return [i for i in found if i < last]


def _signed(g: Graph) -> list[int]:
    """Places of the trunk whose values have both signs."""
    return [i for i in _trunk(g) if g.parts[i].type in (*WEIGHTS, "Scale", "BatchNorm")]


def _late(g: Graph) -> list[int]:
    """The last third of the trunk before its maps become single values, where a map may become 2x2."""
    single = next((i for i, part in enumerate(g.parts) if "global_pooling" in part.text and part.trains), len(g.parts))
    found = [i for i in _trunk(g) if g.parts[i].type in ("ReLU", "Pooling", "Concat", "Eltwise") and i < single]
    return found[2 * len(found) // 3 :]


def _data(g: Graph) -> list[int]:
    return [i for i in g.sources if "transform_param" in g.parts[i].text][:1]


@dataclass(slots=True, frozen=True)
class Fault:
    """A kind of fault: how it is made, and where. places: every list is thinned to early, middle and late ones."""

    name: str
    make: Maker
    places: Callable[[Graph], list[int]]


FAULTS = (
    Fault("weight_filler constant 0", weights(' { type: "constant" value: 0 }'), _weighted),
    Fault("bias_filler -10000 before a ReLU", negative_bias, _before_relu),
    Fault("negated, then ReLU again", negated, _relus),
    Fault("Power with scale 0", insert("Power", "power_param { scale: 0 }"), _trunk),
    Fault("dropout_ratio 1", insert("Dropout", "dropout_param { dropout_ratio: 1 }"), _trunk),
    Fault("empty MAX window", insert("Pooling", "pooling_param { kernel_size: 1 stride: 1000 }"), _late),
    Fault("empty AVE window", insert("Pooling", "pooling_param { pool: AVE kernel_size: 1 stride: 1000 }"), _late),
    Fault("gaussian std 1e-10", weights(' { type: "gaussian" std: 1e-10 }'), _weighted),
    Fault("gaussian std 1e6", weights(' { type: "gaussian" std: 1e6 }'), _bare),
    Fault("input scale 100", wrong_scale, _data),
    Fault("input mean 5000", wrong_mean, _data),
    Fault("coefficients that cancel", insert("Eltwise", "eltwise_param { coeff: 1 coeff: -1 }", twice=True), _trunk),
    Fault("empty stored statistics", empty_statistics, _norms),
    Fault("gamma 0 before a ReLU", zero_gamma, _before_relu),
    Fault("logarithm of negative values", insert("Log"), _signed),
)


def mutants(parts: list[Block], fault: Fault, sites: int) -> Iterator[Mutant]:
    """The fault at an early, a middle and a late place (or so many as there are)."""
    places = fault.places(graph(parts))
    count = min(sites, len(places))
    for k in range(count):
        yield fault.make(parts, places[(2 * k + 1) * len(places) // (2 * count)])
