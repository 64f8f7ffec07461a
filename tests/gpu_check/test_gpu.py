"""On a real GPU: the golden nets forward and backward, whole nets beside the CPU, bit equality of the generator, equal
verdicts, a batch that does not fit, a kernel that breaks the device.

    pytest -m gpu tests/gpu_check

Without a usable GPU every test skips with the probe's reason.
"""

from __future__ import annotations

import sys
from contextlib import closing
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import zoo
from golden_nets import Golden, paths
from test_backward import NETS as WITH_GRADIENTS
from test_backward import compared
from test_golden import agree
from test_verdict import CASES, Case

from prototxt_gpu_check import fill
from prototxt_gpu_check.backend import Backend, CupyBackend
from prototxt_gpu_check.client import WorkerClient, WorkerError
from prototxt_gpu_check.layout import stored
from prototxt_gpu_check.ops import elementwise, pooling
from prototxt_gpu_check.policy import Request, forward
from prototxt_gpu_check.probe import Probe, probe
from prototxt_gpu_check.stats import Recorder
from prototxt_gpu_check.worker import prepare_environment

pytestmark = pytest.mark.gpu
SHARED = Path(__file__).resolve().parents[2].parent / "shared"


@cache
def probed() -> Probe:
    prepare_environment()
    return probe()


@pytest.fixture(scope="module")
def gpu() -> CupyBackend:
    found = probed()
    if found.index is None:
        pytest.skip(found.why)
    return CupyBackend(found.index)


@pytest.mark.parametrize("path", [pytest.param(p, id=p.stem) for p in paths(SHARED)] or [None])
def test_every_top_agrees_with_caffe(path: Path | None, gpu: CupyBackend) -> None:
    if path is None:
        pytest.skip("../shared is not here")
    agree(Golden(path), gpu)


@pytest.mark.parametrize("path", WITH_GRADIENTS)
def test_every_gradient_agrees_with_caffe(path: Path, gpu: CupyBackend) -> None:
    golden = Golden(path)
    run, result = golden.run(gpu, backward=True)
    assert result.backward is not None
    assert [(layer.name, layer.reason) for layer in result.backward.layers if layer.reason] == []
    assert compared(golden, run) > 0


@pytest.mark.parametrize("kind", [fill.UNIFORM, fill.NORMAL])
def test_the_generator_is_the_cpus_to_the_last_bit(kind: int, gpu: CupyBackend) -> None:
    n, seed = 1_000_003, 2**63 + 99
    out = gpu.empty((n,))
    gpu.launch("fill", n, out, n, seed, kind, 0.01 / fill.NORMAL_STD, 0.25)
    np.testing.assert_array_equal(gpu.to_host(out), fill.raw(n, seed, kind, 0.01 / fill.NORMAL_STD, 0.25))


@pytest.mark.parametrize("shape", [(4, 64, 56, 56), (32, 1000), (2, 3, 500, 333), (1, 1, 1, 1)])
def test_statistics_are_the_cpus(shape: tuple[int, ...], gpu: CupyBackend) -> None:
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    x.flat[0] = np.nan
    x.flat[-1] = 1e-40
    both = []
    for backend in (gpu, Backend()):
        recorder = Recorder(backend)
        recorder.record(stored(backend, backend.asarray(x)))
        both.append(recorder.finish()[0])
    ours, cpu = both
    assert (ours.nonfinite, ours.zero_frac, ours.maximum) == (cpu.nonfinite, cpu.zero_frac, cpu.maximum)
    for name in ("mean_abs", "mean", "std"):
        a, b = getattr(ours, name), getattr(cpu, name)
        assert a == b or a == pytest.approx(b, rel=1e-4, abs=1e-5), name


def test_nan_hides_behind_pooling_as_in_caffe(gpu: CupyBackend) -> None:
    x = stored(gpu, gpu.asarray(np.full((1, 2, 4, 4), np.nan)))
    pooled, _ = pooling.max_pooling(gpu, x, kernel=(2, 2), stride=(2, 2), pad=(0, 0), out=(2, 2))
    relu = elementwise.unary(gpu, pooled, elementwise.RELU, 0.0)
    assert (gpu.to_host(relu) == 0).all()


@pytest.mark.parametrize("case", [pytest.param(c, id=name) for name, c in CASES.items()])
def test_verdicts_are_the_cpus(case: Case, gpu: CupyBackend) -> None:
    found = []
    for device in ("cpu", gpu.device):
        options = {"batch": 4, **case.options}
        request = Request(case.text, dialect=case.dialect, device=device, **options)  # type: ignore[arg-type]
        _, findings = forward(request, probe=lambda: (probed().index, ""))
        found.append([(f.code, f.severity, f.layer) for f in findings])
    assert found[0] == found[1]


WHOLE = ("lenet", "googlenet", "resnet50", "densenet121", "mobilenet", "squeezenet")


@pytest.mark.parametrize("name", WHOLE)
def test_whole_nets_have_the_cpus_numbers_and_verdicts(name: str, gpu: CupyBackend) -> None:
    text = zoo.write(name, "train_val", batch=4, size=max(64, zoo.ZOO[name].smallest), width=0.25, source="dummy")
    (ours, found), (cpu, theirs) = (
        forward(Request(text, device=device, backward=True), probe=lambda: (probed().index, ""))
        for device in (gpu.device, "cpu")
    )
    assert [(f.code, f.layer) for f in found] == [(f.code, f.layer) for f in theirs]
    assert ours.loss == pytest.approx(cpu.loss, rel=1e-3)
    for mine, wanted in zip(ours.layers, cpu.layers, strict=True):
        for a, b in zip(mine.tops, wanted.tops, strict=True):
            assert a.stats.mean_abs == pytest.approx(b.stats.mean_abs, rel=1e-3), (mine.name, a.name)
        for p, q in zip(mine.params, wanted.params, strict=True):
            assert p.after.mean_abs == pytest.approx(q.after.mean_abs, rel=1e-3), (mine.name, p.role)
    assert ours.backward is not None
    assert cpu.backward is not None
    assert ours.backward.norms.diff_l2 == pytest.approx(cpu.backward.norms.diff_l2, rel=1e-2)


@pytest.mark.parametrize("path", [p for p in paths(SHARED) if p.stem in ("conv_2d", "inner_product")] or [None])
def test_tf32_stays_within_its_ten_bits(path: Path | None, gpu: CupyBackend) -> None:
    if path is None:
        pytest.skip("../shared is not here")
    golden = Golden(path)
    assert probed().index is not None
    try:
        run, _ = golden.run(CupyBackend(probed().index or 0, tf32=True))
        for key, ours, caffe in golden.forward(run):
            assert np.abs(ours.reshape(caffe.shape) - caffe).max() <= 3e-3 * max(1.0, np.abs(caffe).max()), key
    finally:
        CupyBackend(probed().index or 0)  # the setting is the library's, not the backend's


def test_a_batch_that_does_not_fit_is_cut(gpu: CupyBackend) -> None:
    pool = gpu.xp.get_default_memory_pool()
    gpu.release()
    text = """
    layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 64 dim: 8 dim: 128 dim: 128 } } }
    layer { name: "a" type: "ReLU" bottom: "data" top: "a" }
    layer { name: "b" type: "Eltwise" bottom: "a" bottom: "data" top: "b" }
    """
    limit = pool.get_limit()
    try:
        pool.set_limit(size=80 << 20)
        result, _ = forward(Request(text, device=gpu.device), probe=lambda: (probed().index, ""))
    finally:
        pool.set_limit(size=limit)
    assert result.batch_requested == 64
    assert result.batch_used is not None
    assert result.batch_used < 64
    assert any(d.code == "batch-cut" for d in result.degraded)


def test_the_worker_runs_on_the_gpu(gpu: CupyBackend) -> None:
    client = WorkerClient()
    report = client.check({"text": CASES["a healthy net"].text, "device": "cuda:0"})
    assert (report.data["backend"], report.data["device"]) == ("cupy", "cuda:0")
    assert report.data["status"] == "ok"
    assert report.findings == []
    client.close()


WILD = """
import os
import cupy, numpy
from prototxt_gpu_check import run, worker
worker.prepare_environment()
layer = run.Pass._layer
def poke(self, node):
    if node.bottoms and self.options.seed:
        nowhere = cupy.cuda.MemoryPointer(cupy.cuda.UnownedMemory(1 << 20, 4096, None, 0), 0)
        wild = cupy.ndarray((1024,), numpy.float32, nowhere)
        self.backend.launch("fill", 1024, wild, 1024, 1, 0, 1.0, 0.0)
        self.backend.synchronize()
    return layer(self, node)
run.Pass._layer = poke
os._exit(worker.main())
"""


def test_a_kernel_that_breaks_the_device_ends_the_worker_and_the_next_one_works(gpu: CupyBackend) -> None:
    request = {"text": CASES["a healthy net"].text, "device": gpu.device}
    with closing(WorkerClient([sys.executable, "-c", WILD], quiet=True)) as client:
        first = client.check(request).data
        with pytest.raises(WorkerError, match="The GPU failed") as caught:
            client.check({**request, "seed": 1})
        assert caught.value.code == "device_fault"
        second = client.check({**request, "batch": 3}).data
    assert (first["backend"], second["backend"]) == ("cupy", "cupy")
