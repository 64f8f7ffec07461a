"""The same net in PyTorch, op by op, as a peer for `forward.py`: blobs by name, the weights of a caffemodel.

Knows the layers of AlexNet, GoogLeNet, ResNet and MobileNet deploy nets. Sizes are Caffe's: pooling rounds up, and the
windows that this adds are cut as Caffe cuts them (`ceil_mode`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from prototxt_net.net import Node, PhaseNet

Blobs = dict[str, Any]


def runner(net: PhaseNet, weights: dict[str, list[np.ndarray]]) -> Callable[[np.ndarray], np.ndarray] | None:
    """A function from the input (N, C, H, W) to the last output; None without PyTorch. Raises KeyError for a layer
    type that is not known here.
    """
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(1)
    steps = [
        (node, _OPS[node.type](node, [torch.from_numpy(np.ascontiguousarray(w)) for w in weights.get(node.name, [])]))
        for node in net.nodes
        if node.type not in ("Input", "Dropout")
    ]
    aliases = {node.tops[0].name: node.bottoms[0].name for node in net.nodes if node.type == "Dropout"}
    source = next(node.tops[0].name for node in net.nodes if not node.bottoms)

    def run(x: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            blobs: Blobs = {source: torch.from_numpy(x)}
            for node, op in steps:
                bottoms = [blobs[aliases.get(blob.name, blob.name)] for blob in node.bottoms if blob is not None]
                y = blobs[node.tops[0].name] = op(*bottoms)
            return y.numpy()

    return run


def _pair(message: Any, name: str, default: int) -> tuple[int, int]:
    """The height and width of a size: `<name>_h` and `<name>_w`, else `<name>` or `<name>_size`."""
    if message.has(f"{name}_h"):
        return int(message.get(f"{name}_h")), int(message.get(f"{name}_w"))
    field = f"{name}_size" if name == "kernel" else name
    values = message.all(field)
    return (int(values[0]), int(values[-1])) if values else (default, default)


def _convolution(node: Node, w: list[Any]) -> Callable[..., Any]:
    from torch.nn import functional as F

    p = node.param("convolution_param")
    stride, pad, dilation = _pair(p, "stride", 1), _pair(p, "pad", 0), _pair(p, "dilation", 1)
    bias = w[1] if len(w) > 1 else None
    return lambda x: F.conv2d(x, w[0], bias, stride, pad, dilation, p.get("group"))


def _inner_product(node: Node, w: list[Any]) -> Callable[..., Any]:
    from torch.nn import functional as F

    return lambda x: F.linear(x.flatten(1), w[0], w[1] if len(w) > 1 else None)


def _pooling(node: Node, w: list[Any]) -> Callable[..., Any]:
    from torch.nn import functional as F

    p = node.param("pooling_param")
    pool = F.avg_pool2d if p.get("pool") == "AVE" else F.max_pool2d
    if p.get("global_pooling"):
        return lambda x: pool(x, x.shape[2:])
    kernel, stride, pad = _pair(p, "kernel", 1), _pair(p, "stride", 1), _pair(p, "pad", 0)
    return lambda x: pool(x, kernel, stride, pad, ceil_mode=True)


def _lrn(node: Node, w: list[Any]) -> Callable[..., Any]:
    from torch.nn import functional as F

    p = node.param("lrn_param")
    return lambda x: F.local_response_norm(x, p.get("local_size"), p.get("alpha"), p.get("beta"), p.get("k"))


def _batch_norm(node: Node, w: list[Any]) -> Callable[..., Any]:
    from torch.nn import functional as F

    factor = float(w[2][0])
    mean, variance = w[0] / factor, w[1] / factor
    eps = node.param("batch_norm_param").get("eps")
    return lambda x: F.batch_norm(x, mean, variance, eps=eps)


def _scale(node: Node, w: list[Any]) -> Callable[..., Any]:
    import torch

    gamma, beta = (v.reshape(-1, 1, 1) for v in (w if len(w) > 1 else [w[0], torch.zeros_like(w[0])]))
    return lambda x: torch.addcmul(beta, x, gamma)


def _plain(name: str) -> Callable[[Node, list[Any]], Callable[..., Any]]:
    def make(node: Node, w: list[Any]) -> Callable[..., Any]:
        import torch

        ops: dict[str, Callable[..., Any]] = {
            "relu": torch.relu_ if any(node.in_place) else torch.relu,
            "softmax": lambda x: torch.softmax(x, 1),
            "concat": lambda *xs: torch.cat(xs, 1),
            "add": lambda a, b: a + b,
        }
        return ops[name]

    return make


_OPS: dict[str, Callable[[Node, list[Any]], Callable[..., Any]]] = {
    "Convolution": _convolution,
    "InnerProduct": _inner_product,
    "Pooling": _pooling,
    "LRN": _lrn,
    "BatchNorm": _batch_norm,
    "Scale": _scale,
    "ReLU": _plain("relu"),
    "Softmax": _plain("softmax"),
    "Concat": _plain("concat"),
    "Eltwise": _plain("add"),
}
