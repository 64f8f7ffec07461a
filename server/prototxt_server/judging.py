"""One file of `lsp check`: read, fix where asked, analyse beside the files that belong with it."""

from __future__ import annotations

import os

from prototxt_server import cache, config, files
from prototxt_server.analysis import Analysis, Settings, Source
from prototxt_server.checking import Checked, Task, configured, is_kept
from prototxt_server.fixing import fix_all, ignore_all
from prototxt_server.linked import DISK, Reader, analyze_linked
from prototxt_server.linked.model import Named
from prototxt_server.linked.weights import read_weights
from prototxt_server.report import diff
from prototxt_server.report.record import FileFindings


def judge(name: str, task: Task) -> Checked:
    """One file. Raises config.ConfigError."""
    found, settings = configured(name, task)
    if found is not None:
        config.require_known_codes(found)
    try:
        if is_kept(name, task):
            return _judged_and_stored(name, files.read_bytes(name), settings)
        text = files.read(name, task.stdin_filename)
    except files.PathError as error:
        return Checked(name, complaint=str(error))
    source = Source(text.text, text.path, text.encoding_problem)
    if not task.fix and not task.silence:
        return _checked(name, _analyzed(source, settings, task))
    if not text.writable:
        result = _checked(name, _analyzed(source, settings, task))
        if text.encoding_problem == files.UTF16:
            result.complaint = f"{text.path}: not fixed, because it is UTF-16: save it as UTF-8 first"
        return result
    if task.silence:
        done = ignore_all(_analyzed(source, settings, task), task.silence, DISK, _named(task))
    else:
        done = fix_all(source, settings, task.unsafe, DISK, _named(task))
    result = _checked(name, done.analysis)
    result.applied = done.applied
    if task.fix == "show":
        result.diff = diff.unified(text.text, done.text, text.path)
    elif name == "-":
        result.fixed = done.text
    elif done.text != text.text:
        try:
            files.write(name, done.text)
        except files.PathError as error:
            result = _checked(name, _analyzed(source, settings, task))
            result.complaint = str(error)
    return result


def judge_apart(name: str, task: Task) -> Checked:
    """`judge`, without what no other process needs."""
    checked = judge(name, task)
    checked.analysis = None
    return checked


class _Asking(Reader):
    """The files on disk, and what was asked about them."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[cache.Question] = set()

    def is_file(self, path: str) -> bool:
        """Whether there is a file."""
        self.asked.add(("file", path))
        return super().is_file(path)

    def is_there(self, path: str) -> bool:
        """Whether there is a file or a folder."""
        self.asked.add(("there", path))
        return super().is_there(path)

    def names(self, folder: str) -> tuple[str, ...]:
        """The names in a folder."""
        self.asked.add(("names", folder))
        return super().names(folder)

    def records(self, path: str) -> int | None:
        """How many records an LMDB has."""
        self.asked.add(("stamp", os.path.join(path, "data.mdb")))
        return super().records(path)

    def source(self, path: str) -> Source | None:
        """The text of a file; `analysis` asks for it too."""
        self.asked.add(("text", path))
        return super().source(path)


_ASKING = _Asking()


def _judged_and_stored(name: str, data: bytes, settings: Settings) -> Checked:
    text = files.decode(data, name)
    _ASKING.asked.clear()
    known = _ASKING.known(name)
    result = _checked(name, analyze_linked(Source(text.text, name, text.encoding_problem), settings, _ASKING, known))
    result.key = cache.key_of(name, data, settings)
    if result.findings is not None:
        cache.store(result.key, result.findings.findings, _ASKING.asked)
    return result


def _analyzed(source: Source, settings: Settings, task: Task) -> Analysis:
    """A file beside those that belong with it; what these made us read is not read again."""
    return analyze_linked(source, settings, DISK, DISK.known(source.path), _named(task))


def _named(task: Task) -> Named:
    """What the user names beside the files. Raises files.PathError."""
    return Named(task.twin, read_weights(task.weights) if task.weights else None)


def _checked(name: str, analysis: Analysis) -> Checked:
    found = FileFindings(analysis.source.path, analysis.source.text, analysis.findings)
    return Checked(name, found, analysis=analysis)
