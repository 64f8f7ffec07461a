"""From a stream of bytes to a Log: blocks of some megabytes are searched as a whole, never line by line."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from prototxt_server.log import lines, pasted
from prototxt_server.log.record import KEYS, Block, Log, Recorder, Said
from prototxt_server.log.stops import Stops
from prototxt_server.log.tracks import Point, Track
from prototxt_server.log.values import Norms, Place, Slot

BLOCK = 1 << 20
LONGEST_LINE = 4 << 20
NET_TEXT = 16 << 20
TYPES = 20_000
TRACKS = 200
SHOWN = 120
_BOMS = ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_NEEDS = re.compile(rb"(\S+) (needs|does not need)$")


def read(stream: BinaryIO, progress: Callable[[int], None] | None = None) -> Log:
    """Read a log to its end. progress: told how many bytes have been read. No text raises; memory does not grow."""
    scanner = Scanner()
    size = 0
    for block in _blocks(stream):
        size += len(block)
        scanner.block(block)
        if progress is not None:
            progress(size)
    scanner.end()
    scanner.recorder.log.size = size
    return scanner.recorder.log


def read_text(text: str) -> Log:
    """The same for text that is in memory."""
    return read(io.BytesIO(text.encode("utf-8", "replace")))


def _blocks(stream: BinaryIO) -> Iterator[bytes]:
    """Blocks that end at a line end; UTF-16, which a redirection on Windows writes, becomes UTF-8."""
    first = stream.read(BLOCK)
    encoding = next((name for mark, name in _BOMS if first.startswith(mark)), None)
    decoder = codecs.getincrementaldecoder(encoding)("replace") if encoding else None
    rest = b""
    data = first
    while data:
        if decoder is not None:
            data = decoder.decode(data).encode("utf-8", "replace")
        data = rest + data
        cut = data.rfind(b"\n") + 1
        if not cut and len(data) > LONGEST_LINE:
            cut = data.rfind(b" ") + 1 or len(data)
        if cut:
            yield data[:cut]
        rest = data[cut:]
        data = stream.read(BLOCK)
    if rest:
        yield rest


@dataclass(slots=True)
class Printed:
    """A net as Caffe prints it. row: of the log, in which it begins."""

    row: int
    pieces: list[bytes] = field(default_factory=list)
    size: int = 0


class Scanner:
    """Finds what the expressions of `lines` describe, in order, and hands it to a Recorder."""

    def __init__(self) -> None:
        self.recorder = Recorder()
        self._slots: dict[bytes, Slot | None] = {}
        self._named: dict[tuple[str, str, str, bool], Slot] = {}
        self._arrow_layer: bytes = b""
        self._piece = Block(b"", 0)
        self._row = self._counted = 0
        self._capturing = False
        self._nets: list[Printed] = []
        self._stops = Stops(self.recorder)
        self._thread = b""
        self._whole: list[bytes] = []
        self._size = 0

    def block(self, block: bytes) -> None:
        """Search one block."""
        self._piece = Block(block, self._piece.row + self._piece.data.count(b"\n"))
        self._row, self._counted = self._piece.row, 0
        self._size += len(block)
        if self._size <= pasted.LARGEST:
            self._whole.append(block)
        elif self._whole:
            self._whole.clear()
        if self._capturing:
            self._capture(block, 0)
        marks = sorted(
            ((found.start(), kind, found) for kind, pattern in lines.MARKERS for found in pattern.finditer(block)),
            key=lambda mark: mark[0],
        )
        debug, arrows = b"ward] Layer " in block, b" blob " in block and b"-> " in block
        at = 0
        for start, kind, found in marks:
            if debug:
                self._debug(block, at, start)
            if arrows:
                self._arrows(block, at, start)
            getattr(self, f"_on_{kind}")(block, found)
            at = start
        if debug:
            self._debug(block, at, len(block))
        if arrows:
            self._arrows(block, at, len(block))
        if self._stops.tracing:
            for frame in lines.FRAME.finditer(block):
                self._stops.frame(frame[1], frame[2])
        types = self.recorder.log.types
        if len(types) < TYPES and b"type:" in block:
            for head in lines.LAYER_HEAD.finditer(block):
                types.setdefault(lines.text(head[1]), lines.text(head[2]))

    def end(self) -> None:
        """The stream has ended."""
        log = self.recorder.log
        self.recorder.end()
        if self._nets:
            stopped = log.abort is not None and not log.abort.made and log.abort.start == log.starts
            net = self._nets[-1 if stopped else 0]  # Caffe stopped at the one that it printed last
            log.net_text, log.net_row = lines.text(b"".join(net.pieces)), net.row
        elif self._whole:
            log.net_text = pasted.layers(lines.text(b"".join(self._whole)))
        log.rows = self._piece.row + self._piece.data.count(b"\n") + 1
        log.slots = list(self._named.values())

    # -- debug_info ------------------------------------------------------------------------------------------------
    def _debug(self, block: bytes, start: int, end: int) -> None:
        recorder, slots, piece = self.recorder, self._slots, self._piece
        for found in lines.DEBUG.finditer(block, start, end):
            raw, figure = found.groups()
            slot = slots.get(raw)
            if slot is None:
                slot = self._slot(raw, block, found)
                if slot is None:
                    continue
            try:
                number = float(figure)
            except ValueError:
                number = lines.number(figure)
            # as Recorder.value does, without a call a line
            if slot in recorder.current or (recorder.backward and not slot.diff):
                recorder.end_pass()
            if slot.diff:
                recorder.backward = True
            recorder.current[slot] = (slot, number, piece, found.start(2), found.end(2))

    def _slot(self, raw: bytes, block: bytes, found: re.Match[bytes]) -> Slot | None:
        """The slot of a line that was not seen before; None for more of them than a net has."""
        if raw in self._slots or len(self._slots) >= KEYS:
            return None
        key = lines.key(raw)
        slot = None
        if key is not None:
            slot = self._named.get(key)
            if slot is None:
                layer, part, blob, diff = key
                slot = self._named[key] = Slot(layer, part, blob, diff)  # type: ignore[arg-type]  # of the expression
                self.recorder.log.slots.append(slot)
                self._source(part if not diff else f"{part} diff", block, found)
        self._slots[raw] = slot
        return slot

    def _source(self, kind: str, block: bytes, found: re.Match[bytes]) -> None:
        """Which line of which file of Caffe prints this kind of number, and which thread prints the layers."""
        if kind in self.recorder.log.sources:
            return
        said = self._printed_by(block, found)
        if said is not None:
            thread, name, line = said
            self.recorder.log.sources[kind] = (lines.text(name), int(line))
            if kind in ("top", "bottom diff"):
                self._thread = self._thread or thread

    def _printed_by(self, block: bytes, found: re.Match[bytes]) -> tuple[bytes, bytes, bytes] | None:
        """(thread, file, line) of the prefix before a find; None without one. A pasted line may hold several."""
        first = max(block.rfind(b"\n", 0, found.start()) + 1, found.start() - 200)
        said = lines.SOURCE.findall(block, first, found.start())
        return said[-1] if said else None

    def _arrows(self, block: bytes, start: int, end: int) -> None:
        for found in lines.ARROW.finditer(block, start, end):
            layer, what, kind, figure = found.groups()
            if layer is not None:
                self._arrow_layer = layer
                continue
            if not self._arrow_layer:
                continue  # the log begins in the middle of a layer
            raw = self._arrow_layer + b", " + what + b" " + kind.strip(b", ")
            slot = self._slots.get(raw) or self._slot(raw, block, found)
            if slot is not None:
                self.recorder.log.arrows = True
                self.recorder.value(slot, lines.number(figure), self._piece, found.start(4), found.end(4))

    # -- everything else -------------------------------------------------------------------------------------------
    def _point(self, iteration: int, block: bytes, found: re.Match[bytes], group: int) -> Point:
        """A number that a line of the solver prints. Called in the order of the block."""
        start, end = found.span(group)
        self._row += block.count(b"\n", self._counted, start)
        self._counted = start
        first = block.rfind(b"\n", 0, start) + 1
        last = block.find(b"\n", end)
        line = block[first : last if last >= 0 else len(block)]
        return Point(iteration, lines.number(found[group]), self._row, line, start - first, end - first)

    def _on_iteration(self, block: bytes, found: re.Match[bytes]) -> None:
        number = _iteration(found[1])
        if found[5] is not None:
            self._source("testing", block, found)
            self.recorder.test(number)
            return
        log = self.recorder.log
        track = log.loss if found[3] == b"loss" else log.lr
        if track is log.loss:
            self._source("iteration", block, found)
        if track is log.loss or self.recorder.phase != "TRAIN":
            self.recorder.iteration(number)
        track.add(self._point(number, block, found, 4))

    def _on_output(self, block: bytes, found: re.Match[bytes]) -> None:
        recorder = self.recorder
        test = block[max(0, found.start() - 5) : found.start()].endswith(b"Test")
        tracks = recorder.log.test if test else recorder.log.train
        self._source("test output" if test else "train output", block, found)
        name = lines.text(found[2])
        if name not in tracks:
            if len(tracks) >= TRACKS:
                return
            tracks[name] = Track(name, None if found[4] is None else lines.number(found[4]))
        if test:
            recorder.end_pass()
        at = recorder.testing if test else recorder.log.last_iteration
        at = at if at is not None else recorder.log.last_iteration or 0
        tracks[name].add(self._point(at, block, found, 3))

    def _on_norms(self, block: bytes, found: re.Match[bytes]) -> None:
        said = self._printed_by(block, found)
        if said is not None and self._thread and said[0] and said[0] != self._thread:
            return  # of another GPU, which prints no layers
        l1_data, l1_diff, l2_data, l2_diff = (lines.number(figure) for figure in found.groups())
        self.recorder.norms(Norms(l1_data, l1_diff, l2_data, l2_diff, self._piece.place(found.start(3), found.end(4))))

    def _on_update(self, block: bytes, found: re.Match[bytes]) -> None:
        self.recorder.log.updates += 1

    def _on_initializing(self, block: bytes, found: re.Match[bytes]) -> None:
        if found[1] == b"solver":
            self._stops.start()
            stop = lines.PREFIX.search(block, found.end(), found.end() + 8192)
            self._solver(block, found.end(), stop.start() if stop else found.end() + 8192)
            return
        del self._nets[1:]
        self._nets.append(Printed(self._piece.row + block.count(b"\n", 0, found.end()) + 1))
        line_end = block.find(b"\n", found.end())
        self._capturing = True
        self._capture(block, line_end + 1 if line_end >= 0 else len(block))

    def _capture(self, block: bytes, start: int) -> None:
        """Take the text of the net, which ends where the next line of the log begins."""
        stop = lines.PREFIX.search(block, start)
        net = self._nets[-1]
        net.pieces.append(block[start : stop.start() if stop else len(block)])
        net.size += len(net.pieces[-1])
        self._capturing = stop is None and net.size < NET_TEXT

    def _on_base_lr(self, block: bytes, found: re.Match[bytes]) -> None:
        self._solver(block, max(0, found.start() - 400), found.end() + 1200)

    def _solver(self, block: bytes, start: int, end: int) -> None:
        log = self.recorder.log
        for line in lines.SOLVER_FIELD.finditer(block, start, min(end, len(block))):
            log.solver.setdefault(lines.text(line[1]), lines.text(line[2]))
            if log.solver_place is None or line[1] == b"debug_info":
                log.solver_place = self._piece.place(line.start(), line.end())

    def _on_creating(self, block: bytes, found: re.Match[bytes]) -> None:
        if found[2] is not None:
            self._stops.making("TRAIN" if found[2] == b"training" else "TEST")
            return
        name = lines.text(found[1])
        self._stops.layer, self._stops.made = name, False
        if len(self.recorder.log.made) < TYPES:
            self.recorder.log.made.setdefault(name)

    def _on_made(self, block: bytes, found: re.Match[bytes]) -> None:
        self._stops.layer, self._stops.made = "", True

    def _on_backward(self, block: bytes, found: re.Match[bytes]) -> None:
        said = _NEEDS.search(block, max(0, found.start() - 300), found.start())
        if said is not None and len(self.recorder.log.needs_backward) < TYPES:
            if said[2] != b"needs":
                self._source("not needed", block, found)
            name = lines.text(said[1])
            needs = self.recorder.log.needs_backward
            needs[name] = said[2] == b"needs" or needs.get(name, False)

    def _on_produces(self, block: bytes, found: re.Match[bytes]) -> None:
        if len(self.recorder.log.outputs) < TRACKS:
            self.recorder.log.outputs.setdefault(lines.text(found[1]))

    def _on_fatal(self, block: bytes, found: re.Match[bytes]) -> None:
        self._stops.at(found[2], self._words(found.start(2), found[2]), found[1])

    def _on_check(self, block: bytes, found: re.Match[bytes]) -> None:
        self._stops.at(b"Check failed: " + found[1], self._words(found.start() - 1, b"C" + found[0]))

    def _on_signal(self, block: bytes, found: re.Match[bytes]) -> None:
        self._stops.at(found[1], self._piece.place(*found.span(1)))

    def _on_died(self, block: bytes, found: re.Match[bytes]) -> None:
        said = lines.DIED.search(block, max(0, found.start() - 40), found.start())
        if said is not None:
            self._stops.at(said[1], self._piece.place(*said.span(1)))

    def _on_thrown(self, block: bytes, found: re.Match[bytes]) -> None:
        near = block[max(0, found.start() - 500) : found.end() + 300]
        said = [*lines.EXCEPTION.finditer(near)]
        self._stops.at(said[-1][0] if said else found[1], self._piece.place(*found.span(1)))

    def _on_parser(self, block: bytes, found: re.Match[bytes]) -> None:
        kind, line, column, message = found.groups()
        where = self._words(found.start(4), message)
        said = Said(lines.text(kind), _iteration(line), _iteration(column), lines.text(message).strip(), where)
        self._stops.parser.append(said)

    def _words(self, start: int, message: bytes) -> Place:
        """The place of a message; of a long one, its beginning."""
        return self._piece.place(start, start + min(len(message.rstrip()), SHOWN))

    def _on_optimization(self, block: bytes, found: re.Match[bytes]) -> None:
        if found[1] is not None:
            self.recorder.log.finished = True
        elif block[max(0, found.start() - 9) : found.start()] == b"Starting ":
            self.recorder.start()
            self._stops.made = True

    def _on_weights(self, block: bytes, found: re.Match[bytes]) -> None:
        self.recorder.log.weights = self.recorder.log.weights or lines.text(found[1])


def _iteration(digits: bytes) -> int:
    """An iteration; what is longer than any (Python refuses to read thousands of digits) counts as the largest."""
    return int(digits[:18])
