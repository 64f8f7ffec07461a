"""Prints docs/recall.md: `python tests/server/recall_table.py > docs/recall.md` (about a minute)."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from tests.server.own_faults import FAULTS  # noqa: E402
from tests.server.planting import TRAINED_EXAMPLES, grafted, in_solvers, read, transplanted  # noqa: E402
from tests.server.test_recall import (  # noqa: E402
    IN_EXAMPLES,
    NOT_GRAFTED,
    NOT_IN_OWN_LAYERS,
    RULES,
    SHOWN,
    TEXT,
    result,
)

HEAD = """# Recall

For each static rule its fault is planted in nets that nobody wrote for the rule, and the rule has to report inside the
planted text: `tests/server/test_recall.py`. The nets are those of `benchmarks/zoo` (LeNet, AlexNet, VGG16, GoogLeNet,
ResNet-50/101/152, DenseNet-121, MobileNet, SqueezeNet, FCN-8s, SSD300, written from their papers' tables) and
`examples/lenet_bn.prototxt`.

- *in the middle*: the rule's BAD examples (the first two), each put whole between the layers of five nets; for rules
  about solvers, the fields in which the example is bad put into five solvers.
- *own layers*: the same fault made in the nets' own layers: fields of the faulty layer moved to a layer of the same
  type, or a change of the net written for the rule. Where a count is not whole, the moved fields are no fault in the
  other nets (a group that divides their channels, a layer without filler right before the loss). SSD300 is harmed
  besides, by each rule whose examples have a layer like one of its own; all report it but four, for which the test
  says why the fields are no fault there.

- *in examples/*: the first BAD example between the layers of the five training nets that newcomers run, for rules about
  such nets. Where one is missing it has a frozen part of its own, and the rule speaks once for all of them.

| rule | in the middle | in examples/ | own layers |
|---|---|---|---|"""


def counted(found: dict[str, bool]) -> str:
    return f"{sum(found.values())} of {len(found)}" if found else "-"


def main() -> None:
    print(HEAD)
    for rule in RULES:
        middle, own = [], []
        shown = ""
        if rule in IN_EXAMPLES:
            shown = counted(result(rule, rule.BAD[0], grafted(rule, rule.BAD[0], TRAINED_EXAMPLES)))
        solver = False
        for example in rule.BAD[:SHOWN]:
            solver = read(rule, example).file.kind == "solver"
            if rule.code not in NOT_GRAFTED:
                plant = in_solvers if solver else grafted
                middle.append(counted(result(rule, example, plant(rule, example))))
            if not solver and rule.code not in FAULTS:
                own.append(counted(result(rule, example, transplanted(rule, example))))
        if rule.code in FAULTS:
            fault = FAULTS[rule.code]
            own = [counted(result(rule, fault.reading, fault.planted()))]
        reason = NOT_IN_OWN_LAYERS.get(rule.code)
        if reason is None and rule.code.startswith(TEXT):
            reason = "about the text"
        first = ", ".join(middle) or f"({NOT_GRAFTED[rule.code]})"
        second = f"({reason})" if reason else "" if solver else ", ".join(x for x in own if x != "-")
        print(f"| {rule.code} `{rule.name}` | {first} | {shown} | {second} |")


if __name__ == "__main__":
    main()
