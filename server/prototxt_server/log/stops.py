"""Where Caffe stops, and what it was doing: a log names the layer that it makes, hardly ever the one at fault."""

from __future__ import annotations

from collections import deque

from prototxt_server.log import lines
from prototxt_server.log.record import Abort, Recorder, Said
from prototxt_server.log.values import PassPhase, Place

LONGEST = 600
"""Characters of a message that are kept: one lists all layer types of the build."""
SAID = 8
_FAMILIES = ("CuDNN", "MKLDNN", "MKL", "BasePrefetching", "Base")
_PHASES: dict[bytes, PassPhase] = {b"InitTrainNet": "TRAIN", b"InitTestNets": "TEST"}


class Stops:
    """layer: the one that is being made, "" for none. made: whether the net stands. parser: protobuf's last words.

    tracing: whether a stack trace may follow.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self.layer = ""
        self.made = False
        self.parser: deque[Said] = deque(maxlen=SAID)
        self._phase: PassPhase = ""
        self.tracing = False

    def start(self) -> None:
        """A solver is set up, in this program or in a later one whose log was appended."""
        self._recorder.log.starts += 1
        self.layer, self.made, self._phase = "", False, ""
        self.parser.clear()
        self.tracing = False

    def making(self, phase: PassPhase) -> None:
        """A net of that phase begins."""
        self.layer, self.made, self._phase = "", False, phase

    def frame(self, type_: bytes | None, method: bytes) -> None:
        """A line of the stack trace; the innermost comes first."""
        abort = self._recorder.log.abort
        if abort is None:
            return
        if type_ is not None and not abort.method:
            # classes of an engine or of a family: CuDNNConvolutionLayer, BaseConvolutionLayer, BasePrefetchingDataLayer
            name = lines.text(type_)
            for prefix in _FAMILIES:
                name = name.removeprefix(prefix)
            abort.type, abort.method = name, lines.text(method)
        if method in _PHASES and not abort.phase:
            abort.phase = _PHASES[method]
        if method in (b"Step", b"ForwardFromTo", b"BackwardFromTo"):
            abort.made = True

    def at(self, message: bytes, place: Place, source: bytes = b"") -> None:
        """Caffe stops here. What a program says after its first such line only repeats it."""
        log = self._recorder.log
        before = log.abort
        if before is not None and before.start == log.starts:
            return
        phase = self._recorder.phase or self._phase if self.made else self._phase
        words = lines.text(message)[:LONGEST].strip()
        said = tuple(self.parser)
        self.tracing = True
        log.abort = Abort(words, self.layer, place, lines.text(source), self.made, phase, said, log.starts)
