"""What detectors are fed: regions inside the picture, of images that the batch has; the picture's size; boxes."""

from __future__ import annotations

import numpy as np
import pytest

from prototxt_gpu_check import plan, sources
from prototxt_gpu_check.backend import Backend
from prototxt_gpu_check.policy import Request, forward
from prototxt_gpu_check.sources import Inputs
from prototxt_grammar.parse import parse
from prototxt_net.phases import State
from prototxt_net.read import read

SOURCE = """layer { name: "data" type: "Python" top: "data" top: "%s"
  python_param { module: "roi_data_layer.layer" layer: "RoIDataLayer" } }
"""
POOL = """layer { name: "pool" type: "ROIPooling" bottom: "data" bottom: "rois" top: "pool"
  roi_pooling_param { pooled_h: 7 pooled_w: 7 } }
"""


def values(text: str, dialect: str, name: str) -> tuple[np.ndarray, str]:
    made = plan.make(read(parse(text), dialect), State("TEST"), Inputs(), None, None)
    node = made.net.nodes[0]
    index = next(i for i, top in enumerate(node.tops) if top.name == name)
    array, kind = sources.values(Backend(), made.net, node, index, made.source_shapes[name], Inputs())
    return np.asarray(array), kind


@pytest.mark.parametrize(
    ("name", "more", "shape"), [("rois", POOL, (1, 5)), ("gt_boxes", "", (1, 5)), ("im_info", "", (1, 3))]
)
def test_its_shape_follows_from_name_and_readers(name: str, more: str, shape: tuple[int, ...]) -> None:
    array, kind = values(SOURCE % name + more, "fast-rcnn", name)
    assert (array.shape, kind) == (shape, "labels")


def test_regions_lie_inside_the_picture_and_belong_to_its_images() -> None:
    text = 'input: "data" input_shape { dim: 2 dim: 3 dim: 40 dim: 60 } input: "rois" input_shape { dim: 9 dim: 5 }\n'
    made = plan.make(read(parse(text + POOL), "fast-rcnn"), State("TEST"), Inputs(), None, None)
    node = next(n for n in made.net.nodes if any(top.name == "rois" for top in n.tops))
    index = next(i for i, top in enumerate(node.tops) if top.name == "rois")
    rois = np.asarray(sources.values(Backend(), made.net, node, index, (9, 5), Inputs())[0])
    assert set(rois[:, 0]) == {0, 1}
    assert (rois[:, 1:3] >= 0).all()
    assert (rois[:, 1:3] < rois[:, 3:5]).all()
    assert (rois[:, 3] <= 60).all()
    assert (rois[:, 4] <= 40).all()


def test_the_size_of_the_picture_is_told() -> None:
    text = (
        'input: "data" input_shape { dim: 1 dim: 3 dim: 40 dim: 60 } input: "im_info" input_shape { dim: 1 dim: 3 }\n'
    )
    made = plan.make(read(parse(text), "py-faster-rcnn"), State("TEST"), Inputs(), None, None)
    node = next(n for n in made.net.nodes if any(top.name == "im_info" for top in n.tops))
    index = next(i for i, top in enumerate(node.tops) if top.name == "im_info")
    array = np.asarray(sources.values(Backend(), made.net, node, index, (1, 3), Inputs())[0])
    assert array.tolist() == [[40, 60, 1]]


def test_a_filler_of_a_fork_is_replaced_and_that_is_said() -> None:
    text = """layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 16 dim: 16 } } }
    layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 4
      kernel_size: 3 weight_filler { type: "gabor" } bias_filler { type: "constant" value: 1 } } }"""
    result, found = forward(Request(text, "intel", device="cpu"))
    assert (result.status, found) == ("ok", [])
    (note,) = (d for d in result.degraded if d.code == "filler-replaced")
    assert note.message == "The filler 'gabor' ('conv') is not drawn here: msra was."


def test_where_no_region_is_left_the_layers_behind_are_not_checked() -> None:
    """A picture of 8 pixels has no box of 16."""
    text = """input: "data" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 } input: "im_info" input_shape { dim: 1 dim: 3 }
    layer { name: "scores" type: "Convolution" bottom: "data" top: "scores" convolution_param { num_output: 18
      kernel_size: 8 } }
    layer { name: "boxes" type: "Convolution" bottom: "data" top: "boxes" convolution_param { num_output: 36
      kernel_size: 8 } }
    layer { name: "proposal" type: "Python" bottom: "scores" bottom: "boxes" bottom: "im_info" top: "rois"
      python_param { module: "rpn.proposal_layer" layer: "ProposalLayer" param_str: "'feat_stride': 8" } }
    layer { name: "pool" type: "ROIPooling" bottom: "data" bottom: "rois" top: "pool"
      roi_pooling_param { pooled_h: 2 pooled_w: 2 } }
    """
    result, found = forward(Request(text, "py-faster-rcnn", device="cpu"))
    assert {x.name: x.reason for x in result.layers if not x.checked} == {
        "proposal": "no box is large enough, so there are no regions",
        "pool": "its bottom 'rois' was not computed",
    }
    assert found == []


@pytest.mark.parametrize(
    ("param_str", "reason"),
    [
        (r"'feat_stride': 16 \n'scales': !!python/tuple [1, 2, 3, 4]", ""),
        (r"'feat_stride': 16", "scores and boxes are not those of 9 anchors"),
    ],
)
def test_the_anchors_are_those_of_param_str(param_str: str, reason: str) -> None:
    text = f"""input: "data" input_shape {{ dim: 1 dim: 3 dim: 64 dim: 64 }}
    input: "im_info" input_shape {{ dim: 1 dim: 3 }}
    layer {{ name: "scores" type: "Convolution" bottom: "data" top: "scores" convolution_param {{ num_output: 24
      kernel_size: 16 stride: 16 }} }}
    layer {{ name: "boxes" type: "Convolution" bottom: "data" top: "boxes" convolution_param {{ num_output: 48
      kernel_size: 16 stride: 16 weight_filler {{ type: "gaussian" std: 0.001 }} }} }}
    layer {{ name: "proposal" type: "Python" bottom: "scores" bottom: "boxes" bottom: "im_info" top: "rois"
      python_param {{ module: "rpn.proposal_layer" layer: "ProposalLayer" param_str: "{param_str}" }} }}
    """
    result, _ = forward(Request(text, "py-faster-rcnn", device="cpu"))
    assert result.layers[-1].reason == reason
