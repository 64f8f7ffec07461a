"""One batch on a GPU: where a cold second goes, and a warm run beside PyTorch asked the same question.

    python benchmarks/gpu_forward.py [--batch 32] [--rounds 7] [--tf32] [--out gpu_forward.json]

The nets are those of benchmarks/zoo with their training fillers and DummyData. Measured, on one device and in one run:
  cold    a new worker process, from its start to the verdict, with an empty and then with a filled kernel cache
  warm    text to verdict in a worker that has run the net before (another seed, so that nothing is remembered)
  peer    PyTorch (if installed, with torchvision): build, move, run, mean |x| of every module, one synchronisation
Without a usable GPU it prints the probe's reason and times the CPU instead, with batch 4.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import zoo

from prototxt_gpu_check.client import WorkerClient

NETS = ("resnet50", "vgg16", "googlenet", "mobilenet")
PEERS = ("resnet50", "vgg16")
"""Those that torchvision builds alike."""


def ours(text: str, device: str, batch: int, rounds: int, tf32: bool) -> dict[str, Any]:
    """Cold and warm milliseconds of one net."""
    request = {"text": text, "device": device, "batch": batch, "tf32": tf32}
    out: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as cache:
        env = {**os.environ, "CUPY_CACHE_DIR": cache}
        for name in ("cold_empty_cache_ms", "cold_ms"):
            client = WorkerClient(env=env)
            start = time.perf_counter()
            report = client.check(request, timeout_s=600)
            out[name] = (time.perf_counter() - start) * 1e3
            client.close()
        client = WorkerClient(env=env)
        client.check(request, timeout_s=600)
        warm, parts = [], []
        for seed in range(1, rounds + 1):
            start = time.perf_counter()
            report = client.check({**request, "seed": seed}, timeout_s=600)
            warm.append((time.perf_counter() - start) * 1e3)
            parts.append(report.data["timing_ms"])
        client.close()
    out["warm_ms"] = spread(warm)
    out["warm_parts_ms"] = {key: round(statistics.median(p[key] for p in parts), 2) for key in parts[0]}
    out["status"], out["loss"] = report.data["status"], report.data["loss"]
    out["batch_used"], out["device"] = report.data["batch_used"], report.data["device"]
    out["findings"] = [f"{f.code} {f.severity} {f.layer}" for f in report.findings]
    out["degraded"] = [d["code"] for d in report.data["degraded"]]
    return out


def peer(net: str, batch: int, rounds: int, tf32: bool) -> dict[str, Any]:
    """PyTorch: the same net with hooks; milliseconds of building and of the pass."""
    if net not in PEERS:
        return {"missing": "torchvision builds this net otherwise"}
    try:
        import torch
        import torchvision
    except ImportError:
        return {"missing": "torch and torchvision are not installed"}
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    make = {"resnet50": torchvision.models.resnet50, "vgg16": torchvision.models.vgg16}[net]

    def wait() -> None:
        if device == "cuda":
            torch.cuda.synchronize()

    def check() -> tuple[float, float]:
        start = time.perf_counter()
        model = make(weights=None).to(device).train()
        x = torch.randn(batch, 3, 224, 224, device=device)
        means: list[Any] = []
        for module in model.modules():
            if not list(module.children()):
                module.register_forward_hook(lambda _m, _i, o: means.append(o.detach().abs().mean()))
        wait()
        built = time.perf_counter()
        with torch.no_grad():
            model(x)
        torch.stack(means).tolist()
        wait()
        return (built - start) * 1e3, (time.perf_counter() - built) * 1e3

    first = check()
    times = [check() for _ in range(rounds)]
    return {
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "torch": torch.__version__,
        "first_build_ms": round(first[0], 1),
        "first_pass_ms": round(first[1], 1),
        "build_ms": spread([b for b, _ in times]),
        "pass_ms": spread([p for _, p in times]),
        "build_and_pass_ms": spread([b + p for b, p in times]),
    }


def spread(values: list[float]) -> dict[str, float]:
    return {"median": round(statistics.median(values), 2), "min": round(min(values), 2), "max": round(max(values), 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tf32", action="store_true")
    parser.add_argument("--nets", nargs="*", choices=zoo.NAMES, default=NETS)
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    client = WorkerClient()
    start = time.perf_counter()
    probed = client.probe()
    probe_ms = (time.perf_counter() - start) * 1e3
    client.close()
    device, batch = ("cuda:0", args.batch) if probed["usable"] else ("cpu", 4)
    found: dict[str, Any] = {
        "probe": probed,
        "probe_ms": round(probe_ms, 1),
        "batch": batch,
        "tf32": args.tf32,
        "nets": {},
    }
    if not probed["usable"]:
        print(f"No GPU: {probed['hint']}", file=sys.stderr)
    for net in args.nets:
        text = zoo.write(net, "train_val", batch=batch, source="dummy")
        found["nets"][net] = {"ours": ours(text, device, batch, args.rounds, args.tf32)}
        if not args.no_peer:
            found["nets"][net]["peer"] = peer(net, batch, args.rounds, args.tf32)
        print(net, json.dumps(found["nets"][net], indent=1), flush=True)
    if args.out:
        args.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
