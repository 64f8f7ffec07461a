"""Faults planted into twelve nets, and clean controls: are they found, and is the right layer named?

    python benchmarks/collapse [--sites 3] [--seeds 3] [--nets lenet,vgg16] [--device cpu] [--verbose]

The nets are the zoo's, with few channels and small images (`NETS`), so that the whole run takes minutes. A fault is
detected when a warning or an error appears that the clean net does not have; its origin is right when the first of
them, in the order of the layers, stands at the layer where it was planted. A clean net with a warning is a false alarm.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from faults import FAULTS, Mutant, mutants
from graph import blocks, joined
from zoo import ZOO, write

from prototxt_gpu_check.policy import Request, forward
from prototxt_net.finding import Finding

NETS = {
    "lenet": (28, 1.0),
    "alexnet": (115, 1.0),
    "vgg16": (64, 0.25),
    "googlenet": (96, 0.5),
    "resnet50": (64, 0.25),
    "resnet101": (64, 0.25),
    "resnet152": (64, 0.25),
    "densenet121": (64, 0.5),
    "mobilenet": (64, 0.5),
    "squeezenet": (96, 0.5),
    "fcn8s": (64, 0.25),
    "ssd300": (300, 0.125),
}
"""Size of the images and share of the channels."""

BATCH = 4


@dataclass
class Tally:
    """What became of the mutants of one fault."""

    planted: int = 0
    detected: int = 0
    placed: int = 0
    noise: int = 0
    missed: list[str] = field(default_factory=list)


def alarms(text: str, dialect: str, device: str, seed: int) -> tuple[str, list[Finding]]:
    """Status of the pass, and its warnings and errors."""
    result, found = forward(Request(text, dialect, "TRAIN", batch=BATCH, device=device, seed=seed))
    return result.status, [f for f in found if f.severity in ("error", "warning")]


def judge(mutant: Mutant, found: list[Finding], clean: set[tuple[str, str | None]], tally: Tally, where: str) -> None:
    """Count one mutant."""
    new = [f for f in found if (f.code, f.layer) not in clean]
    tally.planted += 1
    tally.noise += max(0, len(new) - 1)
    if not new:
        tally.missed.append(f"{where}: not found")
        return
    tally.detected += 1
    if new[0].layer in mutant.origins:
        tally.placed += 1
    else:
        tally.missed.append(f"{where}: {new[0].code} at {new[0].layer}, planted at {'/'.join(sorted(mutant.origins))}")


def main() -> int:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sites", type=int, default=3, help="places for each fault and net")
    parser.add_argument("--seeds", type=int, default=3, help="clean runs of each net")
    parser.add_argument("--nets", default=",".join(NETS))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--verbose", action="store_true", help="list what was missed")
    options = parser.parse_args()
    start = time.process_time()
    tallies: dict[str, Tally] = defaultdict(Tally)
    false_alarms: list[str] = []
    controls = 0
    for name in options.nets.split(","):
        size, width = NETS[name]
        text = write(name, "train_val", batch=BATCH, size=size, width=width)
        head, dialect = text[: text.index("layer {")], ZOO[name].dialect
        clean: set[tuple[str, str | None]] = set()
        for seed in range(options.seeds):
            controls += 1
            _, found = alarms(text, dialect, options.device, seed)
            clean |= {(f.code, f.layer) for f in found}
            if found:
                false_alarms.append(f"{name}, seed {seed}: {found[0].code} at {found[0].layer}: {found[0].message}")
        parts = blocks(text)
        for fault in FAULTS:
            for k, mutant in enumerate(mutants(parts, fault, options.sites)):
                status, found = alarms(joined(head, mutant.parts), dialect, options.device, 0)
                if status == "ok":  # else Caffe would refuse the mutant: no fault of the numbers
                    judge(mutant, found, clean, tallies[fault.name], f"{name} {k}")
        print(f"{name} done", file=sys.stderr)
    report(tallies, controls, false_alarms, options.verbose)
    print(f"\n{time.process_time() - start:.0f} s of CPU time, device {options.device}")
    return 0


def report(tallies: dict[str, Tally], controls: int, false_alarms: list[str], verbose: bool) -> None:
    """The table, in Markdown."""
    print("| fault | planted | detected | at its origin | other warnings |\n|---|---|---|---|---|")
    total = Tally()
    for fault in FAULTS:
        t = tallies[fault.name]
        print(f"| {fault.name} | {t.planted} | {t.detected} | {t.placed} | {t.noise} |")
        for key in ("planted", "detected", "placed", "noise"):
            setattr(total, key, getattr(total, key) + getattr(t, key))
    print(f"| **all** | {total.planted} | {total.detected} | {total.placed} | {total.noise} |")
    print(f"\nClean nets: {controls} runs, {len(false_alarms)} with a warning.")
    wrong = len(false_alarms)
    print(
        f"Recall {total.detected / max(1, total.planted):.1%}, precision "
        f"{total.detected / max(1, total.detected + wrong):.1%}, origin accuracy "
        f"{total.placed / max(1, total.detected):.1%}."
    )
    if verbose:
        for line in (*false_alarms, *(f"{name}: {x}" for name, t in tallies.items() for x in t.missed)):
            print(line)


if __name__ == "__main__":
    raise SystemExit(main())
