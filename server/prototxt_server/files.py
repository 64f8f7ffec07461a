"""Which files a path stands for, and their text. The only place where the command line reads nets from disk."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

SUFFIXES = (".prototxt", ".pbtxt", ".pt")
_SKIPPED_FOLDERS = frozenset({"node_modules", "__pycache__"})


class UnreadableError(Exception):
    """A path that cannot be read; the text says why, in one line."""


@dataclass(slots=True, frozen=True)
class Text:
    """The text of a file. encoding_problem: why the bytes are not plain UTF-8 ("" when they are)."""

    path: str
    text: str
    encoding_problem: str = ""


def decode(data: bytes, path: str) -> Text:
    """Bytes as protobuf's parser would see them: UTF-8, invalid bytes kept as lone surrogates so that nothing is lost.

    A byte-order mark stays in the text (the parser refuses it, so the rules must see it). UTF-16 is recognised by its
    mark and decoded, with the problem noted.
    """
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return Text(path, data.decode("utf-16", "replace"), "UTF-16")
    try:
        return Text(path, data.decode("utf-8"))
    except UnicodeDecodeError as error:
        return Text(path, data.decode("utf-8", "surrogateescape"), f"invalid UTF-8 at byte {error.start}")


def read(path: str) -> Text:
    """The text of one file. Raises UnreadableError for a folder, a missing or an unreadable file."""
    try:
        data = Path(path).read_bytes()
    except IsADirectoryError:
        raise UnreadableError(f"{path}: is a folder, not a net") from None
    except FileNotFoundError:
        raise UnreadableError(f"{path}: no such file") from None
    except PermissionError:
        raise UnreadableError(f"{path}: permission denied") from None
    except (OSError, ValueError) as error:
        raise UnreadableError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    return decode(data, path)


def collect(paths: tuple[str, ...]) -> list[str]:
    """Files behind paths: a file as named; a folder's nets below it, sorted, without what git ignores.

    Raises UnreadableError for a path that does not exist.
    """
    found: dict[str, None] = {}
    for path in paths or (".",):
        if path == "-" or os.path.isfile(path):
            found[path] = None
        elif os.path.isdir(path):
            found.update(dict.fromkeys(_below(path)))
        elif os.path.exists(path):
            raise UnreadableError(f"{path}: neither a file nor a folder")
        else:
            raise UnreadableError(f"{path}: no such file or folder")
    return list(found)


def _below(folder: str) -> list[str]:
    files = []
    for root, names, leaves in os.walk(folder):
        names[:] = sorted(n for n in names if not n.startswith(".") and n not in _SKIPPED_FOLDERS)
        files += [os.path.join(root, leaf) for leaf in sorted(leaves) if leaf.endswith(SUFFIXES)]
    files = [path for path in files if not path.endswith(".pt") or _looks_like_text(path)]
    ignored = _git_ignored(folder, files)
    return [os.path.normpath(path) for path in files if path not in ignored]


def _looks_like_text(path: str) -> bool:
    """`.pt` is PyTorch's suffix too: only text without NUL bytes counts."""
    try:
        with open(path, "rb") as file:
            return b"\0" not in file.read(4096)
    except OSError:
        return False


def _git_ignored(folder: str, files: list[str]) -> frozenset[str]:
    """Those of `files` that git ignores; none when this is no git checkout or git is not installed."""
    if not files or not any((parent / ".git").exists() for parent in [Path(folder).resolve(), *Path(folder).resolve().parents]):
        return frozenset()
    absolute = {os.path.abspath(path): path for path in files}
    try:
        done = subprocess.run(
            ["git", "-C", folder, "check-ignore", "-z", "--stdin"],
            input="\0".join(absolute).encode(),
            capture_output=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return frozenset()
    return frozenset(absolute[p] for p in done.stdout.decode("utf-8", "replace").split("\0") if p in absolute)
