"""From a request to an answer: which device, which batch, and what to do when memory runs out.

The peak is estimated before anything runs and the batch is cut first. When an allocation fails all the same, the batch
is halved, down to 1 (2 where a BatchNorm uses batch statistics: one value per channel would make the very zeros that
are looked for), and then the CPU takes over. What the CPU has no memory for either is refused before it runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from prototxt_gpu_check import plan, weights
from prototxt_gpu_check.backend import Backend, CupyBackend
from prototxt_gpu_check.data.base import DataError
from prototxt_gpu_check.data.reading import Reader
from prototxt_gpu_check.result import Degraded, ForwardResult
from prototxt_gpu_check.run import Options, Pass, Progress
from prototxt_gpu_check.solver import Solver
from prototxt_gpu_check.sources import Inputs
from prototxt_gpu_check.verdict import judge
from prototxt_grammar.parse import parse
from prototxt_net.backward import backward
from prototxt_net.batchnorm import mode, norms
from prototxt_net.dialect import detect
from prototxt_net.file import NetFile
from prototxt_net.finding import Finding
from prototxt_net.net import Phase, PhaseNet
from prototxt_net.phases import State, active_phases, merged_state
from prototxt_net.read import file_kind, read

MEMORY_SHARE = 0.8
AUTO_MACS = 2e9
"""Multiply-accumulates of a forward pass up to which a backward pass on the CPU comes with it unasked: the editor's
answer shall stay under a second or so. A fixed number, so that the same net gets the same findings everywhere."""


class Refused(Exception):
    """The request cannot be run at all; the message is one sentence for the user.

    code: "refused" where it is about the net, "file" where it names the file that is at fault.
    """

    def __init__(self, message: str, code: str = "refused") -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class Request:
    """What `lsp forward` and the server ask for. dialect, phase: "auto" or a name. weights: paths, loaded in order.

    device: "auto", "cpu", "cuda" or "cuda:N". inputs: arrays by source top, used whole. data: "auto" reads what the
    net's data layers name, where it is there; `path` is where the net lies, "" for nowhere. backward: None runs it
    where it tells something and costs little, see AUTO_MACS. parameters: the statistics of all parameter blobs
    will be printed. solvers: those that would train the net.
    """

    text: str
    dialect: str = "auto"
    phase: str = "auto"
    level: int = 0
    stages: tuple[str, ...] = ()
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    inputs: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)
    data: str = "synthetic"
    path: str = ""
    weights: tuple[str, ...] = ()
    device: str = "auto"
    batch: int | None = None
    seed: int = 0
    tf32: bool = False
    dropout: bool = False
    strict_fillers: bool = False
    deadline_s: float | None = None
    backward: bool | None = False
    parameters: bool = False
    solvers: tuple[Solver, ...] = ()


def forward(
    request: Request,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    probe: Callable[[], tuple[int | None, str]] | None = None,
) -> tuple[ForwardResult, list[Finding]]:
    """Run one batch and judge it. Raises Refused, run.Cancelled, and whatever a broken device raises.

    probe: tells the index of a usable CUDA device, or None and why there is none; asked unless device is "cpu".
    """
    start = time.perf_counter()
    file = _file(request)
    stored = _weights(request)
    state = _state(file, request, stored is not None)
    read_at = time.perf_counter()
    reader = Reader(request.path, request.seed, request.inputs.keys()) if request.data == "auto" else None
    inputs = Inputs(request.inputs, request.shapes, request.seed, reader)
    options = Options(
        request.seed, request.dropout, request.strict_fillers, request.deadline_s, parameters=request.parameters
    )
    backend, notes = _backend(request, probe)
    try:
        result = _with_memory(file, state, inputs, options, request, backend, stored, progress, cancelled, notes)
    except (DataError, plan.Unfit) as error:
        raise Refused(str(error)) from None
    except weights.WeightsError as error:  # blobs are read when their layer runs
        raise Refused(str(error), "file") from None
    result.degraded[:0] = notes
    result.solvers = request.solvers
    if result.backward is not None and not backward(result.net).layers:
        result.degraded.append(Degraded("no-backward", "Nothing in this net leads to a loss: there are no gradients."))
    result.timing_ms = {"read": (read_at - start) * 1e3, **result.timing_ms}
    judged = time.perf_counter()
    findings = judge(result)
    result.timing_ms["verdict"] = (time.perf_counter() - judged) * 1e3
    result.timing_ms["total"] = (time.perf_counter() - start) * 1e3
    return result, findings


def _file(request: Request) -> NetFile:
    tree = parse(request.text)
    kind = file_kind(tree)
    if kind != "net":
        raise Refused(
            "This file is a solver, not a net: give the net that it names."
            if kind == "solver"
            else "This file is no net."
        )
    dialect = detect(tree, kind).dialect if request.dialect == "auto" else request.dialect
    try:
        file = read(tree, dialect)
    except KeyError:
        raise Refused(f"Unknown dialect '{dialect}'.") from None
    if not file.layers:
        raise Refused("This file holds no layers.")
    return file


def _weights(request: Request) -> weights.Weights | None:
    if not request.weights:
        return None
    try:
        return weights.merged([weights.read(path) for path in request.weights])
    except weights.WeightsError as error:
        raise Refused(str(error), "file") from None


def _state(file: NetFile, request: Request, loaded: bool) -> State:
    """The phase: as asked for; else TRAIN where the file is meant for it, but TEST for a deploy net with weights.

    A fresh net in TEST runs with empty BatchNorm statistics by design, which says nothing about the net.
    """
    stages = frozenset(request.stages)
    if request.phase in ("TRAIN", "TEST"):
        phase: Phase = "TRAIN" if request.phase == "TRAIN" else "TEST"
    else:
        active = active_phases(file, request.level, stages)
        both_alike = len(active) == 2 and not any(
            layer.definition.bound.entries.keys() & {"include", "exclude"} for layer in file.layers
        )
        phase = "TEST" if loaded and both_alike else active[0]
    return merged_state(file, State(phase, request.level, stages))


def _backend(request: Request, probe: Callable[[], tuple[int | None, str]] | None) -> tuple[Backend, list[Degraded]]:
    if request.device == "cpu":
        return Backend(), []
    if request.device not in ("auto", "cuda") and not request.device.startswith("cuda:"):
        raise Refused(f"Unknown device '{request.device}': auto, cpu, cuda or cuda:N.")
    index, why = probe() if probe is not None else (None, "no probe")
    if index is None:
        return Backend(), [Degraded("cpu-instead", f"No usable GPU, so this ran on the CPU: {why}")]
    if request.device.startswith("cuda:"):
        number = request.device.partition(":")[2]
        if not number.isdigit():
            raise Refused(f"Unknown device '{request.device}': auto, cpu, cuda or cuda:N.")
        index = int(number)
    return CupyBackend(index, request.tf32), []


def _with_memory(
    file: NetFile,
    state: State,
    inputs: Inputs,
    options: Options,
    request: Request,
    backend: Backend,
    stored: weights.Weights | None,
    progress: Progress | None,
    cancelled: Callable[[], bool] | None,
    notes: list[Degraded],
) -> ForwardResult:
    batch, whole = request.batch, None
    while True:
        default = plan.CPU_BATCH if backend.device == "cpu" else None
        made = plan.make(file, state, inputs, batch, default)
        whole = made.used if whole is None else whole
        made = _fitting(file, state, inputs, made, backend, _backward_too(request, made.net)) or made
        options.backward = _backward_too(request, made.net)
        if backend.device == "cpu":
            _refuse_what_cannot_fit(made, backend, options.backward)
        try:
            result = Pass(made, backend, inputs, options, stored, progress, cancelled).run()
        except backend.oom as error:
            error.__traceback__ = None  # it would keep every array alive
            error.__context__ = None
        else:
            if made.used != whole:  # said once, and not as the default of --batch
                result.degraded = [d for d in result.degraded if d.code != "batch-cut"]
                cut = f"The batch was cut from {whole} to {made.used} samples to fit into the memory."
                notes.append(Degraded("batch-cut", cut))
            return result
        backend.release()
        if made.used is not None and made.used // 2 >= _lowest(made.net) and not inputs.arrays:
            batch = made.used // 2
        elif backend.device != "cpu":
            notes.append(Degraded("cpu-instead", "The GPU has too little memory for this net, so this ran on the CPU."))
            backend, batch, whole = Backend(), request.batch, None
        else:
            raise _too_little(made, backend, options.backward)


def _refuse_what_cannot_fit(made: plan.Plan, backend: Backend, backward_too: bool) -> None:
    free = backend.free_memory()
    if free is not None and plan.peak_bytes(made.net, backend.column_cap, backward_too) > free:
        raise _too_little(made, backend, backward_too)


def _too_little(made: plan.Plan, backend: Backend, backward_too: bool) -> Refused:
    need, free = plan.peak_bytes(made.net, backend.column_cap, backward_too) / 2**30, backend.free_memory()
    batch = "" if made.used is None else f" with a batch of {made.used}"
    there = "" if free is None else f", and {free / 2**30:.1f} GiB are free"
    return Refused(f"There is too little memory: this net needs about {need:.1f} GiB{batch}{there}.")


def _backward_too(request: Request, net: PhaseNet) -> bool:
    """As asked for; unasked for a small net in TRAIN with something to learn."""
    if request.backward is not None:
        return request.backward
    if net.phase != "TRAIN" or not backward(net).layers:
        return False
    macs = [node.setup.macs for node in net.nodes]
    known = [n for n in macs if isinstance(n, int)]
    return len(known) == len(macs) and sum(known) <= AUTO_MACS


def _fitting(
    file: NetFile, state: State, inputs: Inputs, made: plan.Plan, backend: Backend, backward_too: bool
) -> plan.Plan | None:
    """A plan with a smaller batch whose estimate fits, where the present one's does not."""
    free = backend.free_memory()
    if free is None or made.used is None or inputs.arrays:
        return None
    used, best = made.used, None
    current, lowest, most = made, _lowest(made.net), MEMORY_SHARE * free
    while used // 2 >= lowest and plan.peak_bytes(current.net, backend.column_cap, backward_too) > most:
        used //= 2
        current = best = plan.make(file, state, inputs, used, None)
        if current.used != used:
            break
    return best


def _lowest(net: PhaseNet) -> int:
    return 2 if any(mode(net, node).batch for node in norms(net)) else 1
