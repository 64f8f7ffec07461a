"""Which files a path stands for, their text, and writing it back. All disk access of the command line is here."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

SUFFIXES = (".prototxt", ".pbtxt", ".pt")
UTF16, BINARY = "UTF-16", "binary"

_SKIPPED_FOLDERS = frozenset({"node_modules", "__pycache__"})
_SAMPLE = 65536
# What only a Caffe net or solver has at the start of a line; TensorFlow's graphs and label maps have none of it.
_CAFFE = re.compile(
    rb"^[ \t]*layers?[ \t]*[:{<]|^(?:input|net|train_net|test_net)[ \t]*:[ \t]*[\"']"
    rb"|^(?:input_dim|base_lr|max_iter)[ \t]*:",
    re.MULTILINE,
)
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")


class PathError(Exception):
    """A path that cannot be read or written; the text says why, in one line."""


class Text(NamedTuple):
    """The text of a file. encoding_problem: why the bytes are not plain UTF-8 ("" when they are)."""

    path: str
    text: str
    encoding_problem: str = ""

    @property
    def writable(self) -> bool:
        """Whether a changed text can be written back without changing bytes that no edit touched."""
        return self.encoding_problem not in (UTF16, BINARY)


def decode(data: bytes, path: str) -> Text:
    """Bytes as protobuf's parser would see them: UTF-8, invalid bytes kept as lone surrogates so that nothing is lost.

    A byte-order mark stays in the text (the parser refuses it, so the rules must see it). UTF-16, with a mark or
    without, is decoded, with the problem noted. Binary data has no text.
    """
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return Text(path, data.decode("utf-16", "replace"), UTF16)
    sample = data[:_SAMPLE]
    nuls = sample.count(0)
    if nuls and nuls >= len(sample) // 3:
        low = sample[1::2].count(0) > sample[::2].count(0)
        if not _is_binary(sample[::2] if low else sample[1::2]):
            return Text(path, data.decode("utf-16-le" if low else "utf-16-be", "replace"), UTF16)
    if _is_binary(sample):
        return Text(path, "", BINARY)
    try:
        return Text(path, data.decode("utf-8"))
    except UnicodeDecodeError as error:
        return Text(path, data.decode("utf-8", "surrogateescape"), f"invalid UTF-8 at byte {error.start}")


def _is_binary(sample: bytes) -> bool:
    """Whether control characters are so many that this was never text; a few strays are for the rules to report."""
    return len(_CONTROL.findall(sample)) > max(8, len(sample) // 50)


def read(path: str, stdin_filename: str | None = None) -> Text:
    """The text of one file; `-` is standard input. Raises PathError for what cannot be read."""
    return decode(_standard_input(), stdin_filename or "<stdin>") if path == "-" else decode(read_bytes(path), path)


@cache
def _standard_input() -> bytes:
    return sys.stdin.buffer.read()


def read_bytes(path: str) -> bytes:
    """The content of one file. Raises PathError for a folder, a missing or an unreadable file."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except IsADirectoryError:
        raise PathError(f"{path}: is a folder, not a file") from None
    except FileNotFoundError:
        raise PathError(f"{path}: no such file") from None
    except PermissionError:
        raise PathError(f"{path}: permission denied") from None
    except (OSError, ValueError) as error:
        raise PathError(f"{path}: {getattr(error, 'strerror', None) or error}") from None


def encode(text: str) -> bytes:
    """UTF-8; bytes that were not valid were kept as lone surrogates and go back as they were."""
    return text.encode("utf-8", "surrogateescape")


def write(path: str, text: str) -> None:
    """Replace a file's content whole, or leave the old one: never half of it. Raises PathError when neither goes."""
    data = encode(text)
    target = os.path.realpath(path)  # a link stays a link
    try:
        if not os.access(target, os.W_OK):
            raise PermissionError
        _replace(target, data)
    except PermissionError:
        raise PathError(f"{path}: cannot be written: permission denied") from None
    except OSError as error:
        raise PathError(f"{path}: cannot be written: {error.strerror or error}") from None


def _replace(target: str, data: bytes) -> None:
    import shutil
    import tempfile  # what only writing needs is imported by it; reading is done at every start

    try:
        handle, draft = tempfile.mkstemp(dir=os.path.dirname(target), prefix=".lsp-")
    except PermissionError:  # a folder that takes no new files: the file itself may still be written
        with open(target, "wb") as file:
            file.write(data)
        return
    try:
        with open(handle, "wb") as file:
            file.write(data)
        shutil.copymode(target, draft)
        os.replace(draft, target)
    except BaseException:
        os.unlink(draft)
        raise


def collect(paths: Iterable[str]) -> tuple[list[str], list[str]]:
    """(files, complaints): a file as named; of a folder the nets below it, sorted, without what git ignores."""
    found: dict[str, None] = {}
    complaints = []
    for path in paths:
        if path == "-":
            found[path] = None
            continue
        try:
            mode = os.stat(path).st_mode
        except PermissionError:
            complaints.append(f"{path}: permission denied")
        except (OSError, ValueError):
            complaints.append(f"{path}: no such file or folder")
        else:
            if stat.S_ISDIR(mode):
                found.update(dict.fromkeys(_below(path)))
            elif stat.S_ISREG(mode) or stat.S_ISFIFO(mode):
                found[path] = None
            else:
                complaints.append(f"{path}: neither a file nor a folder")
    return list(found), complaints


def _below(folder: str) -> list[str]:
    files = []
    for root, names, leaves in os.walk(folder):
        names[:] = sorted(n for n in names if not n.startswith(".") and n not in _SKIPPED_FOLDERS)
        files += [os.path.join(root, leaf) for leaf in sorted(leaves) if leaf.endswith(SUFFIXES)]
    ignored = _git_ignored(folder, files)
    return [os.path.normpath(path) for path in files if path not in ignored and _looks_like_caffe(path)]


def _looks_like_caffe(path: str) -> bool:
    """`.prototxt` is Caffe's own; `.pbtxt` is TensorFlow's and `.pt` PyTorch's suffix too, so the text decides."""
    if path.endswith(".prototxt"):
        return os.path.isfile(path)
    try:
        with open(path, "rb") as file:
            sample = file.read(_SAMPLE)
    except OSError:
        return False
    return not _is_binary(sample) and _CAFFE.search(sample) is not None


def _git_ignored(folder: str, files: list[str]) -> frozenset[str]:
    """Those of `files` that git ignores; none when this is no git checkout or git is not installed."""
    if not files or not _in_git(os.path.realpath(folder)):
        return frozenset()
    import subprocess

    by_absolute = {os.path.abspath(path): path for path in files}
    try:
        done = subprocess.run(
            ["git", "-C", folder, "check-ignore", "-z", "--stdin"],
            input=b"\0".join(map(os.fsencode, by_absolute)),
            capture_output=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return frozenset()
    ignored = map(os.fsdecode, done.stdout.split(b"\0"))
    return frozenset(by_absolute[path] for path in ignored if path in by_absolute)


def _in_git(folder: str) -> bool:
    above = os.path.dirname(folder)
    return os.path.exists(os.path.join(folder, ".git")) or (above != folder and _in_git(above))
