"""Deploy nets and the training nets that they are made from, by the names of their files."""

from __future__ import annotations

import re
from collections.abc import Iterable

_TRAINING = ("train_val", "trainval", "train_test", "train-val", "train-test", "train")
_DEPLOY = re.compile("deploy", re.IGNORECASE)


def training_name(name: str, beside: Iterable[str]) -> str:
    """The one file among `beside` that trains what the deploy net `name` runs; "" when none or several may be meant.

    `x_deploy.prototxt` goes with `x_train_val.prototxt`, and `x.prototxt` with `x_train_test.prototxt`.
    """
    there = set(beside) - {name}
    stem, dot, suffix = name.rpartition(".")
    if not dot:
        return ""
    if _DEPLOY.search(stem):
        tried = [_DEPLOY.sub(word, stem) for word in _TRAINING]
    elif any(word in stem.lower() for word in ("train", "solver", "val", "test")):
        return ""
    else:
        tried = [f"{stem}{sign}{word}" for word in _TRAINING for sign in "_-"]
    found = [f"{new}.{suffix}" for new in dict.fromkeys(tried) if f"{new}.{suffix}" in there]
    return found[0] if len(found) == 1 else ""
