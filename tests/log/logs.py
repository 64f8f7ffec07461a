"""Logs as Caffe writes them, made from a few numbers."""

from __future__ import annotations

from collections.abc import Iterable

BVLC = (593, 605, 621, 632)
NVIDIA_015 = (638, 650, 666, 677)


def prefix(source: str, severity: str = "I") -> str:
    return f"{severity}0804 10:22:42.074671  8318 {source}] "


def top(layer: str, blob: str, value: object, lines: tuple[int, ...] = BVLC) -> str:
    return f"{prefix(f'net.cpp:{lines[0]}')}    [Forward] Layer {layer}, top blob {blob} data: {value}"


def param(layer: str, index: object, value: object, lines: tuple[int, ...] = BVLC) -> str:
    return f"{prefix(f'net.cpp:{lines[1]}')}    [Forward] Layer {layer}, param blob {index} data: {value}"


def bottom_diff(layer: str, blob: str, value: object) -> str:
    return f"{prefix('net.cpp:621')}    [Backward] Layer {layer}, bottom blob {blob} diff: {value}"


def param_diff(layer: str, index: object, value: object) -> str:
    return f"{prefix('net.cpp:632')}    [Backward] Layer {layer}, param blob {index} diff: {value}"


def norms(data: float, diff: float) -> str:
    return (
        f"{prefix('net.cpp:721', 'E')}    [Backward] All net params (data, diff): L1 norm = ({data * 9}, {diff * 9}); "
        f"L2 norm = ({data}, {diff})"
    )


def loss(iteration: int, value: object, lr: float = 0.01) -> list[str]:
    return [
        f"{prefix('solver.cpp:239')}Iteration {iteration} (9.5 iter/s, 2.1s/20 iters), loss = {value}",
        f"{prefix('solver.cpp:258')}    Train net output #0: loss = {value} (* 1 = {value} loss)",
        f"{prefix('sgd_solver.cpp:112')}Iteration {iteration}, lr = {lr:g}",
    ]


def test_pass(iteration: int, **outputs: object) -> list[str]:
    lines = [f"{prefix('solver.cpp:347')}Iteration {iteration}, Testing net (#0)"]
    for i, (name, value) in enumerate(outputs.items()):
        weight = f" (* 1 = {value} loss)" if "loss" in name else ""
        lines.append(f"{prefix('solver.cpp:414')}    Test net output #{i}: {name} = {value}{weight}")
    return lines


test_pass.__test__ = False  # type: ignore[attr-defined]  # no test, although it is named after one


def arrows(lines: Iterable[str]) -> str:
    """The same numbers in the layout of NVIDIA 0.16: a header for each layer, then a line for each blob."""
    out: list[str] = []
    header = ""
    for line in lines:
        if "ward] Layer " not in line:
            out.append(line)
            continue
        kind = "Forward" if "[Forward]" in line else "Backward"
        layer, _, rest = line.partition("] Layer ")[2].partition(", ")
        what, _, value = rest.rpartition(": ")
        blob, _, noun = what.rpartition(" ")
        if header != f"[{kind}] Layer {layer}":
            header = f"[{kind}] Layer {layer}"
            out.append(prefix("net.cpp:1070") + header)
        comma = "," if noun == "diff" else ""
        out.append(f"{prefix('net.cpp:1077')} -> {blob}, count: 1536{comma} {noun}: {value}")
    return "\n".join(out) + "\n"


def text(*parts: str | Iterable[str]) -> str:
    lines: list[str] = []
    for part in parts:
        lines += [part] if isinstance(part, str) else part
    return "\n".join(lines) + "\n"
