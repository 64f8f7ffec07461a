"""Faults of a device, without one: each is injected, and what the user is told about it is read."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from prototxt_gpu_check import client as client_module
from prototxt_gpu_check import memory, policy
from prototxt_gpu_check.backend import Array, Backend
from prototxt_gpu_check.client import RunCancelled, WorkerClient, WorkerError
from prototxt_gpu_check.exchange import EXIT_OK
from prototxt_gpu_check.policy import Request, forward
from prototxt_gpu_check.run import Cancelled

NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 64 dim: 3 dim: 8 dim: 8 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "msra" } } }
layer { name: "ip" type: "InnerProduct" bottom: "conv" top: "ip"
  inner_product_param { num_output: 2 weight_filler { type: "msra" } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "ip" top: "loss" }
"""
NORMALIZED = NET.replace(
    'layer { name: "ip"', 'layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" }\nlayer { name: "ip"'
)


class Device(Backend):
    """A stand-in for a GPU with little memory: no array of more than `largest` bytes; `free` is what it reports."""

    name = "cupy"
    device = "cuda:0"
    largest: int | None = None
    free: int | None = None
    released = 0

    def empty(self, shape: tuple[int, ...]) -> Array:
        if self.largest is not None and 4 * int(np.prod(shape)) > self.largest:
            raise MemoryError
        return super().empty(shape)

    def free_memory(self) -> int | None:
        return self.free

    def release(self) -> None:
        self.released += 1


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Device:
    """The device that every request gets that asks for one."""
    one = Device()
    ask = policy._backend
    monkeypatch.setattr(
        policy, "_backend", lambda request, probe: (one, []) if request.device != "cpu" else ask(request, probe)
    )
    return one


def told(text: str, **options: object) -> tuple[str, int | None, list[str]]:
    """The device that ran, its batch, and the words that say what was done otherwise."""
    result, _ = forward(Request(text, device="cuda:0", **options))  # type: ignore[arg-type]
    return result.device, result.batch_used, [d.message for d in result.degraded]


def test_a_batch_that_will_not_fit_is_cut_before_anything_runs(device: Device) -> None:
    device.free = 100_000
    where, batch, words = told(NET)
    assert (where, device.released) == ("cuda:0", 0)
    assert batch is not None
    assert batch < 64
    assert words == [f"The batch was cut from 64 to {batch} samples to fit into the memory."]


@pytest.mark.parametrize(
    ("files", "free"),
    [
        ({}, None),
        ({"meminfo": "MemTotal: 900 kB\nMemAvailable:  500 kB\nSwapFree: 100 kB\n"}, 600 * 1024),
        (
            {"meminfo": "MemAvailable: 500 kB\n", "memory.max": "300000\n", "memory.current": "250000\n",
             "memory.stat": "anon 1\ninactive_file 50000\n"},
            100_000,
        ),
        ({"meminfo": "MemAvailable: 500 kB\n", "memory.max": "max\n", "memory.current": "250000\n"}, 500 * 1024),
        ({"memory.max": "1000\n", "memory.current": "250000\n"}, 0),
    ],
)  # fmt: skip
def test_free_memory_is_the_machines_or_the_containers(
    files: dict[str, str], free: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "CGROUPS", ((tmp_path, *memory.CGROUPS[0][1:]),))
    assert memory.available() == free


def test_an_allocation_that_fails_halves_the_batch(device: Device) -> None:
    device.largest = 4 * 8 * 27 * 36  # the columns of 8 images
    assert told(NET) == ("cuda:0", 8, ["The batch was cut from 64 to 8 samples to fit into the memory."])
    assert device.released == 3


@pytest.mark.parametrize(("text", "tries"), [(NET, 7), (NORMALIZED, 6)])
def test_where_no_batch_fits_the_cpu_takes_over(text: str, tries: int, device: Device) -> None:
    """Not below 2 where a BatchNorm uses the batch's statistics: one value a channel would make zeros of its own."""
    device.largest = 64
    where, batch, words = told(text)
    assert (where, batch, device.released) == ("cpu", 4, tries)
    assert words == [
        "The GPU has too little memory for this net, so this ran on the CPU.",
        "The batch was cut from 64 to 4 samples (--batch says otherwise).",
    ]


class Tiny(Device):
    """A machine without a GPU."""

    name, device = "numpy", "cpu"


def test_where_even_the_cpu_fails_the_need_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tiny, "largest", 64)
    monkeypatch.setattr(policy, "Backend", Tiny)
    with pytest.raises(policy.Refused, match=r"too little memory: this net needs about \d+\.\d GiB with a batch of 1"):
        forward(Request(NET, device="cpu"))


def test_what_the_machine_has_no_memory_for_is_refused_before_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux would end the process instead of failing an allocation."""
    monkeypatch.setattr(Tiny, "free", 3 << 30)
    monkeypatch.setattr(policy, "Backend", Tiny)
    large = "shape { dim: 1 dim: 3 dim: 20000 dim: 20000 }"
    text = NET.replace("shape { dim: 64 dim: 3 dim: 8 dim: 8 }", large)
    with pytest.raises(policy.Refused) as caught:
        forward(Request(text, device="cpu"))
    assert re.fullmatch(
        r"There is too little memory: this net needs about \d\d+\.\d GiB with a batch of 1, and 3\.0 GiB are free\.",
        str(caught.value),
    )


def cancelled_after(calls: int) -> Iterator[bool]:
    yield from [False] * calls
    while True:
        yield True


@pytest.mark.parametrize("calls", [0, 1, 3, 5])
def test_a_pass_stops_between_layers_forward_and_backward(calls: int) -> None:
    answers = cancelled_after(calls)
    with pytest.raises(Cancelled):
        forward(Request(NET, device="cpu", backward=True), cancelled=lambda: next(answers))


ENDLESS = """
import os
from prototxt_gpu_check import run, worker
layer = run.Pass._layer
def wait(self, node):
    while node.name == "data" and {waits}:
        os.sched_yield()
    return layer(self, node)
run.Pass._layer = wait
os._exit(worker.main())
"""


@pytest.mark.parametrize(("waits", "survives"), [("not self.cancelled()", True), ("True", False)])
def test_a_cancelled_run_is_over_in_under_half_a_second(waits: str, survives: bool) -> None:
    """At the next layer, and where a layer does not end, with the worker."""
    assert client_module.CANCEL_S < 0.5
    cancel = threading.Event()
    with closing(WorkerClient([sys.executable, "-c", ENDLESS.format(waits=waits)])) as client:
        with pytest.raises(RunCancelled):
            client.check({"text": NET, "device": "cpu"}, lambda *at: cancel.set(), cancel)
        assert (client.pid is not None) == survives
        assert client.probe()


FAULTY = """
import sys
from prototxt_gpu_check import policy, worker
class CUDARuntimeError(RuntimeError):
    pass
CUDARuntimeError.__module__ = "cupy_backends.cuda.api.runtime"
ask = policy._backend
def backend(request, probe):
    if request.device == "cpu":
        return ask(request, probe)
    if request.seed:
        raise {error}
    return policy.Backend(), []
policy._backend = backend
code = worker.main()
import os; os._exit(code)
"""
ILLEGAL = 'CUDARuntimeError("cudaErrorIllegalAddress: an illegal memory access was encountered")'


def test_a_device_fault_ends_the_worker_tells_the_user_and_the_next_run_starts_anew() -> None:
    with closing(WorkerClient([sys.executable, "-c", FAULTY.format(error=ILLEGAL)], quiet=True)) as client:
        good = {"text": NET, "device": "cuda:0"}
        assert client.check(good).data["status"] == "ok"
        first = client.pid
        with pytest.raises(WorkerError) as caught:
            client.check({**good, "seed": 1})
        assert caught.value.code == "device_fault"
        assert str(caught.value) == (
            "The GPU failed (CUDARuntimeError: cudaErrorIllegalAddress: an illegal memory access was encountered) and "
            "the worker process ended; the next run starts anew."
        )
        assert client.check({**good, "batch": 2}).data["status"] == "ok"
        assert client.pid != first
        with pytest.raises(WorkerError):
            client.check({**good, "seed": 2})
        report = client.check({**good, "seed": 3})
        assert report.data["degraded"][0]["message"] == "This net has crashed the GPU twice, so it ran on the CPU."


def test_an_error_of_ours_keeps_the_worker() -> None:
    script = FAULTY.format(error='KeyError("conv1")')
    with closing(WorkerClient([sys.executable, "-c", script], quiet=True)) as client:
        with pytest.raises(WorkerError, match="KeyError") as caught:
            client.check({"text": NET, "device": "cuda:0", "seed": 1})
        assert caught.value.code == "internal"
        pid = client.pid
        assert client.check({"text": NET, "device": "cuda:0"}).data["status"] == "ok"
        assert client.pid == pid


def test_an_idle_worker_ends_by_itself_and_the_next_call_starts_another() -> None:
    script = "from prototxt_gpu_check import worker; worker.IDLE_S = 0.05; raise SystemExit(worker.main())"
    with closing(WorkerClient([sys.executable, "-c", script])) as client:
        first = client.probe()
        process = client._process
        assert process is not None
        assert process.wait(timeout=60) == EXIT_OK
        assert client.pid is None
        assert client.probe()["usable"] == first["usable"]
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as bare:
        assert bare.wait(timeout=60) == EXIT_OK  # its input is still open
