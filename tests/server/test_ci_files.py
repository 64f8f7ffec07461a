"""The hook, the action and the snippets of docs/ci.md, run as their services would: their own lines, by bash."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from prototxt_server.cli.check import command

ROOT = Path(__file__).parents[2]
NETS = ROOT / "examples"
HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
SNIPPETS = [
    yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/ci.md").read_text(), re.S)
]
PRE_COMMIT, GITHUB, GITLAB = SNIPPETS


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A checkout with a good net and, in a folder of their own, bad ones."""
    shutil.copy(NETS / "lenet_bn.prototxt", tmp_path)
    (tmp_path / "models").mkdir()
    for name in ("bn_zero_gamma.prototxt", "dead_layer.prototxt"):
        shutil.copy(NETS / name, tmp_path / "models")
    return tmp_path


def bash(line: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A line as a runner gives it to bash, with this `lsp` on the PATH."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", line],
        cwd=cwd, env={**os.environ, "PATH": path, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def check_lines() -> Iterator[str]:
    """Every `lsp check` that the files have."""
    for hook in HOOKS:
        yield hook["entry"]
    for hook in PRE_COMMIT["repos"][0]["hooks"]:
        yield " ".join([next(h["entry"] for h in HOOKS if h["id"] == hook["id"]), *hook["args"]])
    for step in ACTION["runs"]["steps"]:
        if step.get("run", "").startswith("lsp "):
            yield step["run"].replace('"$FAIL_ON"', ACTION["inputs"]["fail-on"]["default"])
    for step in GITHUB["jobs"]["check"]["steps"]:
        yield "lsp check " + step.get("with", {}).get("arguments", "")
    yield from (line for line in GITLAB["nets"]["script"] if line.startswith("lsp "))


@pytest.mark.parametrize("line", list(check_lines()))
def test_every_option_exists(line: str) -> None:
    program, name, *arguments = shlex.split(re.sub(r" > .*|\$\w+", "", line))
    assert (program, name) == ("lsp", "check")
    command.make_context("check", arguments)


# -- pre-commit --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook["id"])
def test_hooks(hook: dict[str, Any], project: Path) -> None:
    """pre-commit calls the entry with the names that `files` lets through, and looks at the exit code."""
    assert hook.keys() >= {"id", "name", "entry", "language", "files"}
    names = [
        str(path.relative_to(project)) for path in sorted(project.rglob("*")) if re.search(hook["files"], path.name)
    ]
    assert len(names) == 3
    before = (project / names[1]).read_text()
    done = bash(f"{hook['entry']} {' '.join(names)}", project)
    assert (done.returncode, done.stderr.count("Traceback")) == (1, 0)
    assert "BN031" in done.stdout
    assert ((project / names[1]).read_text() == before) == ("--fix" not in hook["entry"])
    assert bash(f"{hook['entry']} {names[0]}", project).returncode == 0


def test_the_example_names_hooks_that_exist() -> None:
    assert {hook["id"] for hook in PRE_COMMIT["repos"][0]["hooks"]} <= {hook["id"] for hook in HOOKS}


# -- GitHub ------------------------------------------------------------------------------------------------------------
def steps(given: dict[str, str], where: Path) -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
    """The action's own steps that run with these inputs, and their environment."""
    inputs = {name: given.get(name, about["default"]) for name, about in ACTION["inputs"].items()}
    assert given.keys() <= ACTION["inputs"].keys()

    def filled(text: str) -> str:
        text = text.replace("${{ github.action_path }}", str(where))
        return re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda match: inputs[match[1]], text)

    for step in ACTION["runs"]["steps"]:
        condition = re.fullmatch(r"inputs\.([\w-]+) != ''", step.get("if", "inputs.paths != ''"))
        assert condition is not None
        if "run" in step and inputs[condition[1]]:
            assert step["shell"] == "bash"
            environment = {name: filled(value) for name, value in step["env"].items()}
            assert "${{" not in step["run"] + str(environment), "no input may become part of a script"
            yield step, environment


INPUTS: dict[str, tuple[dict[str, str], int, str]] = {
    "by default": ({}, 1, "::error title=BN031 bn-gamma-zero-default,file=models/bn_zero_gamma.prototxt,line="),
    "a good net": ({"paths": "lenet_bn.prototxt"}, 0, ""),
    "two paths": ({"paths": "lenet_bn.prototxt models"}, 1, "::error"),
    "rules left out": ({"arguments": "--select STY001", "fail-on": "error"}, 0, ""),
    "a wrong option": ({"arguments": "--nonsense"}, 2, ""),
    "what docs/ci.md gives": (GITHUB["jobs"]["check"]["steps"][1]["with"], 1, "::error"),
    "a name that bash would run": ({"paths": "$(touch ran) ;touch ran"}, 2, ""),
}


@pytest.mark.parametrize("case", INPUTS)
def test_the_action(case: str, project: Path) -> None:
    given, code, said = INPUTS[case]
    for step, environment in steps(given, ROOT):
        if step["name"] == "Install":
            assert shlex.split(step["run"])[:4] == ["python", "-m", "pip", "install"]
            continue  # the package is here
        done = bash(step["run"], project, **environment)
        if done.returncode:
            break
    assert (done.returncode, said in done.stdout) == (code, True)
    assert not (project / "ran").exists()
    if "sarif-file" in given:
        log = json.loads((project / given["sarif-file"]).read_text())
        assert {r["ruleId"] for r in log["runs"][0]["results"]} >= {"INI002"}


# -- GitLab ------------------------------------------------------------------------------------------------------------
def test_the_gitlab_job(project: Path) -> None:
    job = GITLAB["nets"]
    codes = [bash(line, project).returncode for line in job["script"] if line.startswith("lsp ")]
    assert codes == [0, 1]
    rows = json.loads((project / job["artifacts"]["reports"]["codequality"]).read_text())
    assert "models/bn_zero_gamma.prototxt" in {row["location"]["path"] for row in rows}
