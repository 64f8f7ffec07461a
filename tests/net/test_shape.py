"""Size arithmetic as Caffe does it, with unknown sizes (facts: caffe-semantics.md 8 and 10, layers.json Pooling)."""

from __future__ import annotations

import pytest

from prototxt_net.shape import Sym, conv_out, pool_out, product, same_shape, text

N, H = Sym("data.N"), Sym("data.H")


@pytest.mark.parametrize(
    ("size", "kernel", "pad", "stride", "dilation", "out"),
    [
        (227, 11, 0, 4, 1, 55),
        (224, 7, 3, 2, 1, 112),
        (5, 3, 1, 1, 1, 5),
        (7, 3, 2, 1, 2, 7),
        (8, 11, 0, 4, 1, 1),  # C++ division truncates toward zero: measured
        (8, 9, 0, 1, 1, 0),
        (4, 9, 0, 1, 1, -4),
    ],
)
def test_convolution(size: int, kernel: int, pad: int, stride: int, dilation: int, out: int) -> None:
    assert conv_out(size, kernel, pad, stride, dilation) == out


@pytest.mark.parametrize(
    ("size", "kernel", "pad", "stride", "floor", "out"),
    [
        (112, 3, 0, 2, False, 56),  # rounds up
        (112, 3, 0, 2, True, 55),
        (7, 7, 0, 1, False, 1),
        (5, 2, 1, 2, False, 3),
        (4, 2, 1, 2, False, 3),
        (6, 3, 1, 4, False, 2),
        (3, 2, 1, 3, False, 2),
        (2, 2, 1, 4, False, 1),  # the second window would start beyond input + pad: dropped
    ],
)
def test_pooling(size: int, kernel: int, pad: int, stride: int, floor: bool, out: int) -> None:
    assert pool_out(size, kernel, pad, stride, floor) == out


def test_equal_computations_on_equal_unknowns_are_equal() -> None:
    assert conv_out(H, 3, 0, 2) == conv_out(H, 3, 0, 2)
    assert conv_out(H, 3, 1, 1) == H
    assert conv_out(H, 3, 0, 2) != conv_out(H, 5, 0, 2)


def test_products() -> None:
    assert product((2, 3, 4)) == 24
    assert product((N, 3, 0)) == 0
    assert product((N, 1)) == N
    assert product((2, N, 3, H)) == product((H, 6, N))


@pytest.mark.parametrize(
    ("a", "b", "verdict"),
    [
        ((1, 2), (1, 2), True),
        ((1, 2), (1, 3), False),
        ((1, 2), (1, 2, 1), False),
        ((N, 2), (N, 2), True),
        ((N, 2), (4, 2), None),
        ((N, 2), (4, 3), False),
        (None, (4, 3), None),
    ],
)
def test_comparison_has_three_values(a: tuple[int, ...] | None, b: tuple[int, ...], verdict: bool | None) -> None:
    assert same_shape(a, b) is verdict


def test_words() -> None:
    assert text((N, 3, 224, 224)) == "?x3x224x224"
    assert text(()) == "scalar"
    assert text(None) == "?"
