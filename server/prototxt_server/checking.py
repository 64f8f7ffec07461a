"""`lsp check`, file by file: what the cache knows, else `judging`; in several processes where there are many files.

Rules and engine are only imported where a file is to be judged.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from prototxt_server import cache, config, files
from prototxt_server.analysis import Settings
from prototxt_server.report.record import FileFindings

if TYPE_CHECKING:
    from prototxt_server.analysis import Analysis

_WORTH_A_PROCESS = 24  # files that one process analyses in about the time in which another starts


@dataclass(slots=True, frozen=True)
class Task:
    """What to do with each file.

    fix: "" | "write" | "show" (a diff, nothing is written). silence: severities to write ignore comments for instead.
    cached: findings may come from the cache and go into it; only for what changes no file and no standard input.
    twin, weights: files that the nets are judged beside, "" for none.
    """

    settings: Settings
    config: str | None = None
    isolated: bool = False
    fix: str = ""
    unsafe: bool = False
    silence: frozenset[str] = frozenset()
    stdin_filename: str | None = None
    cached: bool = False
    twin: str = ""
    weights: str = ""


@dataclass(slots=True)
class Checked:
    """One file. applied: fixes made (or shown in `diff`). fixed: the new text of standard input.

    complaint: why the file could not be read or written, in one line. analysis: only where the file was analysed in
    this process. key: of its entry in the cache, where one was written.
    """

    name: str
    findings: FileFindings | None = None
    complaint: str = ""
    applied: int = 0
    diff: str = ""
    fixed: str | None = None
    analysis: Analysis | None = field(default=None, repr=False)
    key: str = ""


def check_all(names: list[str], task: Task, jobs: int, keep: bool) -> Iterator[Checked]:
    """Each file's result, in order. jobs: processes, 0 for as many as pay. keep: the analyses are needed.

    Raises config.ConfigError.
    """
    known: dict[str, Checked] = {}
    if task.cached:
        known = {name: checked for name in names if (checked := _from_cache(name, task)) is not None}
    judged = _judged([name for name in names if name not in known], task, jobs, keep)
    written = []
    for name in names:
        checked = known.pop(name, None) or next(judged)
        if checked.key:
            written.append(checked.key)
        yield checked
    cache.trim(written)


def configured(name: str, task: Task) -> tuple[config.Config | None, Settings]:
    """The configuration that holds for a file, and the settings that it comes to. Raises config.ConfigError."""
    shown = task.stdin_filename or name if name == "-" else name
    path = shown if shown != "-" else "./-"
    found = config.config_for(path, task.config, task.isolated)
    return found, found.applied_to(task.settings, path) if found else task.settings


def is_kept(name: str, task: Task) -> bool:
    """Whether the cache may know a file; a pipe can be read only once, and what it says belongs to no name."""
    return task.cached and os.path.isfile(name)


def _from_cache(name: str, task: Task) -> Checked | None:
    if not is_kept(name, task):
        return None
    _, settings = configured(name, task)
    try:
        data = files.read_bytes(name)
    except files.PathError as error:
        return Checked(name, complaint=str(error))
    findings = cache.load(cache.key_of(name, data, settings))
    if findings is None:
        return None
    text = files.decode(data, name)
    return Checked(name, FileFindings(text.path, text.text, findings))


def _judged(names: list[str], task: Task, jobs: int, keep: bool) -> Iterator[Checked]:
    if not names:
        return
    from prototxt_server.judging import judge, judge_apart

    if jobs == 0:
        jobs = min(os.cpu_count() or 1, 1 + len(names) // _WORTH_A_PROCESS)
    if keep or jobs == 1 or len(names) < 2 or "-" in names:
        for name in names:
            yield judge(name, task) if keep else judge_apart(name, task)
        return
    from concurrent.futures import ProcessPoolExecutor

    # Where processes are spawned anew, a `struct.py` of the folder that is checked must not run in them.
    os.environ["PYTHONSAFEPATH"] = "1"
    with ProcessPoolExecutor(min(jobs, len(names)), initializer=_leave_interrupts_to_the_parent) as pool:
        try:
            yield from pool.map(partial(judge_apart, task=task), names, chunksize=8)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _leave_interrupts_to_the_parent() -> None:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
