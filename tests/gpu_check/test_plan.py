"""Planning: shapes of sources, the batch, synthetic values, and how much memory a pass takes."""

from __future__ import annotations

import numpy as np
import pytest

import prototxt_net.layers  # noqa: F401  (registers the layer types)
from prototxt_gpu_check import plan, sources
from prototxt_gpu_check.backend import Backend
from prototxt_gpu_check.policy import Request, forward
from prototxt_gpu_check.run import Options, Pass
from prototxt_gpu_check.sources import Inputs
from prototxt_grammar.parse import parse
from prototxt_net.file import NetFile
from prototxt_net.phases import State
from prototxt_net.read import read


def file(text: str, dialect: str = "bvlc") -> NetFile:
    return read(parse(text), dialect)


def data_layer(rest: str, type_: str = "Data", tops: str = 'top: "data" top: "label"') -> str:
    return f'layer {{ name: "data" type: "{type_}" {tops} {rest} }}\n'


LOSS = """
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 7
  weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (data_layer("data_param { batch_size: 9 } transform_param { crop_size: 227 }"), (9, 3, 227, 227)),
        (data_layer("transform_param { crop_size: 227 }"), (1, 3, 227, 227)),
        (data_layer('data_param { batch_size: 9 source: "examples/mnist/mnist_train_lmdb" }'), (9, 1, 28, 28)),
        (data_layer('data_param { batch_size: 9 source: "cifar10_train_lmdb" }'), (9, 3, 32, 32)),
        (data_layer("image_data_param { batch_size: 2 }", "ImageData"), (2, 3, 224, 224)),
        (data_layer("image_data_param { batch_size: 2 is_color: false }", "ImageData"), (2, 1, 224, 224)),
        (data_layer("data_param { batch_size: 9 }"), (9, 3, 224, 224)),
    ],
)
def test_a_shape_that_no_text_tells_is_assumed_and_said(layer: str, shape: tuple[int, ...]) -> None:
    made = plan.make(file(layer + LOSS), State("TRAIN"), Inputs(), None, None)
    assert made.source_shapes == {"data": shape, "label": shape[:1]}
    assert [d.code for d in made.degraded] == ["shape-assumed"]


def test_a_shape_that_was_given_counts() -> None:
    inputs = Inputs(shapes={"data": (5, 1, 30, 30), "label": (5,)})
    made = plan.make(file(data_layer("data_param { batch_size: 9 }") + LOSS), State("TRAIN"), inputs, None, None)
    assert made.source_shapes["data"] == (5, 1, 30, 30)
    assert made.degraded == []


INPUT = """
layer { name: "in" type: "Input" top: "data" top: "label" input_param { shape { dim: 64 dim: 3 dim: 8 dim: 8 }
  shape { dim: 64 } } }
"""


@pytest.mark.parametrize(
    ("batch", "default", "used", "notes"),
    [(None, None, 64, []), (None, 4, 4, ["batch-cut"]), (16, 4, 16, ["batch-cut"]), (100, 4, 100, [])],
)
def test_the_batch_of_all_sources_is_cut_together(
    batch: int | None, default: int | None, used: int, notes: list[str]
) -> None:
    made = plan.make(file(INPUT + LOSS), State("TRAIN"), Inputs(), batch, default)
    assert (made.requested, made.used) == (64, used)
    assert made.source_shapes == {"data": (used, 3, 8, 8), "label": (used,)}
    assert [d.code for d in made.degraded] == notes


def test_a_batch_that_other_layers_fix_is_kept() -> None:
    fixed = 'layer { name: "r" type: "Reshape" bottom: "data" top: "r" reshape_param { shape { dim: 64 dim: 192 } } }\n'
    made = plan.make(file(INPUT + fixed + LOSS), State("TRAIN"), Inputs(), None, 4)
    assert made.used == 64
    assert [d.code for d in made.degraded] == ["batch-kept"]


def test_a_given_array_sets_the_batch() -> None:
    inputs = Inputs(arrays={"data": np.zeros((6, 3, 8, 8), np.float32)})
    made = plan.make(file(INPUT + LOSS), State("TRAIN"), inputs, None, 4)
    assert made.source_shapes == {"data": (6, 3, 8, 8), "label": (6,)}


def test_labels_name_the_classes_that_their_loss_has() -> None:
    made = plan.make(file(INPUT + LOSS), State("TRAIN"), Inputs(), None, None)
    node = made.net.nodes[0]
    labels, what = sources.values(Backend(), made.net, node, 1, (64,), Inputs())
    assert what == "labels"
    assert set(labels.tolist()) == set(range(7))


@pytest.mark.parametrize(
    ("transform", "mean", "std"),
    [
        ("", 118, 60),
        ("transform_param { scale: 0.00390625 }", 118 / 256, 60 / 256),
        ('transform_param { mean_file: "mean.binaryproto" }', 0, 60),
        ("transform_param { mean_value: 104 mean_value: 117 mean_value: 123 scale: 0.017 }", 0.057, 1.02),
    ],
)
def test_synthetic_images_are_what_transform_param_leaves_of_pixels(transform: str, mean: float, std: float) -> None:
    text = data_layer(f"data_param {{ batch_size: 32 }} {transform}") + LOSS
    made = plan.make(file(text), State("TRAIN"), Inputs(shapes={"data": (32, 3, 64, 64)}), None, None)
    array, what = sources.values(Backend(), made.net, made.net.nodes[0], 0, (32, 3, 64, 64), Inputs())
    assert what == "images"
    assert array.mean() == pytest.approx(mean, abs=0.3 * std)
    assert array.std() == pytest.approx(std, rel=0.3)


def test_a_smaller_batch_begins_with_the_same_samples() -> None:
    made = plan.make(file(INPUT + LOSS), State("TRAIN"), Inputs(), None, None)
    node = made.net.nodes[0]
    many, _ = sources.values(Backend(), made.net, node, 0, (64, 3, 8, 8), Inputs())
    few, _ = sources.values(Backend(), made.net, node, 0, (4, 3, 8, 8), Inputs())
    np.testing.assert_array_equal(many[:4], few)


def test_editing_one_layer_leaves_the_weights_of_the_others() -> None:
    text = INPUT + LOSS
    other = text.replace("shape { dim: 64 dim: 3 dim: 8 dim: 8 }", "shape { dim: 2 dim: 3 dim: 8 dim: 8 }")
    seen = [
        next(p.after for x in forward(Request(t, device="cpu", batch=2))[0].layers for p in x.params)
        for t in (text, other)
    ]
    assert seen[0].mean_abs == seen[1].mean_abs


class Scarce(Backend):
    """A device on which big arrays cannot be allocated."""

    limit = 4 * 16 * 3 * 8 * 8

    def empty(self, shape: tuple[int, ...]) -> np.ndarray:
        if 4 * int(np.prod(shape)) > self.limit:
            raise MemoryError
        return super().empty(shape)


def test_running_out_of_memory_halves_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prototxt_gpu_check.policy.Backend", Scarce)
    text = INPUT + 'layer { name: "relu" type: "ReLU" bottom: "data" top: "relu" }\n'
    result, _ = forward(Request(text, device="cpu", batch=64))
    assert result.batch_used == 16
    assert [d.message for d in result.degraded if "memory" in d.message] == [
        "The batch was cut from 64 to 16 samples to fit into the memory."
    ]


def test_peak_memory_counts_what_is_alive_together() -> None:
    text = INPUT + "".join(
        f'layer {{ name: "r{i}" type: "ReLU" bottom: "{f"b{i - 1}" if i else "data"}" top: "b{i}" }}\n'
        for i in range(9)
    )
    made = plan.make(file(text), State("TRAIN"), Inputs(), None, None)
    blob = 4 * 64 * 3 * 8 * 8
    assert plan.peak_bytes(made.net, 0) == 2 * blob
    done = Pass(made, Backend(), Inputs(), Options())
    done.run()
    assert done.arrays == {}


@pytest.mark.parametrize(
    ("type_", "bytes_"), [("Convolution", 2 * 4 * 3 * 9 * 36), ("Deconvolution", 64 * 4 * 4 * 9 * 64)]
)
def test_columns_are_counted_in_the_slices_that_they_are_made_in(type_: str, bytes_: int) -> None:
    text = INPUT + f'layer {{ name: "c" type: "{type_}" bottom: "data" top: "c" '
    text += "convolution_param { num_output: 4 kernel_size: 3 } }\n"
    made = plan.make(file(text), State("TRAIN"), Inputs(), None, None)
    small, large = 4 * 64 * 3 * 8 * 8, 4 * 64 * 4 * (100 if type_ == "Deconvolution" else 36)
    padded = large if type_ == "Deconvolution" else small
    weights = 4 * (4 * 3 * 9 + 4)
    cap = 2 * 4 * 3 * 9 * 36  # two images
    assert plan.peak_bytes(made.net, cap) == small + large + weights + bytes_ + padded


@pytest.mark.parametrize(("text", "loaded", "phase"), [(INPUT + LOSS, False, "TRAIN"), (INPUT, True, "TEST")])
def test_the_phase_follows_from_the_file_and_the_weights(text: str, loaded: bool, phase: str) -> None:
    from prototxt_gpu_check.policy import _state

    assert _state(file(text), Request(text), loaded).phase == phase


HDF5 = 'layer { name: "d" type: "HDF5Data" top: "data" top: "label" hdf5_data_param { source: "x" batch_size: 2 } }\n'
SCORES = """layer { name: "c" type: "Convolution" bottom: "data" top: "c"
  convolution_param { num_output: 3 kernel_size: 3 } }
layer { name: "loss" type: "%s" bottom: "c" bottom: "label" top: "loss" }
"""


@pytest.mark.parametrize(
    ("loss", "label"),
    [
        ("SoftmaxWithLoss", (2, 1, 222, 222)),
        ("SigmoidCrossEntropyLoss", (2, 3, 222, 222)),
        ("EuclideanLoss", (2, 3, 222, 222)),
    ],
)
def test_labels_are_assumed_as_the_loss_over_a_map_takes_them(loss: str, label: tuple[int, ...]) -> None:
    made = plan.make(file(HDF5 + SCORES % loss), State("TRAIN"), Inputs(), None, None)
    assert made.source_shapes["label"] == label
    assert plan.aborting(made.net) == 0
    assert [d.code for d in made.degraded] == ["shape-assumed"]


def test_pictures_and_labels_of_a_layer_with_many_tops_are_told_apart_by_their_names() -> None:
    data = """layer { name: "d" type: "Python" top: "color" top: "depth" top: "hha" top: "label" top: "meta"
      python_param { module: "m" layer: "l" } }\n"""
    made = plan.make(file(data), State("TRAIN"), Inputs(), None, None)
    assert made.source_shapes == {
        "color": (1, 3, 224, 224),
        "depth": (1, 1, 224, 224),
        "hha": (1, 3, 224, 224),
        "label": (1,),
        "meta": (1,),
    }


def test_the_weights_of_a_smooth_loss_are_assumed_in_the_shape_of_its_scores() -> None:
    data = """layer { name: "d" type: "HDF5Data" top: "data" top: "label" top: "inside" top: "outside"
      hdf5_data_param { source: "x" batch_size: 2 } }\n"""
    scores = SCORES.replace('bottom: "label"', 'bottom: "label" bottom: "inside" bottom: "outside"')
    made = plan.make(file(data + scores % "SmoothL1Loss", "ssd"), State("TRAIN"), Inputs(), None, None)
    assert {made.source_shapes[top] for top in ("label", "inside", "outside")} == {(2, 3, 222, 222)}


def test_a_net_that_does_not_fit_assumed_shapes_is_not_said_to_be_refused_by_caffe() -> None:
    text = HDF5 + 'layer { name: "s" type: "Slice" bottom: "data" top: "a" top: "b" slice_param { slice_point: 9 } }\n'
    made = plan.make(file(text), State("TRAIN"), Inputs(), None, None)
    assert [d.code for d in made.degraded] == ["shape-assumed", "assumption-fails"]
