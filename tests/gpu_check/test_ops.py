"""Operations where Caffe is particular, on both backends: odd windows, NaN, slices of a convolution, ties."""

from __future__ import annotations

import numpy as np
import pytest

from prototxt_gpu_check.backend import Backend
from prototxt_gpu_check.layout import stored
from prototxt_gpu_check.ops import arrange, convolution, elementwise, losses, lrn, normalization, pooling, softmax

RNG = np.random.default_rng(11)
NAN, INF = np.nan, np.inf
FLT_MAX = np.finfo(np.float32).max


def data(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def naive_convolution(x, w, b, stride, pad, dilation, group, out):  # type: ignore[no-untyped-def]
    n, _, height, width = x.shape
    m, cg, kh, kw = w.shape
    y = np.zeros((n, m, *out))
    for o in range(m):
        base = (o // (m // group)) * cg
        for p in range(out[0]):
            for q in range(out[1]):
                for r in range(kh):
                    for s in range(kw):
                        h, v = p * stride - pad + r * dilation, q * stride - pad + s * dilation
                        if 0 <= h < height and 0 <= v < width:
                            y[:, o, p, q] += (x[:, base : base + cg, h, v] * w[o, :, r, s]).sum(axis=1)
    return y + b.reshape(1, -1, 1, 1)


@pytest.mark.parametrize(
    ("channels", "outputs", "kernel", "stride", "pad", "dilation", "group"),
    [
        (3, 4, 3, 1, 1, 1, 1),
        (4, 6, 3, 2, 0, 1, 2),
        (4, 4, 3, 1, 1, 1, 4),
        (4, 8, 3, 2, 1, 1, 4),
        (3, 5, 1, 1, 0, 1, 1),
        (3, 5, 1, 2, 0, 1, 1),
        (2, 3, 3, 1, 2, 2, 1),
        (2, 2, 5, 3, 2, 1, 2),
    ],
)
@pytest.mark.parametrize("cap", [1 << 30, 1], ids=["whole batch", "image by image"])
def test_convolution(
    channels: int,
    outputs: int,
    kernel: int,
    stride: int,
    pad: int,
    dilation: int,
    group: int,
    cap: int,
    backend: Backend,
) -> None:
    x, w, bias = data(3, channels, 9, 8), data(outputs, channels // group, kernel, kernel), data(outputs)
    out = tuple((d + 2 * pad - (dilation * (kernel - 1) + 1)) // stride + 1 for d in x.shape[2:])
    before, backend.column_cap = backend.column_cap, cap
    try:
        y = convolution.convolution(
            backend, stored(backend, x), w, bias, kernel=(kernel, kernel), stride=(stride, stride), pad=(pad, pad),
            dilation=(dilation, dilation), group=group, out=out,
        )  # fmt: skip
    finally:
        backend.column_cap = before
    np.testing.assert_allclose(
        y, naive_convolution(x, w, bias, stride, pad, dilation, group, out), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("group", [1, 2])
def test_deconvolution_is_the_adjoint_of_convolution(group: int, backend: Backend) -> None:
    windows = {"kernel": (3, 3), "stride": (2, 2), "pad": (1, 1), "dilation": (1, 1), "group": group}
    x, w, y = data(2, 4, 7, 5), data(6, 4 // group, 3, 3), data(2, 6, 4, 3)
    forward = convolution.convolution(backend, stored(backend, x), w, None, out=(4, 3), **windows)
    back = convolution.deconvolution(backend, stored(backend, y), w, None, out=(7, 5), **windows)
    assert float((forward * y).sum()) == pytest.approx(float((back * x).sum()), rel=1e-4)


WINDOWS = [
    pytest.param((7, 7), (3, 3), (2, 2), (0, 0), (3, 3), id="exact"),
    pytest.param((8, 8), (3, 3), (2, 2), (0, 0), (4, 4), id="overhang"),
    pytest.param((7, 6), (3, 2), (2, 3), (1, 1), (4, 3), id="padding"),
    pytest.param((5, 5), (5, 5), (1, 1), (0, 0), (1, 1), id="global"),
    pytest.param((4, 4), (3, 3), (1, 1), (1, 1), (4, 4), id="same size"),
]


def naive_pooling(x, kernel, stride, pad, out, take):  # type: ignore[no-untyped-def]
    y = np.zeros((*x.shape[:2], *out))
    for p in range(out[0]):
        for q in range(out[1]):
            start = (p * stride[0] - pad[0], q * stride[1] - pad[1])
            stop = tuple(min(start[a] + kernel[a], x.shape[2 + a] + pad[a]) for a in (0, 1))
            area = (stop[0] - start[0]) * (stop[1] - start[1])
            box = x[:, :, max(start[0], 0) : min(stop[0], x.shape[2]), max(start[1], 0) : min(stop[1], x.shape[3])]
            y[:, :, p, q] = take(box, area)
    return y


@pytest.mark.parametrize(("size", "kernel", "stride", "pad", "out"), WINDOWS)
def test_pooling_windows(size, kernel, stride, pad, out, backend: Backend) -> None:  # type: ignore[no-untyped-def]
    x = data(2, 3, *size)
    windows = {"kernel": kernel, "stride": stride, "pad": pad, "out": out}
    largest, _ = pooling.max_pooling(backend, stored(backend, x), **windows)
    mean = pooling.ave_pooling(backend, stored(backend, x), **windows)
    wanted = naive_pooling(x, kernel, stride, pad, out, lambda box, area: box.max(axis=(2, 3)))
    np.testing.assert_array_equal(largest, wanted.astype(np.float32))
    wanted = naive_pooling(x, kernel, stride, pad, out, lambda box, area: box.sum(axis=(2, 3)) / area)
    np.testing.assert_allclose(mean, wanted, rtol=1e-5, atol=1e-6)


def test_max_pooling_hides_nan_and_average_pooling_does_not(backend: Backend) -> None:
    x = data(1, 2, 4, 4)
    x[0, 0] = NAN
    x[0, 1, 0, 0] = NAN
    windows = {"kernel": (2, 2), "stride": (2, 2), "pad": (0, 0), "out": (2, 2)}
    largest, index = pooling.max_pooling(backend, stored(backend, x), with_index=True, **windows)
    assert (largest[0, 0] == -FLT_MAX).all()
    assert largest[0, 1, 0, 0] == np.nanmax(x[0, 1, :2, :2])
    assert index is not None
    assert (index[0, 0] == -1).all()
    relu = elementwise.unary(backend, largest, elementwise.RELU, 0.0)
    assert (relu[0, 0] == 0).all()
    mean = pooling.ave_pooling(backend, stored(backend, x), **windows)
    assert np.isnan(mean[0, 0]).all()


def test_the_first_of_equal_maxima_counts(backend: Backend) -> None:
    x = np.zeros((1, 1, 2, 2), np.float32)
    windows = {"kernel": (2, 2), "stride": (1, 1), "pad": (0, 0), "out": (1, 1)}
    _, index = pooling.max_pooling(backend, stored(backend, x), with_index=True, **windows)
    assert index is not None
    assert index.item() == 0


@pytest.mark.parametrize(
    ("op", "arguments", "x", "y"),
    [
        (elementwise.RELU, (0.0,), [-2, 0, 3, NAN, INF], [0, 0, 3, NAN, INF]),
        (elementwise.RELU, (0.0,), [-2, 0, 3, -INF], [0, 0, 3, NAN]),  # 0 * -inf, as BVLC's Caffe prints it
        (elementwise.RELU, (0.5,), [-2, 0, 3, NAN, -INF], [-1, 0, 3, NAN, -INF]),
        (elementwise.SIGMOID, (), [-100, 0, 100, NAN], [0, 0.5, 1, NAN]),
        (elementwise.TANH, (), [-100, 0, 100, NAN], [-1, 0, 1, NAN]),
        (elementwise.ABS, (), [-2, 0, NAN], [2, 0, NAN]),
        (elementwise.POWER, (2.0, 3.0, 1.0), [-1, 0, 2], [4, 1, 49]),
        (elementwise.POWER, (0.5, 1.0, 0.0), [-1, 4], [NAN, 2]),
        (elementwise.EXP, (2.0, 1.0), [0, 1, -INF, 1000], [2, 2 * np.e, 0, INF]),
        (elementwise.LOG, (1.0, 1.0, 0.0), [1, 0, -1], [0, -INF, NAN]),
        (elementwise.BNLL, (), [-200, 0, 200], [0, np.log(2), 200]),
        (elementwise.THRESHOLD, (0.5,), [0.5, 0.6, NAN], [0, 1, 0]),
        (elementwise.ELU, (2.0,), [-INF, 0, 3], [-2, 0, 3]),
        (elementwise.CLIP, (-1.0, 2.0), [-5, 0, 5, NAN], [-1, 0, 2, -1]),
        (elementwise.LINEAR, (0.0, 2.0, 1.0), [3, NAN], [7, NAN]),
        (elementwise.SWISH, (1.0,), [0, 100, -100], [0, 100, 0]),
    ],
)
def test_functions_of_one_element(op, arguments, x, y, backend: Backend) -> None:  # type: ignore[no-untyped-def]
    found = elementwise.unary(backend, np.array([x], np.float32), op, *arguments)
    np.testing.assert_allclose(found[0], y, rtol=1e-6, atol=1e-30)


@pytest.mark.parametrize(
    ("operation", "coefficients", "wanted"),
    [
        ("SUM", [1, 1, 1], [6, NAN]),
        ("SUM", [2, 0, -1], [-1, NAN]),
        ("PROD", [1, 1, 1], [6, NAN]),
        ("MAX", [1, 1, 1], [3, 5]),
    ],
)
def test_eltwise(operation: str, coefficients: list[float], wanted: list[float], backend: Backend) -> None:
    bottoms = [np.array([[v, w]], np.float32) for v, w in ((1, NAN), (2, 4), (3, 5))]
    found = elementwise.eltwise(backend, bottoms, operation, coefficients)
    np.testing.assert_allclose(found[0], wanted)


def test_maximum_of_two_gives_a_tie_and_a_nan_to_the_second(backend: Backend) -> None:
    first, second = np.array([[NAN, 1, NAN]], np.float32), np.array([[2, NAN, NAN]], np.float32)
    found = elementwise.eltwise(backend, [first, second], "MAX", [1, 1])
    np.testing.assert_array_equal(found[0], [2, NAN, NAN])


def test_prelu_has_a_slope_a_channel_or_one_for_all(backend: Backend) -> None:
    x = np.array([[[[-1.0]], [[-2.0]]]], np.float32)
    assert elementwise.prelu(backend, x, np.array([0.5, 0.25], np.float32)).ravel().tolist() == [-0.5, -0.5]
    assert elementwise.prelu(backend, x, np.array([0.5], np.float32)).ravel().tolist() == [-0.5, -1.0]


@pytest.mark.parametrize("shape", [(1, 4, 1, 1), (3, 4, 5, 6), (5, 4)])
@pytest.mark.parametrize("value", [0.1, 1e20, -3.7])
def test_a_constant_channel_is_normalised_to_exactly_zero(
    shape: tuple[int, ...], value: float, backend: Backend
) -> None:
    x = stored(backend, np.full(shape, value, np.float32))
    mean, var = normalization.moments(backend, x)
    np.testing.assert_array_equal(mean, np.full(4, value, np.float32))
    np.testing.assert_array_equal(var, np.zeros(4, np.float32))
    y = normalization.normalize(backend, x, mean, var, eps=1e-5)
    assert (y == 0).all()


def test_empty_statistics_multiply_by_316(backend: Backend) -> None:
    x, zero = data(2, 3, 4, 4), np.zeros(3, np.float32)
    y = normalization.normalize(backend, stored(backend, x), zero, zero, eps=1e-5, factor=np.zeros(1, np.float32))
    np.testing.assert_allclose(y, x * 316.22777, rtol=1e-5)


def test_moments_do_not_cancel_far_from_zero(backend: Backend) -> None:
    x = data(4, 3, 16, 16) + 1000
    mean, var = normalization.moments(backend, stored(backend, x))
    wide = x.astype(np.float64)
    np.testing.assert_allclose(mean, wide.mean(axis=(0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(var, wide.var(axis=(0, 2, 3)), rtol=1e-4)


@pytest.mark.parametrize("channels", [2, 7, 512])
def test_lrn_does_not_drift_over_many_channels(channels: int, backend: Backend) -> None:
    x = data(1, channels, 3, 3) * 30
    y = lrn.lrn_across(backend, stored(backend, x), size=5, alpha=1e-4, beta=0.75, k=1.0)
    wide = np.pad(x.astype(np.float64) ** 2, ((0, 0), (2, 2), (0, 0), (0, 0)))
    total = sum(wide[:, i : i + channels] for i in range(5))
    np.testing.assert_allclose(y, x * (1 + 1e-4 / 5 * total) ** -0.75, rtol=2e-5)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_softmax_along_any_axis(axis: int, backend: Backend) -> None:
    x = data(3, 4, 5) * 20
    e = np.exp(x.astype(np.float64) - x.max(axis=axis, keepdims=True))
    y = softmax.softmax(backend, stored(backend, x), axis=axis)
    np.testing.assert_allclose(y, e / e.sum(axis=axis, keepdims=True), rtol=1e-5, atol=1e-30)


def test_softmax_of_a_nan_is_nan(backend: Backend) -> None:
    assert np.isnan(softmax.softmax(backend, np.array([[1, NAN, 2]], np.float32), axis=1)).all()


def test_the_loss_floor_is_87(backend: Backend) -> None:
    scores = np.array([[0, 200], [0, 200]], np.float32)
    p = softmax.softmax_rows(backend, softmax.class_rows(backend, scores, 1))
    found = losses.negative_log(backend, p, np.zeros(2, np.float32), losses.Normalizer("VALID", 2), None)
    assert found.loss == pytest.approx(87.336548, abs=1e-5)
    assert (found.valid, found.floored) == (2, 2)


@pytest.mark.parametrize(("mode", "divisor"), [("FULL", 4), ("VALID", 3), ("BATCH_SIZE", 2), ("NONE", 1)])
def test_normalisation_of_the_loss(mode: str, divisor: int, backend: Backend) -> None:
    p = np.full((5, 4), 0.2, np.float32)
    labels = np.array([0, 1, 255, 4], np.float32)
    found = losses.negative_log(backend, p, labels, losses.Normalizer(mode, 2), 255)
    assert found.loss == pytest.approx(3 * np.log(5) / divisor, rel=1e-5)


def test_labels_outside_are_named_and_give_nan(backend: Backend) -> None:
    p = np.full((5, 3), 0.2, np.float32)
    found = losses.negative_log(backend, p, np.array([0, 5, -1], np.float32), losses.Normalizer("VALID", 3), None)
    assert found.bad_labels == (5.0, -1.0)
    assert np.isnan(found.loss)


def test_ties_count_against_the_true_class(backend: Backend) -> None:
    scores = softmax.class_rows(backend, np.zeros((2, 3), np.float32), 1)
    top1, _ = losses.accuracy(backend, scores, np.array([0, 1], np.float32), top_k=1, ignore=None)
    top3, _ = losses.accuracy(backend, scores, np.array([0, 1], np.float32), top_k=3, ignore=None)
    assert (top1, top3) == (0.0, 1.0)


@pytest.mark.parametrize("axis", [0, 1, 2, 3])
def test_concat_and_slice_are_inverse(axis: int, backend: Backend) -> None:
    shapes = [[3, 4, 5, 2] for _ in range(3)]
    for i, shape in enumerate(shapes):
        shape[axis] = i + 1
    parts = [stored(backend, data(*shape)) for shape in shapes]
    whole = arrange.concat(backend, parts, axis=axis)
    np.testing.assert_array_equal(whole, np.concatenate(parts, axis=axis))
    for part, again in zip(parts, arrange.slice_(backend, whole, axis=axis, sizes=[1, 2, 3]), strict=True):
        np.testing.assert_array_equal(part, again)
