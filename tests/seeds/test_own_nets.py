"""The same five questions in nets of our own, so that a clone without the reference data asks them too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from prototxt_server.analysis import Analysis

EXAMPLES = Path(__file__).parents[2] / "examples"

#: example -> what `lsp check` says, as severity and code; the examples are those that the README sends newcomers to
SAID = {
    "bn_zero_gamma.prototxt": {
        "error BN031", "error BN032", "hint BN030", "warning BN033", "hint BN028", "hint BN055",
    },
    "frozen_teacher.prototxt": {
        "warning FRZ001", "warning FRZ002", "warning FRZ003", "warning BN026", "info FRZ013", "hint FRZ006",
    },
    "frozen_teacher_solver.prototxt": {"warning FRZ009"},
    "bn_by_the_blog.prototxt": {"error BN001", "warning BN011", "warning BN021", "hint BN055"},
    "dead_layer.prototxt": {"error INI002", "info INI005"},
    "loss_87.prototxt": {"warning BN010"},
    "slash_comment.prototxt": {"error SYN004"},
    "lenet_bn.prototxt": set(),
}  # fmt: skip


@pytest.mark.parametrize("example", SAID)
def test_examples(example: str, check: Callable[..., Analysis]) -> None:
    found = check((EXAMPLES / example).read_text(encoding="utf-8"), filename=example).findings
    assert {f"{f.severity} {f.code}" for f in found} == SAID[example]


def test_no_example_is_left_out() -> None:
    assert {path.name for path in EXAMPLES.glob("*.prototxt")} == SAID.keys()


SOLVER = 'net: "n.prototxt"\nbase_lr: 0.1\nlr_policy: "fixed"\nmax_iter: 10\n'
NET = """\
layer {
  name: "data"
  type: "%s"
  top: "data"
  top: "label"
  %s { source: "x" batch_size: 32 %s }
  %s
}
layer {
  name: "conv"
  type: "Convolution"
  bottom: "data"
  top: "conv"
  convolution_param { num_output: 8 kernel_size: 3 weight_filler { type: "msra" } }
}
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" %s }
layer { name: "scale" type: "Scale" bottom: "conv" top: "conv" scale_param { bias_term: true } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer {
  name: "fc"
  type: "InnerProduct"
  bottom: "conv"
  top: "fc"
  inner_product_param { num_output: 5 weight_filler { type: "xavier" } }
}
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
"""
LMDB = ("Data", "data_param", "backend: LMDB")
LIST = ("ImageData", "image_data_param", "")
PASTED = {
    "a number glued to the next field": ("test_iter: 100test_interval: 10\n" + SOLVER, {"SYN005"}),
    "debug_info that prints nothing": (SOLVER + "debug_info: true\n", {"SOL009"}),
    "a test before any statistics": (
        'lr_policy: "fixed"\nbase_lr: 0.1\nmax_iter: 10\ntest_interval: 5\ntest_iter: 2\nnet_param {\n'
        + NET % (*LMDB, "transform_param { scale: 0.0039 }", "")
        + "}\n",
        {"BN018"},
    ),
    "statistics frozen before there are any": (
        NET % (*LMDB, "transform_param { scale: 0.0039 }", "batch_norm_param { use_global_stats: true }"),
        {"BN010"},
    ),
    "images as they are": (NET % (*LMDB, "", ""), {"DAT001"}),
    "a list in its own order": (
        NET % (*LIST, "transform_param { mean_value: 100 } include { phase: TRAIN }", ""),
        {"DAT006"},
    ),
    "1/256 said to be 1/255": (NET % (*LMDB, "transform_param { scale: 0.00390625 } # 1/255", ""), {"DAT011"}),
    "a comment that is none": (NET % (*LMDB, "transform_param { scale: 0.1 } // comment", ""), {"SYN004"}),
    "a field that no Caffe has": (NET % (*LMDB, "transform_param { contrast: true }", ""), {"SCH001"}),
}


@pytest.mark.parametrize("case", PASTED)
def test_pasted_text(case: str, check: Callable[..., Analysis]) -> None:
    text, codes = PASTED[case]
    name = "solver.prototxt" if "base_lr" in text else "train_val.prototxt"
    assert {f.code for f in check(text, filename=name).findings} - {"BN055"} >= codes
