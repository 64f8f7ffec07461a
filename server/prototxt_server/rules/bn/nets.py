"""Layers in the usual layout, for the examples of rules: each function gives the text of one `layer { }` block."""

from __future__ import annotations

from functools import cache

STAT = "param { lr_mult: 0 decay_mult: 0 }"


@cache  # the same few blocks make up most examples, and all are made at every start
def layer(type_: str, name: str, bottom: str, top: str, *lines: str) -> str:
    """One block; several bottoms or tops are separated by blanks; `lines` are further fields."""
    body = [f'name: "{name}"', f'type: "{type_}"']
    body += [f'bottom: "{blob}"' for blob in bottom.split()]
    body += [f'top: "{blob}"' for blob in top.split()]
    text = "\n".join(f"  {part}" for line in (*body, *lines) for part in line.splitlines())
    return "layer {\n" + text + "\n}\n"


@cache
def data(*lines: str) -> str:
    """A Data layer, so that nobody knows the image size."""
    return layer("Data", "data", "", "data label", 'data_param { source: "train_lmdb" batch_size: 64 }', *lines)


def image(*dims: int) -> str:
    """An Input layer with blob `data`."""
    shape = " ".join(f"dim: {dim}" for dim in dims or (2, 3, 8, 8))
    return layer("Input", "data", "", "data", f"input_param {{ shape {{ {shape} }} }}")


def legacy(*dims: int) -> str:
    """The same for Caffes without an Input layer."""
    return 'input: "data"\n' + "".join(f"input_dim: {dim}\n" for dim in dims or (2, 3, 8, 8))


def conv(name: str, bottom: str, *lines: str, bias: bool = False, filler: str = 'type: "msra"') -> str:
    """A 3x3 convolution to 8 channels."""
    own = "" if bias else "bias_term: false "
    weight = f"weight_filler {{ {filler} }} " if filler else ""
    param = f"convolution_param {{ num_output: 8 kernel_size: 3 pad: 1 {own}{weight}}}"
    return layer("Convolution", name, bottom, name, *lines, param)


def bn(name: str, blob: str, *lines: str, top: str = "", type_: str = "BatchNorm") -> str:
    """A BatchNorm, in place unless `top` is given."""
    return layer(type_, name, blob, top or blob, *lines)


def scale(name: str, blob: str, *lines: str, top: str = "", param: str = "bias_term: true") -> str:
    """A Scale with bias, in place unless `top` is given."""
    return layer("Scale", name, blob, top or blob, *lines, f"scale_param {{ {param} }}")


def relu(name: str, blob: str) -> str:
    """A ReLU in place."""
    return layer("ReLU", name, blob, blob)


def ip(name: str, bottom: str, *lines: str, filler: str = 'type: "xavier"') -> str:
    """An InnerProduct to 10 classes."""
    weight = f"weight_filler {{ {filler} }} " if filler else ""
    return layer("InnerProduct", name, bottom, name, *lines, f"inner_product_param {{ num_output: 10 {weight}}}")


def loss(bottom: str, *lines: str) -> str:
    """SoftmaxWithLoss against `label`."""
    return layer("SoftmaxWithLoss", "loss", f"{bottom} label", "loss", *lines)


@cache
def block(*norm_lines: str, conv_lines: tuple[str, ...] = (), scale_lines: tuple[str, ...] = ()) -> str:
    """conv1, bn1, scale1 and relu1 on blob `conv1`."""
    return (
        conv("conv1", "data", *conv_lines)
        + bn("bn1", "conv1", *norm_lines)
        + scale("scale1", "conv1", *scale_lines)
        + relu("relu1", "conv1")
    )


@cache
def trained(*norm_lines: str, conv_lines: tuple[str, ...] = (), scale_lines: tuple[str, ...] = ()) -> str:
    """A small training net: Data, `block`, a classifier and a loss."""
    return data() + block(*norm_lines, conv_lines=conv_lines, scale_lines=scale_lines) + ip("fc", "conv1") + loss("fc")
