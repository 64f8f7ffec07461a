"""The worker process and its client: results, progress, cancelling, deaths. Most workers here are small stand-ins."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from prototxt_gpu_check.client import RunCancelled, WorkerClient, WorkerError
from prototxt_gpu_check.exchange import EXIT_DEVICE_FAULT, EXIT_PROTOCOL, encode

NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 8 dim: 3 dim: 12 dim: 12 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 4 kernel_size: 3
  weight_filler { type: "constant" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "prob" type: "Softmax" bottom: "conv" top: "prob" }
"""


@pytest.fixture(scope="module")
def client():  # type: ignore[no-untyped-def]
    """One real worker for the tests that need no death."""
    client = WorkerClient()
    yield client
    client.close()


def test_a_run_gives_the_documented_object_and_findings(client: WorkerClient) -> None:
    seen: list[tuple[int, int, str]] = []
    report = client.check(
        {"text": NET, "device": "cpu", "strict_fillers": True, "debug_info": True, "parameters": True},
        lambda *at: seen.append(at),
    )
    data = report.data
    assert (data["device"], data["backend"], data["phase"], data["status"]) == ("cpu", "numpy", "TRAIN", "ok")
    assert (data["batch_requested"], data["batch_used"], data["seed"], data["loss"]) == (8, 4, 0, None)
    assert [d["code"] for d in data["degraded"]] == ["batch-cut"]
    assert [layer["name"] for layer in data["layers"]] == ["data", "conv", "relu", "prob"]
    conv = data["layers"][1]
    assert conv["checked"]
    assert conv["tops"][0]["shape"] == [4, 4, 10, 10]
    assert conv["tops"][0]["zero_frac"] == 1
    assert conv["tops"][0]["zero_channels"] == 4
    assert conv["params"] == [{"mean_abs": 0, "shape": [4, 3, 3, 3]}, {"mean_abs": 0, "shape": [4]}]
    assert set(data["timing_ms"]) >= {"read", "layers", "statistics", "verdict", "total"}
    assert [(f.code, f.layer) for f in report.findings] == [("DYN002", "conv")]
    assert report.debug_info[1] == "    [Forward] Layer conv, top blob conv data: 0"
    assert seen[0] == (0, 4, "data")
    json.dumps(data, allow_nan=False)


def test_the_same_question_is_answered_from_memory(client: WorkerClient) -> None:
    request = {"text": NET, "device": "cpu", "seed": 3}
    assert client.check(request) is client.check(request)


def test_without_a_gpu_the_cpu_runs_and_says_so(client: WorkerClient) -> None:
    probed = client.probe()
    report = client.check({"text": NET, "device": "auto"})
    if probed["usable"]:
        assert report.data["backend"] == "cupy"
    else:
        assert probed["hint"]
        assert report.data["degraded"][0]["code"] == "cpu-instead"
        assert probed["hint"] in report.data["degraded"][0]["message"]


def test_arrays_and_shapes_from_outside(client: WorkerClient, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((6, 3, 9, 9)))
    report = client.check({"text": NET, "device": "cpu", "inputs": {"data": str(tmp_path / "x.npy")}})
    assert report.data["layers"][0]["tops"][0]["shape"] == [6, 3, 9, 9]
    assert report.data["batch_used"] == 6
    assert "DYN027" in {f.code for f in report.findings}
    report = client.check({"text": NET, "device": "cpu", "shapes": {"data": [2, 3, 20, 20]}})
    assert report.data["layers"][1]["tops"][0]["shape"] == [2, 4, 18, 18]


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"text": ""}, "no layers"),
        ({"text": "base_lr: 0.1 max_iter: 3"}, "a solver, not a net"),
        ({"text": NET, "dialect": "nowhere"}, "Unknown dialect 'nowhere'"),
        ({"text": NET, "device": "tpu"}, "Unknown device 'tpu'"),
        ({"text": NET, "weights": "absent.caffemodel"}, "absent.caffemodel"),
        ({"text": NET, "inputs": {"data": "absent.npy"}}, "absent.npy: No such file"),
    ],
)
def test_what_cannot_be_run_is_refused_in_one_sentence(
    request_: dict[str, object], words: str, client: WorkerClient
) -> None:
    with pytest.raises(WorkerError, match=words) as caught:
        client.check({"device": "cpu", **request_})
    assert caught.value.code in ("refused", "file")
    assert "\n" not in str(caught.value)


def test_a_net_with_open_ends_is_run_as_far_as_it_goes(client: WorkerClient) -> None:
    text = (
        NET + 'layer { name: "odd" type: "Python" bottom: "prob" top: "odd" python_param { module: "m" layer: "L" } }\n'
    )
    text += 'layer { name: "after" type: "ReLU" bottom: "odd" top: "after" }\n'
    report = client.check({"text": text, "device": "cpu"})
    assert report.data["status"] == "partial"
    assert [(x["name"], x["reason"]) for x in report.data["layers"] if not x["checked"]] == [
        ("odd", "its shapes are not known"),
        ("after", "its bottom 'odd' was not computed"),
    ]


def test_a_deadline_gives_the_part_that_was_done(client: WorkerClient) -> None:
    report = client.check({"text": NET, "device": "cpu", "deadline_s": 1e-9}, timeout_s=60)
    assert report.data["status"] in ("partial", "error")


# -- stand-ins ---------------------------------------------------------------------------------------------------------

HEAD = """
import json, os, sys
def say(**message): sys.stdout.write(json.dumps(message) + "\\n"); sys.stdout.flush()
say(hello=1, protocol=1)
for line in sys.stdin:
    request = json.loads(line); op = request["op"]; number = request.get("id")
"""


def stand_in(body: str) -> WorkerClient:
    script = HEAD + "".join(f"    {line}\n" for line in body.strip().splitlines())
    return WorkerClient([sys.executable, "-c", script])


def test_a_cancelled_run_is_given_up_and_the_worker_kept() -> None:
    client = stand_in(
        """
if op == "check": say(id=number, progress=[0, 9, "conv1"])
if op == "cancel": say(id=number, cancelled=True)
if op == "probe": say(id=number, result={"usable": False})
"""
    )
    cancel = threading.Event()
    with pytest.raises(RunCancelled):
        client.check({"text": ""}, lambda *at: cancel.set(), cancel)
    pid = client.pid
    assert client.probe() == {"usable": False}
    assert client.pid == pid
    client.close()
    assert client.pid is None


def test_a_worker_that_does_not_let_go_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prototxt_gpu_check.client.CANCEL_S", 0.05)
    client = stand_in('if op == "check": say(id=number, progress=[0, 9, "conv1"])')
    cancel = threading.Event()
    with pytest.raises(RunCancelled):
        client.check({"text": ""}, lambda *at: cancel.set(), cancel)
    assert client.pid is None


def test_a_run_that_takes_too_long_is_ended() -> None:
    client = stand_in("pass")
    with pytest.raises(WorkerError) as caught:
        client.check({"text": ""}, timeout_s=0.05)
    assert caught.value.code == "timeout"
    assert client.pid is None


def test_a_worker_that_dies_is_replaced() -> None:
    client = stand_in("if request.get('die'): os._exit(3)\nsay(id=number, result={'pid': os.getpid()})")
    first = client.check({"text": "a"}).data["pid"]
    with pytest.raises(WorkerError, match="exit code 3") as caught:
        client.check({"text": "b", "die": True})
    assert caught.value.code == "died"
    assert client.check({"text": "c"}).data["pid"] != first
    client.close()


def test_a_net_that_breaks_the_gpu_twice_goes_to_the_cpu() -> None:
    client = stand_in(
        f"""
if request["device"] != "cpu": os._exit({EXIT_DEVICE_FAULT})
say(id=number, result={{"device": request["device"]}})
"""
    )
    request = {"text": "net", "device": "cuda:0"}
    for _ in range(2):
        with pytest.raises(WorkerError) as caught:
            client.check(request)
        assert caught.value.code == "device_fault"
    report = client.check(request)
    assert report.data["device"] == "cpu"
    assert report.data["degraded"][0]["code"] == "pinned-to-cpu"
    client.close()


def test_a_program_that_is_no_worker_is_recognised() -> None:
    with pytest.raises(WorkerError, match="cannot be started"):
        WorkerClient(["/nonexistent/python"]).probe()
    with pytest.raises(WorkerError, match="ended unexpectedly"):
        WorkerClient([sys.executable, "-c", "print('hello')"]).probe()


def test_the_worker_ends_with_its_input_and_on_anything_that_is_no_request() -> None:
    command = [sys.executable, "-m", "prototxt_gpu_check.worker"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(encode({"id": 1, "op": "ping"}))
        process.stdin.flush()
        hello, answer = (json.loads(process.stdout.readline()) for _ in range(2))
        assert hello["hello"] == 1
        assert answer == {"id": 1, "result": {}}
        process.stdin.close()
        assert process.wait(timeout=60) == 0
    junk = subprocess.run(command, input=b"not json\n", capture_output=True, timeout=60, check=False)
    assert junk.returncode == EXIT_PROTOCOL


def test_the_client_needs_neither_numpy_nor_cupy() -> None:
    code = "import sys, prototxt_gpu_check.client; sys.exit(any(m in sys.modules for m in ('numpy', 'cupy', 'lark')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_modules_beside_a_net_are_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker starts in the folder of whoever asks, which may hold anything."""
    for name in ("json", "numpy", "prototxt_net"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('this ran')\n")
    monkeypatch.chdir(tmp_path)
    with closing(WorkerClient()) as client:
        assert client.check({"text": NET, "device": "cpu"}).data["status"] == "ok"
