"""Random damage to a valid net, as a slip of the hand does it, and what the parser makes of it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from trees import plain

from prototxt_grammar import Tree, parse
from prototxt_grammar.fast import parse_clean

KINDS = ("}", "{", '"', ":", "}+", "{+", '"+', "cut", "key", "=")


def damage(text: str, rnd: random.Random) -> tuple[str, int, str]:
    """(damaged text, offset of the damage, its kind): one bracket, quote or colon lost or added, the tail of a line
    lost, a lone word, `=` for `:`."""
    kind = rnd.choice(KINDS)
    wanted = ":" if kind == "=" else kind[0]
    if kind.endswith("+"):
        at = rnd.randrange(len(text))
        return text[:at] + wanted + text[at:], at, kind
    if kind == "cut":
        at = rnd.randrange(len(text))
        end = text.find("\n", at)
        return text[:at] + (text[end:] if end >= 0 else ""), at, kind
    if kind == "key":
        at = text.find("\n", rnd.randrange(len(text))) + 1
        return text[:at] + "  foo\n" + text[at:], at, kind
    places = [index for index, char in enumerate(text) if char == wanted]
    if not places:
        return text, 0, kind
    at = rnd.choice(places)
    return text[:at] + (" =" if kind == "=" else "") + text[at + 1 :], at, kind


def layers(tree: Tree) -> list[str]:
    return [repr(plain(item)) for _, item in tree.fields() if item.name == "layer"]


@dataclass
class Tally:
    """What was measured; every figure is a share of `cases` or of `layers`."""

    cases: int = 0
    layers: int = 0
    kept: int = 0
    near: int = 0
    one_line: int = 0
    silent: int = 0
    far: list[tuple[str, str, int]] = field(default_factory=list)
    far_kinds: Counter[str] = field(default_factory=Counter)

    def add(self, gold: list[str], bad: str, at: int, kind: str) -> None:
        tree = parse(bad)
        self.cases += 1
        self.layers += len(gold) - 1
        have = set(layers(tree))
        self.kept += min(sum(layer in have for layer in gold), len(gold) - 1)
        edit_line = bad.count("\n", 0, at)
        lines, near = set(), False
        for start, problem in tree.problems():
            lines.add(bad.count("\n", 0, start + problem.start))
            # A missing bracket is reported at its opener, and `at` says where it belongs: either may be the place.
            for place in (problem.start, problem.at):
                near |= place >= 0 and abs(bad.count("\n", 0, start + place) - edit_line) <= 1
        self.near += near
        self.one_line += len(lines) == 1
        self.silent += not lines
        if not near:
            self.far.append((kind, bad, at))
            self.far_kinds[kind] += 1


def damaged(texts: list[str], cases: int, seed: int) -> Iterator[tuple[list[str], str, int, str]]:
    """For each net with at least two layers, `cases` damages that leave it invalid."""
    rnd = random.Random(seed)
    for text in texts:
        gold = layers(parse(text))
        done = tries = 0
        while len(gold) >= 2 and done < cases and tries < 20 * cases:
            tries += 1
            bad, at, kind = damage(text, rnd)
            if parse_clean(bad) is None:
                done += 1
                yield gold, bad, at, kind
