"""Plants the fault of a rule's BAD example in nets of other making: the zoo of nets and the examples.

Two generic ways. `grafted`: the example's text stands whole in the middle of the host. `transplanted`: the fields of
the faulty layer (all but its name, type and blobs) replace those of a layer of the same type in the host.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

from zoo import SOLVERS, ZOO, write, write_solver
from zoo.writer import Style

from prototxt_net.file import Layer
from prototxt_net.flow import kind
from prototxt_net.schema.load import schema
from prototxt_server.analysis import Analysis
from prototxt_server.report.rule_examples import read_example
from prototxt_server.rules.base import Example, Rule

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TRAINED_EXAMPLES = (
    "bn_by_the_blog.prototxt",
    "bn_zero_gamma.prototxt",
    "dead_layer.prototxt",
    "frozen_teacher.prototxt",
    "loss_87.prototxt",
)
GRAFTED = ("lenet", "googlenet", "resnet50", "mobilenet", "squeezenet")
TRANSPLANTED = (
    "lenet",
    "alexnet",
    "vgg16",
    "googlenet",
    "resnet50",
    "densenet121",
    "mobilenet",
    "squeezenet",
    "fcn8s",
    "resnet101",
    "resnet152",
)
MOST = 5
SCHEDULE = {"base_lr", "lr_policy", "gamma", "power", "stepsize", "stepvalue", "max_iter"}


class Planted(NamedTuple):
    """A faulty net and where the fault stands in it."""

    host: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Host:
    """A net as its blocks: what stands before the first layer, then one block for each layer."""

    name: str
    blocks: tuple[str, ...]

    def types(self) -> list[str]:
        """The type of each block, "" for the head."""
        found = [re.search(r'(?m)^  type: "(.*)"', block) for block in self.blocks]
        return [match[1] if match else "" for match in found]

    def with_block(self, at: int, block: str) -> Planted:
        """The net with another block at a place."""
        before = "".join(self.blocks[:at])
        text = before + block + "".join(self.blocks[at + 1 :])
        return Planted(self.name, text, len(before), len(before) + len(block))


@cache
def host(name: str, style: Style) -> Host:
    """A net of the zoo, small but with a batch to average over, or a file of examples/."""
    if name.endswith(".prototxt"):
        text = (EXAMPLES / name).read_text(encoding="utf-8")
    else:
        text = write(name, style, batch=16, size=max(64, ZOO[name].smallest), width=0.25)
    return Host(name, tuple(re.split(r"(?m)^(?=layer )", text)))


def read(rule: Rule, example: Example, text: str | None = None) -> Analysis:
    """The example, or another text read as the example is, with the rule on."""
    return read_example(rule, example if text is None else replace(example, text=text))


def places(analysis: Analysis, code: str) -> list[tuple[int, int]]:
    """Where a rule reports."""
    return [(finding.start, finding.end) for finding in analysis.findings if finding.code == code]


def style_of(analysis: Analysis) -> Style:
    """The style of hosts that an example fits into."""
    return "train_val" if any(kind(net) == "trainable" for net in analysis.nets) else "deploy"


def grafted(rule: Rule, example: Example, hosts: tuple[str, ...] = ()) -> Iterator[Planted]:
    """One faulty net for each place of the fault in each host. No name of the host is one of the example's."""
    alone = read(rule, example)
    style = style_of(alone)
    with_example = style == "deploy" and "BatchNorm" in schema(alone.file.dialect).layer_types
    names = hosts or (("lenet_bn.prototxt", *GRAFTED[1:]) if with_example else GRAFTED)
    graft = example.text if example.text.endswith("\n") else example.text + "\n"
    for name in names:
        blocks = [re.sub(r'(?m)^(  (?:name|bottom|top): ")', r"\1host/", block) for block in host(name, style).blocks]
        half = 0 if example.text.startswith("\ufeff") else len(blocks) // 2  # where alone it is a byte order mark
        before = "".join(blocks[:half])
        text = before + graft + "".join(blocks[half:])
        for start, end in places(alone, rule.code):
            yield Planted(name, text, len(before) + start, len(before) + end)


def faulty_layer(analysis: Analysis, code: str) -> Layer | None:
    """The layer that a rule reports."""
    for finding in analysis.findings:
        if finding.code == code and finding.layer is not None:
            for layer in analysis.file.layers:
                if layer.name == finding.layer and layer.span()[0] <= finding.start <= layer.span()[1]:
                    return layer
    return None


def transplanted(rule: Rule, example: Example, hosts: tuple[str, ...] = TRANSPLANTED) -> Iterator[Planted]:
    """One faulty net for each of up to five hosts that have a layer of the faulty one's type.

    A layer of data takes the place of the host's, whatever its type, when it makes as many tops.
    """
    alone = read(rule, example)
    layer = faulty_layer(alone, rule.code)
    if layer is None or layer.definition.version != 2:
        return
    style = style_of(alone)
    count = 0
    for name in hosts:
        own = host(name, style)
        like = [at for at, type_ in enumerate(own.types()) if type_ == layer.definition.type]
        if not layer.definition.bottoms:
            tops = len(layer.definition.tops)
            like = like or [at for at, b in enumerate(own.blocks) if "bottom:" not in b and b.count("  top:") == tops]
        if like and count < MOST:
            count += 1
            at = like[len(like) // 2]
            yield own.with_block(at, _with_fields_of(own.blocks[at], alone, layer))


def _with_fields_of(block: str, analysis: Analysis, layer: Layer) -> str:
    text = analysis.tree.text
    own = {"name", "bottom", "top", "type"}
    fields = sorted(
        (layer.base + entry.node.start, layer.base + entry.node.end)
        for field, entries in layer.definition.bound.entries.items()
        if field not in own
        for entry in entries
    )
    kept = re.findall(r"(?m)^  (?:name|bottom|top|include)\b.*\n", block)
    body = "".join(f"  {text[start:end]}\n" for start, end in fields)
    return "layer {\n" + "".join(kept) + f'  type: "{layer.definition.type}"\n' + body + "}\n"


def in_solvers(rule: Rule, example: Example) -> Iterator[Planted]:
    """The zoo's solvers with the fields in which the example differs from what the rule calls good.

    The place is the field that the rule names in the example, or the file when the rule misses a field.
    """
    good, bad = _fields(rule.GOOD[0].text), _fields(example.text)
    different = {name for name in {*good, *bad} if good.get(name) != bad.get(name)} or set(bad)
    if different & SCHEDULE:
        different |= SCHEDULE
    alone = read(rule, example)
    for name in list(SOLVERS)[:MOST]:
        fields = _fields(write_solver(name))
        for field in different:
            fields.pop(field, None)
        fields |= {field: bad[field] for field in bad if field in different or field not in {*fields, *SCHEDULE}}
        text = "".join(fields.values())
        for start, _ in places(alone, rule.code):
            named = re.match(r"\w+", example.text[start:])
            block = fields.get(named[0], "") if named else ""
            at = text.find(block)
            yield Planted(name, text, at, at + len(block)) if block else Planted(name, text, 0, len(text))


def _fields(solver: str) -> dict[str, str]:
    """Each top-level field of a solver with all that it says; several of one name together."""
    found: dict[str, str] = {}
    for block in re.split(r"(?m)^(?=\w)", solver):
        name = re.match(r"\w+", block)
        if name:
            found[name[0]] = found.get(name[0], "") + block.rstrip("\n") + "\n"
    return found
