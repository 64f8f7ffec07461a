"""Settings are read with patience."""

from __future__ import annotations

import pytest

from prototxt_server.analysis import Settings
from prototxt_server.lsp.settings import ServerSettings, read_settings

FULL = {
    "dialect": "nvidia-0.16",
    "phase": "TEST",
    "forward": {"device": "cuda:1", "batch": 4},
    "inlayHints": {"shapes": False},
}
MEANT = ServerSettings(Settings(dialect="nvidia-0.16", phase="TEST"), "cuda:1", 4, False)


@pytest.mark.parametrize("raw", [FULL, {"prototxt": FULL}, {**FULL, "unknown": 1, "trace": {"server": "off"}}])
def test_taken(raw: object) -> None:
    assert read_settings(raw) == MEANT


@pytest.mark.parametrize(
    "raw", [None, {}, [], "text", 7, {"prototxt": None}, {"forward": None}, {"forward": {"batch": None}}]
)
def test_absent(raw: object) -> None:
    assert read_settings(raw) == ServerSettings()


WRONG = {
    "dialect": "caffe2",
    "phase": "train",
    "forward.device": "gpu",
    "forward.batch": 0,
    "inlayHints.shapes": "yes",
}


@pytest.mark.parametrize("path", WRONG)
def test_a_wrong_value_is_said_and_the_rest_is_taken(path: str) -> None:
    raw: dict[str, object] = {"dialect": "ssd"} if path != "dialect" else {"phase": "TRAIN"}
    head, _, rest = path.partition(".")
    raw[head] = {rest: WRONG[path]} if rest else WRONG[path]
    got = read_settings(raw)
    (complaint,) = got.complaints
    assert f"prototxt.{path} cannot be {WRONG[path]!r}" in complaint
    assert (got.analysis.dialect, got.analysis.phase) in [("ssd", "auto"), ("auto", "TRAIN")]
    assert (got.device, got.batch, got.shape_hints) == ("auto", None, True)


@pytest.mark.parametrize("batch", [True, -1, 2.5, "4"])
def test_a_batch_is_a_positive_whole_number(batch: object) -> None:
    assert read_settings({"forward": {"batch": batch}}).batch is None
