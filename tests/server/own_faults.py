"""Faults made in a host's own layers, for the rules whose fault is no set of fields that another layer could carry.

A fault changes the blocks of a net and gives back the block at which the rule has to report.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.server.planting import Host, Planted, host
from zoo.writer import Style

from prototxt_server.rules.base import Example

ANY = ("lenet", "alexnet", "vgg16", "googlenet", "squeezenet", "mobilenet", "resnet50", "densenet121", "fcn8s")
NORMALIZED = ("resnet50", "resnet101", "densenet121", "mobilenet", "resnet152")
CLASSIFIERS = ("lenet", "alexnet", "vgg16", "googlenet", "mobilenet")
FROZEN = "  param { lr_mult: 0 decay_mult: 0 }\n"


class Absent(Exception):
    """The host has no layer that the fault could be in."""


@dataclass(slots=True)
class Blocks:
    """A net to be harmed."""

    blocks: list[str]

    def all(self, type_: str) -> list[int]:
        """The blocks of a type; "" for all layers."""
        found = [i for i, block in enumerate(self.blocks) if re.search(rf'(?m)^  type: "{type_ or ".*"}"', block)]
        if not found:
            raise Absent(type_)
        return found

    def middle(self, type_: str) -> int:
        """A block of a type with others of the type around it."""
        found = self.all(type_)
        return found[len(found) // 2]

    def value(self, at: int, field_: str, index: int = 0) -> str:
        """A name or blob that a block writes."""
        found = re.findall(rf'(?m)^  {field_}: "(.*)"', self.blocks[at])
        if index >= len(found):
            raise Absent(field_)
        return str(found[index])

    def change(self, at: int, pattern: str, into: str, count: int = 1) -> int:
        """Replace in one block; Absent when nothing matches."""
        self.blocks[at], made = re.subn(pattern, into, self.blocks[at], count=count, flags=re.MULTILINE)
        if not made:
            raise Absent(pattern)
        return at

    def add(self, at: int, line: str) -> int:
        """A line at the end of a block."""
        self.blocks[at] = self.blocks[at].rstrip()[:-1] + "  " + line.strip() + "\n}\n"
        return at

    def put(self, at: int, type_: str, bottoms: Sequence[str], tops: Sequence[str], more: str = "") -> int:
        """A new layer before block `at`."""
        lines = [f'name: "planted_{type_}"', f'type: "{type_}"']
        lines += [f'bottom: "{name}"' for name in bottoms] + [f'top: "{name}"' for name in tops]
        lines += [more] if more else []
        self.blocks.insert(at, "layer {\n" + "".join(f"  {line}\n" for line in lines) + "}\n")
        return at

    def writer(self, blob: str, before: int) -> int:
        """The last block before `before` that writes a blob."""
        for i in range(before - 1, -1, -1):
            if f'  top: "{blob}"\n' in self.blocks[i]:
                return i
        raise Absent(blob)

    def frozen(self, at: int) -> int:
        """The same layer with lr_mult 0 for all its parameters."""
        block = re.sub(r"(?m)^  param .*\n", "", self.blocks[at])
        two = "bias_term: false" not in block
        self.blocks[at] = block.rstrip()[:-1] + FROZEN * (2 if two else 1) + "}\n"
        return at


Harm = Callable[[Blocks], int]


@dataclass(slots=True, frozen=True)
class Fault:
    """One way to harm a net. reading: how the faulty net is read."""

    harm: Harm
    style: Style
    hosts: tuple[str, ...]
    reading: Example = field(default_factory=lambda: Example(""))

    def planted(self, most: int = 5) -> list[Planted]:
        """The faulty nets, of up to `most` hosts that have such layers."""
        found: list[Planted] = []
        for name in self.hosts:
            blocks = Blocks(list(host(name, self.style).blocks))
            try:
                at = self.harm(blocks)
            except Absent:
                continue
            if len(found) < most:
                found.append(Host(name, tuple(blocks.blocks)).with_block(at, blocks.blocks[at]))
        return found


FAULTS: dict[str, Fault] = {}


def fault(
    code: str, style: Style = "train_val", hosts: tuple[str, ...] = ANY, dialect: str = "bvlc", phase: str = "auto"
) -> Callable[[Harm], Harm]:
    """Register a fault under the rule that has to report it."""

    def register(harm: Harm) -> Harm:
        reading = Example("", dialect=dialect, phase=phase, filename=f"{style}.prototxt")
        FAULTS[code] = Fault(harm, style, hosts, reading)
        return harm

    return register
