"""Small nets for the examples of the dynamic rules: a chain between data and loss, with one thing to look at."""

from __future__ import annotations


def net(middle: str, *, batch: int = 8, channels: int = 3, size: int = 8, score: str = "x") -> str:
    """Data -> `middle`, which reads "data" and makes `score` -> InnerProduct -> loss."""
    return f"""layer {{
  name: "data"
  type: "Input"
  top: "data"
  top: "label"
  input_param {{
    shape {{ dim: {batch} dim: {channels} dim: {size} dim: {size} }}
    shape {{ dim: {batch} }}
  }}
}}
{middle}layer {{
  name: "score"
  type: "InnerProduct"
  bottom: "{score}"
  top: "score"
  inner_product_param {{ num_output: 5 weight_filler {{ type: "xavier" }} }}
}}
layer {{
  name: "loss"
  type: "SoftmaxWithLoss"
  bottom: "score"
  bottom: "label"
  top: "loss"
}}
"""


def layer(name: str, type_: str, bottom: str, top: str, *fields: str) -> str:
    """One layer block."""
    lines = [f'name: "{name}"', f'type: "{type_}"', f'bottom: "{bottom}"', f'top: "{top}"', *fields]
    return "layer {\n" + "".join(f"  {line}\n" for line in lines) + "}\n"


def conv(bottom: str, top: str, filler: str = 'type: "msra"', outputs: int = 8, more: str = "") -> str:
    """A 3x3 convolution that keeps the size."""
    fields = f"num_output: {outputs} kernel_size: 3 pad: 1 weight_filler {{ {filler} }}{more}"
    return layer(top, "Convolution", bottom, top, f"convolution_param {{ {fields} }}")
