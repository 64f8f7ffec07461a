"""The solvers that the papers of the zoo's nets describe: rates, their fall, momentum and decay."""

from __future__ import annotations

from typing import Any

from .writer import Word, render

STEP = {"lr_policy": "step", "gamma": 0.1}

SOLVERS: dict[str, dict[str, Any]] = {
    "lenet": {"base_lr": 0.01, "lr_policy": "inv", "gamma": 0.0001, "power": 0.75, "max_iter": 10000},
    "alexnet": {"base_lr": 0.01, **STEP, "stepsize": 100000, "max_iter": 450000},
    "vgg16": {"base_lr": 0.01, **STEP, "stepsize": 100000, "max_iter": 370000},
    "googlenet": {"base_lr": 0.01, **STEP, "gamma": 0.96, "stepsize": 320000, "max_iter": 10000000},
    "resnet50": {
        "base_lr": 0.1, "lr_policy": "multistep", "gamma": 0.1, "stepvalue": [150000, 300000], "max_iter": 600000
    },
    "squeezenet": {"base_lr": 0.04, "lr_policy": "poly", "power": 1, "max_iter": 170000, "iter_size": 16},
}  # fmt: skip
DECAY = {"resnet50": 0.0001, "googlenet": 0.0002, "squeezenet": 0.0002}


def write_solver(name: str) -> str:
    """The text of a net's solver. Raises KeyError for a net without one."""
    fields = {
        "net": "train_val.prototxt",
        "test_iter": 1000,
        "test_interval": 1000,
        **SOLVERS[name],
        "momentum": 0.9,
        "weight_decay": DECAY.get(name, 0.0005),
        "display": 100,
        "snapshot": 10000,
        "snapshot_prefix": name,
        "solver_mode": Word("GPU"),
    }
    return render(fields, "")
