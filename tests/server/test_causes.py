"""A shape that does not fit is walked back: both sides in the message, the layers that set them as places."""

from __future__ import annotations

import pytest
from tests.server.own_faults import FAULTS
from tests.server.own_faults_net import branches_of_two_sizes  # noqa: F401  (importing registers)
from tests.server.planting import read

from prototxt_server.analysis import Settings, Source
from prototxt_server.engine import analyze
from prototxt_server.rules.base import find
from prototxt_server.rules.catalogue import load_all

IMAGE = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 32 dim: 32 } } }
"""
FORK = """
layer { name: "a" type: "Convolution" bottom: "data" top: "a" convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "relu" type: "ReLU" bottom: "a" top: "a" }
"""


def conv(name: str, bottom: str, fields: str) -> str:
    return (
        f'layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{name}"\n'
        f"  convolution_param {{ {fields} }} }}\n"
    )


def join(type_: str, *bottoms: str) -> str:
    return f'layer {{ name: "j" type: "{type_}" {" ".join(f"""bottom: "{b}" """ for b in bottoms)} top: "j" }}\n'


CASES = {
    "the layers that set the channels, through those that keep them": (
        FORK + conv("b", "data", "num_output: 5 kernel_size: 3") + join("Eltwise", "a", "b"),
        "Channels: 4 from 'a' (num_output: 4), 5 from 'b' (num_output: 5).",
        ["channels: 4 from 'a'", "channels: 5 from 'b'", "the two paths part at 'data' (2x3x32x32)"],
        ["num_output: 4", "num_output: 5", 'top: "data"'],
    ),
    "axes with one story are told together": (
        FORK + conv("b", "a", "num_output: 4 kernel_size: 1 stride: 2") + join("Eltwise", "a", "b"),
        "Height and width: 30 from 'a' (kernel_size: 3), 15 from 'b' (kernel_size: 1, stride: 2).",
        ["height and width: 30 from 'a'", "height and width: 15 from 'b'"],
        ["kernel_size: 3", "kernel_size: 1"],
    ),
    "the axis that Concat joins may differ": (
        FORK + conv("b", "data", "num_output: 9 kernel_size: 3 pad: 1") + join("Concat", "a", "b"),
        "Height and width: 30 from 'a' (kernel_size: 3), 32 from 'data'.",
        ["height and width: 30 from 'a'", "height and width: 32 from 'data'", "the two paths part at 'data'"],
        ["kernel_size: 3", "input_param", 'top: "data"'],
    ),
    "the layer that set the number of axes": (
        'layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 9 } }\n'
        'layer { name: "relu" type: "ReLU" bottom: "fc" top: "fc" }\n'
        'layer { name: "pool" type: "Pooling" bottom: "fc" top: "pool" pooling_param { kernel_size: 2 } }\n',
        "Axes: 2 from 'fc' (InnerProduct).",
        ["axes: 2 from 'fc' (InnerProduct)"],
        ['name: "fc"'],
    ),
    "what made the map too small, last first": (
        FORK
        + conv("b", "a", "num_output: 4 kernel_size: 3 stride: 8")
        + conv("c", "b", "num_output: 4 kernel_size: 9"),
        "",
        ["'b' makes height 4 of 30 (kernel_size: 3, stride: 8)", "'a' makes height 30 of 32 (kernel_size: 3)"],
        ["kernel_size: 3", "kernel_size: 3"],
    ),
    "the channels that groups cannot share": (
        FORK.replace("num_output: 4", "num_output: 5") + conv("b", "a", "num_output: 4 kernel_size: 1 group: 2"),
        "Channels: 5 from 'a' (num_output: 5).",
        ["channels: 5 from 'a'"],
        ["num_output: 5"],
    ),
    "a number of axes": (
        FORK
        + 'layer { name: "fc" type: "InnerProduct" bottom: "a" top: "fc" inner_product_param { num_output: 4 } }\n'
        + join("Eltwise", "a", "fc"),
        "Axes: 4 from 'data' (Input), 2 from 'fc' (InnerProduct)",
        ["axes: 4 from 'data'", "axes: 2 from 'fc'"],
        ["input_param", 'name: "fc"'],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_message_has_both_sides_and_the_places_lead_to_the_cause(case: str) -> None:
    text, said, notes, places = CASES[case]
    text = IMAGE + text
    (finding,) = [f for f in analyze(Source(text), Settings(phase="TEST")).findings if f.caffe_aborts]
    assert said in finding.message
    assert len(finding.related) == len(notes)
    for found, note, place in zip(finding.related, notes, places, strict=True):
        assert note in found.message
        assert text[found.start : found.end] == place


def test_a_size_that_no_text_tells_has_no_story() -> None:
    data = 'layer { name: "data" type: "Data" top: "data" data_param { source: "x" batch_size: 2 } }\n'
    text = data + FORK + conv("b", "data", "num_output: 4 kernel_size: 1") + join("Eltwise", "a", "b")
    assert [f for f in analyze(Source(text), Settings(phase="TEST")).findings if f.caffe_aborts] == []


def test_in_a_deep_net_the_shortcut_is_followed_to_the_layer_that_widened_it() -> None:
    load_all()
    rule = find("SHP013")
    assert rule is not None
    fault = FAULTS["SHP013"]
    planted = next(one for one in fault.planted() if one.host == "resnet101")
    (finding,) = [f for f in read(rule, fault.reading, planted.text).findings if f.code == "SHP013"]
    assert "256 from 'res4b0_branch1' (num_output: 256), 7 from 'res4b9_branch2c' (num_output: 7)" in finding.message


@pytest.mark.parametrize(
    ("layer", "code"),
    [
        ("type: 'Convolution' bottom: 'data' top: 'x' convolution_param { num_output: 4 kernal_size: 3 }", "SCH001"),
        ("type: 'Convolution' bottom: 'data' top: 'x' convolution_params { num_output: 4 }", "SCH001"),
        ("type: 'Pooling' bottom: 'data' top: 'x' pooling_param { kernelsize: 3 }", "SCH001"),
        ("type: 'InnerProduct' bottom: 'data' top: 'x' inner_product_param { num_output: '10' }", "SYN010"),
        ("type: 'Eltwise' bottom: 'data' botom: 'data' top: 'x'", "SCH001"),
        ("type: 'ReLU' bottom: 'data' tpo: 'x'", "SCH001"),
        ("typ: 'ReLU' bottom: 'data' top: 'x'", "SCH001"),
    ],
)
def test_what_only_follows_from_a_misspelt_field_is_not_said_twice(layer: str, code: str) -> None:
    text = f'{IMAGE}layer {{ name: "x" {layer} }}\n'
    assert [f.code for f in analyze(Source(text), Settings(phase="TEST")).findings if f.caffe_aborts] == [code]


def test_a_misspelt_field_hides_no_other_fault() -> None:
    text = IMAGE + conv("x", "data", "num_outputs: 4 stride: 0")
    found = [f.code for f in analyze(Source(text), Settings(phase="TEST")).findings if f.caffe_aborts]
    assert found == ["SHP003", "SCH001"]
