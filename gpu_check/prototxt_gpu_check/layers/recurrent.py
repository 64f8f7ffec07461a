"""LSTM, RNN and LSTMUnit, unrolled over time on the host: few small steps, which a device would only wait between."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from prototxt_gpu_check.backend import Array
from prototxt_gpu_check.layers.base import Step, runs

Host = npt.NDArray[np.float32]


def host(s: Step, x: Array) -> Host:
    """An array in host memory."""
    return np.asarray(s.backend.to_host(s.backend.contiguous(x)), np.float32)


def sigmoid(x: Host) -> Host:
    """The logistic function as Caffe writes it."""
    return np.asarray(np.float32(0.5) * np.tanh(np.float32(0.5) * x) + np.float32(0.5))


def states(s: Step, count: int) -> tuple[list[Host], Host | None]:
    """The initial states (zeros unless they are bottoms) and the static input."""
    exposed = count if s.param("recurrent_param").get("expose_hidden") else 0
    bottoms = [host(s, x) for x in s.bottoms]
    given = bottoms[len(bottoms) - exposed :] if exposed else []
    static = bottoms[2] if len(bottoms) > 2 + exposed else None
    samples, outputs = s.tops[0][1], s.tops[0][2]
    zero = np.zeros((samples, outputs), np.float32)
    return [g[0] for g in given] or [zero] * count, static


def projected(s: Step, weight: Host, bias: Host, static: Host | None, static_weight: Host | None) -> Host:
    """W*x_t + b for all times (T, N, rows), with the static input's share."""
    x = host(s, s.bottoms[0])
    flat = x.reshape(x.shape[0], x.shape[1], -1) @ weight.T + bias
    if static is not None and static_weight is not None:
        flat = flat + static.reshape(static.shape[0], -1) @ static_weight.T
    return np.asarray(flat, np.float32)


def _unit(c: Host, gates: Host, cont: Host) -> tuple[Host, Host]:
    """LSTMUnit: gates in the order input, forget, output, candidate; where cont is 0 nothing is remembered."""
    i, f, o, g = np.split(gates, 4, axis=-1)
    forget = np.where(cont[..., None] == 0, np.float32(0), cont[..., None] * sigmoid(f))
    c = forget * c + sigmoid(i) * np.tanh(g)
    return c, sigmoid(o) * np.tanh(c)


@runs("LSTM")
def lstm(s: Step) -> Sequence[Array]:
    """h_T and c_T follow the outputs when expose_hidden is set."""
    p = [host(s, blob) for blob in s.params]
    (h, c), static = states(s, 2)
    steps = projected(s, p[0], p[1], static, p[2] if static is not None else None)
    recurrent, cont = p[-1], host(s, s.bottoms[1])
    outputs = []
    for t, step in enumerate(steps):
        c, h = _unit(c, step + (cont[t][:, None] * h) @ recurrent.T, cont[t])
        outputs.append(h)
    tops = [np.stack(outputs), h[None], c[None]]
    return [s.backend.asarray(top) for top in tops[: len(s.tops)]]


@runs("RNN")
def rnn(s: Step) -> Sequence[Array]:
    """h_t = tanh(W_hh*(cont*h) + W_xh*x + b), o_t = tanh(W_ho*h_t + b_o); h_T follows when expose_hidden is set."""
    p = [host(s, blob) for blob in s.params]
    (h,), static = states(s, 1)
    steps = projected(s, p[0], p[1], static, p[2] if static is not None else None)
    recurrent, out_weight, out_bias = p[-3:]
    cont = host(s, s.bottoms[1])
    outputs = []
    for t, step in enumerate(steps):
        h = np.tanh(step + (cont[t][:, None] * h) @ recurrent.T)
        outputs.append(np.tanh(h @ out_weight.T + out_bias))
    tops = [np.stack(outputs), h[None]]
    return [s.backend.asarray(top) for top in tops[: len(s.tops)]]


@runs("LSTMUnit")
def lstm_unit(s: Step) -> Sequence[Array]:
    """One step: bottoms c (1, N, D), gates (1, N, 4D), cont (1, N); tops c and h."""
    c, gates, cont = (host(s, x) for x in s.bottoms)
    new_c, h = _unit(c, gates, cont.reshape(c.shape[:2]))
    return [s.backend.asarray(new_c), s.backend.asarray(h)]
