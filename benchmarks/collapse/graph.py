"""The layers of a zoo net's text as blocks, and how they hang together: read here without the product's own parser.

The zoo writes each layer as a block that begins with `layer {` and ends with `}` in column 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

_BLOCK = re.compile(r"^layer \{\n.*?^\}\n", re.MULTILINE | re.DOTALL)
LOSSES = {"SoftmaxWithLoss": 1, "MultiBoxLoss": 2}
"""Losses, and how many of their bottoms are predictions."""


@dataclass(slots=True, frozen=True)
class Block:
    """One layer's text and what it says about itself."""

    text: str
    name: str
    type: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]

    @property
    def trains(self) -> bool:
        """It is part of the net in TRAIN."""
        return "phase: TEST" not in self.text


def block(text: str) -> Block:
    """Read one block."""

    def words(field: str) -> tuple[str, ...]:
        return tuple(re.findall(rf'^  {field}: "([^"]*)"', text, re.MULTILINE))

    return Block(text, words("name")[0], words("type")[0], words("bottom"), words("top"))


def blocks(text: str) -> list[Block]:
    """All layers, in order."""
    return [block(found) for found in _BLOCK.findall(text)]


def joined(head: str, parts: Iterable[Block]) -> str:
    """The text of a net again."""
    return head + "".join(part.text for part in parts)


def inserted(parts: list[Block], after: int, layers: list[str], top: str) -> list[Block]:
    """Layers put behind a block's first top: what follows reads `top` instead."""
    old = parts[after].tops[0]
    later = []
    for part in parts[after + 1 :]:
        text = re.sub(rf'^(  (?:bottom|top): )"{re.escape(old)}"', rf'\1"{top}"', part.text, flags=re.MULTILINE)
        later.append(block(text))
    return [*parts[: after + 1], *map(block, layers), *later]


def with_param(part: Block, message: str, field: str, value: str) -> Block:
    """The block with one field of a parameter message set, whatever it was."""
    text = part.text
    pattern = rf"\b{field}(?:: [^\s{{}}]+| \{{[^{{}}]*\}})"
    start = text.find(f"  {message} {{")
    if start < 0:
        return block(text[: text.rindex("}")] + f"  {message} {{ {field}{value} }}\n}}\n")
    end = _end(text, start)
    inside = re.sub(pattern, "", text[start:end])
    at = inside.index("{") + 1
    return block(text[:start] + inside[:at] + f" {field}{value}" + inside[at:] + text[end:])


def _end(text: str, start: int) -> int:
    depth = 0
    for i in range(text.index("{", start), len(text)):
        depth += {"{": 1, "}": -1}.get(text[i], 0)
        if not depth:
            return i + 1
    raise ValueError("braces do not match")


@dataclass(slots=True, frozen=True)
class Graph:
    """Who reads whom, in TRAIN."""

    parts: list[Block]
    readers: list[list[int]]
    sources: tuple[int, ...]
    loss: int

    def reaches_loss(self, without: int) -> bool:
        """Whether data still reach the last loss when one layer is taken away."""
        seen = {i for i in self.sources if i != without}
        waiting = list(seen)
        while waiting:
            at = waiting.pop()
            if at == self.loss:
                return True
            for reader in self.readers[at]:
                if reader not in seen and reader != without:
                    seen.add(reader)
                    waiting.append(reader)
        return False

    def trunk(self) -> list[int]:
        """Layers that every path from the data to the last loss goes through, without data and loss."""
        return [
            i
            for i, part in enumerate(self.parts)
            if part.trains and i not in self.sources and i != self.loss and part.tops and not self.reaches_loss(i)
        ]

    def next_of(self, index: int) -> str:
        """The type of the one layer that reads the block's first top, "" where several do."""
        readers = self.readers[index]
        return self.parts[readers[0]].type if len(readers) == 1 else ""

    def stopped(self, index: int) -> bool:
        """Whether, behind this layer, a ReLU comes before anything is added or joined."""
        while True:
            readers = self.readers[index]
            if len(readers) != 1:
                return False
            index = readers[0]
            if self.parts[index].type == "ReLU":
                return True
            if self.parts[index].type not in ("BatchNorm", "Scale"):
                return False


def graph(parts: list[Block]) -> Graph:
    """Connect the layers of TRAIN by the names of their blobs; the last writer counts."""
    writer: dict[str, int] = {}
    readers: list[list[int]] = [[] for _ in parts]
    sources = []
    loss = -1
    for i, part in enumerate(parts):
        if not part.trains:
            continue
        for bottom in part.bottoms[: LOSSES.get(part.type)]:
            if bottom in writer and i not in readers[writer[bottom]]:
                readers[writer[bottom]].append(i)
        if not part.bottoms:
            sources.append(i)
        if part.type in LOSSES:
            loss = i
        writer |= dict.fromkeys(part.tops, i)
    return Graph(parts, readers, tuple(sources), loss)


def changed(parts: list[Block], index: int, part: Block) -> list[Block]:
    """The list with one block replaced."""
    return [*parts[:index], replace(part), *parts[index + 1 :]]
