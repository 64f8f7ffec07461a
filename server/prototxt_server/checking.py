"""`lsp check`, file by file: read, fix where asked, analyse; in several processes where there are many files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from prototxt_server import config, files
from prototxt_server.analysis import Analysis, Settings, Source
from prototxt_server.fixing import fix_all, ignore_all
from prototxt_server.linked import DISK, analyze_linked
from prototxt_server.report.record import FileFindings

_WORTH_A_PROCESS = 24  # files that one process analyses in about the time in which another starts


@dataclass(slots=True, frozen=True)
class Task:
    """What to do with each file.

    fix: "" | "write" | "show" (a diff, nothing is written). silence: severities to write ignore comments for instead.
    """

    settings: Settings
    config: str | None = None
    isolated: bool = False
    fix: str = ""
    unsafe: bool = False
    silence: frozenset[str] = frozenset()
    stdin_filename: str | None = None


@dataclass(slots=True)
class Checked:
    """One file. applied: fixes made (or shown in `diff`). fixed: the new text of standard input.

    complaint: why the file could not be read or written, in one line. analysis: only where the file was analysed in
    this process.
    """

    name: str
    findings: FileFindings | None = None
    complaint: str = ""
    applied: int = 0
    diff: str = ""
    fixed: str | None = None
    analysis: Analysis | None = field(default=None, repr=False)


def check_all(names: list[str], task: Task, jobs: int, keep: bool) -> Iterator[Checked]:
    """Each file's result, in order. jobs: processes, 0 for as many as pay. keep: the analyses are needed."""
    if jobs == 0:
        jobs = min(os.cpu_count() or 1, 1 + len(names) // _WORTH_A_PROCESS)
    if keep or jobs == 1 or len(names) < 2 or "-" in names:
        for name in names:
            checked = check(name, task)
            if not keep:
                checked.analysis = None
            yield checked
        return
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(min(jobs, len(names)), initializer=_leave_interrupts_to_the_parent) as pool:
        try:
            yield from pool.map(partial(_check_apart, task=task), names, chunksize=8)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _leave_interrupts_to_the_parent() -> None:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _check_apart(name: str, task: Task) -> Checked:
    checked = check(name, task)
    checked.analysis = None
    return checked


def check(name: str, task: Task) -> Checked:
    """One file. Raises config.ConfigError."""
    shown = task.stdin_filename or name if name == "-" else name
    at = shown if shown != "-" else "./-"
    configured = config.config_for(at, task.config, task.isolated)
    settings = task.settings
    if configured is not None:
        config.require_known_codes(configured)
        settings = configured.applied_to(settings, at)
    try:
        text = files.read(name, task.stdin_filename)
    except files.PathError as error:
        return Checked(name, complaint=str(error))
    source = Source(text.text, text.path, text.encoding_problem)
    if not task.fix and not task.silence:
        return _checked(name, _analyzed(source, settings))
    if not text.writable:
        result = _checked(name, _analyzed(source, settings))
        if text.encoding_problem == files.UTF16:
            result.complaint = f"{text.path}: not fixed, because it is UTF-16: save it as UTF-8 first"
        return result
    if task.silence:
        done = ignore_all(_analyzed(source, settings), task.silence, DISK)
    else:
        done = fix_all(source, settings, task.unsafe, DISK)
    result = _checked(name, done.analysis)
    result.applied = done.applied
    if task.fix == "show":
        result.diff = _difference(text.text, done.text, text.path)
    elif name == "-":
        result.fixed = done.text
    elif done.text != text.text:
        try:
            files.write(name, done.text)
        except files.PathError as error:
            result = _checked(name, _analyzed(source, settings))
            result.complaint = str(error)
    return result


def _analyzed(source: Source, settings: Settings) -> Analysis:
    """A file beside those that belong with it; what these made us read is not read again."""
    return analyze_linked(source, settings, DISK, DISK.known(source.path))


def _checked(name: str, analysis: Analysis) -> Checked:
    found = FileFindings(analysis.source.path, analysis.source.text, analysis.findings)
    return Checked(name, found, analysis=analysis)


def _difference(old: str, new: str, path: str) -> str:
    import difflib  # only --diff pays

    lines = difflib.unified_diff(_lines(old), _lines(new), path, path)
    return "".join(line if line.endswith("\n") else line + "\n\\ No newline at end of file\n" for line in lines)


def _lines(text: str) -> list[str]:
    """Lines as diff and patch know them: they end with LF and nothing else."""
    lines = text.split("\n")
    return [line + "\n" for line in lines[:-1]] + lines[-1:] * bool(lines[-1])
