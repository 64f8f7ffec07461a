"""On a real GPU: the golden nets, bit equality of the generator, equal verdicts, a batch that does not fit.

    pytest -m gpu tests/gpu_check

Without a usable GPU every test skips with the probe's reason.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from golden_nets import Golden, paths
from test_backward import NETS as WITH_GRADIENTS
from test_backward import compared
from test_golden import agree
from test_verdict import CASES, Case

from prototxt_gpu_check import fill
from prototxt_gpu_check.backend import Backend, CupyBackend
from prototxt_gpu_check.client import WorkerClient
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
