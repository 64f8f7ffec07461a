"""A baseline: the findings that a project had when it began to check, which are not reported again.

A finding is known by its file, code and layer, and by how many of that kind there are, so that edits elsewhere in the
file change nothing.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import TypeAlias

from prototxt_net.finding import Finding
from prototxt_server.files import PathError, read_bytes, write
from prototxt_server.report.record import FileFindings

Known: TypeAlias = Counter[tuple[str, str, str]]


def load(path: str) -> Known | None:
    """What a baseline file knows, None where there is no such file. Raises files.PathError for what is no baseline."""
    if not os.path.exists(path):
        return None
    try:
        table = json.loads(read_bytes(path))
        return Counter(
            {
                (name, code, layer): int(count)
                for name, codes in table["findings"].items()
                for code, layers in codes.items()
                for layer, count in layers.items()
            }
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        raise PathError(f"{path}: is no baseline; delete it to have one written") from None


def of(path: str, files: Iterable[FileFindings]) -> Known:
    """All findings, as the baseline at `path` knows them."""
    return Counter(_key(path, file, finding) for file in files for finding in file.findings)


def save(path: str, known: Known) -> None:
    """Write a baseline. Raises files.PathError."""
    table: dict[str, dict[str, dict[str, int]]] = {}
    for (name, code, layer), count in known.items():
        table.setdefault(name, {}).setdefault(code, {})[layer] = count
    try:
        Path(path).touch()
    except OSError as error:
        raise PathError(f"{path}: cannot be written: {error.strerror or error}") from None
    write(path, json.dumps({"version": 1, "findings": table}, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def without(path: str, known: Known, files: Iterable[FileFindings]) -> tuple[list[FileFindings], Known]:
    """The files with the findings that the baseline at `path` does not know, and those of its own that are gone.

    Gone is what is not found in a file that was checked, and whatever was found in one that is not there any more.
    """
    left = Counter(known)
    rest = []
    seen = set()
    for file in files:
        new = []
        for finding in file.findings:
            key = _key(path, file, finding)
            if left[key] > 0:
                left[key] -= 1
            else:
                new.append(finding)
        seen.add(_name(path, file.filename))
        rest.append(FileFindings(file.filename, file.text, new))
    folder = os.path.dirname(path)
    names = {name for name, _, _ in left if name in seen or not os.path.exists(os.path.join(folder, name))}
    return rest, Counter({key: count for key, count in left.items() if count > 0 and key[0] in names})


def _key(path: str, file: FileFindings, finding: Finding) -> tuple[str, str, str]:
    return _name(path, file.filename), finding.code, finding.layer or ""


def _name(path: str, filename: str) -> str:
    """A file's name seen from the folder of the baseline, the same on every system."""
    return PurePath(os.path.relpath(filename, os.path.dirname(path) or ".")).as_posix()
