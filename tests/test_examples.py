"""The table of examples/README.md, run as it stands: each command says what its row says, each fix ends it.

And the demo, whose steps must not break.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
README = (EXAMPLES / "README.md").read_text(encoding="utf-8")
Lsp = Callable[..., Any]

CODE = re.compile(r"\b[A-Z]{2,3}\d{3}\b")
COMMAND = re.compile(r"`lsp ([^`]+)`")


@dataclass(frozen=True)
class Row:
    """commands, fixes: arguments of `lsp`. says: codes. A log stays as it is when its net is fixed."""

    commands: list[list[str]]
    says: set[str]
    fixes: list[list[str]]

    @property
    def name(self) -> str:
        return self.commands[0][1]

    @property
    def file(self) -> str:
        return self.commands[0][3] if self.is_log else self.name

    @property
    def is_log(self) -> bool:
        return self.commands[0][0] == "log"


def rows() -> list[Row]:
    table = [line.strip("| ").split(" | ") for line in README.splitlines() if line.startswith('| "')]
    return [
        Row(
            [command.split() for command in COMMAND.findall(commands)],
            set(CODE.findall(says)),
            [command.split() for command in COMMAND.findall(fix)],
        )
        for _, commands, says, fix in table
    ]


ROWS = rows()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for path in EXAMPLES.iterdir():
        if path.suffix in (".prototxt", ".log"):
            shutil.copy(path, tmp_path)
    return tmp_path


def reported(lsp: Lsp, folder: Path, arguments: list[str]) -> set[str]:
    """The codes that a command of the table reports; debug_info lines are numbers and name none."""
    if "debug-info" in arguments:
        return set()
    rows = lsp(*arguments, "--format", "json", cwd=folder).json
    return {row["code"] for row in (rows["findings"] if isinstance(rows, dict) else rows)}


def test_every_row_is_read() -> None:
    assert len(ROWS) == 10
    assert all(row.commands and row.says and row.fixes for row in ROWS)
    named = {
        part for row in ROWS for command in row.commands for part in command if part.endswith((".prototxt", ".log"))
    }
    assert named | {"lenet_bn.prototxt"} == {p.name for p in EXAMPLES.iterdir() if p.suffix in (".prototxt", ".log")}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_commands_say_it(lsp: Lsp, row: Row, folder: Path) -> None:
    said = set()
    for command in [*row.commands, ["check", row.file]]:  # a row about a log names static rules too
        said |= reported(lsp, folder, command)
        assert lsp(*command, cwd=folder).code in (0, 1)
    assert row.says <= said


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_fix_ends_it(lsp: Lsp, row: Row, folder: Path) -> None:
    for fix in row.fixes:
        lsp(*fix, cwd=folder)
    solver = folder / "frozen_teacher_solver.prototxt"
    solver.write_text(solver.read_text().replace("base_lr: 0\n", "base_lr: 0.01\n"))
    for command in [*([] if row.is_log else row.commands), ["check", row.file]]:
        assert not reported(lsp, folder, command) & row.says
    left = lsp("check", row.file, "--format", "json", cwd=folder).json
    assert [r["code"] for r in left if r["severity"] == "error"] == []


def tops(lsp: Lsp, folder: Path, *arguments: str) -> dict[str, dict[str, Any]]:
    """The statistics of each layer's first top."""
    layers = lsp("forward", *arguments, "--format", "json", cwd=folder).json["layers"]
    return {layer["name"]: layer["tops"][0] for layer in layers if layer["tops"]}


def test_zeros_from_bnorm1_on(lsp: Lsp, folder: Path) -> None:
    found = tops(lsp, folder, "bn_zero_gamma.prototxt")
    names = list(found)
    below = names[names.index("bnorm1") : names.index("loss")]
    assert all(found[name]["max_abs"] == 0 for name in below)
    assert all(found[name]["max_abs"] > 0 for name in names[: names.index("bnorm1")])
    as_bvlc = tops(lsp, folder, "bn_zero_gamma.prototxt", "--dialect", "bvlc")
    assert all(top["max_abs"] > 0 for top in as_bvlc.values())


def test_the_log_of_the_dead_layer(lsp: Lsp, folder: Path) -> None:
    lines = lsp("forward", "dead_layer.prototxt", "--format", "debug-info", cwd=folder).text.splitlines()
    shape = re.compile(r"    \[Forward\] Layer (\w+), (?:top|param) blob (\w+) data: (\S+)")
    matches = [shape.fullmatch(line) for line in lines]
    assert all(matches)
    zero = next(match[1] for match in matches if match and match[2] == match[1] and float(match[3]) == 0)
    assert zero == "conv2"


@pytest.mark.parametrize(
    ("name", "arguments"), [("dead_layer", ("--backward",)), ("bn_zero_gamma", ("--phase", "TEST"))]
)
def test_the_numbers_of_the_logs_are_ours(lsp: Lsp, folder: Path, name: str, arguments: tuple[str, ...]) -> None:
    number = re.compile(r"(ward\] [^:]*:|L[12] norm =)( \(?[\d.e+-]+)")
    done = lsp("forward", f"{name}.prototxt", *arguments, "--device", "cpu", "--format", "debug-info", cwd=folder)
    printed, logged = (
        [(what.rpartition("] ")[2], float(value.strip(" ("))) for what, value in number.findall(text)]
        for text in (done.text, (EXAMPLES / f"{name}.log").read_text())
    )
    assert [what for what, _ in printed] == [what for what, _ in logged]
    assert [value for _, value in printed] == pytest.approx([value for _, value in logged], rel=1e-3)


def test_the_loss_is_87(lsp: Lsp, folder: Path) -> None:
    assert lsp("forward", "loss_87.prototxt", "--format", "json", cwd=folder).json["loss"] == pytest.approx(
        87.3365, abs=1e-3
    )
    assert lsp("check", "loss_87.prototxt", "--fix", "--unsafe-fixes", cwd=folder).code == 0
    assert lsp("forward", "loss_87.prototxt", "--format", "json", cwd=folder).json["loss"] < 10


def test_the_clean_net(lsp: Lsp, folder: Path) -> None:
    for arguments in (["check"], ["check", "--forward"]):
        assert lsp(*arguments, "lenet_bn.prototxt", "--fail-on", "hint", "--format", "json", cwd=folder).json == []


def shown_by_the_readme() -> list[tuple[list[str], list[str]]]:
    """(arguments, the parts of the output that are shown) of each command in README.md; `...` stands for the rest."""
    text = (EXAMPLES.parent / "README.md").read_text(encoding="utf-8")
    block = text[text.index("\n$ lsp ") : text.index("\n```", text.index("\n$ lsp "))]
    found = []
    for part in block.split("\n$ lsp ")[1:]:
        command, _, output = part.partition("\n")
        found.append(
            (command.split(), [one_line(piece) for piece in re.split(r"^\.\.\.$", output, flags=re.MULTILINE)])
        )
    return found


def one_line(output: str) -> str:
    """Without what differs from run to run or where there is no GPU, and however it is wrapped."""
    output = re.sub(r"^  note: No usable GPU.*\n", "", output, flags=re.MULTILINE)
    return " ".join(re.sub(r"\(\d+ ms,", "(N ms,", output).split())


@pytest.mark.parametrize(("arguments", "shown"), shown_by_the_readme(), ids=lambda value: str(value[0]))
def test_the_readme_shows_what_is_printed(lsp: Lsp, folder: Path, arguments: list[str], shown: list[str]) -> None:
    device = ["--device", "cpu"] if arguments[0] == "forward" else []
    printed = one_line(lsp(*arguments, *device, cwd=folder).text)
    at = 0
    for part in shown:
        assert part in printed[at:]
        at = printed.index(part, at) + len(part)


def test_the_demo() -> None:
    done = subprocess.run([sys.executable, "demo.py"], cwd=EXAMPLES, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "error[BN031]" in done.stdout
    assert "Fixed 2 findings." in done.stdout
    assert re.search(r"\$ lsp log .*\n.*NVIDIA Caffe 0\.15", done.stdout)
    before, after = re.findall(r"bnorm1 +BatchNorm +\w+ +\w+ +(\S+)", done.stdout)[:2]
    assert (float(before), float(after) > 0.1) == (0, True)
