"""Which Caffe a text is taken to be written for, told by what the text says."""

from __future__ import annotations

import pytest

from prototxt_server.analysis import Settings, Source
from prototxt_server.engine import analyze

DATA = 'layer { name: "data" type: "Data" top: "data" top: "label" data_param { source: "s" batch_size: 4 %s } }\n'
DUMMY = (
    'layer { name: "data" type: "DummyData" top: "data" dummy_data_param { shape { dim: 4 dim: 3 dim: 8 dim: 8 } } }\n'
)
DENSE = (
    'layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" '
    'inner_product_param { num_output: 8 weight_filler { type: "xavier" } } }\n'
)
BN = 'layer { name: "bn" type: "BatchNorm" bottom: "%s" top: "bn" %s }\n'

CASES = {
    "nothing said": (DUMMY + DENSE, "bvlc"),
    "a comment at the top": ("# lsp: dialect=segnet\n" + DUMMY, "segnet"),
    "the detection layers began in SSD's": (
        DUMMY + 'layer { name: "p" type: "Permute" bottom: "data" top: "p" permute_param { order: 0 order: 2 } }\n',
        "ssd",
    ),
    "ROIPooling began in faster-rcnn's": (
        'layer { name: "r" type: "ROIPooling" bottom: "a" bottom: "b" top: "r" roi_pooling_param { pooled_w: 7 } }',
        "py-faster-rcnn",
    ),
    "gamma filled without scale_bias": (
        DUMMY + BN % ("data", "batch_norm_param { scale_filler { value: 1 } }"),
        "nvidia-0.15",
    ),
    "scale_bias": (DUMMY + BN % ("data", "batch_norm_param { scale_bias: true }"), "nvidia-0.17"),
    "a filler": (DUMMY + DENSE.replace("xavier", "gabor"), "intel"),
    "fields of V1 in a `layer`": (
        DUMMY + DENSE.replace("inner_product_param", "blobs_lr: 1 blobs_lr: 2 weight_decay: 1 inner_product_param"),
        "bvlc",
    ),
    "a field of several forks": (DATA % "shuffle: true" + DENSE, "nvidia-0.17"),
    "of those forks, the one that sets the net up": (DATA % "shuffle: true" + DENSE + BN % ("fc", ""), "intel"),
    "of forks that all refuse it, the first": (
        DATA % "shuffle: true" + DENSE.replace("num_output: 8", "num_output: 0"),
        "nvidia-0.17",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_dialect(case: str) -> None:
    text, dialect = CASES[case]
    analysis = analyze(Source(text), Settings())
    assert analysis.file.dialect == dialect
    assert analysis.dialect_evidence


def test_a_named_dialect_is_not_left_for_one_that_loads() -> None:
    text = DATA % "shuffle: true" + DENSE + BN % ("fc", "")
    analysis = analyze(Source(text), Settings(dialect="nvidia-0.17"))
    assert [f.code for f in analysis.findings if f.caffe_aborts] == ["BN036"]
