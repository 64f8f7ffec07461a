"""RNN, LSTM and its unit. Inputs are (T, N, ...): time first."""

from __future__ import annotations

from prototxt_net.file import LayerDef
from prototxt_net.layers.base import Context, LayerType, layer, whole
from prototxt_net.layers.fillers import filled
from prototxt_net.layers.sizes import count
from prototxt_net.shape import Dim, Sym, product, same, same_shape, text

P = "recurrent_param"
_TIME_FIRST = "Recurrent layers take (T, N, ...) with the time first."


class _Recurrent(LayerType):
    """An inner net unrolled over time. states: exposed states; gates: rows of the weights for each output."""

    in_place = "forward-wrong"
    states = 1
    gates = 1

    def _exposed(self, layer: LayerDef) -> int:
        return self.states if layer.bound.sub(P).get("expose_hidden") else 0

    def bottom_count(self, layer: LayerDef) -> tuple[int, int | None]:
        """Input, continuation markers, an optional static input, and the first states when they are exposed."""
        extra = self._exposed(layer)
        return 2 + extra, 3 + extra

    def top_count(self, layer: LayerDef) -> tuple[int, int | None]:
        """The outputs, and the last states when they are exposed."""
        extra = self._exposed(layer)
        return 1 + extra, 1 + extra

    def set_up(self, s: Context) -> None:
        """Top (T, N, num_output); exposed states (1, N, num_output)."""
        s.macs(None)  # until the sizes are known
        outputs = whole(s.param(P), "num_output", 0)
        s.require(outputs > 0, "SHP005", f"{s.name} has no num_output; Caffe aborts. Set it.", f"{P}.num_output")
        exposed = self._exposed(s.layer)
        static = len(s.layer.bottoms) > 2 + exposed
        self._check(s, static)
        x, extra = s.bottom(0), s.bottom(2) if static else None
        self._weights(s, outputs, count(x, 2), count(extra, 1), static)
        if x is None:
            return
        time, samples = x[0], x[1]
        state = (1, samples, outputs)
        for index in range(exposed):
            given = s.bottom(2 + static + index)
            s.expect(
                same_shape(given, state),
                "SHP024",
                f"{s.name}: the first state {s.shown(2 + static + index)} must be "
                f"{text(state)}; Caffe aborts. Reshape it.",
                f"bottom.{2 + static + index}",
            )
        s.top((time, samples, outputs))
        for _ in range(exposed):
            s.top(state)
        s.macs(self._work(time, samples, outputs, count(x, 2), count(extra, 1) if static else 0))

    def _check(self, s: Context, static: bool) -> None:
        x, cont = s.bottom(0), s.bottom(1)
        s.require(
            None if x is None else len(x) >= 3 and 0 not in x[:2],
            "SHP024",
            f"{s.name}: its input {text(x)} needs at least 3 axes, T and N at least 1; Caffe aborts. {_TIME_FIRST}",
            "bottom.0",
        )
        s.require(
            None if cont is None else len(cont) == 2,
            "SHP024",
            f"{s.name}: the markers must be (T, N); Caffe aborts because of {s.shown(1)}. Reshape them.",
            "bottom.1",
        )
        if x is not None and cont is not None:
            s.require(
                False if False in (same(x[0], cont[0]), same(x[1], cont[1])) else None,
                "SHP024",
                f"{s.name}: input {text(x)} and markers {text(cont)} differ in T or N; Caffe aborts. {_TIME_FIRST}",
                "bottom.1",
            )
        extra = s.bottom(2)
        if static and x is not None and extra is not None:
            s.require(
                len(extra) >= 2 and same(x[1], extra[0]) is not False,
                "SHP024",
                f"{s.name}: the static input {text(extra)} must be (N, ...) with N = {x[1]} and at least 2 axes; Caffe "
                "aborts. Reshape it.",
                "bottom.2",
            )

    def _weights(self, s: Context, outputs: int, inputs: Dim | None, extra: Dim | None, static: bool) -> None:
        rows = self.gates * outputs
        weight, bias = f"{P}.weight_filler", f"{P}.bias_filler"
        filled(s, "weight", None if inputs is None else (rows, inputs), weight)
        filled(s, "bias", (rows,), bias)
        if static:
            filled(s, "weight", None if extra is None else (rows, extra), weight)
        filled(s, "weight", (rows, outputs), weight)

    def _work(self, time: Dim, samples: Dim, outputs: int, inputs: Dim | None, extra: Dim | None) -> Dim | None:
        """Multiplications of all inner products; None when a size is unknown."""
        if (
            isinstance(time, Sym)
            or isinstance(samples, Sym)
            or not isinstance(inputs, int)
            or not isinstance(extra, int)
        ):
            return None
        rows = self.gates * outputs
        return time * samples * rows * (inputs + outputs) + samples * rows * extra


@layer("LSTM")
class Lstm(_Recurrent):
    """Long short-term memory."""

    states = 2
    gates = 4
    summary = (
        "Long short-term memory over T steps: bottoms are x (T, N, ...), markers (T, N) that are 0 where a sequence "
        "begins, and optionally a static input. Blobs: input weights and bias (gates i, f, o, g), then recurrent "
        "weights."
    )
    formula = "c = f * c' + i * g; h = o * tanh(c)"


@layer("RNN")
class Rnn(_Recurrent):
    """A plain recurrent layer."""

    summary = (
        "A plain recurrent layer over T steps: bottoms are x (T, N, ...) and markers (T, N) that are 0 where a "
        "sequence begins."
    )
    formula = "h = tanh(W_hh h' + W_xh x + b_h); o = tanh(W_ho h + b_o)"

    def _weights(self, s: Context, outputs: int, inputs: Dim | None, extra: Dim | None, static: bool) -> None:
        super()._weights(s, outputs, inputs, extra, static)
        filled(s, "weight", (outputs, outputs), f"{P}.weight_filler")
        filled(s, "bias", (outputs,), f"{P}.bias_filler")

    def _work(self, time: Dim, samples: Dim, outputs: int, inputs: Dim | None, extra: Dim | None) -> Dim | None:
        work = super()._work(time, samples, outputs, inputs, extra)
        if not isinstance(work, int) or not isinstance(time, int) or not isinstance(samples, int):
            return None
        return work + time * samples * outputs * outputs


@layer("LSTMUnit")
class LstmUnit(LayerType):
    """One step of an LSTM, as the LSTM layer builds it inside."""

    bottoms = (3, 3)
    tops = (2, 2)
    in_place = "forward-wrong"
    summary = "One step of an LSTM: takes the last memory (1, N, D), the four gates (1, N, 4D) and the marker (1, N)."
    formula = "c = f * c' + i * g; h = o * tanh(c)"

    def set_up(self, s: Context) -> None:
        """C and h have the shape of the last memory."""
        memory, gates, cont = s.bottom(0), s.bottom(1), s.bottom(2)
        if memory is not None and gates is not None and cont is not None:
            fits = len(memory) == len(gates) == 3 and len(cont) == 2
            if fits:
                wanted = (1, memory[1], product((4, memory[2])))
                fits = same_shape(gates, wanted) is not False and same_shape(cont, (1, memory[1])) is not False
                fits = fits and same(memory[0], 1) is not False
            s.expect(
                fits,
                "SHP024",
                f"{s.name} needs (1, N, D), (1, N, 4D) and (1, N); Caffe aborts because of {text(memory)}, "
                f"{text(gates)} "
                f"and {text(cont)}. Reshape them.",
                "bottom",
            )
        s.top(memory)
        s.top(memory)
