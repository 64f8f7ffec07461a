"""Layers that many examples begin or end with, so that an example shows its point and little else."""

from __future__ import annotations

IMAGE = """\
layer {
  name: "data"
  type: "Input"
  top: "data"
  input_param { shape { dim: 2 dim: 3 dim: 8 dim: 8 } }
}
"""

LABELLED = """\
layer {
  name: "data"
  type: "Data"
  top: "data"
  top: "label"
  data_param { source: "train_lmdb" batch_size: 64 }
}
"""

CONV = """\
layer {
  name: "conv"
  type: "Convolution"
  bottom: "data"
  top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 weight_filler { type: "msra" } }
}
"""

SCORE = """\
layer {
  name: "score"
  type: "InnerProduct"
  bottom: "data"
  top: "score"
  inner_product_param { num_output: 10 weight_filler { type: "xavier" } }
}
"""

LOSS = """\
layer {
  name: "loss"
  type: "SoftmaxWithLoss"
  bottom: "score"
  bottom: "label"
  top: "loss"
}
"""
