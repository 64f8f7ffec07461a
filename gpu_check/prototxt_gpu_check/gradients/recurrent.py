"""Gradients of LSTM, RNN and LSTMUnit: backpropagation through time, on the host like their forward pass.

With expose_hidden the states share their values with bottoms and tops, but not their gradients: the initial states get
0 (measured), and what comes from the last ones is not read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from prototxt_gpu_check.layers.base import Gradient, gradient
from prototxt_gpu_check.layers.recurrent import Host, host, projected, sigmoid, states


def _diffs(g: Gradient) -> list[Host]:
    return [host(g.step, dy) for dy in g.diffs]


@dataclass(slots=True)
class _Unit:
    """One step of LSTMUnit, and its gradient (lstm_unit_layer.cpp)."""

    i: Host
    f: Host
    o: Host
    candidate: Host
    before: Host
    c: Host

    @classmethod
    def of(cls, c: Host, gates: Host, cont: Host) -> _Unit:
        """gates: (..., 4D) in the order input, forget, output, candidate."""
        i, f, o, candidate = np.split(gates, 4, axis=-1)
        forget = np.where(cont[..., None] == 0, np.float32(0), cont[..., None] * sigmoid(f))
        unit = cls(sigmoid(i), forget, sigmoid(o), np.tanh(candidate), c, c)
        unit.c = unit.f * c + unit.i * unit.candidate
        return unit

    @property
    def h(self) -> Host:
        """The output."""
        return np.asarray(self.o * np.tanh(self.c))

    def back(self, dc: Host, dh: Host) -> tuple[Host, Host]:
        """Gradients of the cell before and of the gates."""
        squashed = np.tanh(self.c)
        inner = dc + dh * self.o * (1 - squashed * squashed)
        gates = [
            inner * self.candidate * self.i * (1 - self.i),
            inner * self.before * self.f * (1 - self.f),
            dh * squashed * self.o * (1 - self.o),
            inner * self.i * (1 - self.candidate * self.candidate),
        ]
        return np.asarray(inner * self.f), np.concatenate(gates, axis=-1)


@gradient("LSTM")
def lstm(g: Gradient) -> None:
    """Backwards through time."""
    s = g.step
    (h, c), static = states(s, 2)
    p = [host(s, blob) for blob in s.params]
    steps, recurrent, cont = (
        projected(s, p[0], p[1], static, p[2] if static is not None else None),
        p[-1],
        host(s, s.bottoms[1]),
    )
    units: list[_Unit] = []
    hidden: list[Host] = []
    for t, step in enumerate(steps):
        carried = cont[t][:, None] * h
        unit = _Unit.of(c, step + carried @ recurrent.T, cont[t])
        units.append(unit)
        hidden.append(carried)
        h, c = unit.h, unit.c
    dys = _diffs(g)
    dh, dc = np.zeros_like(h), np.zeros_like(c)
    gates = np.zeros_like(steps)
    learned = np.zeros_like(recurrent)
    for t in reversed(range(len(steps))):
        dc, gates[t] = units[t].back(dc, dh + dys[0][t])
        learned += gates[t].T @ hidden[t]
        dh = cont[t][:, None] * (gates[t] @ recurrent)
    g.params[len(p) - 1] = s.backend.asarray(learned)
    _inputs(g, gates, p[0], static, p[2] if static is not None else None)


@gradient("RNN")
def rnn(g: Gradient) -> None:
    """Backwards through time and through the tanh of each output."""
    s = g.step
    (h,), static = states(s, 1)
    p = [host(s, blob) for blob in s.params]
    steps, cont = projected(s, p[0], p[1], static, p[2] if static is not None else None), host(s, s.bottoms[1])
    recurrent, out_weight, out_bias = p[-3:]
    carried: list[Host] = []
    hidden: list[Host] = []
    for t, step in enumerate(steps):
        carried.append(cont[t][:, None] * h)
        h = np.tanh(step + carried[t] @ recurrent.T)
        hidden.append(h)
    dys = _diffs(g)
    dh = np.zeros_like(h)
    inner = np.zeros_like(steps)
    learned, out_learned, bias_learned = (np.zeros_like(a) for a in (recurrent, out_weight, out_bias))
    for t in reversed(range(len(steps))):
        y = np.tanh(hidden[t] @ out_weight.T + out_bias)
        outer = dys[0][t] * (1 - y * y)
        out_learned += outer.T @ hidden[t]
        bias_learned += outer.sum(axis=0)
        inner[t] = (dh + outer @ out_weight) * (1 - hidden[t] * hidden[t])
        learned += inner[t].T @ carried[t]
        dh = cont[t][:, None] * (inner[t] @ recurrent)
    for index, found in zip(range(len(p) - 3, len(p)), (learned, out_learned, bias_learned), strict=True):
        g.params[index] = s.backend.asarray(found)
    _inputs(g, inner, p[0], static, p[2] if static is not None else None)


def _inputs(g: Gradient, rows: Host, weight: Host, static: Host | None, static_weight: Host | None) -> None:
    """From the gradients (T, N, rows) of W*x_t + b + W_s*static: W, b, x, W_s and the static input."""
    asarray = g.backend.asarray
    flat = rows.reshape(-1, rows.shape[2])
    x = host(g.step, g.x).reshape(len(flat), -1)
    g.params[0], g.params[1] = asarray(flat.T @ x), asarray(flat.sum(axis=0))
    g.bottoms[0] = asarray((flat @ weight).reshape(g.x.shape))
    if static is not None and static_weight is not None:
        total = rows.sum(axis=0)
        g.params[2] = asarray(total.T @ static.reshape(len(static), -1))
        g.bottoms[2] = asarray((total @ static_weight).reshape(static.shape))


@gradient("LSTMUnit")
def lstm_unit(g: Gradient) -> None:
    """One step: tops c and h, bottoms c, gates, cont."""
    c, gates, cont = (host(g.step, x) for x in g.step.bottoms)
    dc, dh = _diffs(g)
    before, into = _Unit.of(c, gates, cont.reshape(c.shape[:2])).back(dc, dh)
    g.bottoms[0], g.bottoms[1] = g.backend.asarray(before), g.backend.asarray(into)
