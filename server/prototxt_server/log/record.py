"""A log as it is read: numbers are gathered into passes, passes that matter are kept, everything else is forgotten.

What is kept does not grow with the log: the first pass of each kind, the passes in which something new went wrong with
the one before it, the last one, and a thinned-out series of each number.
"""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass, field

from prototxt_server.log.tracks import Track
from prototxt_server.log.values import LayerValues, Norms, Pass, PassPhase, Place, Slot, Value, place

SAMPLES = 256
"""At most so many sampled passes a phase; every second one is dropped when they are full."""
MANY_ZEROS = 8
"""At most so many passes are kept because a top became 0 that was not."""
LARGE, GROWTH = 1e6, 1e4
"""A top above the first, or so many times the first top of its pass (the data), marks a pass (as DYN010 does)."""
GRADIENT = 100.0
"""A gradient this many times the weights (L2 norms) marks a pass (the threshold of DYN031)."""
KEYS = 50_000
"""More different numbers than any net prints: beyond them lines are ignored, so that no text fills the memory."""


@dataclass(slots=True, eq=False)
class Block:
    """A piece of the log. row: the 0-based row in which it begins."""

    data: bytes
    row: int
    _at: int = 0
    _rows: int = 0

    def place(self, start: int, end: int) -> Place:
        """The place of data[start:end]. Places are mostly asked for in their order, so lines are counted once."""
        if start < self._at:
            self._at = self._rows = 0
        self._rows += self.data.count(b"\n", self._at, start)
        self._at = start
        return place(self.row + self._rows, self.data, start, end)


Raw = tuple[Slot, float, Block, int, int]
"""slot, number, the block it was read from, where the number starts and ends in it."""
Facts = tuple[int, PassPhase, int | None, Norms | None]
"""Of a pass: its number, phase, iteration, norms."""


@dataclass(slots=True)
class Samples:
    """The passes of one phase from which numbers were kept. iterations: of each of them."""

    iterations: list[int] = field(default_factory=list)
    stride: int = 1
    seen: int = 0


@dataclass(slots=True, frozen=True)
class Said:
    """What protobuf's parser printed. line, column: 1-based, of the file it read; columns count bytes.

    kind: the message type it read, such as "NetParameter".
    """

    kind: str
    line: int
    column: int
    message: str
    place: Place


@dataclass(slots=True)
class Abort:
    """Where Caffe stopped. layer: the one it was making, "" when it was making none. source: file:line of Caffe.

    made: whether the net stood already, so that it stopped while it ran. phase: of the net it was making or running.
    parser: what protobuf had printed before. start: how many solvers had been set up in the log by then. type, method:
    of the innermost layer in the stack trace.
    """

    message: str
    layer: str
    place: Place
    source: str = ""
    made: bool = False
    phase: PassPhase = ""
    parser: tuple[Said, ...] = ()
    start: int = 0
    type: str = ""
    method: str = ""


@dataclass(slots=True)
class Log:
    """What was read. Rows are 0-based. passes: those that were kept, in order.

    sources: where the numbers come from, such as {"top": ("net.cpp", 638)}. arrows: the layout of NVIDIA 0.16.
    net_text, net_row: the net as Caffe printed it, or as somebody pasted it beside the log, and the row of the log in
    which it begins. types: layer types.
    solver: fields of the solver as the log prints them. needs_backward: what Caffe said of each layer. made: the layers
    that it began to make.
    runs: how many times an optimisation began. starts: how many times a solver was set up. rows: rows read.
    debug_lines: how many numbers of debug_info.
    """

    passes: list[Pass] = field(default_factory=list)
    slots: list[Slot] = field(default_factory=list)
    samples: dict[PassPhase, Samples] = field(default_factory=dict)
    loss: Track = field(default_factory=lambda: Track("loss"))
    lr: Track = field(default_factory=lambda: Track("lr"))
    train: dict[str, Track] = field(default_factory=dict)
    test: dict[str, Track] = field(default_factory=dict)
    sources: dict[str, tuple[str, int]] = field(default_factory=dict)
    arrows: bool = False
    updates: int = 0
    net_text: str = ""
    net_row: int = 0
    types: dict[str, str] = field(default_factory=dict)
    solver: dict[str, str] = field(default_factory=dict)
    solver_place: Place | None = None
    needs_backward: dict[str, bool] = field(default_factory=dict)
    made: dict[str, None] = field(default_factory=dict)
    outputs: dict[str, None] = field(default_factory=dict)
    abort: Abort | None = None
    weights: str = ""
    runs: int = 0
    starts: int = 0
    finished: bool = False
    rows: int = 0
    size: int = 0
    debug_lines: int = 0
    pass_count: int = 0
    last_iteration: int | None = None
    test_at: dict[int, None] = field(default_factory=dict)


class Recorder:
    """Takes what the reader finds, in order, and fills a Log."""

    def __init__(self) -> None:
        self.log = Log()
        self.phase: PassPhase = ""
        self.testing: int | None = None
        self.current: dict[Slot, Raw] = {}
        self.backward = False
        self._norms: Norms | None = None
        self._before: list[Raw] = []
        self._before_facts: Facts = (0, "", None, None)
        self._backward: tuple[list[Raw], Facts] | None = None
        self._zeros: set[Slot] = set()
        self._zero_passes = 0
        self._unnamed: list[Pass] = []
        self._kinds: set[str] = set()

    # -- debug_info ------------------------------------------------------------------------------------------------
    def value(self, slot: Slot, number: float, block: Block, start: int, end: int) -> None:
        """One number of debug_info."""
        if slot in self.current or (self.backward and not slot.diff):
            self.end_pass()
        if slot.diff:
            self.backward = True
        self.current[slot] = (slot, number, block, start, end)

    def norms(self, norms: Norms) -> None:
        """The line that closes a backward pass; a log that begins with it shows nothing of that pass."""
        if self.current:
            self._norms = norms
            self.backward = True

    def end_pass(self) -> None:
        """The numbers so far are one pass."""
        if not self.current:
            return
        current, norms = list(self.current.values()), self._norms
        backward = self.backward
        self.current, self.backward, self._norms = {}, False, None
        phase: PassPhase = "TRAIN" if backward else self.phase
        iteration = self.testing if phase == "TEST" else None
        number = self.log.pass_count
        self.log.pass_count += 1
        self.log.debug_lines += len(current)
        self._sample(phase, current)
        reasons = self._reasons(phase, current, norms, backward)
        if reasons - {"first"} and self._before and not any(p.number == number - 1 for p in self.log.passes[-2:]):
            self._keep(self._before_facts, self._before, {"before"})
        facts: Facts = (number, phase, iteration, norms)
        if reasons:
            self._keep(facts, current, reasons)
        self._before, self._before_facts = current, facts
        if backward:
            self._backward = current, facts

    def _reasons(self, phase: PassPhase, current: list[Raw], norms: Norms | None, backward: bool) -> set[str]:
        reasons = set()
        kind = f"{phase}{' backward' if backward else ''}{self.log.runs}"
        if kind not in self._kinds:
            self._kinds.add(kind)
            reasons.add("first")
        zeros = {slot for slot, number, *_ in current if number == 0.0 and slot.part == "top"}
        if zeros - self._zeros and self._zero_passes < MANY_ZEROS:
            self._zero_passes += 1
            reasons.add("zero")
        self._zeros |= zeros
        marks = {
            "nonfinite": any(not math.isfinite(number) for _, number, *_ in current),
            "large": _grows(current),
            "gradient": norms is not None and norms.l2_diff > GRADIENT * norms.l2_data,
        }
        new = {name for name, holds in marks.items() if holds} - self._kinds
        self._kinds |= new
        reasons |= new
        return reasons

    def _keep(self, facts: Facts, raw: list[Raw], reasons: set[str]) -> None:
        number, phase, iteration, norms = facts
        layers: dict[str, LayerValues] = {}
        for slot, figure, block, start, end in raw:
            layer = layers.setdefault(slot.layer, LayerValues(slot.layer))
            value = Value(figure, block.place(start, end))
            if slot.part == "top":
                layer.tops[slot.blob] = value
            elif slot.part == "bottom":
                layer.bottom_diffs[slot.blob] = value
            elif slot.diff:
                layer.param_diffs[slot.blob] = value
            else:
                layer.params[slot.blob] = value
        kept = Pass(number, phase, iteration, layers, norms, reasons, self.log.runs)
        self.log.passes.append(kept)
        if iteration is None:
            self._unnamed.append(kept)

    def _sample(self, phase: PassPhase, current: list[Raw]) -> None:
        samples = self.log.samples.setdefault(phase, Samples())
        samples.seen += 1
        if (samples.seen - 1) % samples.stride:
            return
        if len(samples.iterations) >= SAMPLES:
            samples.stride *= 2
            samples.iterations = samples.iterations[::2]
            for slot in self.log.slots:
                if phase in slot.samples:
                    slot.samples[phase] = slot.samples[phase][::2]
            if (samples.seen - 1) % samples.stride:
                return
        index = len(samples.iterations)
        samples.iterations.append(-1)
        for slot, number, *_ in current:
            series = slot.samples.get(phase)
            if series is None:
                series = slot.samples[phase] = array("d")
            while len(series) < index:
                series.append(math.nan)
            series.append(number)

    # -- the rest --------------------------------------------------------------------------------------------------
    def iteration(self, number: int) -> None:
        """A line that names the iteration of what was printed before it."""
        self.end_pass()
        for kept in self._unnamed:
            kept.iteration = number
            kept.phase = kept.phase or "TRAIN"
        self._unnamed.clear()
        if self._before and self._before_facts[2] is None:
            self._before_facts = _named(self._before_facts, number)
        if self._backward is not None and self._backward[1][2] is None:
            self._backward = self._backward[0], _named(self._backward[1], number)
        for samples in self.log.samples.values():
            for i in range(len(samples.iterations) - 1, -1, -1):
                if samples.iterations[i] >= 0:
                    break
                samples.iterations[i] = number
        self.log.last_iteration = number
        self.phase, self.testing = "TRAIN", None

    def test(self, number: int) -> None:
        """A test begins."""
        self.end_pass()
        self.phase, self.testing = "TEST", number
        if len(self.log.test_at) < 4:
            self.log.test_at.setdefault(number)

    def start(self) -> None:
        """An optimisation begins."""
        self.end_pass()
        self.log.runs += 1
        self.phase, self.testing = "", None

    def end(self) -> None:
        """The log ends: its last pass is kept, samples without a number get the last one."""
        self.end_pass()
        for raw, facts in ((self._before, self._before_facts), self._backward or ([], self._before_facts)):
            if raw and not any(p.number == facts[0] for p in self.log.passes):
                self._keep(facts, raw, {"last"})
        last = self.log.last_iteration
        for samples in self.log.samples.values():
            samples.iterations = [i if i >= 0 else (last + 1 if last is not None else 0) for i in samples.iterations]
        self.log.passes.sort(key=lambda kept: kept.number)
        self._before, self._backward = [], None


def _named(facts: Facts, iteration: int) -> Facts:
    return facts[0], facts[1], iteration, facts[3]


def _grows(current: list[Raw]) -> bool:
    slot, first, *_ = current[0]
    limit = min(LARGE, GROWTH * first) if slot.part == "top" and first > 0 else LARGE
    return any(number > limit for slot, number, *_ in current if slot.part == "top")
