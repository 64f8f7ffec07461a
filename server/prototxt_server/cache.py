"""What `lsp check` found, kept in the user's cache folder, so that a file that did not change is not judged again.

An entry is named by the program (its files' times and sizes), the settings, the file's name, where it was checked, and
its content. It holds what it depends on in other files, which must be as it was. Whatever cannot be read counts as
absent, and the folder can be deleted at any time. `LSP_CACHE_DIR` puts it elsewhere.
"""

from __future__ import annotations

import json
import os
import sys
import time
import zlib
from collections.abc import Iterable
from functools import cache
from hashlib import blake2b
from typing import Any, Literal, TypeAlias

import prototxt_grammar
import prototxt_net
import prototxt_server
from prototxt_grammar.edits import Edit
from prototxt_net.finding import Finding, Fix, Related
from prototxt_server.analysis import Settings
from prototxt_server.version import VERSION

LARGEST = 64_000_000
"""Bytes that all entries may take together, about; the oldest go first."""
_SHARDS = 16  # folders, each of which is kept within its part
_FRESH = 3600.0  # seconds for which an entry need not be marked as used again
_ENTRY = 1  # the layout of an entry
_PACKAGES = (prototxt_grammar, prototxt_net, prototxt_server)

Question: TypeAlias = tuple[Literal["file", "there", "names", "text", "stamp"], str]
"""What was asked about another path: is it a file, is there anything, which names are in it, what does it say, when was
it written.
"""
_NO_NETS = (".caffemodel", ".solverstate", ".h5", ".log", ".toml")  # what comes and goes beside nets without any effect


def folder() -> str:
    """Where the entries are, by the custom of the system; "" when there is no place for them."""
    chosen = os.environ.get("LSP_CACHE_DIR")
    if chosen:
        return chosen
    home = os.path.expanduser("~")
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA", "")
    elif sys.platform == "darwin":
        base = os.path.join(home, "Library", "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME", "")
        if not os.path.isabs(base):
            base = os.path.join(home, ".cache")
    return os.path.join(base, "prototxt-lsp") if os.path.isabs(base) else ""


def key_of(name: str, data: bytes, settings: Settings) -> str:
    """The name of the entry of a file with this content."""
    digest = blake2b(data, digest_size=16)
    for part in (_program(), repr(settings), name, os.getcwd()):
        digest.update(b"\0" + os.fsencode(part))
    return digest.hexdigest()


def load(key: str) -> list[Finding] | None:
    """The findings of an entry; None when there is none that still holds."""
    path = _path(key)
    if not path:
        return None
    try:
        with open(path, "rb") as file:
            layout, depends, found = json.loads(zlib.decompress(file.read()))
        if layout != _ENTRY or any(_answer(kind, other) != answer for kind, other, answer in depends):
            return None
        findings = [_finding(row) for row in found]
        if os.stat(path).st_mtime < time.time() - _FRESH:
            os.utime(path)
    except (OSError, zlib.error, ValueError, TypeError, LookupError, RecursionError):
        return None
    return findings


def store(key: str, findings: list[Finding], asked: Iterable[Question]) -> None:
    """Write an entry, whole or not at all. asked: what the findings depend on in other files."""
    path = _path(key)
    if not path:
        return
    depends = [(kind, other, _answer(kind, other)) for kind, other in sorted(asked)]
    text = json.dumps([_ENTRY, depends, [_row(finding) for finding in findings]], separators=(",", ":"))
    draft = f"{path}.{os.getpid()}"
    try:
        _make(os.path.dirname(path))
        with open(draft, "wb") as file:
            file.write(zlib.compress(text.encode(), 1))
        os.replace(draft, path)
    except OSError:  # a full disk, a folder that cannot be written: then the next run is as slow as this one
        return


def trim(keys: Iterable[str]) -> None:
    """Delete the entries that were not used for longest, in the folders in which these entries were written."""
    for place in sorted({os.path.dirname(_path(key)) for key in keys} - {""}):
        try:
            with os.scandir(place) as items:
                entries = sorted((item.stat().st_mtime, item.stat().st_size, item.path) for item in items)
            total = sum(size for _, size, _ in entries)
            for _, size, path in entries:
                if total <= LARGEST / _SHARDS:
                    break
                os.unlink(path)
                total -= size
        except OSError:  # another process trims too
            continue


def size() -> tuple[int, int]:
    """How many entries there are, and their bytes."""
    sizes = []
    for root, _, names in os.walk(os.path.join(folder(), "check")) if folder() else ():
        sizes += [os.lstat(os.path.join(root, name)).st_size for name in names]
    return len(sizes), sum(sizes)


def _path(key: str) -> str:
    base = folder()
    return os.path.join(base, "check", key[0], key[1:]) if base else ""


def _make(place: str) -> None:
    if os.path.isdir(place):
        return
    os.makedirs(place, exist_ok=True)
    with open(os.path.join(folder(), "CACHEDIR.TAG"), "w") as file:  # backups leave such folders out
        file.write("Signature: 8a477f597d28d172789f06886806bc55\n# what `lsp check` found; safe to delete\n")


@cache
def _program() -> str:
    """The version, and which files it is made of: a changed rule makes all entries invalid."""
    digest = blake2b(digest_size=16)
    for package in _PACKAGES:
        for line in sorted(_files(package.__path__[0])):
            digest.update(line.encode("utf-8", "surrogateescape"))
    return f"{VERSION} {digest.hexdigest()}"


def _files(place: str) -> list[str]:
    found = []
    with os.scandir(place) as items:
        for item in items:
            if item.is_dir():
                found += _files(item.path) if item.name != "__pycache__" else []
            else:
                state = item.stat()
                found.append(f"{item.path} {state.st_mtime_ns} {state.st_size}\n")
    return found


def _answer(kind: str, path: str) -> bool | str | None:
    """What is so about a path now."""
    if kind == "file":
        return os.path.isfile(path)
    if kind == "there":
        return os.path.exists(path)
    try:
        if kind == "stamp":
            state = os.stat(path)
            return f"{state.st_mtime_ns} {state.st_size}"
        if kind == "names":
            names = [name for name in os.listdir(path or ".") if not name.endswith(_NO_NETS)]
            data = "\0".join(sorted(names)).encode("utf-8", "surrogateescape")
        else:
            with open(path, "rb") as file:
                data = file.read()
    except (OSError, ValueError):
        return None
    return blake2b(data, digest_size=16).hexdigest()


# -- findings as JSON --------------------------------------------------------------------------------------------------
def _row(finding: Finding) -> list[Any]:
    fix = finding.fix
    return [
        finding.code, finding.name, finding.severity, finding.message, finding.start, finding.end, finding.layer,
        finding.phases, finding.dialect, finding.caffe_aborts,
        fix and [fix.applicability, fix.message, [(edit.start, edit.end, edit.content) for edit in fix.edits]],
        [(note.message, note.start, note.end, note.filename) for note in finding.related],
        finding.url,
    ]  # fmt: skip


def _finding(row: list[Any]) -> Finding:
    code, name, severity, message, start, end, layer, phases, dialect, aborts, fix, related, url = row
    return Finding(
        code, name, severity, message, start, end, layer, tuple(phases), dialect, aborts,
        fix and Fix(fix[0], fix[1], tuple(Edit(*edit) for edit in fix[2])),
        tuple(Related(*note) for note in related), url,
    )  # fmt: skip
