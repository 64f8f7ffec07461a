"""SHP: findings of the set-up carry the abort, and what differs between the phases is found."""

from __future__ import annotations

import pytest

from prototxt_server.analysis import Settings, Source
from prototxt_server.engine import analyze
from prototxt_server.rules.bn.nets import conv, data, image, ip, layer, loss


def found(text: str, **settings: object) -> list[tuple[str, str, bool]]:
    chosen = Settings(dialect="bvlc", select=("SHP",), **settings)  # type: ignore[arg-type]
    return [(f.code, f.severity, f.caffe_aborts) for f in analyze(Source(text), chosen).findings]


POOL = layer("Pooling", "pool", "data", "pool", "pooling_param { kernel_size: 3 stride: 2 }")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            data() + conv("c", "data") + POOL + ip("fc", "pool") + loss("fc"), id="nothing known, nothing claimed"
        ),
        pytest.param(image() + POOL, id="rounding up by itself is no defect"),
        pytest.param(image(1, 1024) + ip("fc", "data"), id="two axes"),
        pytest.param(image() + layer("Slice", "s", "data", "x y z"), id="even parts"),
        pytest.param(
            data() + conv("a", "data") + conv("b", "data") + layer("Eltwise", "s", "a b", "s"),
            id="equal computations on unknown sizes are equal",
        ),
    ],
)
def test_what_is_right(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param(
            image(1, 3, 5, 5)
            + layer("Convolution", "c", "data", "c", "convolution_param { num_output: 2 kernel_size: 7 }"),
            ("SHP007", "error", True),
            id="kernel too large",
        ),
        pytest.param(image() + layer("InnerProduct", "f", "data", "f"), ("SHP005", "error", True), id="no num_output"),
        pytest.param(
            image() + layer("LRN", "n", "data", "n", "lrn_param { local_size: 2 }"),
            ("SHP018", "error", True),
            id="even neighbourhood",
        ),
        pytest.param(
            image() + layer("Input", "data2", "", "e"), ("SHP023", "info", False), id="an input without a shape"
        ),
        pytest.param(
            image() + layer("Scale", "s", "data data data", "s"), ("SHP001", "error", True), id="three bottoms"
        ),
    ],
)
def test_what_is_wrong(text: str, wanted: tuple[str, str, bool]) -> None:
    assert wanted in found(text)


def test_a_mismatch_points_at_the_pooling_that_rounds_up() -> None:
    text = (
        image()
        + layer("Convolution", "c", "data", "c", "convolution_param { num_output: 3 kernel_size: 3 stride: 2 }")
        + POOL
        + layer("Concat", "cat", "c pool", "cat")
    )
    assert sorted(found(text, phase="TEST")) == [("SHP011", "hint", False), ("SHP012", "error", True)]


def crops(train: int, test: int, *between: str) -> str:
    twins = "".join(
        data(f"include {{ phase: {phase} }}", f"transform_param {{ crop_size: {crop} }}")
        for phase, crop in (("TRAIN", train), ("TEST", test))
    )
    return twins + "".join(between)


def test_crops_that_differ_between_the_phases() -> None:
    assert found(crops(28, 32, ip("fc", "data"), loss("fc"))) == [("SHP025", "warning", False)]
    assert found(crops(28, 32, conv("c", "data"), ip("fc", "c"), loss("fc"))) == [("SHP026", "error", False)]
    pooled = layer("Pooling", "g", "c", "g", "pooling_param { pool: AVE global_pooling: true }")
    assert found(crops(28, 32, conv("c", "data"), pooled, ip("fc", "g"), loss("fc"))) == []
    assert found(crops(28, 28, ip("fc", "data"), loss("fc"))) == []


def test_shapes_told_from_outside_are_used() -> None:
    text = data() + layer("Convolution", "c", "data", "c", "convolution_param { num_output: 2 kernel_size: 7 }")
    assert found(text) == []
    assert ("SHP007", "error", True) in found(text, shapes=(("data", (1, 3, 5, 5)),))
